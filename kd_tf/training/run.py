"""One run, from its configuration to a finished run directory.

What can be wrong with the input is found before the directory is made.
"""

import dataclasses
import logging

import numpy as np
import tensorflow as tf

from kd_tf.data.dataset import FaceData, open_data
from kd_tf.data.order import IdentityBatches, Order, epoch_order, identity_order
from kd_tf.data.pipeline import evaluation_batches, training_batches
from kd_tf.data.split import Split
from kd_tf.distillers import AlignmentDistiller, ClassificationDistiller, Distiller, VerificationDistiller
from kd_tf.errors import InputError
from kd_tf.evaluation.baselines import mean_shape
from kd_tf.evaluation.score import TASK_PROTOCOLS, score_network
from kd_tf.export.saved_model import export_saved_model
from kd_tf.networks.face_network import make_face_network, output_shapes, output_width
from kd_tf.networks.initialization import copy_weights
from kd_tf.networks.stored import load_network, save_network
from kd_tf.training.config import RunConfig
from kd_tf.training.loop import train
from kd_tf.training.optimizers import make_optimizer
from kd_tf.training.run_directory import RunDirectory
from kd_tf.training.strategy import get_strategy, precision_policy

_LOGGER = logging.getLogger(__name__)


def run(config: RunConfig) -> dict:
    """Trains, scores, saves and exports a student; continues where an interrupted run with the same flags stopped.

    Returns:
      What `metrics.json` holds.

    Raises:
      InputError: bad input, before anything is written to `config.model_dir`.
    """
    directory = RunDirectory(config.model_dir)
    directory.check(config.flagfile())
    strategy = get_strategy(config.training.strategy)
    tf.keras.utils.set_random_seed(config.training.seed)
    with strategy.scope():
        start, teacher = _load_networks(config)
    view = dataclasses.replace(config.view, seed=config.training.seed)
    data = open_data(config.source, view, split_seed=config.split_seed, image_cache=config.image_cache)
    if config.task == "alignment":
        data = FaceData(data.train.with_landmarks(), data.test.with_landmarks(), data.view)
    order, batch_size = _order(config, data.train)
    test_order = _test_order(config, data.test) if config.task == "verification" else None
    steps = config.training.steps or max(1, round(config.training.epochs * len(data.train) / batch_size))
    _check_batch(config, batch_size, strategy)
    protocols = _protocols(config.task, data.test)
    with precision_policy(config.training.precision), strategy.scope():
        distiller, report = make_distiller(config, data, start, teacher)
        distiller.compile(optimizer=make_optimizer(config.training, steps))
    with directory.begin(config.flagfile()):
        _log_start(config, data, batch_size, steps, report)
        measured = train(
            distiller,
            lambda first, last: training_batches(data.train, order, data.view, batch_size=batch_size, first_step=first, steps=last),
            evaluation_batches(data.test, data.view, batch_size=batch_size, order=test_order),
            steps=steps,
            batch_size=batch_size,
            evaluations=config.training.evaluations,
            directory=directory,
            name=config.task,
        )
        metrics = {"task": config.task}
        metrics |= score_network(distiller.student, data.test, data.view, protocols)
        metrics |= {"parameters": _trainable_parameters(distiller.student)} | measured | {"seed": config.training.seed}
        save_network(distiller.student, directory.student)
        export_saved_model(distiller.student, view, directory.saved_model)
        _LOGGER.info("%s", ", ".join(f"{key} {value}" for key, value in metrics.items()))
        directory.finish(metrics)
    return metrics


def _load_networks(config: RunConfig) -> tuple[tf.keras.Model | None, tf.keras.Model | None]:
    """What the student starts from, and the teacher."""
    named = (("init", config.init), ("teacher", config.distillation.teacher))
    start, teacher = (load_network(path, flag, image_size=config.view.image_size) if path else None for flag, path in named)
    return start, teacher


