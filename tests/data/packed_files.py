"""Sources in memory to pack, and what lies in a folder."""

import hashlib

import cv2
import numpy as np

from kd_tf.errors import InputError
from tests.images import smooth_image


class MemorySource:
    """A `Source` of given images; an exception in place of one is raised when it is read."""

    name = "memory"
    labelled = True
    trusted = False
    aspect_ratio = 1.0

    def __init__(self, images, identities=None, *, landmarks=None, official_test=None, folds=None):
        self.images = list(images)
        self.identities = np.array([0] * len(self.images) if identities is None else identities, np.int32)
        self.identity_names = [f"person {identity}" for identity in range(self.identities.max() + 1)]
        self.landmarks = landmarks
        self.official_test = official_test
        self.folds = folds

    def __len__(self):
        return len(self.images)

    def read(self, indices):
        images = [self.images[index] for index in indices]
        for image in images:
            if isinstance(image, Exception):
                raise image
        return images

    def describe(self, index):
        return f"image {index}"

    def fingerprint(self):
        return hashlib.sha256(repr(self.images).encode()).hexdigest()


def encode(seed, ending=".jpg", height=20, width=20):
    return cv2.imencode(ending, smooth_image(seed, height, width)[:, :, ::-1])[1].tobytes()


def make_source(records=11, first_seed=0):
    """Three people, a fold each, landmarks of all records but one, and an official split."""
    identities = np.arange(records) * 3 // records
    landmarks = np.random.default_rng(first_seed).random((records, 5, 2), np.float32)
    landmarks[records // 2] = np.nan
    images = [encode(first_seed + record, ".jpg" if record % 2 else ".png") for record in range(records)]
    return MemorySource(images, identities, landmarks=landmarks, official_test=np.arange(records) % 4 == 1, folds=identities)


def broken_images():
    """By name, what is no image, or cannot be had."""
    return {
        "text": b"this is no image",
        "empty": b"",
        "cut short": encode(1)[:-20],
        "only a head": encode(1)[:10],
        "unreadable": PermissionError(13, "Permission denied"),
        "refused": InputError("list line 3: not base64; copy the file again"),
    }


def contents(folder):
    """The bytes of each file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def times_of_shards(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("images-*")}
