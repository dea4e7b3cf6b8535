"""Distilling a classifier of identities."""

import tensorflow as tf

from kd_tf.distillers.distiller import Distiller
from kd_tf.distillers.terms import Tensors, Term
from kd_tf.losses.classification import identity_loss


class ClassificationDistiller(Distiller):
    """`H(P_S, y) + alpha * H(P_S^tau, P_T^tau) + beta * Psi(K_S, K_T)` (arXiv 1709.02929, Eq 2 to 4).

    Needs the output `logits` and the target `identity`, int `[batch]`. Arguments as in `Distiller`.
    """

    required_outputs = ("logits",)
    term_names = ("identity",)
    measure_names = ("top1",)

    def task_terms(self, targets: Tensors, outputs: Tensors) -> list[Term]:
        """See `Distiller.task_terms`."""
        return [Term("identity", 1.0, identity_loss(targets["identity"], outputs["logits"]))]

    def measures(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """`top1`: percent of images whose most probable identity is right."""
        predicted = tf.argmax(outputs["logits"], axis=-1, output_type=tf.int64)
        right = tf.equal(predicted, tf.cast(targets["identity"], tf.int64))
        return {"top1": 100.0 * tf.cast(right, tf.float32)}

    def teacher_measures(self, targets: Tensors, teacher_outputs: Tensors) -> Tensors:
        """See `Distiller.teacher_measures`; logits that the loss does not compare may be of other identities."""
        return self.measures(targets, teacher_outputs) if "logits" in self._teacher_targets.outputs else {}
