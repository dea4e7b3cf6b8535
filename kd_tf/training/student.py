"""The student of a run and what trains it."""

import dataclasses

import tensorflow as tf

from kd_tf.data.dataset import FaceData
from kd_tf.distillers import (
    AlignmentDistiller,
    ClassificationDistiller,
    Distiller,
    EmbeddingDistiller,
    HintDistiller,
    VerificationDistiller,
)
from kd_tf.distillers.terms import TeacherTargets
from kd_tf.errors import InputError
from kd_tf.evaluation.baselines import mean_shape
from kd_tf.networks.digest import weights_digest
from kd_tf.networks.face_network import make_face_network, output_shapes, output_width
from kd_tf.networks.identity_names import recorded_identities
from kd_tf.networks.initialization import copy_weights
from kd_tf.networks.rebuilt import with_synchronized_batch_norms
from kd_tf.networks.stages import stage_network
from kd_tf.networks.stored import load_network
from kd_tf.teachers.cache.check import check_cache
from kd_tf.teachers.cache.store import TeacherCache
from kd_tf.teachers.cached import CachedTeacher
from kd_tf.teachers.embedding.images import teacher_images
from kd_tf.teachers.embedding.live import LiveEmbeddingTeacher
from kd_tf.teachers.embedding.teacher import declared_view, is_embedding_teacher, open_embedding_teacher
from kd_tf.teachers.live import LiveTeacher
from kd_tf.teachers.teacher import Teacher
from kd_tf.training.config import RunConfig
from kd_tf.training.init_rules import check_init_rule

_DISTILLERS = {
    "classification": ClassificationDistiller,
    "alignment": AlignmentDistiller,
    "verification": VerificationDistiller,
    "embedding": EmbeddingDistiller,
    "hint": HintDistiller,
}


def make_distiller(config: RunConfig, data: FaceData, cache: TeacherCache | None = None, *, replicas: int = 1) -> tuple[Distiller, str]:
    """The distiller of a run, and what its student started from, in words.

    Args:
      config: the run.
      data: what it reads.
      cache: what takes the teacher's place, where `config` names a cache (`open_cache`).
      replicas: how many will train it.

    Raises:
      InputError: a network that is missing, or networks that do not fit each other, the data or `config.init_rule`.
    """
    check_init_rule(config.init_rule, config.init, config.task)
    _check_identities(config, data)
    teacher = _make_teacher(config, cache)
    start = _load(config, config.init, "init")
    # Here, so that a student starts from the same weights whatever teaches it: loading a network draws random numbers too.
    tf.keras.utils.set_random_seed(config.training.seed)
    student = _make_student(config, data, teacher, start)
    if replicas > 1 and config.training.sync_batch_norm:
        student = with_synchronized_batch_norms(student)
    report = f"from {config.init}: {copy_weights(start, student).summary()}" if start else "from scratch"
    options = {field.name: getattr(config.distillation, field.name) for field in dataclasses.fields(TeacherTargets)}
    if config.task == "verification":
        loss = config.verification
        options |= {"margin": loss.margin, "mining": loss.triplet_mining, "identity_weight": loss.identity_weight}
    return _DISTILLERS[config.task](student, teacher, **options), report


def identity_names(config: RunConfig, data: FaceData) -> list[str] | None:
    """The names of the labels of the student's identity head; None where nobody knows them."""
    if config.reads_labels:
        return data.train.identity_names[: data.train.classes]
    if config.distillation.has_teacher:
        return recorded_identities(_teacher_path(config)) if "logits" in config.distillation.outputs else None
    return recorded_identities(config.init) if config.init else None


def _check_identities(config: RunConfig, data: FaceData) -> None:
    """Raises `InputError` where the labels that the loss reads are other people than those of the teacher's logits."""
    if not config.reads_labels or "logits" not in config.distillation.outputs:
        return
    taught, labels = recorded_identities(_teacher_path(config)), identity_names(config, data)
    if taught is None or len(taught) != len(labels):
        return
    for label, (theirs, ours) in enumerate(zip(taught, labels, strict=True)):
        if theirs != ours:
            raise InputError(
                f"{_teacher_flag(config)} knows other people: its identity {label} is {theirs}, that of "
                f"{data.train.source.name} is {ours}; soft targets and logits need the same"
            )


