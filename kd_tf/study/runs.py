"""Several runs, each in a directory of its own: checked before the first begins, finished ones never run again."""

import logging

from kd_tf.errors import InputError
from kd_tf.training.batches import plan_batches
from kd_tf.training.config import RunConfig
from kd_tf.training.prepared import open_run_data
from kd_tf.training.run import run
from kd_tf.training.run_directory import RunDirectory
from kd_tf.training.strategy import get_strategy

_LOGGER = logging.getLogger(__name__)


def check_runs(configs: dict[str, RunConfig]) -> None:
    """Raises `InputError` where one of the runs cannot be: a directory that holds another, or data that lacks what it needs."""
    for config in configs.values():
        if config.training.strategy == "multi_worker":
            raise InputError("--strategy=multi_worker trains one run at a time: use kd-train and kd-distill")
        directory = RunDirectory(config.model_dir)
        directory.check(config.flagfile())
        if not directory.finished:
            directory.check_free()
        plan_batches(config, open_run_data(config), get_strategy(config.training.strategy).num_replicas_in_sync)


def run_all(configs: dict[str, RunConfig]) -> dict[str, dict]:
    """Runs what is not finished, in the given order.

    Args:
      configs: runs by title, which is shown while it runs.

    Returns:
      `metrics.json` of each, by title.
    """
    for number, (title, config) in enumerate(configs.items(), start=1):
        if RunDirectory(config.model_dir).finished:
            _LOGGER.info("run %d of %d, %s: finished before", number, len(configs), title)
            continue
        _LOGGER.info("run %d of %d: %s", number, len(configs), title)
        run(config)
    return {title: RunDirectory(config.model_dir).metrics() for title, config in configs.items()}
