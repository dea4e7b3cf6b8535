"""The distance between hidden layers."""

import tensorflow as tf


def hidden_loss(teacher_hidden: tf.Tensor, student_hidden: tf.Tensor) -> tf.Tensor:
    """`Psi(K_S, K_T)`: squared difference, averaged over the width (arXiv 1709.02929, Eq 5, 7, 9).

    The paper has the sum; the mean makes beta mean the same for every width.

    Args:
      teacher_hidden: `[batch, width]`; no gradient flows into it.
      student_hidden: `[batch, width]`, already projected where the student's own width is another.

    Returns:
      float32 `[batch]`.
    """
    target = tf.stop_gradient(tf.cast(teacher_hidden, tf.float32))
    return tf.reduce_mean(tf.math.squared_difference(target, tf.cast(student_hidden, tf.float32)), axis=-1)
