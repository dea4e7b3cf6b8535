"""The student of a run and what trains it."""

import dataclasses

import tensorflow as tf

from kd_tf.data.dataset import FaceData
from kd_tf.distillers import AlignmentDistiller, ClassificationDistiller, Distiller, HintDistiller, VerificationDistiller
from kd_tf.errors import InputError
from kd_tf.evaluation.baselines import mean_shape
from kd_tf.networks.face_network import make_face_network, output_shapes, output_width
from kd_tf.networks.initialization import copy_weights
from kd_tf.networks.stages import stage_network
from kd_tf.networks.stored import load_network
from kd_tf.training.config import RunConfig
from kd_tf.training.init_rules import check_init_rule
from kd_tf.training.run_directory import recorded_identities

_DISTILLERS = {
    "classification": ClassificationDistiller,
    "alignment": AlignmentDistiller,
    "verification": VerificationDistiller,
    "hint": HintDistiller,
}


def make_distiller(config: RunConfig, data: FaceData) -> tuple[Distiller, str]:
    """The distiller of a run, and what its student started from, in words.

    Raises:
      InputError: a network that is missing, or networks that do not fit each other, the data or `config.init_rule`.
    """
    check_init_rule(config.init_rule, config.init, config.task)
    _check_identities(config, data)
    teacher = _load(config, config.distillation.teacher, "teacher")
    start = _load(config, config.init, "init")
    student = _make_student(config, data, teacher, start)
    report = f"from {config.init}: {copy_weights(start, student).summary()}" if start else "from scratch"
    options = {name: value for name, value in dataclasses.asdict(config.distillation).items() if name != "teacher"}
    if config.task == "verification":
        loss = config.verification
        options |= {"margin": loss.margin, "mining": loss.triplet_mining, "identity_weight": loss.identity_weight}
    return _DISTILLERS[config.task](student, teacher, **options), report


def identity_names(config: RunConfig, data: FaceData) -> list[str] | None:
    """The names of the labels of the student's identity head; None where nobody knows them."""
    if config.reads_labels:
        return data.train.identity_names[: data.train.classes]
    if config.distillation.teacher:
        return recorded_identities(config.distillation.teacher) if "logits" in config.distillation.outputs else None
    return recorded_identities(config.init) if config.init else None


def _check_identities(config: RunConfig, data: FaceData) -> None:
    """Raises `InputError` where the labels that the loss reads are other people than those of the teacher's logits."""
    if not config.reads_labels or "logits" not in config.distillation.outputs:
        return
    taught, labels = recorded_identities(config.distillation.teacher), identity_names(config, data)
    if taught is None or len(taught) != len(labels):
        return
    for label, (theirs, ours) in enumerate(zip(taught, labels, strict=True)):
        if theirs != ours:
            raise InputError(
                f"--teacher={config.distillation.teacher} knows other people: its identity {label} is {theirs}, that of "
                f"{data.train.source.name} is {ours}; soft targets and logits need the same"
            )


def _load(config: RunConfig, path: str | None, flag: str) -> tf.keras.Model | None:
    """The network at `path`; of a teacher of hints the part up to the stage."""
    if not path:
        return None
    network = load_network(path, flag, image_size=config.view.image_size)
    return stage_network(network, config.hint_stage) if config.task == "hint" and flag == "teacher" else network


def _make_student(config: RunConfig, data: FaceData, teacher: tf.keras.Model | None, start: tf.keras.Model | None) -> tf.keras.Model:
    network = make_face_network(
        config.network,
        image_size=config.view.image_size,
        identities=_identities(config, data, teacher, start),
        landmarks=config.task == "alignment" or _keeps(config, start, "landmarks"),
        mean_shape=mean_shape(data.train, data.view) if config.task == "alignment" else None,
    )
    return stage_network(network, config.hint_stage) if config.task == "hint" else network


def _identities(config: RunConfig, data: FaceData, teacher: tf.keras.Model | None, start: tf.keras.Model | None) -> int | None:
    """Width of the student's identity head: the data's where the loss reads labels, else the teacher's or what it starts with."""
    if config.reads_labels:
        return data.train.classes
    if teacher is not None and "logits" in config.distillation.outputs and "logits" in output_shapes(teacher):
        return output_width(teacher, "logits")
    return output_width(start, "logits") if _keeps(config, start, "logits") else None


def _keeps(config: RunConfig, start: tf.keras.Model | None, head: str) -> bool:
    """Whether a head that the loss does not need stays: a teacher's serves the targets of later runs, a student's would go stale."""
    return start is not None and not config.distillation.teacher and head in output_shapes(start)
