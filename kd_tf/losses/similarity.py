"""Which of the batch's images an embedding is most like, as the teacher sees them."""

import tensorflow as tf

from kd_tf.losses.classification import soft_target_loss

# tau. Cosines of directions from the mean are near 0 for two people and 1 for an image itself, whatever the teacher.
SIMILARITY_TEMPERATURE = 0.1


def similarity_loss(teacher_hidden: tf.Tensor, student_hidden: tf.Tensor) -> tf.Tensor:
    """`mean_i KL(softmax_j(cos(t_i, t_j) / tau) || softmax_j(cos(s_i, t_j) / tau))`, t_i = K_T,i - m, s_i = K_S,i - m, tau = 0.1.

    Soft targets whose classes are the images of the batch (SEED, Fang et al. 2021, with the batch for its queue): a student's embedding
    is to be as near to the teacher's embeddings of all images as the teacher's own is. m is the mean of K_T over the batch: without it the
    cosines of a teacher whose embeddings have a large mean differ by little.

    Args:
      teacher_hidden: `[batch, width]`; no gradient flows into it.
      student_hidden: `[batch, width]`, already projected where the student's own width is another.

    Returns:
      A float32 scalar: 0 where all directions from m are those of the teacher, or the batch has one image.
    """
    known = tf.stop_gradient(tf.cast(teacher_hidden, tf.float32))
    mean = tf.reduce_mean(known, axis=0)
    known, found = (tf.math.l2_normalize(rows - mean, axis=-1) for rows in (known, tf.cast(student_hidden, tf.float32)))
    target, predicted = (tf.matmul(rows, known, transpose_b=True) for rows in (known, found))
    entropy = soft_target_loss(target, target, temperature=SIMILARITY_TEMPERATURE)
    return tf.reduce_mean(soft_target_loss(target, predicted, temperature=SIMILARITY_TEMPERATURE) - entropy)
