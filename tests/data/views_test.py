import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data import views
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError

CONFIG = ViewConfig(image_size=32, jitter=False, seed=5)
CANVAS = CONFIG.canvas_size
ROOM = CANVAS - CONFIG.image_size
VIEWS = 120

# Column and row of each landmark on the canvas, all inside every crop; eyes and mouth lie askew.
POINTS = np.array([[11, 9], [24, 12], [17, 18], [10, 26], [22, 23]])
LANDMARKS = ((POINTS + 0.5) / CANVAS).astype(np.float32)
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255]])


def painted_canvas():
    canvas = np.full([CANVAS, CANVAS, 3], 90, np.uint8)
    canvas[POINTS[:, 1], POINTS[:, 0]] = COLORS
    return canvas


def numbered_canvas():
    """Red is the row and green the column."""
    row, column = np.mgrid[:CANVAS, :CANVAS]
    return np.stack([row, column, 0 * row], axis=-1).astype(np.uint8)


def see(canvas, config=CONFIG, records=(7,), count=VIEWS):
    """The images and landmarks of views `0 .. count - 1` of each record."""
    pairs = np.array([(record, view) for record in records for view in range(count)], np.int64)
    seen = tf.data.Dataset.from_tensor_slices(pairs).map(
        lambda pair: views.training_view(tf.constant(canvas), tf.constant(LANDMARKS), pair[0], pair[1], config)
    )
    return seen.as_numpy_iterator()


def see_one(record, view, **changes):
    config = ViewConfig(**{"image_size": 32, "seed": 5, **changes})
    image, landmarks = views.training_view(painted_canvas(), LANDMARKS, tf.constant(record, tf.int64), tf.constant(view, tf.int64), config)
    return np.append(image, landmarks)


def test_training_view_is_a_pure_function():
    np.testing.assert_array_equal(see_one(3, 4), see_one(3, 4))


def test_views_are_those_that_were_stored():
    """Outputs of teachers are stored for these views: whoever changes what they show counts `VIEW_FUNCTION` up, and then this test."""
    assert views.VIEW_FUNCTION == 1
    record, view = tf.constant(7, tf.int64), tf.constant(2, tf.int64)
    image, landmarks = views.training_view(numbered_canvas(), LANDMARKS, record, view, ViewConfig(32, seed=5))
    pixels = [[1.70900, 3.81750, 0.65476], [15.61717, 4.02046, 0.85772], [29.52534, 4.22342, 1.06069]]
    np.testing.assert_allclose(image[::13, 3], pixels, atol=1e-3)
    np.testing.assert_allclose(landmarks[0], [0.359375, 0.265625], atol=1e-6)
    picture = tf.constant(np.arange(1200).reshape(20, 20, 3) % 256, tf.uint8)
    image, _ = views.evaluation_view(views.make_canvas(picture, ViewConfig(16)), LANDMARKS, ViewConfig(16))
    np.testing.assert_array_equal(image[::5, 3, 0], [87, 158, 159, 56])


@pytest.mark.parametrize("other", [{"record": 4}, {"view": 5}, {"seed": 6}])
def test_training_view_depends_on_record_view_and_seed(other):
    assert not np.array_equal(see_one(3, 4), see_one(**{"record": 3, "view": 4, **other}))


def test_landmarks_stay_on_their_pixels():
    """A flipped image's left eye is the one that was on the right; the order of the five is CelebA's in either case."""
    swapped = COLORS[[1, 0, 2, 4, 3]]
    flips = []
    for image, landmarks in see(painted_canvas()):
        column, row = np.floor(landmarks * 32).astype(int).T
        found = image[row, column]
        flips.append(np.array_equal(found, swapped))
        np.testing.assert_array_equal(found, swapped if flips[-1] else COLORS)
        # Pixel centres remain pixel centres.
        np.testing.assert_allclose(landmarks * 32 % 1, 0.5, atol=1e-4)
        assert landmarks[0, 0] < landmarks[1, 0] and landmarks[3, 0] < landmarks[4, 0]
    # 120 fair coins: 40 to 80 is 3.6 standard deviations either way.
    assert 40 <= sum(flips) <= 80


def test_training_crops_reach_every_offset():
    canvas = numbered_canvas().astype(np.float32)
    rows, columns = set(), set()
    for image, _ in see(numbered_canvas()):
        row, column = int(image[0, 0, 0]), int(image[0, :, 1].min())
        crop = canvas[row : row + 32, column : column + 32]
        np.testing.assert_array_equal(image, crop if image[0, 0, 1] < image[0, 1, 1] else crop[:, ::-1])
        rows.add(row)
        columns.add(column)
    assert rows == columns == set(range(ROOM + 1))


def test_jitter_changes_light_by_up_to_a_fifth():
    """On a grey canvas contrast and saturation change nothing, so brightness shows alone: 100 becomes 80 to 120."""
    grey = np.full([CANVAS, CANVAS, 3], 100, np.uint8)
    images = np.array([image for image, _ in see(grey, ViewConfig(image_size=32, seed=5))])
    levels = images[:, 0, 0, 0]
    np.testing.assert_allclose(images, np.broadcast_to(levels[:, None, None, None], images.shape), atol=1e-3)
    assert 80 <= levels.min() < 84 and 116 < levels.max() <= 120


