"""The terms of the loss, and those of them that come from the teacher."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.losses.classification import logits_loss, soft_target_loss
from kd_tf.losses.hidden import HIDDEN_REDUCTIONS, hidden_loss
from kd_tf.networks.face_network import output_shapes, output_width, require_outputs
from kd_tf.teachers.teacher import Teacher

Tensors = dict[str, tf.Tensor]


class Term(NamedTuple):
    """One term of the loss: `[batch]`, or a scalar that was computed from the global batch."""

    name: str
    weight: float
    value: tf.Tensor


@dataclasses.dataclass(frozen=True)
class TeacherTargets:
    """What a student is to match of its teacher: `alpha * soft + logits_weight * logits + beta * hidden` (docs/METHODS.md).

    Attributes:
      alpha: weight of the soft targets (arXiv 1709.02929, Eq 2 and 5); needs `logits` of both, of equal width.
      beta: weight of the hidden layer (Eq 5); needs `hidden` of both. Where the widths differ, the student's is projected by a linear
        layer that is trained with it and belongs to the distiller.
      logits_weight: weight of the regression of the teacher's logits (the paper's Table 1, "Logits"); needs what alpha needs.
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
    temperature: float = 3.0
    scale_by_temperature_squared: bool = False
    hidden_reduction: str = "mean"
    normalize_hidden: bool = False

    def __post_init__(self):
        for name in ("alpha", "beta", "logits_weight"):
            if not getattr(self, name) >= 0:
                raise InputError(f"--{name}={getattr(self, name)} must not be below 0")
        if not self.temperature > 0:
            raise InputError(f"--temperature={self.temperature} must be above 0")
        if self.hidden_reduction not in HIDDEN_REDUCTIONS:
            raise InputError(f"--hidden_reduction={self.hidden_reduction} is unknown; known: {', '.join(HIDDEN_REDUCTIONS)}")

    @property
    def weights(self) -> dict[str, float]:
        """The terms that take part, by name, in the order in which they are logged."""
        weights = {"soft": self.alpha, "logits": self.logits_weight, "hidden": self.beta}
        return {name: weight for name, weight in weights.items() if weight}

    @property
    def outputs(self) -> tuple[str, ...]:
        """What both networks must have."""
        return ("logits",) * bool(self.alpha or self.logits_weight) + ("hidden",) * bool(self.beta)

    def check_teacher(self, has_teacher: bool) -> None:
        """Raises `InputError` where a term has a weight and there is no teacher."""
        for name in ("alpha", "beta", "logits_weight"):
            if getattr(self, name) and not has_teacher:
                raise InputError(f"--{name}={getattr(self, name)} needs a teacher: give --teacher or --teacher_cache, or --{name}=0")

    def check_networks(self, student: tf.keras.Model, teacher: Teacher | None) -> None:
        """Raises `InputError` where the networks lack what the terms compare, or it has other identities or positions."""
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
        if self.beta:
            positions, teacher_positions = output_shapes(student)["hidden"][1:-1], teacher.positions("hidden")
            if not tf.TensorShape(positions).is_compatible_with(teacher_positions):
                raise InputError(
                    f"the student's layer has {positions} positions and the teacher's {teacher_positions}: take stages of one size"
                )

    def make_projection(self, student: tf.keras.Model, teacher: Teacher | None) -> tf.keras.layers.Dense | None:
        """The linear layer from the student's hidden width to the teacher's; None where it is not needed."""
        if not self.beta or output_width(student, "hidden") == teacher.width("hidden"):
            return None
        projection = tf.keras.layers.Dense(teacher.width("hidden"), dtype="float32", name="hidden_projection")
        projection.build([None, output_width(student, "hidden")])
        return projection

    def terms(self, teacher_outputs: Tensors, outputs: Tensors, project: Callable[[tf.Tensor], tf.Tensor] | None) -> list[Term]:
        """The terms of one batch; `project` is the layer of `make_projection`."""
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
        if self.beta:
            hidden = project(outputs["hidden"]) if project else outputs["hidden"]
            values["hidden"] = hidden_loss(
                teacher_outputs["hidden"], hidden, reduction=self.hidden_reduction, normalize=self.normalize_hidden
            )
        return [Term(name, weight, values[name]) for name, weight in self.weights.items()]
