"""Triplet losses (arXiv 1709.02929, Eq 8): `[||K_a - K_p||^2 - ||K_a - K_n||^2 + margin]_+`.

They compare the images of a batch with each other, so each returns one float32 scalar for the whole batch; it is 0 where the batch
has no pair of one identity. Embeddings are `[batch, width]` and L2-normalised, distances are squared (0 to 4).
"""

from collections.abc import Callable

import tensorflow as tf

from kd_tf.errors import InputError

TripletLoss = Callable[..., tf.Tensor]
# Beyond every squared distance; a batch of it still has a finite sum.
_FAR = 1e30


def semi_hard_triplet_loss(identities: tf.Tensor, embeddings: tf.Tensor, *, margin: float) -> tf.Tensor:
    """For each pair of one identity the nearest negative farther than the positive; the farthest one where none is.

    Schroff et al. 2015. Mean over all ordered pairs. Values and gradients are those of TensorFlow Addons, whose memory grows with the
    cube of the batch and this one's with the square. As there, the images of a batch of one identity are compared with a negative at
    distance 0.

    Args:
      identities: int `[batch]`.
      embeddings: `[batch, width]`.
      margin: lambda.
    """
    losses, pairs = _semi_hard_losses(*_compared(identities, embeddings), margin)
    return tf.math.divide_no_nan(tf.reduce_sum(losses), tf.math.count_nonzero(pairs, dtype=tf.float32))


def hard_triplet_loss(identities: tf.Tensor, embeddings: tf.Tensor, *, margin: float) -> tf.Tensor:
    """For each image its farthest positive and its nearest negative (Hermans et al. 2017). Mean over the images that have both.

    In batches where all have both it equals TensorFlow Addons', which takes an image without a positive for its own.

    Args:
      identities: int `[batch]`.
      embeddings: `[batch, width]`.
      margin: lambda.
    """
    losses, anchors = _hard_losses(*_compared(identities, embeddings), margin)
    return tf.math.divide_no_nan(tf.reduce_sum(losses), tf.math.count_nonzero(anchors, dtype=tf.float32))


def all_triplet_loss(identities: tf.Tensor, embeddings: tf.Tensor, *, margin: float) -> tf.Tensor:
    """Every triplet of the batch. Mean over those whose loss is above 0. Memory grows with the cube of the batch.

    Args:
      identities: int `[batch]`.
      embeddings: `[batch, width]`.
      margin: lambda.
    """
    losses, _ = _all_losses(*_compared(identities, embeddings), margin)
    return tf.math.divide_no_nan(tf.reduce_sum(losses), tf.math.count_nonzero(losses > 0, dtype=tf.float32))


def active_share(mining: str, identities: tf.Tensor, embeddings: tf.Tensor, *, margin: float) -> tf.Tensor:
    """Percent of the mined triplets whose loss is above 0: the others teach nothing. 0 where there is none.

    Args:
      mining: a key of `TRIPLET_LOSSES`.
      identities: int `[batch]`.
      embeddings: `[batch, width]`.
      margin: lambda.

    Returns:
      A float32 scalar.
    """
    losses, mined = _MINED[mining](*_compared(identities, embeddings), margin)
    active = tf.math.count_nonzero(losses > 0, dtype=tf.float32)
    return 100.0 * tf.math.divide_no_nan(active, tf.math.count_nonzero(mined, dtype=tf.float32))


TRIPLET_LOSSES: dict[str, TripletLoss] = {"semi_hard": semi_hard_triplet_loss, "hard": hard_triplet_loss, "all": all_triplet_loss}


def triplet_loss_named(mining: str) -> TripletLoss:
    """The loss of `--triplet_mining=`.

    Raises:
      InputError: an unknown name.
    """
    if mining not in TRIPLET_LOSSES:
        raise InputError(f"--triplet_mining={mining} is unknown; known: {', '.join(TRIPLET_LOSSES)}")
    return TRIPLET_LOSSES[mining]


