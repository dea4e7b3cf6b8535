"""A student's probes against its teacher's gallery: what one asks before a model in service is replaced and its gallery is not."""

import dataclasses
import logging
import os

import tensorflow as tf

from kd_tf.data.split import Split
from kd_tf.data.views import ViewConfig
from kd_tf.distillers.terms import HIDDEN_WEIGHTS
from kd_tf.errors import InputError
from kd_tf.evaluation.answers import Answers
from kd_tf.evaluation.models import PIXELS, NetworkModel, ScoredModel
from kd_tf.evaluation.programs import is_exported
from kd_tf.evaluation.teacher_model import TeacherModel
from kd_tf.networks.digest import weights_digest
from kd_tf.networks.face_network import output_width, require_outputs
from kd_tf.networks.projection import PROJECTION_FILE, load_projection, project_network
from kd_tf.networks.stored import load_network
from kd_tf.teachers.embedding.teacher import EmbeddingTeacher, is_embedding_teacher, open_embedding_teacher
from kd_tf.training.run_directory import RunDirectory, flags_of_model

_OUTPUTS = ("hidden", "embedding")
_LOGGER = logging.getLogger(__name__)


class CrossModel:
    """A `ScoredModel` whose answers are the student's, in the teacher's space, with those of the teacher as their `gallery`.

    Args:
      student: answers with its own K, for comparison.
      probe: the same student, answers with P(K).
      teacher: answers with K_T, as wide as P(K).
    """

    def __init__(self, student: NetworkModel, probe: NetworkModel, teacher: ScoredModel):
        self.name, self.outputs = probe.name, probe.outputs
        self._student = student
        self._probe = probe
        self._teacher = teacher

    def answers(self, split: Split, outputs: tuple[str, ...], *, flip: bool = False) -> Answers:
        """See `ScoredModel.answers`."""
        probes, student, teacher = (model.answers(split, outputs, flip=flip) for model in (self._probe, self._student, self._teacher))
        teacher.require_finite(f"the teacher {self._teacher.name}", split)
        return dataclasses.replace(probes, gallery=teacher, alone={"student": student, "teacher": teacher})


def open_cross(path: str, teacher: str | None, view: ViewConfig, image_cache: str | None = None, *, cache_all: bool = True) -> CrossModel:
    """Opens a distilled run and its teacher.

    Args:
      path: a run directory that trained with the hidden term, or the `student.keras` of one.
      teacher: a run directory, a Keras model or a teacher from elsewhere; None: what the run itself names.
      view: how both networks see images.
      image_cache: see `NetworkModel`.
      cache_all: likewise.

    Raises:
      InputError: there is no projection or no teacher, or they and the student do not fit each other.
    """
    if path == PIXELS:
        raise InputError(f"--cross needs a run and its {PROJECTION_FILE}: --model={path} is no network")
    if path.endswith(".npz") or is_exported(path):
        what = "holds embeddings" if path.endswith(".npz") else "is an exported model"
        raise InputError(f"--cross needs a run and its {PROJECTION_FILE}: --model={path} {what}; give the run directory")
    student = load_network(path, "model", image_size=view.image_size)
    require_outputs(student, _OUTPUTS, f"--model={path}, scored with --cross,")

    def scored(network: tf.keras.Model) -> NetworkModel:
        return NetworkModel(network, view, image_cache, cache_all=cache_all)

    found = _load_teacher(path, teacher, view.image_size)
    known = TeacherModel(found) if isinstance(found, EmbeddingTeacher) else scored(found)
    probe = _in_teacher_space(path, student, known.outputs["hidden"][-1])
    return CrossModel(scored(student), scored(probe), known)


def _load_teacher(path: str, teacher: str | None, image_size: int) -> tf.keras.Model | EmbeddingTeacher:
    """The teacher that is given, else the one that the run `path` names."""
    recorded = flags_of_model(path)
    named = teacher or recorded.get("teacher")
    if not named:
        cached = f": it learned from --teacher_cache={recorded['teacher_cache']}" if "teacher_cache" in recorded else ""
        raise InputError(f"--cross needs a teacher, and --model={path} names none{cached}; give --teacher=RUN")
    try:
        found, digest = _opened(named, image_size)
    except InputError as error:
        if teacher:
            raise
        raise InputError(f"{error}; that is what --model={path} learned from: give --teacher=RUN") from error
    records = RunDirectory(_folder(path)).records()
    taught = records[-1]["data"].get("teacher") if records else None
    if taught and digest != taught:
        _LOGGER.warning("--teacher=%s has other weights than the teacher of %s: the projection was not trained for it", named, path)
    return found


def _opened(teacher: str, image_size: int) -> tuple[tf.keras.Model | EmbeddingTeacher, str]:
    """The teacher and its digest."""
    if is_embedding_teacher(teacher):
        found = open_embedding_teacher(teacher)
        return found, found.digest
    network = load_network(teacher, "teacher", image_size=image_size)
    require_outputs(network, _OUTPUTS, f"the teacher {network.name!r}, scored with --cross,")
    return network, weights_digest(network)


def _in_teacher_space(path: str, student: tf.keras.Model, teacher_width: int) -> tf.keras.Model:
    """The student with its projection; as it is where it learned the teacher's hidden layer and answers without one, being as wide."""
    file, width = os.path.join(_folder(path), PROJECTION_FILE), output_width(student, "hidden")
    if not os.path.exists(file):
        recorded = flags_of_model(path)
        if width == teacher_width and any(float(recorded.get(weight, 0)) > 0 for weight in HIDDEN_WEIGHTS):
            return student
        raise InputError(
            f"--cross needs {PROJECTION_FILE}, which --model={path} lacks (its --beta: {recorded.get('beta', 'unknown')}); distill it with "
            "--targets=hidden, cosine or similarity among others (runs of earlier versions, again: they did not keep it)"
        )
    projection = load_projection(file)
    if projection.kernel.shape != (width, teacher_width):
        raise InputError(
            f"{file} maps width {projection.kernel.shape[0]} to {projection.kernel.shape[1]}, but the student's hidden layer has width "
            f"{width} and the teacher's {teacher_width}; give the --teacher that the run learned from"
        )
    return project_network(student, projection)


def _folder(path: str) -> str:
    """The run directory, or that around the model itself."""
    return path if os.path.isdir(path) else os.path.dirname(path)
