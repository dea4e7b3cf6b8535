"""`lfw:PATH`: Labeled Faces in the Wild, deep-funneled, as it unpacks, with `landmarks.csv` when that lies beside it.

`landmarks.csv` has the columns `image, confidence` and x and y of five points in pixels, image-left first. Rows that a
detector was unsure of, and images without a row, count as images without landmarks.
"""

import csv
import os

import numpy as np

from kd_tf.data.folder import images_by_identity, keep_identities
from kd_tf.data.source import FileSource
from kd_tf.errors import InputError

IMAGES = "lfw-deepfunneled"
IMAGE_SIZE = 250
RELIABLE_CONFIDENCE = 0.9


def open_lfw(path: str, *, min_images: int = 1) -> FileSource:
    """Opens the people with at least `min_images` images.

    Raises:
      InputError: the path lacks `lfw-deepfunneled/`, or `landmarks.csv` has a row that cannot be read.
    """
    root = os.path.join(path, IMAGES)
    if not os.path.isdir(root):
        raise InputError(f"{path} is not LFW: it has no folder {IMAGES}/")
    images = images_by_identity(root)
    if not images:
        raise InputError(f"{root} has no images: expected {root}/NAME/NAME_0001.jpg")
    kept = keep_identities(images, min_images, path)
    paths = [f"{name}/{image}" for name, images in kept.items() for image in images]
    annotations = os.path.join(path, "landmarks.csv")
    landmarks = _read_landmarks(annotations, paths) if os.path.exists(annotations) else None
    return FileSource(f"lfw:{path}", root, paths, [name.split("/")[0] for name in paths], landmarks)


def _read_landmarks(path: str, images: list[str]) -> np.ndarray:
    rows = {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        for line, row in enumerate(csv.reader(file), start=1):
            if line == 1 or not row:
                continue
            try:
                confidence, *points = (float(value) for value in row[1:])
                rows[row[0]] = confidence, np.array(points, np.float32).reshape(5, 2)
            except ValueError as error:
                expected = "image, confidence and ten numbers"
                raise InputError(f"{path} line {line}: expected {expected}, found {','.join(row)!r}") from error
            if points[:2] == points[2:4]:
                raise InputError(f"{path} line {line}: both eyes of {row[0]} are at one place")
    missing = np.full([5, 2], np.nan, np.float32)
    pixels = [
        points if confidence >= RELIABLE_CONFIDENCE else missing
        for confidence, points in (rows.get(image, (0.0, missing)) for image in images)
    ]
    return (np.stack(pixels) + 0.5) / IMAGE_SIZE