def open_cache(config: RunConfig, data: FaceData) -> tuple[TeacherCache | None, FaceData]:
    """The cache that the run names, if it names one, and the data under the views that it has, with what it stores of them.

    Where a teacher from elsewhere is to run, the data bring what it sees.

    Raises:
      InputError: the cache is not of this run's teacher, data and views, or not filled; the teacher cannot be opened.
    """
    path = config.distillation.teacher
    if not config.distillation.teacher_cache:
        if not is_embedding_teacher(path):
            return None, data
        return None, dataclasses.replace(data, look_up=teacher_images(data.train.source, config.view, declared_view(path)))
    cache = TeacherCache(config.distillation.teacher_cache)
    views = check_cache(cache, data, config.view, teacher=_teacher_digest(config))
    return cache, dataclasses.replace(data, view=dataclasses.replace(data.view, views=views), look_up=cache.look_up)


def _teacher_digest(config: RunConfig) -> str | None:
    """Of the teacher that is named beside a cache; None: none is."""
    if is_embedding_teacher(config.distillation.teacher):
        return open_embedding_teacher(config.distillation.teacher).digest
    network = _load(config, config.distillation.teacher, "teacher")
    return weights_digest(network) if network else None


def _make_teacher(config: RunConfig, cache: TeacherCache | None) -> Teacher | None:
    if cache:
        return CachedTeacher(cache, config.distillation.outputs)
    if is_embedding_teacher(config.distillation.teacher):
        return _make_embedding_teacher(config)
    network = _load(config, config.distillation.teacher, "teacher")
    return LiveTeacher(network, config.distillation.teacher_precision) if network else None


def _make_embedding_teacher(config: RunConfig) -> LiveEmbeddingTeacher:
    if config.task == "hint":
        raise InputError(f"--task=hint learns a stage of the teacher, and {_teacher_flag(config)} gives embeddings alone")
    if config.distillation.teacher_precision:
        raise InputError(f"--teacher_precision has no effect on {_teacher_flag(config)}, which computes as it was made")
    teacher = open_embedding_teacher(config.distillation.teacher)
    # Before it is asked to run in TensorFlow: a cache of it would lack them too.
    teacher.require(*config.distillation.outputs)
    return LiveEmbeddingTeacher(teacher)


def _teacher_path(config: RunConfig) -> str:
    return config.distillation.teacher or config.distillation.teacher_cache


def _teacher_flag(config: RunConfig) -> str:
    return f"--{'teacher' if config.distillation.teacher else 'teacher_cache'}={_teacher_path(config)}"


def _load(config: RunConfig, path: str | None, flag: str) -> tf.keras.Model | None:
    """The network at `path`; of a teacher of hints the part up to the stage."""
    if not path:
        return None
    network = load_network(path, flag, image_size=config.view.image_size)
    return stage_network(network, config.hint_stage) if config.task == "hint" and flag == "teacher" else network


def _make_student(config: RunConfig, data: FaceData, teacher: Teacher | None, start: tf.keras.Model | None) -> tf.keras.Model:
    network = make_face_network(
        config.network,
        image_size=config.view.image_size,
        identities=_identities(config, data, teacher, start),
        landmarks=config.task == "alignment" or _keeps(config, start, "landmarks"),
        mean_shape=mean_shape(data.train, data.view) if config.task == "alignment" else None,
    )
    return stage_network(network, config.hint_stage) if config.task == "hint" else network


def _identities(config: RunConfig, data: FaceData, teacher: Teacher | None, start: tf.keras.Model | None) -> int | None:
    """Width of the student's identity head: the data's where the loss reads labels, else the teacher's or what it starts with."""
    if config.reads_labels:
        return data.train.classes
    if teacher is not None and "logits" in config.distillation.outputs:
        teacher.require("logits")
        return teacher.width("logits")
    return output_width(start, "logits") if _keeps(config, start, "logits") else None


def _keeps(config: RunConfig, start: tf.keras.Model | None, head: str) -> bool:
    """Whether a head that the loss does not need stays: a teacher's serves the targets of later runs, a student's would go stale."""
    return start is not None and not config.distillation.has_teacher and head in output_shapes(start)
