"""Paints a face into an image: background, fill, light, blur, noise."""

import cv2
import numpy as np

from kd_tf.data.synthetic.face import Face
from kd_tf.data.synthetic.traits import Conditions, Traits, random_generator

# A face's half width takes this share of the image's width at scale 1.
FACE_SHARE = 0.27
_SUPERSAMPLING = 2
_SUBPIXEL_BITS = 4


def draw_picture(seed: int, identity: int, image: int, image_size: int) -> np.ndarray:
    """Photograph `image` of person `identity`: uint8 RGB `[image_size, image_size, 3]`."""
    conditions = Conditions.of(seed, identity, image)
    face = Face(Traits.of(seed, identity), conditions).draw()
    generator = random_generator(seed, 2, identity, image)
    size = image_size * _SUPERSAMPLING
    canvas = _background(generator, size)
    for points, color in face.shapes:
        _fill(canvas, (points * FACE_SHARE + 0.5) * size, color)
    small = cv2.resize(canvas, (image_size, image_size), interpolation=cv2.INTER_AREA)
    return _expose(small, conditions, generator)


def face_landmarks(seed: int, identity: int, image: int) -> np.ndarray:
    """Where the five landmarks of that photograph are: float32 `[5, 2]`, fractions of width and height."""
    face = Face(Traits.of(seed, identity), Conditions.of(seed, identity, image))
    return (face.landmarks * FACE_SHARE + 0.5).astype(np.float32)


def _fill(canvas: np.ndarray, points: np.ndarray, color: np.ndarray) -> None:
    # OpenCV's pixel centres are whole numbers, ours are halves.
    fixed = np.round((points - 0.5) * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], np.clip(color, 0, 255).tolist(), cv2.LINE_AA, _SUBPIXEL_BITS)


def _background(generator: np.random.Generator, size: int) -> np.ndarray:
    canvas = np.empty([size, size, 3], np.uint8)
    canvas[:] = generator.integers(0, 256, 3)
    for _ in range(6):
        corner = generator.random(2)
        extent = 0.15 + 0.6 * generator.random(2)
        shape = (corner + extent * (generator.random((5, 2)) - 0.5)) * size
        _fill(canvas, shape[np.argsort(np.arctan2(*(shape - shape.mean(0)).T))], generator.integers(0, 256, 3))
    return cv2.GaussianBlur(canvas, (0, 0), size * (0.01 + 0.03 * generator.random()))


def _expose(image: np.ndarray, conditions: Conditions, generator: np.random.Generator) -> np.ndarray:
    size = len(image)
    ramp = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    slope = conditions.light_contrast * np.array([np.cos(conditions.light_angle), np.sin(conditions.light_angle)], np.float32)
    light = np.float32(conditions.exposure) * (1 + slope[0] * ramp[None, :] + slope[1] * ramp[:, None])
    exposed = image * light[:, :, None] * conditions.cast.astype(np.float32)
    if conditions.blur > 0.3:
        exposed = cv2.GaussianBlur(exposed, (0, 0), conditions.blur * size / 64)
    grain = (generator.random(exposed.shape, np.float32) - np.float32(0.5)) * np.float32(2 * conditions.noise)
    return np.clip(exposed + grain + np.float32(0.5), 0, 255).astype(np.uint8)
