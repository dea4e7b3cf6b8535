"""The processes that train one run together, as TF_CONFIG in the environment of each names them (docs/DISTRIBUTED.md)."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf

from kd_tf.errors import InputError, RunStopped

_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


class Worker(NamedTuple):
    """Which of how many this process is; the first is the chief, which alone writes."""

    index: int = 0
    count: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether it writes."""
        return self.index == 0


def this_worker(strategy: str) -> Worker:
    """Of `--strategy=multi_worker` what TF_CONFIG says; else the only one.

    Raises:
      InputError: TF_CONFIG is missing or cannot be read.
    """
    if strategy != "multi_worker":
        return Worker()
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise InputError(
            "--strategy=multi_worker needs TF_CONFIG in the environment, which names all workers and this one; see docs/DISTRIBUTED.md"
        )
    try:
        config = json.loads(text)
        tasks = [(job, index) for job in ("chief", "worker") for index in range(len(config["cluster"].get(job, [])))]
        return Worker(tasks.index((config["task"]["type"], int(config["task"]["index"]))), len(tasks))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"TF_CONFIG={text} cannot be read: it must name a cluster of workers and which task of it this is") from error


def signal_to_any(strategy: tf.distribute.Strategy, number: int | None) -> int | None:
    """The signal that one of the workers got; all must ask, and all get the same answer.

    Args:
      strategy: of the workers.
      number: the signal that this one got, if any.
    """
    numbers = strategy.run(lambda: tf.one_hot([number or 0], signal.NSIG, dtype=tf.float32))
    counts = strategy.reduce(tf.distribute.ReduceOp.SUM, numbers, axis=0)
    found = [each for each in range(1, signal.NSIG) if counts[each] > 0]
    return found[0] if found else None


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Returns when all workers have come here."""
    strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(lambda: tf.ones([])), axis=None).numpy()


def check_agreement(strategy: tf.distribute.Strategy, worker: Worker, **values: int) -> None:
    """Raises `InputError` where the workers have different values; all must ask.

    Args:
      strategy: of the workers.
      worker: this one.
      **values: below 2^24.
    """
    own = tf.one_hot(worker.index, worker.count)[:, tf.newaxis] * tf.constant([list(values.values())], tf.float32)
    replicas = strategy.num_replicas_in_sync / worker.count
    table = strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(lambda: own / replicas), axis=None).numpy()
    for column, name in enumerate(values):
        if len(set(table[:, column])) > 1:
            found = ", ".join(f"{value:.0f}" for value in table[:, column])
            raise InputError(
                f"the workers disagree on {name}: {found}; start all with the same command, and a --model_dir that all of them see"
            )


@contextlib.contextmanager
def noticing_lost_workers(worker: Worker) -> Iterator[None]:
    """Inside, an error that comes of a worker that is gone becomes a `RunStopped`."""
    try:
        yield
    except _LOST as error:
        if worker.count == 1:
            raise
        raise RunStopped(
            f"worker {worker.index} of {worker.count} has lost another one; start all of them again: they continue from the last "
            f"checkpoint ({_reason(error)})"
        ) from error


def _reason(error: tf.errors.OpError) -> str:
    """The line of a long message that says what happened."""
    lines = [line for line in error.message.splitlines() if line.strip()]
    return next((line for line in lines if "aborted" in line or "Connection" in line), "".join(lines[:1]))[:200]