def make_distiller(
    config: RunConfig, data: FaceData, start: tf.keras.Model | None, teacher: tf.keras.Model | None
) -> tuple[Distiller, str]:
    """The distiller of a run, and what its student started from, in words.

    Raises:
      InputError: networks that do not fit each other or the data.
    """
    options = config.distillation
    student = _make_student(config, data, teacher, start)
    report = f"from {config.init}: {copy_weights(start, student).summary()}" if start else "from scratch"
    shared = {
        "alpha": options.alpha,
        "beta": options.beta,
        "temperature": options.temperature,
        "scale_by_temperature_squared": options.scale_by_temperature_squared,
    }
    if config.task == "classification":
        return ClassificationDistiller(student, teacher, **shared), report
    if config.task == "alignment":
        return AlignmentDistiller(student, teacher, **shared), report
    loss = config.verification
    shared |= {"margin": loss.margin, "mining": loss.triplet_mining, "identity_weight": loss.identity_weight}
    return VerificationDistiller(student, teacher, **shared), report


def _make_student(config: RunConfig, data: FaceData, teacher: tf.keras.Model | None, start: tf.keras.Model | None) -> tf.keras.Model:
    """The task's heads, and those of the network that the student starts from: they serve the soft targets of later stages."""
    start_outputs = output_shapes(start) if start else {}
    landmarks = config.task == "alignment" or "landmarks" in start_outputs
    return make_face_network(
        config.network,
        image_size=config.view.image_size,
        identities=_identities(config, data, teacher, start),
        landmarks=landmarks,
        mean_shape=mean_shape(data.train, data.view) if config.task == "alignment" else None,
    )


def _identities(config: RunConfig, data: FaceData, teacher: tf.keras.Model | None, start: tf.keras.Model | None) -> int | None:
    """Width of the student's identity head: the data's where the loss reads labels, else the teacher's, else as it starts."""
    if config.task == "classification" or config.verification.identity_weight:
        return len(data.train.source.identity_names)
    for network, wanted in ((teacher, config.distillation.alpha), (start, True)):
        if network is not None and wanted and "logits" in output_shapes(network):
            return output_width(network, "logits")
    return None


def _order(config: RunConfig, split: Split) -> tuple[Order, int]:
    """The order of the records and the batch size: batches for verification hold several images of an identity."""
    training = config.training
    if config.task == "verification":
        batches = IdentityBatches(training.identities_per_batch, training.images_per_identity)
        return identity_order(split.identities, batches, seed=training.seed), batches.batch_size
    return epoch_order(len(split), seed=training.seed), training.batch_size


def _test_order(config: RunConfig, split: Split) -> Order | None:
    """Batches as in training, of fewer identities where the split has fewer; None where no two have pairs."""
    images = config.training.images_per_identity
    identities = min(config.training.identities_per_batch, int(np.sum(np.bincount(split.identities) >= 2)))
    return identity_order(split.identities, IdentityBatches(identities, images), seed=config.training.seed) if identities >= 2 else None


def _protocols(task: str, test_split: Split) -> tuple[str, ...]:
    """What the run is scored by. A classifier is scored by retrieval too, if the test split has pairs; verification needs them."""
    has_pairs = bool(np.any(np.bincount(test_split.identities) >= 2))
    if task == "verification" and not has_pairs:
        raise InputError(f"--task=verification is scored by retrieval, and none of the {len(test_split)} test images has a second one")
    return tuple(protocol for protocol in TASK_PROTOCOLS[task] if protocol != "retrieval" or has_pairs)


def _check_batch(config: RunConfig, batch_size: int, strategy: tf.distribute.Strategy) -> None:
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise InputError(
            f"a batch of {batch_size} images does not divide among the {replicas} replicas of --strategy={config.training.strategy}"
        )


def _trainable_parameters(network: tf.keras.Model) -> int:
    return sum(variable.shape.num_elements() for variable in network.trainable_variables)


def _log_start(config: RunConfig, data: FaceData, batch_size: int, steps: int, report: str) -> None:
    _LOGGER.info(
        "%s on %s: %d training and %d test images of %d identities; %d steps of %d images",
        config.task, data.train.source.name, len(data.train), len(data.test), len(data.train.source.identity_names), steps, batch_size,
    )  # fmt: skip
    _LOGGER.info("student %s_%d %s", config.network.network, config.network.width_divisor, report)
