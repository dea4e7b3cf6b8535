"""The evaluation view in operations that every runtime has: no image operation, no 64-bit floats, and images of any size.

Cutting, resizing with antialiasing and cropping are linear in the pixels of a column and of a row, so they are two matrix products, with
weights that the graph works out from the size of the image. As `tf.image.resize(antialias=True)` has them: a triangle around each place of
the canvas, as wide as two pixels of the canvas or of the image, whichever is more, cut off at the edge and with sum 1.
"""

import numpy as np
import tensorflow as tf

from kd_tf.data.views import ViewConfig

# Sides for which the cut of `make_canvas`, in 64-bit floats, is looked for in 32 bits.
SIDES = 16_384


def portable_views(images: tf.Tensor, view: ViewConfig) -> tf.Tensor:
    """What the network sees of photographs.

    Args:
      images: uint8 `[batch, height, width, 3]`.
      view: the sizes.

    Returns:
      float32 `[batch, image_size, image_size, 3]`, whole numbers from 0 to 255: `evaluation_view` of `make_canvas`, but for pixels that
      lie within rounding of the middle between two numbers.
    """
    shape, size = tf.shape(images), view.image_size
    pixels = tf.cast(images, tf.float32)
    columns = tf.matmul(side_weights(shape[1], view), tf.reshape(pixels, tf.stack([shape[0], shape[1], shape[2] * 3])))
    crops = tf.matmul(side_weights(shape[2], view), tf.reshape(columns, tf.stack([shape[0] * size, shape[2], 3])))
    return tf.round(tf.reshape(crops, [-1, size, size, 3]))


def side_weights(side: tf.Tensor, view: ViewConfig) -> tf.Tensor:
    """Weights of the pixels along a side of an image for each pixel of the evaluation crop, float32 `[image_size, side]`.

    Args:
      side: the image's height or width, int32 scalar.
      view: the sizes.
    """
    margin = tf.cast(_margin(side, view), tf.float32)
    # No sums anywhere here: in an int8 model sums are what residual networks are made of, and become int8.
    pixels = tf.range(0.5 - margin, tf.cast(side, tf.float32) - margin)
    kept = tf.cast(side, tf.float32) - 2 * margin
    step = kept / view.canvas_size
    offset = (view.canvas_size - view.image_size) // 2
    centres = tf.constant(np.arange(view.image_size)[:, np.newaxis] + offset + 0.5, tf.float32) * step
    weights = tf.nn.relu(1.0 - tf.abs(pixels - centres) / tf.maximum(step, 1.0))
    if view.central_fraction < 1:
        weights *= tf.cast((pixels > 0) & (pixels < kept), tf.float32)
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)


def _margin(side: tf.Tensor, view: ViewConfig) -> tf.Tensor:
    """Pixels that are cut off at both ends of a side, as `make_canvas` has them."""
    if view.central_fraction == 1:
        return tf.zeros([], tf.int32)
    margin = tf.cast(tf.round(tf.cast(side, tf.float32) * _margin_share(view)), tf.int32)
    return tf.minimum(margin, (side - 1) // 2)


def _margin_share(view: ViewConfig) -> np.float32:
    """The 32-bit share whose rounded products are those of the 64-bit one: 0.05 of 30 pixels may be a little under or over 1.5.

    Where no share has all of them (0.225 has not), the one that has most: a cut is then a pixel off for one side in some hundreds.
    """
    sides, share = np.arange(1, SIDES + 1), (1 - view.central_fraction) / 2
    wanted = np.round(sides * share)
    near = np.float32(share) * np.float32([1, 1 - 2e-7, 1 + 2e-7])
    return min(near, key=lambda candidate: np.sum(np.round(sides.astype(np.float32) * candidate) != wanted))
