"""The distance between hidden layers, image by image."""

import tensorflow as tf

HIDDEN_REDUCTIONS = ("mean", "sum")


def hidden_loss(teacher_hidden: tf.Tensor, student_hidden: tf.Tensor, *, reduction: str = "mean", normalize: bool = False) -> tf.Tensor:
    """`Psi(K_S, K_T)`: squared difference over the width (arXiv 1709.02929, Eq 5, 7, 9).

    Of a layer with positions, as for FitNets' hints (Romero et al. 2015), the mean over them.

    Args:
      teacher_hidden: `[batch, ..., width]`; no gradient flows into it.
      student_hidden: `[batch, ..., width]`, already projected where the student's own width is another.
      reduction: over the width: `mean`, which makes beta mean the same for every width, or `sum`, the paper's.
      normalize: compares directions: both are L2-normalised over the width first (with `sum`: 2 - 2 cosine, 0 to 4).

    Returns:
      float32 `[batch]`.
    """
    target, hidden = tf.stop_gradient(tf.cast(teacher_hidden, tf.float32)), tf.cast(student_hidden, tf.float32)
    if normalize:
        target, hidden = tf.math.l2_normalize(target, axis=-1), tf.math.l2_normalize(hidden, axis=-1)
    reduce = tf.reduce_mean if reduction == "mean" else tf.reduce_sum
    distances = reduce(tf.math.squared_difference(target, hidden), axis=-1)
    return tf.reduce_mean(distances, axis=list(range(1, distances.shape.rank)))


def cosine_loss(teacher_hidden: tf.Tensor, student_hidden: tf.Tensor) -> tf.Tensor:
    """`1 - cos(K_T, K_S)`, 0 to 2: half of `hidden_loss` of directions with `sum`; of a layer with positions the mean over them.

    Args:
      teacher_hidden: `[batch, ..., width]`; no gradient flows into it.
      student_hidden: `[batch, ..., width]`, already projected where the student's own width is another. One of zeros has cosine 0.

    Returns:
      float32 `[batch]`.
    """
    layers = tf.stop_gradient(tf.cast(teacher_hidden, tf.float32)), tf.cast(student_hidden, tf.float32)
    target, hidden = (tf.math.l2_normalize(layer, axis=-1) for layer in layers)
    distances = 1 - tf.reduce_sum(target * hidden, axis=-1)
    return tf.reduce_mean(distances, axis=list(range(1, distances.shape.rank)))
