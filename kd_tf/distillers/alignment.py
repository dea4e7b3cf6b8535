"""Distilling a finder of landmarks."""

import tensorflow as tf

from kd_tf.distillers.distiller import Distiller
from kd_tf.distillers.terms import Tensors, Term
from kd_tf.losses.landmarks import landmark_loss


class AlignmentDistiller(Distiller):
    """`||R_S - y||^2 + alpha * H(P_S^tau, P_T^tau) + beta * Psi(K_S, K_T)` (arXiv 1709.02929, Eq 6 and 7).

    Needs the output `landmarks` and the target `landmarks`, `[batch, 5, 2]` as fractions of the crop. The soft targets are those of
    the identity head that the teacher kept. Arguments as in `Distiller`.
    """

    required_outputs = ("landmarks",)
    term_names = ("landmarks",)
    measure_names = ("nrmse",)

    def task_terms(self, targets: Tensors, outputs: Tensors) -> list[Term]:
        """See `Distiller.task_terms`."""
        return [Term("landmarks", 1.0, landmark_loss(targets["landmarks"], outputs["landmarks"]))]

    def measures(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """`nrmse`: mean point error over the distance between the eyes, in percent."""
        true_landmarks = tf.cast(targets["landmarks"], tf.float32)
        errors = tf.norm(true_landmarks - tf.cast(outputs["landmarks"], tf.float32), axis=-1)
        interocular_distance = tf.norm(true_landmarks[:, 0] - true_landmarks[:, 1], axis=-1)
        return {"nrmse": 100.0 * tf.math.divide_no_nan(tf.reduce_mean(errors, axis=-1), interocular_distance)}
