"""What a run costs: where its time goes, and what memory and disk it takes."""

import collections
import contextlib
import dataclasses
import logging
import resource
import statistics
import time
from collections.abc import Iterator

import tensorflow as tf

from kd_tf.teachers.teacher import Teacher
from kd_tf.training.callbacks import StepClock

_LOGGER = logging.getLogger(__name__)
TIMINGS = 3
MEBIBYTE = 2**20
# What is shown, in this order and in these words.
COSTS = {
    "images_per_second": "{} images/s",
    "teacher_share": "teacher {} % of a step",
    "input_wait_share": "waiting for input {} % of the training time",
    "evaluation_seconds": "evaluation {} s",
    "checkpoint_seconds": "checkpoints {} s",
    "peak_memory_mib": "peak memory {} MiB",
    "gpu_peak_memory_mib": "peak memory of the GPU {} MiB",
    "teacher_cache_mib": "teacher cache {} MiB",
}
# What TensorBoard is told at each evaluation.
SPEED = ("images_per_second", "input_wait_share")


@dataclasses.dataclass
class Timing:
    """How long it took, once it is over."""

    seconds: float = 0.0


class CostLedger:
    """Collects what this process spends on a run; what was spent before an interruption is not known.

    Args:
      batch_size: images a global step.

    Attributes:
      clock: a callback of `fit`.
    """

    def __init__(self, batch_size: int):
        self.clock = StepClock()
        self._batch_size = batch_size
        self._seconds = collections.Counter()
        self._teacher_seconds = None
        self._cache_bytes = None
        if _gpu_in_use():
            tf.config.experimental.reset_memory_stats("GPU:0")

    @contextlib.contextmanager
    def timing(self, what: str) -> Iterator[Timing]:
        """Adds the seconds inside to `what`: `evaluation` or `checkpoint`."""
        begun = time.perf_counter()
        timing = Timing()
        try:
            yield timing
        finally:
            timing.seconds = time.perf_counter() - begun
            self._seconds[what] += timing.seconds

    def counting_waits(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """The same batches; from when one is asked for to when it is given counts as waiting for input.

        Whoever asks must be the step: what is to be prefetched is prefetched before. `tf.distribute.MirroredStrategy` prefetches on its
        own after it, so there it is how long that prefetching waited: no less than the steps did, and up to 100 % of the time even where
        they never waited.
        """
        clock = tf.data.Dataset.range(tf.int64.max).map(lambda _: _now())
        timed = tf.data.Dataset.zip((clock, batches, clock)).map(self._count_wait)
        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = False
        return timed.with_options(options)

    def _count_wait(self, asked: tf.Tensor, batch, given: tf.Tensor):
        def add(seconds):
            self._seconds["input"] += float(seconds)
            return seconds

        tf.numpy_function(add, [given - asked], tf.float64)
        return batch

    def add_teacher(self, teacher: Teacher, batches: tf.data.Dataset, strategy: tf.distribute.Strategy) -> None:
        """Times a live teacher alone on the first of `batches`, which changes no variable, or takes the size of a cached one.

        Args:
          teacher: cached where it has `bytes_on_disk`.
          batches: as the steps have them.
          strategy: of the steps; each replica has its part of a batch.
        """
        self._cache_bytes = getattr(teacher, "bytes_on_disk", None)
        if self._cache_bytes is None and self.clock.steps_per_second:
            replicas = strategy.num_replicas_in_sync
            part = tf.nest.map_structure(lambda tensor: tensor[: self._batch_size // replicas], next(iter(batches)))

            @tf.function
            def ask():
                return strategy.run(teacher.__call__, args=part)

            self._teacher_seconds = median_seconds(lambda: strategy.experimental_local_results(ask()))

    def speed(self) -> dict[str, float]:
        """The keys `SPEED` of the training so far: 0 images a second before the second step, no share before there is any."""
        values = {"images_per_second": self.clock.steps_per_second * self._batch_size}
        if self.clock.seconds:
            values["input_wait_share"] = 100 * self._seconds["input"] / self.clock.seconds
        return {name: round(value, 1) for name, value in values.items()}

    def metrics(self) -> dict[str, float]:
        """`seconds` of training and, as far as they are known, the keys of `COSTS` (docs/PERFORMANCE.md)."""
        values = {
            "seconds": self.clock.seconds,
            "teacher_share": 100 * self._teacher_seconds * self.clock.steps_per_second if self._teacher_seconds else None,
            "evaluation_seconds": self._seconds["evaluation"],
            "checkpoint_seconds": self._seconds["checkpoint"],
            # Linux counts in KiB.
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "gpu_peak_memory_mib": tf.config.experimental.get_memory_info("GPU:0")["peak"] / MEBIBYTE if _gpu_in_use() else None,
            "teacher_cache_mib": None if self._cache_bytes is None else self._cache_bytes / MEBIBYTE,
        }
        return self.speed() | {name: round(value, 1) for name, value in values.items() if value is not None}


def report_costs(metrics: dict[str, float], directory: str, step: int) -> None:
    """A line for the log, and scalars under `cost/` for TensorBoard, where `SPEED` is already.

    Args:
      metrics: a run's, with the keys of `COSTS` that it has.
      directory: TensorBoard's.
      step: where the run ended.
    """
    costs = {name: metrics[name] for name in COSTS if name in metrics}
    _LOGGER.info("cost: %s", ", ".join(COSTS[name].format(value) for name, value in costs.items()))
    with tf.summary.create_file_writer(directory).as_default():
        for name in costs.keys() - set(SPEED):
            tf.summary.scalar(f"cost/{name}", costs[name], step=step)


def _now() -> tf.Tensor:
    """Not `tf.timestamp`, which refuses where operations are to be deterministic."""
    return tf.numpy_function(time.perf_counter, [], tf.float64)


def median_seconds(call) -> float:
    """Of a few calls after one that compiles, with all that they return on the host."""
    seconds = []
    for _ in range(1 + TIMINGS):
        begun = time.perf_counter()
        tf.nest.map_structure(lambda tensor: tensor.numpy(), call())
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[1:])


def _gpu_in_use() -> bool:
    return bool(tf.config.list_logical_devices("GPU"))
