"""One run, from its configuration to a finished run directory.

What can be wrong with the input is found before the directory is made; what can be told without decoding an image, before that.
"""

import contextlib
import logging
import os
import zlib

import numpy as np
import tensorflow as tf

from kd_tf.data.aligned import view_of_faces
from kd_tf.data.broken import naming_bad_images
from kd_tf.data.dataset import FaceData
from kd_tf.data.views import view_in_turn
from kd_tf.distillers import agreement
from kd_tf.errors import first_line
from kd_tf.evaluation.answers import Answers
from kd_tf.evaluation.score import COSINE, TITLES, network_answers, protocol_scores
from kd_tf.export.saved_model import export_saved_model
from kd_tf.networks.cost import trained_parameters
from kd_tf.networks.projection import project_network, projection_of, save_projection
from kd_tf.networks.rebuilt import without_synchronized_batch_norms
from kd_tf.networks.stored import save_network
from kd_tf.teachers.embedding.live import LiveEmbeddingTeacher
from kd_tf.training.batches import BatchPlan
from kd_tf.training.board.board import begin_board, end_board
from kd_tf.training.checkpoints import list_checkpoints
from kd_tf.training.config import RunConfig
from kd_tf.training.ledger import COSTS, CostLedger, report_costs
from kd_tf.training.loop import train
from kd_tf.training.prepared import PreparedRun, prepare_run
from kd_tf.training.record import check_same_data, make_record
from kd_tf.training.run_directory import RunDirectory
from kd_tf.training.strategy import get_strategy
from kd_tf.training.student import identity_names
from kd_tf.training.teacher_scores import teacher_scores
from kd_tf.training.workers import check_agreement, noticing_lost_workers, this_worker, wait_for_all

_LOGGER = logging.getLogger(__name__)
# More than the pipeline prefetches and reads in parallel.
BATCHES_AHEAD = 16


def run(config: RunConfig, *, override: bool = False) -> dict:
    """Trains, scores, saves and exports a student; continues where an interrupted run with the same flags stopped.

    Args:
      config: the run.
      override: a run that was begun with other flags, or on other data, is continued too.

    Returns:
      What `metrics.json` holds.

    Raises:
      InputError: bad input, before anything is written to `config.model_dir`; later, a loss that is no number or a disk that is full.
      RunStopped: by a signal; its state is saved.
    """
    directory, worker = RunDirectory(config.model_dir), this_worker(config.training.strategy)
    if worker.count > 1 and directory.finished:
        # A worker may have been lost between the end of the run and its own.
        directory.check(config.flagfile(), override=override)
        return directory.metrics()
    directory.check_unfinished(config.flagfile(), override=override)
    if worker.is_chief:
        directory.check_free()
    with noticing_lost_workers(worker):
        strategy = get_strategy(config.training.strategy)
        if config.training.deterministic:
            tf.keras.utils.set_random_seed(config.training.seed)
            tf.config.experimental.enable_op_determinism()
        if worker.count > 1:
            check_agreement(strategy, worker, flags=zlib.crc32(config.flagfile().encode(errors="surrogateescape")) >> 8)
        prepared = prepare_run(config, strategy, worker)
        if not worker.is_chief:
            _train(config, prepared, directory)
            wait_for_all(strategy)
            return directory.metrics()
        record = make_record(config, prepared)
        if not override:
            check_same_data(directory.records(), record, directory.path)
        left_out = [f"left out: {fault}" for fault in prepared.data.left_out]
        with directory.begin(config.flagfile(), identity_names(config, prepared.data), left_out, record, override=override):
            _log_start(config, prepared)
            metrics = _train_and_finish(config, prepared, directory)
        if worker.count > 1:
            wait_for_all(strategy)
    return metrics


def _train_and_finish(config: RunConfig, prepared: PreparedRun, directory: RunDirectory) -> dict:
    data, plan = prepared.data, prepared.plan
    if not list_checkpoints(directory.checkpoints):
        with naming_bad_images(data.train.source, lambda: _records_around(prepared)):
            begin_board(directory.tensorboard, config, prepared)
    student, last_scores, ledger = _train(config, prepared, directory)
    with ledger.timing("evaluation"):
        answers, scores = _scores(config, student, prepared, last_scores)
    metrics = {"task": config.task} | scores | {"parameters": trained_parameters(student), "steps": plan.steps}
    metrics |= ledger.metrics() | {"seed": config.training.seed} | ({"skipped": data.skipped} if config.skip_broken else {})
    save_network(student, directory.student)
    _keep_projection(prepared.distiller.projection, config.task, directory)
    if config.task != "hint":
        export_saved_model(student, view_of_faces(config.view), directory.saved_model, overwrite=True)
    _end_board(config, prepared, directory, answers, scores)
    report_costs(metrics, directory.tensorboard, plan.steps)
    _LOGGER.info("%s", ", ".join(f"{key} {value}" for key, value in metrics.items() if key not in COSTS))
    directory.finish(metrics)
    return metrics


def _end_board(
    config: RunConfig, prepared: PreparedRun, directory: RunDirectory, answers: Answers | None, scores: dict[str, float]
) -> None:
    """Pictures that fail cost no trained network."""
    try:
        end_board(directory.tensorboard, prepared, answers, scores, _teacher_scores(config, prepared))
    except Exception as error:
        _LOGGER.warning("TensorBoard lacks the end of this run: %s: %s", type(error).__name__, first_line(error))


