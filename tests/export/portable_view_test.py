import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.views import ViewConfig, evaluation_view, make_canvas
from kd_tf.export.portable_view import SIDES, _margin, portable_views, side_weights

# Height and width: smaller than the canvas and larger, whole multiples and none, one pixel, long and flat.
SIZES = [(1, 1), (2, 3), (7, 5), (16, 18), (18, 18), (36, 36), (37, 36), (41, 90), (64, 64), (178, 218), (250, 250), (9, 611)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("canvas", [18, 37])
def test_the_weights_are_those_of_an_antialiased_resize(size, canvas):
    """Of the middle of the canvas that is cropped, before it is rounded."""
    view = ViewConfig(image_size=round(canvas * 7 / 8))
    assert view.canvas_size == canvas
    image = np.random.default_rng(0).uniform(0, 255, [*size, 3]).astype(np.float32)
    start = (canvas - view.image_size) // 2
    middle = slice(start, start + view.image_size)
    expected = tf.image.resize(image, [canvas, canvas], antialias=True).numpy()[middle, middle]
    rows, columns = (side_weights(tf.constant(side), view).numpy() for side in size)
    np.testing.assert_allclose(np.einsum("yh,hwc,xw->yxc", rows, image, columns), expected, atol=2e-3)


@pytest.mark.parametrize("fraction", [1.0, 0.9, 0.75, 0.6])
@pytest.mark.parametrize("size", SIZES)
def test_views_are_those_in_which_a_network_is_scored(size, fraction):
    view = ViewConfig(image_size=16, central_fraction=fraction)
    images = np.random.default_rng(0).integers(0, 256, [2, *size, 3], dtype=np.uint8)
    expected = np.stack([evaluation_view(make_canvas(image, view), tf.zeros([5, 2]), view)[0] for image in images])
    found = portable_views(tf.constant(images), view).numpy()
    # The last bit decides about a pixel in the middle between two numbers.
    assert np.abs(found - expected).max() <= 1
    assert np.mean(found != expected) < 0.01


@pytest.mark.parametrize("fraction", [0.95, 0.9, 0.8, 0.75, 0.7, 0.6, 0.5, 1 / 3, 0.1])
def test_as_many_pixels_are_cut_off_in_32_bits_as_in_64(fraction):
    sides = tf.range(1, SIDES + 1)
    expected = tf.cast(tf.round(tf.cast(sides, tf.float64) * (1 - fraction) / 2), tf.int32)
    expected = tf.minimum(expected, (sides - 1) // 2)
    np.testing.assert_array_equal(_margin(sides, ViewConfig(central_fraction=fraction)), expected)
