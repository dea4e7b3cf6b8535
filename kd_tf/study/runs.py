"""Several runs, each in a directory of its own, checked before the first begins."""

from collections.abc import Iterable

from kd_tf.errors import InputError
from kd_tf.training.batches import plan_batches
from kd_tf.training.config import RunConfig
from kd_tf.training.prepared import open_run_data
from kd_tf.training.run_directory import RunDirectory
from kd_tf.training.strategy import get_strategy


def check_runs(configs: Iterable[RunConfig]) -> None:
    """Raises `InputError` where one of the runs cannot be: a directory that holds another, or data that lacks what it needs."""
    opened = {}
    for config in configs:
        if config.training.strategy == "multi_worker":
            raise InputError("--strategy=multi_worker trains one run at a time: use kd-train and kd-distill")
        directory = RunDirectory(config.model_dir)
        directory.check(config.flagfile())
        if not directory.finished:
            directory.check_free()
        read = (config.source, config.view, config.split, config.task == "alignment")
        if read not in opened:
            opened[read] = open_run_data(config)
        plan_batches(config, opened[read], get_strategy(config.training.strategy).num_replicas_in_sync)