def _keep_projection(projection: tf.keras.layers.Dense | None, task: str, directory: RunDirectory) -> None:
    """Beside the student, for `kd-evaluate --cross`; that of embeddings is in the student, and that of a hint is between middle stages,
    which nobody compares.
    """
    fate = {"embedding": "part of the student", "hint": "dropped"}.get(task, "kept")
    if projection is not None:
        _LOGGER.info("%s: the projection of the hidden layer to the teacher's %d channels", fate, projection.units)
    if projection is not None and fate == "kept":
        save_projection(projection, directory.projection)
    else:
        with contextlib.suppress(FileNotFoundError):
            # Of flags that the run was begun with.
            os.remove(directory.projection)


def _train(config: RunConfig, prepared: PreparedRun, directory: RunDirectory) -> tuple[tf.keras.Model, dict[str, float], CostLedger]:
    """The trained student, as one device has it and as it is delivered, what it scored at the end of training, and what that cost."""
    data, plan = prepared.data, prepared.plan
    ledger = CostLedger(plan.batch_size)

    def note_bad_step(step: int, values: dict[str, float]) -> str:
        return directory.note_bad_batch(_batch_of_step(step, data, plan) | {"loss": values})

    with naming_bad_images(data.train.source, lambda: _records_around(prepared)):
        scores = train(
            prepared.distiller,
            prepared.training_batches,
            prepared.test_batches() if plan.tests else None,
            steps=plan.steps,
            test_steps=-(-len(data.test) // plan.test_batch_size),
            config=config.training,
            directory=directory,
            worker=prepared.worker,
            ledger=ledger,
            name=config.task,
            scored="validation split" if config.split.validation else "test split",
            note_bad_step=note_bad_step if prepared.worker.is_chief else None,
            teacher_scores=_teacher_scores(config, prepared),
        )
    student = prepared.distiller.student
    if prepared.strategy.num_replicas_in_sync > 1:
        # Of all workers, since they read moving statistics together.
        student = without_synchronized_batch_norms(student, config.training.precision)
    if config.task == "embedding" and prepared.distiller.projection:
        # What learns to answer as its teacher does takes its place.
        student = project_network(student, projection_of(prepared.distiller.projection))
    return student, scores, ledger


def _batch_of_step(step: int, data: FaceData, plan: BatchPlan) -> dict:
    """Which images a step is made of, in their order."""
    seen = [plan.order(tf.constant(position, tf.int64)) for position in range((step - 1) * plan.batch_size, step * plan.batch_size)]
    records = data.train.records[[int(place) for place, _ in seen]]
    views = [int(view_in_turn(view, data.view)) for _, view in seen]
    images = [
        {"record": int(record), "view": view, "image": data.train.source.describe(record)}
        for record, view in zip(records, views, strict=True)
    ]
    return {"step": step, "images": images}


def _records_around(prepared: PreparedRun) -> np.ndarray:
    """What may have been read when a step failed: the records of the next batches, and those that are tested."""
    data, plan = prepared.data, prepared.plan
    # The count goes up without waiting for the batch, so it may be one ahead.
    first = max(0, int(prepared.distiller.optimizer.iterations.numpy()) - 1) * plan.batch_size
    places = [int(plan.order(tf.constant(first + ahead, tf.int64))[0]) for ahead in range(BATCHES_AHEAD * plan.batch_size)]
    return np.concatenate([np.unique(data.train.records[places]), data.test.records])


def _teacher_scores(config: RunConfig, prepared: PreparedRun) -> dict[str, float]:
    return teacher_scores(config.distillation.teacher, prepared.fingerprint, config.flagfile())


def _scores(
    config: RunConfig, student: tf.keras.Model, prepared: PreparedRun, last_scores: dict[str, float]
) -> tuple[Answers | None, dict[str, float]]:
    """What the student answers to the test images, and the scores of the task; a phase that learns a hint has no other than its loss."""
    data, plan = prepared.data, prepared.plan
    if config.task == "hint":
        return None, {"hidden": round(last_scores["hidden"], 6)}
    answers = network_answers(student, data.test, data.view, plan.protocols) if plan.protocols else None
    scores = protocol_scores(answers, plan.protocols) if plan.protocols else {}
    if config.task == "embedding" and agreement.COSINE in last_scores:
        scores[COSINE] = round(last_scores[agreement.COSINE], 6)
    return answers, {name: scores[name] for name in TITLES if name in scores}


def _log_start(config: RunConfig, prepared: PreparedRun) -> None:
    data, plan = prepared.data, prepared.plan
    scored = "validation" if config.split.validation else "test"
    _LOGGER.info(
        "%s on %s: %d training and %d %s images of %s; %d steps of %d images",
        config.task, data.train.source.name, len(data.train), len(data.test), scored, data.train.people,
        plan.steps, plan.batch_size,
    )  # fmt: skip
    _LOGGER.info("student %s_%d %s", config.network.network, config.network.width_divisor, prepared.start)
    if isinstance(prepared.distiller.teacher, LiveEmbeddingTeacher):
        untried = "whether --teacher=%s sees faces as it should is not tried here: kd-cache --admit does"
        _LOGGER.info(untried, config.distillation.teacher)
