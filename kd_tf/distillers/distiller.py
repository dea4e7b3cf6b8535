"""The one equation: `L = Phi(W_S, y) + alpha * H(P_S^tau, P_T^tau) + beta * Psi(K_S, K_T)` (arXiv 1709.02929, Eq 5)."""

import tensorflow as tf

from kd_tf.distillers.agreement import OF_TEACHER, agreement, agreement_names
from kd_tf.distillers.balance import GradientBalance
from kd_tf.distillers.replicas import global_batch_size, replica_count
from kd_tf.distillers.terms import TeacherTargets, Tensors, Term
from kd_tf.errors import InputError
from kd_tf.networks.face_network import output_shapes, require_outputs
from kd_tf.networks.rebuilt import has_synchronized_batch_norms
from kd_tf.teachers.live import LiveTeacher
from kd_tf.teachers.teacher import Teacher


class Distiller(tf.keras.Model):
    """Trains a student with the task's own loss and a teacher's help; without a teacher, all weights of `TeacherTargets` are 0.

    Subclasses add the task: `required_outputs`, `task_terms`, `measures`. Use it as any Keras model::

        distiller = ClassificationDistiller(student, teacher, alpha=1.0)
        distiller.compile(optimizer=tf.keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True))
        distiller.fit(batches)
        distiller.student.save("student.keras")

    Batches are `(images, targets)` or `(images, targets, sample_weight)` with images `[batch, height, width, 3]`, 0 to 255, and a
    dict of targets; terms that compare images with each other take no sample weights. Logged are the whole `loss`, every term before
    its weight and the task's measures; in training, as `<term>_gradient`, the norm of each weighted term's gradient at the student's
    hidden layer over the batch (every `BALANCE_STEPS` steps); in evaluation, where there is a teacher, what both have in common
    (`kd_tf.distillers.agreement`) and, as `<measure>_of_teacher`, the measures of the teacher itself as far as its outputs tell.

    Args:
      student: a network that keeps the output contract of `kd_tf.networks.face_network`.
      teacher: a network likewise, or a `LiveTeacher` or `CachedTeacher`. It is never changed.
      **teacher_targets: what the student is to match of the teacher: `alpha`, `beta`, `temperature` and the other fields of
        `kd_tf.distillers.TeacherTargets`.

    Raises:
      InputError: a weight without a teacher, a missing output, or other identities than the teacher's.
    """

    required_outputs: tuple[str, ...] = ()
    term_names: tuple[str, ...] = ()
    measure_names: tuple[str, ...] = ()

    def __init__(self, student: tf.keras.Model, teacher: tf.keras.Model | Teacher | None = None, **teacher_targets):
        super().__init__(name="distiller")
        teacher = LiveTeacher(teacher) if isinstance(teacher, tf.keras.Model) else teacher
        self._teacher_targets = TeacherTargets(**teacher_targets)
        require_outputs(student, self.required_outputs, f"the student {student.name!r}")
        self._teacher_targets.check_networks(student, teacher)
        self.student = student
        self._teacher = teacher if self._teacher_targets.weights else None
        self.projection = self._teacher_targets.make_projection(student, teacher)
        self._means = {name: tf.keras.metrics.Mean(name=name) for name in ("loss", *self.terms, *self.measure_names)}
        compared = (*agreement_names(self._teacher_targets), *(f"{name}{OF_TEACHER}" for name in self.measure_names))
        self._test_means = {name: tf.keras.metrics.Mean(name=name) for name in (compared if self._teacher else ())}
        # The means are of all replicas already; Keras would add up those of several workers.
        self.distribute_reduction_method = "first"
        self._replicas_meet_in_student = has_synchronized_batch_norms(student)
        # User-made students may have no K.
        self._balance = GradientBalance(self.terms if "hidden" in output_shapes(student) else ())

    def task_terms(self, targets: Tensors, outputs: Tensors) -> list[Term]:
        """Phi: the terms named in `term_names`."""
        raise NotImplementedError

    def measures(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """What is logged beside the loss, `[batch]` each or a scalar of the global batch: the keys are `measure_names`."""
        raise NotImplementedError

    def teacher_measures(self, targets: Tensors, teacher_outputs: Tensors) -> Tensors:
        """Those of `measures` that the teacher's `hidden` and `logits` tell; none unless a task says more."""
        return {}

    @property
    def teacher(self) -> Teacher | None:
        """Whom the terms ask; None where none does."""
        return self._teacher

    def student_variables(self) -> list[tf.Variable]:
        """What is trained: the student and, where there is one, the projection."""
        return self.student.trainable_variables + (self.projection.trainable_variables if self.projection else [])

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of the terms of the loss, the task's own first."""
        return (*self.term_names, *self._teacher_targets.weights)

    @property
    def training_metrics(self) -> list[tf.keras.metrics.Metric]:
        """The means over training steps, which are part of a run's state."""
        return [*self._means.values(), *self._balance.metrics.values()]

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """The means that Keras resets at the start of each epoch, and of each evaluation."""
        return [*self.training_metrics, *self._test_means.values()]

    def call(self, images, training=None):
        """The student's outputs."""
        return self.student(images, training=training)

    def train_step(self, data):
        """One update from the global batch; see `tf.keras.Model.train_step`."""
        images, targets, sample_weight = tf.keras.utils.unpack_x_y_sample_weight(data)
        teacher_outputs = self._teacher(images, targets) if self._teacher else {}
        batch_size = global_batch_size(images)
        with tf.GradientTape(persistent=True) as tape:
            outputs = self.student(images, training=True)
            terms = self._terms(targets, teacher_outputs, outputs)
            losses = {term.name: term.weight * _replica_share(term, sample_weight, batch_size) for term in terms}
            loss = self._total(losses)
        # A head that this task does not train has no gradient.
        gradients = [pair for pair in self._gradients(loss, tape) if pair[0] is not None]
        across = {term.name for term in terms if term.value.shape.rank == 0}
        if replica_count() == 1 or not self._replicas_meet_in_student:
            self._balance.update(self.optimizer.iterations, tape, losses, outputs.get("hidden"), across=across)
        self.optimizer.apply_gradients(gradients)
        logs = self._log(loss, terms, self.measures(targets, outputs), sample_weight, batch_size)
        return logs | {metric.name: metric.result() for metric in self._balance.metrics.values()}

    def test_step(self, data):
        """Logs one batch in inference mode and changes no variable but the metrics."""
        images, targets, sample_weight = tf.keras.utils.unpack_x_y_sample_weight(data)
        batch_size = global_batch_size(images)
        outputs = self.student(images, training=False)
        teacher_outputs = self._teacher(images, targets) if self._teacher else {}
        terms = self._terms(targets, teacher_outputs, outputs)
        loss = self._total({term.name: term.weight * _replica_share(term, sample_weight, batch_size) for term in terms})
        values = self.measures(targets, outputs) | self._comparison(targets, teacher_outputs, outputs)
        return self._log(loss, terms, values, sample_weight, batch_size)

    def _comparison(self, targets: Tensors, teacher_outputs: Tensors, outputs: Tensors) -> Tensors:
        if not self._teacher:
            return {}
        of_teacher = self.teacher_measures(targets, teacher_outputs)
        common = agreement(self._teacher_targets, teacher_outputs, outputs, self.projection)
        return common | {f"{name}{OF_TEACHER}": value for name, value in of_teacher.items()}

    def _gradients(self, loss: tf.Tensor, tape: tf.GradientTape) -> list[tuple[tf.Tensor | None, tf.Variable]]:
        variables = self.student_variables()
        if hasattr(self.optimizer, "compute_gradients"):
            return self.optimizer.compute_gradients(loss, variables, tape=tape)
        # Keras' legacy optimizers, among them those of TensorFlow Addons.
        return list(zip(tape.gradient(loss, variables), variables, strict=True))

    def _terms(self, targets: Tensors, teacher_outputs: Tensors, outputs: Tensors) -> list[Term]:
        return self.task_terms(targets, outputs) + self._teacher_targets.terms(teacher_outputs, outputs, self.projection)

    def _total(self, losses: Tensors) -> tf.Tensor:
        """This replica's part of the whole loss: the parts of all replicas sum to the mean over the global batch."""
        loss = tf.add_n(self.student.losses) / replica_count() if self.student.losses else 0.0
        for share in losses.values():
            loss += share
        return loss

    def _log(self, loss: tf.Tensor, terms: list[Term], measures: Tensors, sample_weight: tf.Tensor | None, batch_size: tf.Tensor):
        examples = batch_size / replica_count()
        self._means["loss"].update_state(loss * replica_count(), sample_weight=examples)
        values = {term.name: term.value for term in terms} | measures
        means = self._means | self._test_means
        for name, value in values.items():
            weights = examples if value.shape.rank == 0 else sample_weight
            means[name].update_state(value, sample_weight=weights)
        return {name: means[name].result() for name in ("loss", *values)}


def _replica_share(term: Term, sample_weight: tf.Tensor | None, batch_size: tf.Tensor) -> tf.Tensor:
    """This replica's part of a term."""
    if term.value.shape.rank == 0:
        if sample_weight is not None:
            raise InputError(f"sample weights do not apply to {term.name}, which compares images with each other: give (images, targets)")
        return term.value / replica_count()
    weights = 1.0 if sample_weight is None else tf.cast(sample_weight, term.value.dtype)
    return tf.reduce_sum(term.value * weights) / batch_size
