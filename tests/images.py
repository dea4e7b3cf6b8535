"""Small images on disk, made from seeds."""

import os

import cv2
import numpy as np

from kd_tf.tensorflow_line import HAS_ADDONS


def smooth_image(seed, height=40, width=40):
    """uint8 RGB `[height, width, 3]`, another for each seed, without the high frequencies that JPEG loses."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


# What TensorFlow says of a file that is no image; the newer line reads two formats more.
UNKNOWN_FORMAT = (
    f"Unknown image file format. One of {'JPEG, PNG, GIF, BMP' if HAS_ADDONS else 'JPEG, JPEG XL, PNG, GIF, BMP, WebP'} required"
)
# The name of a folder that is no UTF-8: Jose with an accent, in Latin-1.
FOREIGN_NAME = os.fsdecode(b"Jos\xe9")


def write_image(path, image):
    """Writes an RGB or grey image in the format that the ending of `path` names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[:, :, ::-1] if image.ndim == 3 else image)


def write_people(root, images, ending=".jpg"):
    """Writes `root/NAME/NAME_0001.jpg` and on, where `images` maps each name to how many."""
    for person, (name, count) in enumerate(images.items()):
        for number in range(count):
            write_image(root / name / f"{name}_{number + 1:04d}{ending}", smooth_image(100 * person + number))
    return root


def write_text(path, text):
    """Writes a text file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
