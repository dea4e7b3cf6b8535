"""Relations between the images of a batch (Park et al. 2019, "Relational Knowledge Distillation"): distances and angles.

What is compared is how the images lie to each other, so the two hidden layers may differ in width, in scale, and by any rotation or
shift. Each loss is one float32 scalar for the whole batch, a mean over its pairs or triplets where the paper has the sum, so that a
weight means the same for every batch size; 0 where the batch has no pair or triplet.
"""

import tensorflow as tf

from kd_tf.losses.triplets import squared_distances

# Of the mean squared distance: images that are nearer count as one point, which is at distance 0 and in no direction.
_COINCIDENT = 1e-10
# Angles that are looked at together; a block of vertices has as many, or one vertex.
_BLOCK = 2**18


def distance_loss(teacher_hidden: tf.Tensor, student_hidden: tf.Tensor) -> tf.Tensor:
    """RKD-D: the mean of `l(d_T(i, j) - d_S(i, j))` over the pairs of two images, `d(i, j) = ||K_i - K_j|| / mean ||K - K'||`.

    l is Huber's loss with delta 1. The mean distance is that of the same pairs, of each network its own. Between images that coincide,
    where the distance has no derivative, no gradient flows.

    Args:
      teacher_hidden: `[batch, width]`; no gradient flows into it.
      student_hidden: `[batch, another width]`.

    Returns:
      A float32 scalar.
    """
    target, distances = (_relative_distances(hidden) for hidden in (tf.stop_gradient(teacher_hidden), student_hidden))
    return tf.math.divide_no_nan(tf.reduce_sum(_huber(target - distances)), _tuples(distances, 2))


def angle_loss(teacher_hidden: tf.Tensor, student_hidden: tf.Tensor) -> tf.Tensor:
    """RKD-A: the mean of `l(a_T(i, j, k) - a_S(i, j, k))` over the triplets of three images; a is the cosine of the angle at K_j.

    l is Huber's loss with delta 1. Cosines come from the distances (law of cosines), so that memory grows with the square of the batch,
    whatever the width; time grows with the cube. An angle with a leg of two images that coincide counts as a right one.

    Args:
      teacher_hidden: `[batch, width]`; no gradient flows into it.
      student_hidden: `[batch, another width]`.

    Returns:
      A float32 scalar.
    """
    target, squared = (_squared_distances(hidden) for hidden in (tf.stop_gradient(teacher_hidden), student_hidden))
    return tf.math.divide_no_nan(_sum_over_angles(target, squared), _tuples(squared, 3))


def _squared_distances(hidden: tf.Tensor) -> tf.Tensor:
    """Squared distances over their mean, `[batch, batch]`; exactly 0 between images that coincide.

    Computed in float64, as differences of numbers that are nearly equal where the images are near to each other.
    """
    points = tf.cast(hidden, tf.float64)
    squared = squared_distances(points - tf.stop_gradient(tf.reduce_mean(points, axis=0)))
    # Neither loss depends on the scale: it is a constant.
    relative = tf.math.divide_no_nan(squared, tf.stop_gradient(tf.reduce_mean(squared)))
    return tf.cast(tf.where(relative <= _COINCIDENT, tf.zeros_like(relative), relative), tf.float32)


def _relative_distances(hidden: tf.Tensor) -> tf.Tensor:
    """Distances over the mean of those between two images, `[batch, batch]`."""
    squared = _squared_distances(hidden)
    distances = squared * _inverse_roots(squared)
    return tf.math.divide_no_nan(distances * _tuples(distances, 2), tf.reduce_sum(distances))


def _inverse_roots(squared: tf.Tensor) -> tf.Tensor:
    """`1 / sqrt(x)`, and 0 where x is 0, with a gradient of 0."""
    return tf.where(squared > 0, tf.math.rsqrt(tf.where(squared > 0, squared, 1.0)), 0.0)


def _tuples(distances: tf.Tensor, members: int) -> tf.Tensor:
    """How many ordered pairs (2 members) or triplets (3) of different images there are, float32."""
    batch = tf.cast(tf.shape(distances)[0], tf.float32)
    return tf.reduce_prod(batch - tf.range(members, dtype=tf.float32))


def _huber(difference: tf.Tensor) -> tf.Tensor:
    """`x^2 / 2` up to 1, `|x| - 1/2` beyond."""
    size = tf.abs(difference)
    return tf.where(size <= 1, 0.5 * tf.square(difference), size - 0.5)


@tf.custom_gradient
def _sum_over_angles(teacher_squared: tf.Tensor, student_squared: tf.Tensor):
    """The sum of Huber's losses over all vertices, with its gradient: made together, vertex by vertex, it need not be kept for later."""
    target, squared = tf.stop_gradient(teacher_squared), tf.stop_gradient(student_squared)
    batch = tf.shape(squared)[0]
    block = tf.maximum(_BLOCK // tf.maximum(batch * batch, 1), 1)

    def add_block(start, total, gradient):
        vertices = tf.range(start, tf.minimum(start + block, batch))
        with tf.GradientTape() as tape:
            tape.watch(squared)
            loss = tf.reduce_sum(_huber(_cosines(target, vertices) - _cosines(squared, vertices)))
        return start + block, total + loss, gradient + tape.gradient(loss, squared)

    shapes = (tf.TensorShape([]), tf.TensorShape([]), tf.TensorShape([None, None]))
    start = (tf.constant(0), tf.constant(0.0), tf.zeros_like(squared))
    # Blocks one after the other: side by side they would need the memory that they are to save.
    _, total, gradient = tf.while_loop(lambda start, *_: start < batch, add_block, start, shapes, parallel_iterations=1)
    return total, lambda upstream: (None, upstream * gradient)


def _cosines(squared: tf.Tensor, vertices: tf.Tensor) -> tf.Tensor:
    """Of the angles at some images between all others, `[vertices, batch, batch]`; 0 where two of the three are one image."""
    legs = tf.gather(squared, vertices)
    inverse = _inverse_roots(legs)
    doubled = legs[:, :, tf.newaxis] + legs[:, tf.newaxis, :] - squared
    cosines = 0.5 * doubled * inverse[:, :, tf.newaxis] * inverse[:, tf.newaxis, :]
    return tf.linalg.set_diag(cosines, tf.zeros_like(legs))
