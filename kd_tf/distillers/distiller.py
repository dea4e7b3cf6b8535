"""The one equation: `L = Phi(W_S, y) + alpha * H(P_S^tau, P_T^tau) + beta * Psi(K_S, K_T)` (arXiv 1709.02929, Eq 5)."""

from typing import NamedTuple

import tensorflow as tf

from kd_tf.distillers.replicas import global_batch_size, replica_count
from kd_tf.errors import InputError
from kd_tf.losses.classification import soft_target_loss
from kd_tf.losses.hidden import hidden_loss
from kd_tf.networks.face_network import output_width, require_outputs
from kd_tf.teachers.live import LiveTeacher

Tensors = dict[str, tf.Tensor]


class Term(NamedTuple):
    """One term of the loss: `[batch]`, or a scalar that was computed from the global batch."""

    name: str
    weight: float
    value: tf.Tensor


class Distiller(tf.keras.Model):
    """Trains a student with the task's own loss and a teacher's help; without a teacher, alpha = beta = 0.

    Subclasses add the task: `required_outputs`, `task_terms`, `measures`. Use it as any Keras model::

        distiller = ClassificationDistiller(student, teacher, alpha=1.0)
        distiller.compile(optimizer=tf.keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True))
        distiller.fit(batches)
        distiller.student.save("student.keras")

    Batches are `(images, targets)` or `(images, targets, sample_weight)` with images `[batch, height, width, 3]`, 0 to 255, and a
    dict of targets. Logged are the whole `loss`, every term before its weight, and the task's measures.

    Args:
      student: a network that keeps the output contract of `kd_tf.networks.face_network`.
      teacher: a network likewise, or a `LiveTeacher`. It is never changed.
      alpha: weight of the soft targets; needs `logits` of both, of equal width.
      beta: weight of the hidden layer; needs `hidden` of both. Where the widths differ, the student's is projected by a linear
        layer that is trained with it and belongs to the distiller.
      temperature: tau of the soft targets.
      scale_by_temperature_squared: multiplies the soft term by tau^2; the paper does not.

    Raises:
      InputError: a weight without a teacher, a missing output, or other identities than the teacher's.
    """

    required_outputs: tuple[str, ...] = ()
    term_names: tuple[str, ...] = ()
    measure_names: tuple[str, ...] = ()

    def __init__(
        self,
        student: tf.keras.Model,
        teacher: tf.keras.Model | LiveTeacher | None = None,
        *,
        alpha: float = 0.0,
        beta: float = 0.0,
        temperature: float = 3.0,
        scale_by_temperature_squared: bool = False,
    ):
        super().__init__(name="distiller")
        teacher = LiveTeacher(teacher) if isinstance(teacher, tf.keras.Model) else teacher
        check_weights(alpha, beta, temperature, has_teacher=teacher is not None)
        _check_networks(student, teacher, alpha, beta, self.required_outputs)
        self.student = student
        self._teacher = teacher if alpha or beta else None
        self._alpha = alpha
        self._beta = beta
        self._temperature = temperature
        self._scale_by_temperature_squared = scale_by_temperature_squared
        self.projection = _make_projection(student, teacher) if beta else None
        teacher_terms = ("soft",) * bool(alpha) + ("hidden",) * bool(beta)
        names = ("loss", *self.term_names, *teacher_terms, *self.measure_names)
        self._means = {name: tf.keras.metrics.Mean(name=name) for name in names}

    def task_terms(self, targets: Tensors, outputs: Tensors) -> list[Term]:
        """Phi: the terms named in `term_names`."""
        raise NotImplementedError

    def measures(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """What is logged beside the loss, `[batch]` each or a scalar of the global batch: the keys are `measure_names`."""
        raise NotImplementedError

    def student_variables(self) -> list[tf.Variable]:
        """What is trained: the student and, where there is one, the projection."""
        return self.student.trainable_variables + (self.projection.trainable_variables if self.projection else [])

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """The means that Keras resets at the start of each epoch."""
        return list(self._means.values())

    def call(self, images, training=None):
        """The student's outputs."""
        return self.student(images, training=training)

    def train_step(self, data):
        """One update from the global batch; see `tf.keras.Model.train_step`."""
        images, targets, sample_weight = tf.keras.utils.unpack_x_y_sample_weight(data)
        teacher_outputs = self._teacher(images) if self._teacher else {}
        batch_size = global_batch_size(images)
        with tf.GradientTape() as tape:
            outputs = self.student(images, training=True)
            terms = self._terms(targets, teacher_outputs, outputs)
            loss = self._replica_share(terms, sample_weight, batch_size)
        # A head that this task does not train has no gradient.
        self.optimizer.apply_gradients([pair for pair in self._gradients(loss, tape) if pair[0] is not None])
        return self._log(loss, terms, self.measures(targets, outputs), sample_weight, batch_size)

    def test_step(self, data):
        """Logs one batch in inference mode and changes no variable but the metrics."""
        images, targets, sample_weight = tf.keras.utils.unpack_x_y_sample_weight(data)
        batch_size = global_batch_size(images)
        outputs = self.student(images, training=False)
        terms = self._terms(targets, self._teacher(images) if self._teacher else {}, outputs)
        loss = self._replica_share(terms, sample_weight, batch_size)
        return self._log(loss, terms, self.measures(targets, outputs), sample_weight, batch_size)

    def _gradients(self, loss: tf.Tensor, tape: tf.GradientTape) -> list[tuple[tf.Tensor | None, tf.Variable]]:
        variables = self.student_variables()
        if hasattr(self.optimizer, "compute_gradients"):
            return self.optimizer.compute_gradients(loss, variables, tape=tape)
        # Keras' legacy optimizers, among them those of TensorFlow Addons.
        return list(zip(tape.gradient(loss, variables), variables, strict=True))

    def _terms(self, targets: Tensors, teacher_outputs: Tensors, outputs: Tensors) -> list[Term]:
        terms = self.task_terms(targets, outputs)
        if self._alpha:
            soft = soft_target_loss(
                teacher_outputs["logits"],
                outputs["logits"],
                temperature=self._temperature,
                scale_by_temperature_squared=self._scale_by_temperature_squared,
            )
            terms.append(Term("soft", self._alpha, soft))
        if self._beta:
            hidden = self.projection(outputs["hidden"]) if self.projection else outputs["hidden"]
            terms.append(Term("hidden", self._beta, hidden_loss(teacher_outputs["hidden"], hidden)))
        return terms

    def _replica_share(self, terms: list[Term], sample_weight: tf.Tensor | None, batch_size: tf.Tensor) -> tf.Tensor:
        """This replica's part of the loss: the parts of all replicas sum to the mean over the global batch."""
        loss = tf.add_n(self.student.losses) / replica_count() if self.student.losses else 0.0
        for term in terms:
            if term.value.shape.rank == 0:
                share = term.value / replica_count()
            else:
                share = tf.reduce_sum(_weighted(term.value, sample_weight)) / batch_size
            loss += term.weight * share
        return loss

    def _log(self, loss: tf.Tensor, terms: list[Term], measures: Tensors, sample_weight: tf.Tensor | None, batch_size: tf.Tensor):
        examples = batch_size / replica_count()
        self._means["loss"].update_state(loss * replica_count(), sample_weight=examples)
        for name, value in [(term.name, term.value) for term in terms] + list(measures.items()):
            weights = examples if value.shape.rank == 0 else sample_weight
            self._means[name].update_state(value, sample_weight=weights)
        return {name: mean.result() for name, mean in self._means.items()}


def check_weights(alpha: float, beta: float, temperature: float, *, has_teacher: bool) -> None:
    """Raises `InputError` where the weights of the teacher's terms cannot be meant."""
    for name, weight in (("alpha", alpha), ("beta", beta)):
        if not weight >= 0:
            raise InputError(f"--{name}={weight} must not be below 0")
        if weight > 0 and not has_teacher:
            raise InputError(f"--{name}={weight} needs a teacher: give --teacher, or --{name}=0")
    if not temperature > 0:
        raise InputError(f"--temperature={temperature} must be above 0")


def _weighted(value: tf.Tensor, sample_weight: tf.Tensor | None) -> tf.Tensor:
    return value if sample_weight is None else value * tf.cast(sample_weight, value.dtype)


def _check_networks(student: tf.keras.Model, teacher: LiveTeacher | None, alpha: float, beta: float, task_outputs: tuple[str, ...]) -> None:
    shared = ("logits",) * bool(alpha) + ("hidden",) * bool(beta)
    require_outputs(student, task_outputs + shared, f"the student {student.name!r}")
    if not shared:
        return
    teacher.require(*shared)
    if alpha and output_width(student, "logits") != teacher.width("logits"):
        raise InputError(
            f"the student has {output_width(student, 'logits')} identities and the teacher {teacher.width('logits')}: "
            "soft targets need the same identities; train both on the same --data, or use --alpha=0"
        )


def _make_projection(student: tf.keras.Model, teacher: LiveTeacher) -> tf.keras.layers.Dense | None:
    student_width, teacher_width = output_width(student, "hidden"), teacher.width("hidden")
    if student_width == teacher_width:
        return None
    projection = tf.keras.layers.Dense(teacher_width, dtype="float32", name="hidden_projection")
    projection.build([None, student_width])
    return projection
