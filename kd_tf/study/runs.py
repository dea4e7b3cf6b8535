"""Several runs, each in a directory of its own, checked before the first begins."""

from collections.abc import Iterable

from kd_tf.errors import InputError
from kd_tf.training.batches import plan_batches
from kd_tf.training.config import RunConfig
from kd_tf.training.prepared import opening_once
from kd_tf.training.run_directory import RunDirectory
from kd_tf.training.strategy import get_strategy


def check_runs(configs: Iterable[RunConfig]) -> None:
    """Raises `InputError` where one of the runs cannot be: a directory that holds another, or data that lacks what it needs."""
    open_data = opening_once()
    for config in configs:
        if config.training.strategy == "multi_worker":
            raise InputError("--strategy=multi_worker trains one run at a time: use kd-train and kd-distill")
        directory = RunDirectory(config.model_dir)
        directory.check(config.flagfile())
        if not directory.finished:
            directory.check_free()
        plan_batches(config, open_data(config), get_strategy(config.training.strategy).num_replicas_in_sync)
