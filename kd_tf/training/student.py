"""The student of a run and what trains it."""

import tensorflow as tf

from kd_tf.data.dataset import FaceData
from kd_tf.distillers import AlignmentDistiller, ClassificationDistiller, Distiller, VerificationDistiller
from kd_tf.evaluation.baselines import mean_shape
from kd_tf.networks.face_network import make_face_network, output_shapes, output_width
from kd_tf.networks.initialization import copy_weights
from kd_tf.networks.stored import load_network
from kd_tf.training.config import RunConfig


def make_distiller(config: RunConfig, data: FaceData) -> tuple[Distiller, str]:
    """The distiller of a run, and what its student started from, in words.

    Raises:
      InputError: a network that is missing, or networks that do not fit each other or the data.
    """
    options = config.distillation
    image_size = config.view.image_size
    start = load_network(config.init, "init", image_size=image_size) if config.init else None
    teacher = load_network(options.teacher, "teacher", image_size=image_size) if options.teacher else None
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
    return make_face_network(
        config.network,
        image_size=config.view.image_size,
        identities=_identities(config, data, teacher, start),
        landmarks=config.task == "alignment" or "landmarks" in start_outputs,
        mean_shape=mean_shape(data.train, data.view) if config.task == "alignment" else None,
    )


def _identities(config: RunConfig, data: FaceData, teacher: tf.keras.Model | None, start: tf.keras.Model | None) -> int | None:
    """Width of the student's identity head: the data's where the loss reads labels, else the teacher's, else as it starts."""
    joint = config.task == "verification" and config.verification.identity_weight > 0
    if config.task == "classification" or joint:
        return len(data.train.source.identity_names)
    for network, wanted in ((teacher, config.distillation.alpha), (start, True)):
        if network is not None and wanted and "logits" in output_shapes(network):
            return output_width(network, "logits")
    return None
