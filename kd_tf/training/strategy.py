"""Where a run computes: on one device or on several of this machine, and in which precision."""

import contextlib
import functools
from collections.abc import Iterator

import tensorflow as tf

from kd_tf.errors import InputError

STRATEGIES = ("one", "mirrored")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def get_strategy(name: str) -> tf.distribute.Strategy:
    """`one`: the default device. `mirrored`: every GPU, or every logical CPU where there is no GPU.

    Raises:
      InputError: an unknown name.
    """
    if name == "one":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return _mirrored_strategy()
    raise InputError(f"--strategy={name} is unknown; known: {', '.join(STRATEGIES)}")


@functools.cache
def _mirrored_strategy() -> tf.distribute.MirroredStrategy:
    """One a process: the collectives of a second one would meet those of the first."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


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
