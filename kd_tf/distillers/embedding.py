"""Distilling an embedding without labels: the student learns what the teacher says, and nothing else."""

from kd_tf.distillers.distiller import Distiller
from kd_tf.distillers.terms import TeacherTargets, Tensors, Term
from kd_tf.errors import InputError


class EmbeddingDistiller(Distiller):
    """`beta * Psi(K_S, K_T)` alone (arXiv 1709.02929, Eq 5 without Phi), so that nobody needs to know who is on the images.

    The terms may be any of `TeacherTargets` that compare hidden layers: a teacher of embeddings has no identities. Where a `projection`
    is trained, P(K_S) is what answers as the teacher does (`kd_tf.networks.projection.project_network`). Arguments as in `Distiller`.

    Raises:
      InputError: as `Distiller`; or no term is of the hidden layer, or one of identities.
    """

    required_outputs = ("hidden",)
    learned = "an embedding"

    def __init__(self, student, teacher=None, **teacher_targets):
        targets = TeacherTargets(**teacher_targets)
        if targets.outputs != self.required_outputs:
            terms = ", ".join(targets.weights) or "nothing"
            raise InputError(f"the teacher's hidden layer is all that {self.learned} learns: give --alpha=0 --beta=1; the loss has {terms}")
        super().__init__(student, teacher, **teacher_targets)

    def task_terms(self, targets: Tensors, outputs: Tensors) -> list[Term]:
        """None: there is only what comes from the teacher."""
        return []

    def measures(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """None."""
        return {}
