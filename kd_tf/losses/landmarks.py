"""The loss of landmark regression."""

import tensorflow as tf


def landmark_loss(true_landmarks: tf.Tensor, landmarks: tf.Tensor) -> tf.Tensor:
    """`||R - y||^2`: squared error, summed over the ten coordinates (arXiv 1709.02929, Eq 6).

    Args:
      true_landmarks: `[batch, 5, 2]`, fractions of the crop's width and height.
      landmarks: `[batch, 5, 2]`, likewise.

    Returns:
      float32 `[batch]`.
    """
    difference = tf.cast(true_landmarks, tf.float32) - tf.cast(landmarks, tf.float32)
    return tf.reduce_sum(tf.square(difference), axis=[-2, -1])
