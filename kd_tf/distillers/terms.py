"""The terms of the loss, and those of them that come from the teacher."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from kd_tf.distillers.replicas import gather_global_batch
from kd_tf.errors import InputError
from kd_tf.losses.classification import logits_loss, soft_target_loss
from kd_tf.losses.hidden import HIDDEN_REDUCTIONS, cosine_loss, hidden_loss
from kd_tf.losses.relational import angle_loss, distance_loss
from kd_tf.losses.similarity import similarity_loss
from kd_tf.networks.face_network import output_shapes, output_width, require_outputs
from kd_tf.teachers.teacher import Teacher

Tensors = dict[str, tf.Tensor]
# The terms that come from the teacher, in the order in which they are logged, and the fields of their weights.
WEIGHTS = {
    "soft": "alpha",
    "logits": "logits_weight",
    "hidden": "beta",
    "cosine": "cosine_weight",
    "similarity": "similarity_weight",
    "distance": "distance_weight",
    "angle": "angle_weight",
}
# Those of them that compare K_S itself with K_T, and not only how images lie to each other.
HIDDEN_WEIGHTS = ("beta", "cosine_weight", "similarity_weight")


class Term(NamedTuple):
    """One term of the loss: `[batch]`, or a scalar that was computed from the global batch."""

    name: str
    weight: float
    value: tf.Tensor


@dataclasses.dataclass(frozen=True)
class TeacherTargets:
    """What a student is to match of its teacher: the sum of its terms, each with its weight (docs/METHODS.md).

    Attributes:
      alpha: weight of the soft targets (arXiv 1709.02929, Eq 2 and 5); needs `logits` of both, of equal width.
      beta: weight of the hidden layer (Eq 5); needs `hidden` of both. Where the widths differ, the student's is projected by a linear
        layer that is trained with it and belongs to the distiller.
      logits_weight: weight of the regression of the teacher's logits (the paper's Table 1, "Logits"); needs what alpha needs.
      cosine_weight: weight of the direction of the hidden layer, which is projected as for beta.
      similarity_weight: weight of the similarities to the teacher's embeddings of the global batch (SEED), projected as for beta.
      distance_weight: weight of the distances between the images of the global batch (RKD-D); needs `hidden` of both, of any widths.
      angle_weight: weight of the angles between them (RKD-A); needs what distance_weight needs.
      temperature: tau of the soft targets.
      scale_by_temperature_squared: multiplies the soft term by tau^2; the paper does not.
      hidden_reduction: `mean` or `sum` (the paper's) over the width of the hidden layer.
      normalize_hidden: compares the directions of the hidden layers: both are L2-normalised first.

    Raises:
      InputError: a value that cannot be meant.
    """

    alpha: float = 0.0
    beta: float = 0.0
    logits_weight: float = 0.0
    cosine_weight: float = 0.0
    similarity_weight: float = 0.0
    distance_weight: float = 0.0
    angle_weight: float = 0.0
    temperature: float = 3.0
    scale_by_temperature_squared: bool = False
    hidden_reduction: str = "mean"
    normalize_hidden: bool = False

    def __post_init__(self):
        for name in WEIGHTS.values():
            if not getattr(self, name) >= 0:
                raise InputError(f"--{name}={getattr(self, name)} must not be below 0")
        if not self.temperature > 0:
            raise InputError(f"--temperature={self.temperature} must be above 0")
        if self.hidden_reduction not in HIDDEN_REDUCTIONS:
            raise InputError(f"--hidden_reduction={self.hidden_reduction} is unknown; known: {', '.join(HIDDEN_REDUCTIONS)}")

    @property
    def weights(self) -> dict[str, float]:
        """The terms that take part, by name, in the order in which they are logged."""
        weights = {term: getattr(self, name) for term, name in WEIGHTS.items()}
        return {term: weight for term, weight in weights.items() if weight}

    @property
    def outputs(self) -> tuple[str, ...]:
        """What both networks must have."""
        hidden = self.compares_hidden or bool(self._weights_between_images)
        return ("logits",) * bool(self.alpha or self.logits_weight) + ("hidden",) * hidden

    @property
    def compares_hidden(self) -> bool:
        """Whether K_S itself is compared with K_T, through the projection where the widths differ."""
        return any(getattr(self, name) for name in HIDDEN_WEIGHTS)

    @property
    def _weights_between_images(self) -> tuple[str, ...]:
        """The fields of the terms that compare the images of a batch with each other."""
        return tuple(name for name in ("similarity_weight", "distance_weight", "angle_weight") if getattr(self, name))

    def check_teacher(self, has_teacher: bool) -> None:
        """Raises `InputError` where a term has a weight and there is no teacher."""
        for name in WEIGHTS.values():
            if getattr(self, name) and not has_teacher:
                raise InputError(f"--{name}={getattr(self, name)} needs a teacher: give --teacher or --teacher_cache, or --{name}=0")

    def check_networks(self, student: tf.keras.Model, teacher: Teacher | None) -> None:
        """Raises `InputError` where the networks lack what the terms compare, or it has other identities, or positions that do not fit."""
        self.check_teacher(teacher is not None)
        if not self.outputs:
            return
        teacher.require(*self.outputs)
        require_outputs(student, self.outputs, f"the student {student.name!r}")
        if "logits" in self.outputs and output_width(student, "logits") != teacher.width("logits"):
            without = " ".join(f"--{name}=0" for name in ("alpha", "logits_weight") if getattr(self, name))
            raise InputError(
                f"the student has {output_width(student, 'logits')} identities and the teacher {teacher.width('logits')}: "
                f"soft targets and logits need the same identities; train both on the same --data, or use {without}"
            )
        if "hidden" in self.outputs:
            self._check_positions(output_shapes(student)["hidden"][1:-1], teacher.positions("hidden"))

    def _check_positions(self, positions: tuple[int, ...], teacher_positions: tuple[int, ...]) -> None:
        found = f"the student's layer has {positions} positions and the teacher's {teacher_positions}"
        if self.compares_hidden and not tf.TensorShape(positions).is_compatible_with(teacher_positions):
            raise InputError(f"{found}: take stages of one size")
        for name in self._weights_between_images:
            if positions or teacher_positions:
                raise InputError(f"{found}: --{name}={getattr(self, name)} compares whole images; use --{name}=0")

    def make_projection(self, student: tf.keras.Model, teacher: Teacher | None) -> tf.keras.layers.Dense | None:
        """The linear layer from the student's hidden width to the teacher's; None where it is not needed."""
        if not self.compares_hidden or output_width(student, "hidden") == teacher.width("hidden"):
            return None
        projection = tf.keras.layers.Dense(teacher.width("hidden"), dtype="float32", name="hidden_projection")
        projection.build([None, output_width(student, "hidden")])
        return projection

    def terms(self, teacher_outputs: Tensors, outputs: Tensors, project: Callable[[tf.Tensor], tf.Tensor] | None) -> list[Term]:
        """The terms of one batch; `project` is the layer of `make_projection`."""
        values = self._logits_values(teacher_outputs, outputs)
        if self.compares_hidden:
            values |= self._hidden_values(teacher_outputs["hidden"], project(outputs["hidden"]) if project else outputs["hidden"])
        if self.distance_weight or self.angle_weight:
            values |= self._relations_values(*(gather_global_batch(each["hidden"]) for each in (teacher_outputs, outputs)))
        return [Term(name, weight, values[name]) for name, weight in self.weights.items()]

    def _logits_values(self, teacher_outputs: Tensors, outputs: Tensors) -> Tensors:
        values = {}
        if self.alpha:
            values["soft"] = soft_target_loss(
                teacher_outputs["logits"],
                outputs["logits"],
                temperature=self.temperature,
                scale_by_temperature_squared=self.scale_by_temperature_squared,
            )
        if self.logits_weight:
            values["logits"] = logits_loss(teacher_outputs["logits"], outputs["logits"])
        return values

    def _hidden_values(self, teacher_hidden: tf.Tensor, hidden: tf.Tensor) -> Tensors:
        values = {}
        if self.beta:
            values["hidden"] = hidden_loss(teacher_hidden, hidden, reduction=self.hidden_reduction, normalize=self.normalize_hidden)
        if self.cosine_weight:
            values["cosine"] = cosine_loss(teacher_hidden, hidden)
        if self.similarity_weight:
            values["similarity"] = similarity_loss(*(gather_global_batch(each) for each in (teacher_hidden, hidden)))
        return values

    def _relations_values(self, teacher_hidden: tf.Tensor, hidden: tf.Tensor) -> Tensors:
        """Scalars of the global batch."""
        values = {}
        if self.distance_weight:
            values["distance"] = distance_loss(teacher_hidden, hidden)
        if self.angle_weight:
            values["angle"] = angle_loss(teacher_hidden, hidden)
        return values