def test_jitter_leaves_no_value_outside_the_range():
    canvas = np.zeros([CANVAS, CANVAS, 3], np.uint8)
    canvas[:, ::2, 0] = 255
    images = np.array([image for image, _ in see(canvas, ViewConfig(image_size=32, seed=5), count=40)])
    assert images.min() == 0 and images.max() == 255


def test_jitter_leaves_crop_and_landmarks_alone():
    plain = [landmarks for _, landmarks in see(painted_canvas(), count=20)]
    jittered = [landmarks for _, landmarks in see(painted_canvas(), ViewConfig(image_size=32, seed=5), count=20)]
    np.testing.assert_array_equal(plain, jittered)


# Canvases of 37, 32 and 128 pixels: an odd room and two even ones.
@pytest.mark.parametrize(("image_size", "start"), [(32, 2), (28, 2), (112, 8)])
def test_evaluation_view_is_the_middle(image_size, start):
    config = ViewConfig(image_size=image_size)
    canvas = np.random.default_rng(0).integers(0, 256, (config.canvas_size, config.canvas_size, 3), np.uint8)
    image, landmarks = views.evaluation_view(canvas, LANDMARKS, config)
    np.testing.assert_array_equal(image, canvas[start : start + image_size, start : start + image_size])
    assert image.dtype == tf.float32
    np.testing.assert_allclose(landmarks, (LANDMARKS * config.canvas_size - start) / image_size, rtol=1e-6)


def test_evaluation_landmarks_by_hand():
    """A central 0.6 of the image, a canvas of 32 with a crop from 2 to 30: x 0.5 stays; 0.8 is the canvas' edge, (32 - 2) / 28."""
    config = ViewConfig(image_size=28, central_fraction=0.6)
    np.testing.assert_allclose(views.evaluation_landmarks(np.array([[0.5, 0.8]]), config), [[0.5, 30 / 28]], rtol=1e-12)


@pytest.mark.parametrize("config", [ViewConfig(image_size=32), ViewConfig(image_size=112, central_fraction=0.6)])
def test_landmarks_in_image_undoes_evaluation_landmarks(config):
    points = np.random.default_rng(0).random((4, 5, 2))
    np.testing.assert_allclose(views.landmarks_in_image(views.evaluation_landmarks(points, config), config), points, rtol=1e-12)
    np.testing.assert_allclose(views.evaluation_landmarks(views.landmarks_in_image(points, config), config), points, rtol=1e-12)


def test_canvas_of_the_central_share_is_that_share():
    """A canvas of 150 pixels from the central 150 of 250 is a copy."""
    image = np.random.default_rng(0).integers(0, 256, (250, 250, 3), np.uint8)
    config = ViewConfig(image_size=131, central_fraction=0.6)
    assert config.canvas_size == 150
    np.testing.assert_array_equal(views.make_canvas(image, config), image[50:200, 50:200])


def test_canvas_sees_nothing_of_the_margin():
    image = np.full([250, 250, 3], 10, np.uint8)
    image[50:200, 50:200] = [200, 100, 50]
    canvas = views.make_canvas(image, ViewConfig(image_size=112, central_fraction=0.6))
    assert canvas.dtype == tf.uint8
    np.testing.assert_array_equal(canvas, np.full([128, 128, 3], [200, 100, 50]))


def test_a_shrunk_canvas_averages():
    """Rows of 0, 30 and 180 by turns, shrunk to a third: the interior is their mean, 70, where sampling would give one of them."""
    image = np.tile(np.array([0, 30, 180], np.uint8)[:, None, None], (32, 96, 3))
    canvas = views.make_canvas(image, ViewConfig(image_size=28))
    np.testing.assert_array_equal(canvas[1:-1], np.full([30, 32, 3], 70))


def test_landmarks_follow_the_canvas():
    """A white pixel at column 80, row 120 of 250: the canvas' brightest pixel is where its landmark says."""
    config = ViewConfig(image_size=131, central_fraction=0.6)
    image = np.zeros([250, 250, 3], np.uint8)
    image[120, 80] = 255
    row, column, _ = np.unravel_index(np.argmax(views.make_canvas(image, config)), [150, 150, 3])
    landmark = views.canvas_landmarks(np.array([80.5, 120.5]) / 250, config)
    np.testing.assert_allclose(landmark * 150, [column + 0.5, row + 0.5], rtol=1e-12)


@pytest.mark.parametrize(("image_size", "canvas_size"), [(224, 256), (112, 128), (56, 64), (16, 18)])
def test_canvas_size(image_size, canvas_size):
    assert ViewConfig(image_size=image_size).canvas_size == canvas_size


def test_image_size_too_small():
    with pytest.raises(InputError) as error:
        ViewConfig(image_size=15)
    assert str(error.value) == "--image_size=15 is too small: at least 16"


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.01, float("nan")])
def test_central_fraction_out_of_range(fraction):
    with pytest.raises(InputError) as error:
        ViewConfig(central_fraction=fraction)
    assert str(error.value) == f"--central_fraction={fraction} must be above 0 and at most 1"
