"""What a network sees of a record: a pure function of the seed, the record and the view.

The image is cut to its central share, resized to a square canvas of 8/7 of the crop (the paper: 256 for 224), and a crop of it is
taken: at a random place, flipped or not and lightly jittered in training, in the middle and as it is in evaluation.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from kd_tf.errors import InputError

EVALUATION_VIEW = -1
# What `training_view`, `evaluation_view` and `make_canvas` give is stored by others: another number says that they give something else.
VIEW_FUNCTION = 1
FLIPPED_LANDMARKS = (1, 0, 2, 4, 3)
JITTER = 0.2


@dataclasses.dataclass(frozen=True)
class ViewConfig:
    """How records become network inputs.

    Attributes:
      image_size: height and width of the crop, in pixels.
      central_fraction: the share of the image's width and height that is used, around its centre.
      align: whether faces are aligned by their five landmarks first (kd_tf/data/aligned.py).
      jitter: whether training views change brightness, contrast and saturation by up to 20%.
      seed: chooses the training views.
      views: under how many training views a record is seen, in turns; 0: always in the evaluation view; None: another one in every
        epoch.
    """

    image_size: int = 224
    central_fraction: float = 1.0
    align: bool = False
    jitter: bool = True
    seed: int = 0
    views: int | None = None

    def __post_init__(self):
        if self.image_size < 16:
            raise InputError(f"--image_size={self.image_size} is too small: at least 16")
        if not 0 < self.central_fraction <= 1:
            raise InputError(f"--central_fraction={self.central_fraction} must be above 0 and at most 1")
        if self.views is not None and self.views < 0:
            raise InputError(f"--views={self.views} must not be below 0")

    @property
    def canvas_size(self) -> int:
        """Height and width that images are resized to before the crop is taken."""
        return round(self.image_size * 8 / 7)


def view_in_turn(view: tf.Tensor, config: ViewConfig) -> tf.Tensor:
    """The view under which a record is seen when `view` of its views have gone before, int64 of any shape."""
    if config.views is None:
        return view
    return view % config.views if config.views else tf.fill(tf.shape(view), tf.constant(EVALUATION_VIEW, tf.int64))


def make_canvas(image: tf.Tensor, config: ViewConfig) -> tf.Tensor:
    """An image `[height, width, 3]` to uint8 `[canvas, canvas, 3]`: the part that no view changes, and that can be stored.

    The share is cut in whole pixels, so landmarks may be off by half a pixel of the image.
    """
    if config.central_fraction < 1:
        size = tf.shape(image)[:2]
        margin = tf.cast(tf.round(tf.cast(size, tf.float64) * (1 - config.central_fraction) / 2), tf.int32)
        margin = tf.minimum(margin, (size - 1) // 2)
        image = image[margin[0] : size[0] - margin[0], margin[1] : size[1] - margin[1]]
    # Each pixel is a weighted mean, so that nothing is below 0 or above 255.
    return tf.cast(tf.round(tf.image.resize(image, [config.canvas_size] * 2, antialias=True)), tf.uint8)


def canvas_landmarks(landmarks: np.ndarray, config: ViewConfig) -> np.ndarray:
    """Fractions of the image to fractions of the canvas, `[..., 5, 2]`."""
    return (landmarks - 0.5) / config.central_fraction + 0.5


def training_view(
    canvas: tf.Tensor, landmarks: tf.Tensor, record: tf.Tensor, view: tf.Tensor, config: ViewConfig
) -> tuple[tf.Tensor, tf.Tensor]:
    """The crop, flip and jitter that `(config.seed, record, view)` stand for.

    Args:
      canvas: uint8 `[canvas, canvas, 3]`.
      landmarks: float32 `[5, 2]`, fractions of the canvas.
      record: int64 scalar, the record's index in its source.
      view: int64 scalar.
      config: the seed and the sizes.

    Returns:
      float32 `[image_size, image_size, 3]`, 0 to 255, and landmarks `[5, 2]` as fractions of the crop.
    """
    seed = tf.random.experimental.stateless_fold_in(tf.stack([tf.constant(config.seed, tf.int64), record]), view)
    draws = tf.random.stateless_uniform([6], seed)
    room = config.canvas_size - config.image_size
    offset = tf.cast(tf.floor(draws[:2] * (room + 1)), tf.int32)
    image, landmarks = _crop(canvas, landmarks, offset, config)
    flip = draws[2] < 0.5
    image = tf.cond(flip, lambda: tf.reverse(image, [1]), lambda: image)
    landmarks = tf.cond(flip, lambda: _flip_landmarks(landmarks), lambda: landmarks)
    return (_jitter(image, draws[3:]) if config.jitter else image), landmarks


def evaluation_view(canvas: tf.Tensor, landmarks: tf.Tensor, config: ViewConfig) -> tuple[tf.Tensor, tf.Tensor]:
    """The middle of the canvas; arguments and results as in `training_view`."""
    return _crop(canvas, landmarks, evaluation_offset(config), config)


def evaluation_offset(config: ViewConfig) -> tf.Tensor:
    """Row and column where the evaluation crop starts, int32 `[2]`."""
    return tf.fill([2], (config.canvas_size - config.image_size) // 2)


def evaluation_landmarks(landmarks: np.ndarray, config: ViewConfig) -> np.ndarray:
    """Fractions of the whole image to fractions of the evaluation crop, `[..., 5, 2]`."""
    start = (config.canvas_size - config.image_size) // 2
    return (canvas_landmarks(landmarks, config) * config.canvas_size - start) / config.image_size


def landmarks_in_image(landmarks: tf.Tensor, config: ViewConfig) -> tf.Tensor:
    """Fractions of the evaluation crop to fractions of the whole image, `[..., 5, 2]`: what an exported model starts from."""
    start = (config.canvas_size - config.image_size) // 2
    scale = config.central_fraction / config.canvas_size
    return landmarks * (config.image_size * scale) - ((config.canvas_size / 2 - start) * scale - 0.5)


def _crop(canvas: tf.Tensor, landmarks: tf.Tensor, offset: tf.Tensor, config: ViewConfig) -> tuple[tf.Tensor, tf.Tensor]:
    image = tf.slice(canvas, [offset[0], offset[1], 0], [config.image_size, config.image_size, 3])
    image = tf.cast(image, tf.float32)
    start = tf.cast(offset[::-1], tf.float32)
    return image, (landmarks * config.canvas_size - start) / config.image_size


def _flip_landmarks(landmarks: tf.Tensor) -> tf.Tensor:
    mirrored = landmarks * [-1.0, 1.0] + [1.0, 0.0]
    return tf.gather(mirrored, FLIPPED_LANDMARKS)


def _jitter(image: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Brightness, contrast about the image's mean and saturation about each pixel's grey: linear in the colours, so one product."""
    brightness, contrast, saturation = tf.unstack(1 + JITTER * (2 * draws - 1))
    colours = brightness * contrast * (saturation * tf.eye(3) + (1 - saturation) / 3)
    shift = brightness * (1 - contrast) * tf.reduce_mean(image)
    jittered = tf.reshape(tf.matmul(tf.reshape(image, [-1, 3]), colours) + shift, tf.shape(image))
    return tf.clip_by_value(jittered, 0.0, 255.0)
