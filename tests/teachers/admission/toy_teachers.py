"""Teachers of a line of arithmetic, people whom one of them knows, and pictures of these that are made at once."""

import cv2
import numpy as np
import tensorflow as tf

from kd_tf.data.synthetic.source import encode_bmp
from kd_tf.data.views import ViewConfig
from kd_tf.teachers.embedding.teacher import EmbeddingTeacher
from kd_tf.teachers.embedding.teacher_view import TeacherView

SIDE = 16
VIEW = ViewConfig(image_size=24)
# The part of a picture that shows a person.
FACE = 0.6


class Patterns:
    """A `Source`: each person is 4x4 shades of red in the middle of a picture; all else in it changes from picture to picture."""

    landmarks = None
    official_test = None
    folds = None
    labelled = True
    trusted = True
    aspect_ratio = 1.0
    name = "patterns"

    def __init__(self, pictures, *, noise=25.0):
        """`pictures` of each person, a list."""
        random = np.random.default_rng(0)
        self.identities = np.repeat(np.arange(len(pictures), dtype=np.int32), pictures)
        self.identity_names = [f"person {number}" for number in range(len(pictures))]
        people = random.normal(128, 35, [len(pictures), 4, 4])[self.identities]
        self._images = [self._picture(shades + random.normal(0, noise, [4, 4]), random) for shades in people]

    def __len__(self):
        return len(self.identities)

    def read(self, indices):
        return [self._images[index] for index in indices]

    def describe(self, index):
        return f"picture {index}"

    def _picture(self, shades, random):
        picture = np.kron(random.normal(128, 45, [6, 6, 3]), np.ones([5, 5, 1]))
        picture[6:24, 6:24, 0] = cv2.resize(shades, (18, 18), interpolation=cv2.INTER_NEAREST)
        return encode_bmp(np.clip(picture, 0, 255).astype(np.uint8))


class Function:
    """A `TeacherFunction` of arrays, which remembers how many images it was shown."""

    files, part = [], ""
    in_tensorflow, dtype, shape = False, tf.float32, (None,) * 4

    def __init__(self, call):
        self._call = call
        self.images = 0

    def __call__(self, images):
        self.images += len(images)
        return self._call(images)


def make_teacher(call, **view):
    return EmbeddingTeacher("--teacher=toy", Function(call), TeacherView(**{"image_size": SIDE, "central_fraction": FACE} | view))


def knows_reds(images):
    """`[batch, 32]`, by the shades of red from 0 to 255; differences of less than a tenth of a radian drown."""
    reds = np.asarray(images, np.float64)[..., 0].reshape(len(images), 4, SIDE // 4, 4, SIDE // 4).mean(axis=(2, 4)).reshape(-1, 16)
    angles = reds / 60
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1) + 0.1 * np.sin(5000 * np.tile(angles, [1, 2]))
