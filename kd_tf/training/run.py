"""One run, from its configuration to a finished run directory.

What can be wrong with the input is found before the directory is made; what can be told without decoding an image, before that.
"""

import logging

import numpy as np
import tensorflow as tf

from kd_tf.data.aligned import view_of_faces
from kd_tf.data.broken import naming_bad_images
from kd_tf.data.dataset import FaceData, open_data, prepare_data
from kd_tf.data.pipeline import evaluation_batches, training_batches
from kd_tf.distillers import Distiller
from kd_tf.evaluation.score import score_network
from kd_tf.export.saved_model import export_saved_model
from kd_tf.networks.stored import save_network
from kd_tf.teachers.cache.check import check_records
from kd_tf.training.batches import BatchPlan, plan_batches
from kd_tf.training.config import RunConfig
from kd_tf.training.ledger import COSTS, CostLedger, report_costs
from kd_tf.training.loop import train
from kd_tf.training.optimizers import make_optimizer
from kd_tf.training.run_directory import RunDirectory
from kd_tf.training.strategy import get_strategy, precision_policy
from kd_tf.training.student import identity_names, make_distiller, open_cache

_LOGGER = logging.getLogger(__name__)
# More than the pipeline prefetches and reads in parallel.
BATCHES_AHEAD = 16
METRICS = ("top1", "nrmse", "failure_rate", "rank1")


def run(config: RunConfig) -> dict:
    """Trains, scores, saves and exports a student; continues where an interrupted run with the same flags stopped.

    Returns:
      What `metrics.json` holds.

    Raises:
      InputError: bad input, before anything is written to `config.model_dir`.
    """
    directory = RunDirectory(config.model_dir)
    directory.check_unfinished(config.flagfile())
    strategy = get_strategy(config.training.strategy)
    cache, data = open_cache(config, open_run_data(config))
    # What the data must allow, before networks are made and images decoded.
    plan_batches(config, data, strategy.num_replicas_in_sync)
    with precision_policy(config.training.precision), strategy.scope():
        distiller, report = make_distiller(config, data, cache)
    data = prepare_data(data, config.image_cache, skip_broken=config.skip_broken)
    if cache:
        check_records(cache, data)
    plan = plan_batches(config, data, strategy.num_replicas_in_sync)
    with precision_policy(config.training.precision), strategy.scope():
        distiller.compile(optimizer=make_optimizer(config.training, plan.steps))
    with directory.begin(config.flagfile(), identity_names(config, data), [f"left out: {fault}" for fault in data.left_out]):
        _log_start(config, data, plan, report)
        metrics = {"task": config.task} | _train_and_score(config, distiller, data, plan, directory)
        if config.skip_broken:
            metrics["skipped"] = data.skipped
        save_network(distiller.student, directory.student)
        if distiller.projection:
            _LOGGER.info("dropped: the projection of the hidden layer to the teacher's %d channels", distiller.projection.units)
        if config.task != "hint":
            export_saved_model(distiller.student, view_of_faces(config.view), directory.saved_model, overwrite=True)
        report_costs(metrics, directory.tensorboard, plan.steps)
        _LOGGER.info("%s", ", ".join(f"{key} {value}" for key, value in metrics.items() if key not in COSTS))
        directory.finish(metrics)
    return metrics


def open_run_data(config: RunConfig) -> FaceData:
    """The data of a run, not yet prepared; for alignment only the records whose landmarks are known.

    Raises:
      InputError: see `open_data` and `Split.with_landmarks`.
    """
    data = open_data(config.source, config.view, config.split)
    return data.with_landmarks() if config.task == "alignment" else data


def _train_and_score(config: RunConfig, distiller: Distiller, data: FaceData, plan: BatchPlan, directory: RunDirectory) -> dict:
    def batches(first: int, last: int) -> tf.data.Dataset:
        options = {"batch_size": plan.batch_size, "first_step": first, "steps": last, "look_up": data.look_up}
        return training_batches(data.train, plan.order, data.view, **options)

    test_options = {"batch_size": plan.test_batch_size, "order": plan.test_order, "look_up": data.look_up}
    test_batches = evaluation_batches(data.test, data.view, **test_options)
    ledger = CostLedger(plan.batch_size)
    with naming_bad_images(data.train.source, lambda: _records_around(distiller, data, plan)):
        train(
            distiller,
            batches,
            test_batches if plan.tests else None,
            steps=plan.steps,
            evaluations=config.training.evaluations,
            directory=directory,
            ledger=ledger,
            name=config.task,
            scored="validation split" if config.split.validation else "test split",
        )
    parameters = sum(variable.shape.num_elements() for variable in distiller.student.trainable_variables)
    with ledger.timing("evaluation"):
        scores = _scores(config, distiller, data, plan, test_batches)
    return scores | {"parameters": parameters, "steps": plan.steps} | ledger.metrics() | {"seed": config.training.seed}


def _records_around(distiller: Distiller, data: FaceData, plan: BatchPlan) -> np.ndarray:
    """What may have been read when a step failed: the records of the next batches, and those that are tested."""
    # The count goes up without waiting for the batch, so it may be one ahead.
    first = max(0, int(distiller.optimizer.iterations.numpy()) - 1) * plan.batch_size
    places = [int(plan.order(tf.constant(first + ahead, tf.int64))[0]) for ahead in range(BATCHES_AHEAD * plan.batch_size)]
    return np.concatenate([np.unique(data.train.records[places]), data.test.records])


def _scores(config: RunConfig, distiller: Distiller, data: FaceData, plan: BatchPlan, test_batches: tf.data.Dataset) -> dict[str, float]:
    """Those of the task; a phase that learns a hint has no other than its loss."""
    if config.task == "hint":
        return {"hidden": round(distiller.evaluate(test_batches, verbose=0, return_dict=True)["hidden"], 6)}
    scores = score_network(distiller.student, data.test, data.view, plan.protocols)
    return {name: scores[name] for name in METRICS if name in scores}


def _log_start(config: RunConfig, data: FaceData, plan: BatchPlan, report: str) -> None:
    scored = "validation" if config.split.validation else "test"
    _LOGGER.info(
        "%s on %s: %d training and %d %s images of %d identities; %d steps of %d images",
        config.task, data.train.source.name, len(data.train), len(data.test), scored, data.train.classes,
        plan.steps, plan.batch_size,
    )  # fmt: skip
    _LOGGER.info("student %s_%d %s", config.network.network, config.network.width_divisor, report)
