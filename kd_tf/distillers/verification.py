"""Distilling an embedding that tells whether two faces are of one person."""

import tensorflow as tf

from kd_tf.distillers.distiller import Distiller
from kd_tf.distillers.replicas import gather_global_batch
from kd_tf.distillers.terms import Tensors, Term
from kd_tf.errors import InputError
from kd_tf.losses.classification import identity_loss
from kd_tf.losses.triplets import active_share, squared_distances, triplet_loss_named


class VerificationDistiller(Distiller):
    """`[||K_a - K_p||^2 - ||K_a - K_n||^2 + margin]_+` and the teacher's terms (arXiv 1709.02929, Eq 8 and 9).

    With `identity_weight` above 0 the joint variants 8' and 9', which add `H(P_S, y)`. Triplets are mined in the global batch, so it
    must hold several images of an identity (`kd_tf.data.order.identity_order`). Needs the output `embedding` (L2-normalised K;
    and `logits` for the joint variants) and the target `identity`, int `[batch]`.

    Args:
      student: see `Distiller`.
      teacher: see `Distiller`.
      margin: lambda, in squared distances of unit vectors (0 to 4).
      mining: `semi_hard`, `hard` or `all`.
      identity_weight: weight of the identity term.
      **options: the other arguments of `Distiller`.
    """

    required_outputs = ("embedding",)
    measure_names = ("batch_rank1", "active_triplets")

    def __init__(self, student, teacher=None, *, margin: float = 0.4, mining: str = "semi_hard", identity_weight: float = 0.0, **options):
        if margin <= 0:
            raise InputError(f"--margin={margin} must be above 0")
        if identity_weight < 0:
            raise InputError(f"--identity_weight={identity_weight} must not be below 0")
        if identity_weight:
            self.required_outputs = ("embedding", "logits")
        self.term_names = ("triplet", "identity") if identity_weight else ("triplet",)
        super().__init__(student, teacher, **options)
        self._margin = margin
        self._mining = mining
        self._triplet_loss = triplet_loss_named(mining)
        self._identity_weight = identity_weight

    def task_terms(self, targets: Tensors, outputs: Tensors) -> list[Term]:
        """See `Distiller.task_terms`."""
        identities, embeddings = _global_batch(targets, outputs)
        terms = [Term("triplet", 1.0, self._triplet_loss(identities, embeddings, margin=self._margin))]
        if self._identity_weight:
            terms.append(Term("identity", self._identity_weight, identity_loss(targets["identity"], outputs["logits"])))
        return terms

    def measures(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """What is logged of the global batch, in percent.

        `batch_rank1`: images whose nearest other image in the batch is of the same identity. `active_triplets`: mined triplets whose
        loss is above 0.
        """
        identities, embeddings = _global_batch(targets, outputs)
        distances = squared_distances(tf.cast(embeddings, tf.float32))
        others = tf.linalg.set_diag(distances, tf.fill(tf.shape(identities), distances.dtype.max))
        nearest = tf.argmin(others, axis=1, output_type=tf.int32)
        right = (tf.gather(identities, nearest) == identities) & (nearest != tf.range(tf.size(identities)))
        active = active_share(self._mining, identities, embeddings, margin=self._margin)
        return {"batch_rank1": 100.0 * tf.reduce_mean(tf.cast(right, tf.float32)), "active_triplets": active}

    def teacher_measures(self, targets: Tensors, teacher_outputs: Tensors) -> Tensors:
        """See `Distiller.teacher_measures`."""
        if "hidden" not in teacher_outputs:
            return {}
        return self.measures(targets, {"embedding": tf.math.l2_normalize(teacher_outputs["hidden"], axis=-1)})


def _global_batch(targets: Tensors, outputs: Tensors) -> tuple[tf.Tensor, tf.Tensor]:
    return gather_global_batch(targets["identity"]), gather_global_batch(outputs["embedding"])
