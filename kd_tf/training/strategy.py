"""Where a run computes: on one device, on several of this machine or of several machines, and in which precision."""

import contextlib
import functools
from collections.abc import Iterator

import tensorflow as tf

from kd_tf.data.pipeline import WHOLE, Share
from kd_tf.errors import InputError, first_line
from kd_tf.training.workers import Worker, this_worker

STRATEGIES = ("one", "mirrored", "multi_worker")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def get_strategy(name: str) -> tf.distribute.Strategy:
    """`one`: the default device. `mirrored`: every GPU, or every logical CPU where there is no GPU. `multi_worker`: those of all workers.

    Raises:
      InputError: an unknown name, no other workers, or TensorFlow has computed already, after which no worker can join others.
    """
    if name == "one":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return _mirrored_strategy()
    if name == "multi_worker":
        return _multi_worker_strategy()
    raise InputError(f"--strategy={name} is unknown; known: {', '.join(STRATEGIES)}")


@functools.cache
def _mirrored_strategy() -> tf.distribute.MirroredStrategy:
    """One a process: the collectives of a second one would meet those of the first."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


@functools.cache
def _multi_worker_strategy() -> tf.distribute.MultiWorkerMirroredStrategy:
    this_worker("multi_worker")
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise InputError(f"--strategy=multi_worker: {first_line(error)}; start a process for it alone") from error


def share_of(strategy: tf.distribute.Strategy, worker: Worker) -> Share:
    """What this process reads of each global batch: all of it, unless it is a worker among others."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return WHOLE
    return Share(worker.index, worker.count, strategy.num_replicas_in_sync // worker.count)


def as_input(strategy: tf.distribute.Strategy, batches: tf.data.Dataset) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Batches as `fit` takes them: those of a worker are its own already, and are not divided among the workers."""
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return strategy.distribute_datasets_from_function(lambda _: batches)
    return batches


@contextlib.contextmanager
def precision_policy(name: str) -> Iterator[None]:
    """Layers made inside compute in `name`.

    Raises:
      InputError: an unknown precision.
    """
    if name not in PRECISIONS:
        raise InputError(f"--precision={name} is unknown; known: {', '.join(PRECISIONS)}")
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)
