"""`celeba:PATH`: CelebA's aligned images, of 178 x 218 pixels, with its lists, as they were downloaded.

The lists are `identity_CelebA`, `list_eval_partition` and `list_landmarks_align_celeba`, each `.txt` as shipped or `.csv` as on Kaggle, in
the folder itself or in its `Anno/`, `Eval/` or `Img/`. The images are there in `img_align_celeba/`, which may hold another folder of
that name, or lie beside the lists. Everything is joined by the names of the images.
"""

import os
from collections.abc import Sequence

import numpy as np

from kd_tf.data.folder import IMAGE_ENDINGS
from kd_tf.data.source import FileSource
from kd_tf.data.text_table import Table, read_table
from kd_tf.errors import InputError

IMAGES = "img_align_celeba"
IDENTITIES = "identity_CelebA"
PARTITION = "list_eval_partition"
LANDMARKS = "list_landmarks_align_celeba"
FOLDERS = ("", "Anno", "Eval", "Img")
IMAGE_SIZE = (178, 218)
COORDINATES = tuple(f"{point}_{axis}" for point in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth") for axis in "xy")
NOBODY = "unknown"
_ONE_COPY = "use the lists and the images of one copy of CelebA"


def open_celeba(path: str) -> FileSource:
    """Opens the images that have an identity, in the order of their names; identities are named by CelebA's numbers.

    `official_test` is the partition 2; 0 and 1, CelebA's training and validation images, are both for training, from which
    `SplitConfig.validation` divides off its own. It is None without that list, and so are the landmarks without theirs; an image that
    only lacks a row has NaN landmarks. CelebA's "left" is the image's left.

    Kaggle's copy has no identities. Then the records are all images, each of the one identity `unknown`, and what can be trained is what
    reads no labels.

    Raises:
      InputError: images or lists are missing, a list cannot be read or holds impossible values, or the lists and the images are not
        about the same images.
    """
    if not os.path.isdir(path):
        raise InputError(f"{path} is not a folder")
    folder, images = _find_images(path)
    identities, partition, landmarks = (_find_list(path, stem) for stem in (IDENTITIES, PARTITION, LANDMARKS))
    if not (identities or landmarks):
        places = ", ".join(f"{name}/" for name in FOLDERS[1:])
        raise InputError(f"{path} has neither {IDENTITIES}.txt nor {LANDMARKS}.txt or .csv, nor have {places}: copy them there")
    names, people = _read_identities(identities, folder, images) if identities else (images, [NOBODY] * len(images))
    owner = identities or folder
    return FileSource(
        f"celeba:{path}",
        folder,
        names,
        people,
        _read_landmarks(landmarks, names, owner) if landmarks else None,
        official_test=_read_official_test(partition, names, owner) if partition else None,
        labelled=identities is not None,
        aspect_ratio=IMAGE_SIZE[0] / IMAGE_SIZE[1],
    )


def _find_images(path: str) -> tuple[str, list[str]]:
    """The first folder that has images, and their sorted names."""
    for below in ([IMAGES], [IMAGES, IMAGES], []):
        for above in FOLDERS:
            folder = os.path.normpath(os.path.join(path, above, *below))
            images = _list_images(folder) if os.path.isdir(folder) else []
            if images:
                return folder, images
    raise InputError(f"{path} has no images of CelebA: expected {path}/{IMAGES}/000001.jpg; unpack {IMAGES}.zip there")


def _list_images(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        names = (entry.name for entry in entries)
        return sorted(name for name in names if name.lower().endswith(IMAGE_ENDINGS) and not name.startswith("."))


def _find_list(path: str, stem: str) -> str | None:
    places = (os.path.join(path, above, stem + ending) for ending in (".txt", ".csv") for above in FOLDERS)
    return next((place for place in places if os.path.isfile(place)), None)


def _read_identities(path: str, folder: str, images: Sequence[str]) -> tuple[list[str], list[str]]:
    """The sorted names of the images, and the identity of each."""
    table = read_table(path, ("image", "identity"))
    numbers = table.numbers[:, 0]
    table.refuse((numbers % 1 != 0) | (numbers < 0) | (numbers >= 2**31), "an image and its identity, a whole number from 0")
    table.refuse_others(images, folder, _ONE_COPY)
    names = sorted(table.rows)
    rows = [table.rows[name] for name in names]
    return names, numbers[rows].astype(np.int64).astype(str).tolist()


def _read_official_test(path: str, names: Sequence[str], owner: str) -> np.ndarray:
    """Which images are for testing, bool `[records]`."""
    table = read_table(path, ("image", "partition"))
    table.refuse(~np.isin(table.numbers[:, 0], (0, 1, 2)), "an image and its partition, 0, 1 or 2")
    rows = _rows_of(table, names, owner)
    if rows.min() < 0:
        missing = f"{names[int(rows.argmin())]}; {(rows < 0).sum()} of the {len(names)} images of {owner} have none"
        raise InputError(f"{path} has no row of {missing}: {_ONE_COPY}")
    return table.numbers[rows, 0] == 2


def _read_landmarks(path: str, names: Sequence[str], owner: str) -> np.ndarray:
    """As fractions of the image, float32 `[records, 5, 2]`."""
    table = read_table(path, ("image", *COORDINATES))
    header = [name.lower() for name in table.header[-len(COORDINATES) :]]
    if header not in ([], list(COORDINATES)):
        raise InputError(f"{path}: expected the columns {' '.join(COORDINATES)}, found {' '.join(header)[:200]!r}")
    points = (table.numbers.reshape(-1, 5, 2) + 0.5) / IMAGE_SIZE
    table.refuse((points[:, 0] == points[:, 1]).all(axis=1), "an image and two eyes at two places")
    # One image size of freedom: points may lie outside, but those of the images that are not aligned lie far outside.
    table.refuse((abs(points - 0.5) > 1.5).any(axis=(1, 2)), "an image and points in an image of {} x {} pixels".format(*IMAGE_SIZE))
    unknown = np.full([1, 5, 2], np.nan)
    return np.concatenate([points, unknown])[_rows_of(table, names, owner)].astype(np.float32)


def _rows_of(table: Table, names: Sequence[str], owner: str) -> np.ndarray:
    """The row of each image, int64 `[records]`; -1 where there is none."""
    table.refuse_others(names, owner, _ONE_COPY)
    return np.array([table.rows.get(name, -1) for name in names])
