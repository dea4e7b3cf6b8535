"""The first phase of FitNets: the shallow part of a student learns what a middle stage of the teacher says."""

from kd_tf.distillers.distiller import Distiller
from kd_tf.distillers.terms import Tensors, Term
from kd_tf.errors import InputError


class HintDistiller(Distiller):
    """`beta * Psi(K_S, K_T)` alone, K being the output of a middle stage (Romero et al. 2015; "Fitnet" in arXiv 1709.02929, Table 1).

    Student and teacher are parts of networks (`kd_tf.networks.stages.stage_network`) with the output `hidden`
    `[batch, height, width, channels]`. The projection between unequal numbers of channels is then a 1x1 convolution. Arguments as in
    `Distiller`; `beta` must be above 0.
    """

    required_outputs = ("hidden",)

    def __init__(self, student, teacher=None, **teacher_targets):
        super().__init__(student, teacher, **teacher_targets)
        if not self._teacher_targets.beta:
            raise InputError("a hint is all that is learned: --beta must be above 0")

    def task_terms(self, targets: Tensors, outputs: Tensors) -> list[Term]:
        """None: there is only what comes from the teacher."""
        return []

    def measures(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """None."""
        return {}