def squared_distances(embeddings: tf.Tensor) -> tf.Tensor:
    """`||e_i - e_j||^2`, `[batch, batch]`, never below 0."""
    squared_norms = tf.reduce_sum(tf.square(embeddings), axis=1)
    products = tf.matmul(embeddings, embeddings, transpose_b=True)
    return tf.nn.relu(squared_norms[:, None] + squared_norms[None, :] - 2 * products)


def _compared(identities: tf.Tensor, embeddings: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Squared distances, and which pairs are two images of one identity, and which are of two; `[batch, batch]` each."""
    return squared_distances(tf.cast(embeddings, tf.float32)), *_pair_masks(identities)


def _hard_losses(distances, positive, negative, margin):
    """Losses `[batch]` of the anchors, 0 where `mined` `[batch]` is False."""
    farthest_positive = tf.reduce_max(tf.where(positive, distances, 0.0), axis=1)
    nearest_negative = tf.reduce_min(tf.where(negative, distances, distances.dtype.max), axis=1)
    mined = tf.reduce_any(positive, axis=1) & tf.reduce_any(negative, axis=1)
    return tf.where(mined, tf.nn.relu(farthest_positive - nearest_negative + margin), 0.0), mined


def _all_losses(distances, positive, negative, margin):
    """Losses `[batch, batch, batch]` of anchor, positive and negative, 0 where `mined` is False."""
    losses = tf.nn.relu(distances[:, :, None] - distances[:, None, :] + margin)
    mined = positive[:, :, None] & negative[:, None, :]
    return tf.where(mined, losses, 0.0), mined


def _semi_hard_losses(distances, positive, negative, margin):
    """Losses `[batch, batch]` of anchor and positive, 0 where `mined` is False."""
    # The negatives of each anchor in ascending order; searching finds the nearest one farther than each positive.
    ascending = tf.sort(tf.where(negative, distances, _FAR), axis=1)
    farther = tf.searchsorted(ascending, distances, side="right")
    negatives = tf.math.count_nonzero(negative, axis=1, dtype=tf.int32)[:, None]
    place = tf.clip_by_value(farther, 0, tf.maximum(negatives - 1, 0))
    chosen = tf.gather(_evenly_where_equal(ascending), place, batch_dims=1)
    # Where it is the farthest image of all, TensorFlow Addons shares the gradient with positives that are as far.
    farthest = tf.reduce_max(distances, axis=1, keepdims=True)
    left = tf.cast(negatives - farther, tf.float32) / tf.cast(tf.shape(distances)[0], tf.float32)
    is_farthest = (left > 0) & (tf.gather(ascending, place, batch_dims=1) == farthest)
    chosen = tf.where(is_farthest, left * chosen + (1 - left) * farthest, chosen)
    losses = tf.maximum(distances - tf.where(negatives > 0, chosen, 0.0) + margin, 0.0)
    return tf.where(positive, losses, 0.0), positive


def _evenly_where_equal(ascending):
    """The same values; the gradient of those that are equal is shared among them, as that of a minimum or maximum is."""
    rows, columns = tf.unstack(tf.shape(ascending))
    starts = tf.concat([tf.ones([rows, 1], tf.bool), ascending[:, 1:] != ascending[:, :-1]], axis=1)
    run = tf.cumsum(tf.cast(tf.reshape(starts, [-1]), tf.int32)) - 1
    values = tf.math.segment_mean(tf.reshape(ascending, [-1]), run)
    return tf.reshape(tf.gather(values, run), [rows, columns])


_MINED = {"semi_hard": _semi_hard_losses, "hard": _hard_losses, "all": _all_losses}


def _pair_masks(identities: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Which pairs `[batch, batch]` are two images of one identity, and which are of two."""
    same = identities[:, None] == identities[None, :]
    return same & ~tf.eye(tf.size(identities), dtype=tf.bool), ~same
