"""What every data set looks like from inside: random access to encoded images, with labels as arrays."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from kd_tf.errors import InputError


class Source(Protocol):
    """A data set. Record `i` is one encoded image with an identity and perhaps landmarks.

    Attributes:
      name: the data set and where it is, as `--data` has it; used in messages.
      identity_names: one name an identity, in the order of the labels.
      identities: int32 `[records]`, labels from 0.
      landmarks: float32 `[records, 5, 2]`, or None. Points in CelebA's order (image-left eye, image-right eye, nose,
        image-left mouth corner, image-right mouth corner), as fractions of the image's width and height: the centre of
        pixel x is at `(x + 0.5) / width`. NaN where a record has none.
      labelled: whether the identities say who is who; False: nobody knows the people, and the identities stand for nothing.
      trusted: whether its images are known to decode: drawn, or checked when they were stored. Such are looked at before they are read
        only where some may be left out.
      aspect_ratio: width over height of the images that have landmarks: errors are measured in pixels, and landmarks are fractions.
      official_test: bool `[records]`, which records the data set's own division keeps for testing, or None.
      folds: int64 `[records]`, the fold of each record's person, from 0, where the data set divides its people into folds, or None.
    """

    name: str
    identity_names: Sequence[str]
    identities: np.ndarray
    landmarks: np.ndarray | None
    official_test: np.ndarray | None
    labelled: bool
    folds: np.ndarray | None
    trusted: bool
    aspect_ratio: float

    def __len__(self) -> int:
        """The number of records."""

    def read(self, indices: Iterable[int]) -> list[bytes]:
        """The encoded images (JPEG, PNG, BMP or GIF) of the records `indices`."""

    def describe(self, index: int) -> str:
        """Where record `index` comes from, for messages: a path, or what stands for one."""

    def fingerprint(self) -> str:
        """Changes when the records do: another list, another file, another seed; not when files are moved, or copied with their times."""


class FileSource:
    """A source whose records are image files below one folder.

    Args:
      name: as in `Source`.
      root: the folder.
      paths: relative path of each record.
      labels: the identity's name of each record.
      landmarks: as in `Source`.
      official_test: as in `Source`.
      labelled: as in `Source`.
      folds: as in `Source`.
      aspect_ratio: as in `Source`.
    """

    trusted = False

    def __init__(
        self,
        name: str,
        root: str,
        paths: Sequence[str],
        labels: Sequence[str],
        landmarks: np.ndarray | None = None,
        *,
        official_test: np.ndarray | None = None,
        labelled: bool = True,
        folds: np.ndarray | None = None,
        aspect_ratio: float = 1.0,
    ):
        self.name = name
        self.landmarks = landmarks
        self.official_test = official_test
        self.labelled = labelled
        self.folds = folds
        self.aspect_ratio = aspect_ratio
        names, identities = np.unique(np.asarray(labels, dtype=np.str_), return_inverse=True)
        self.identity_names = names.tolist()
        self.identities = identities.astype(np.int32)
        self._root = root
        self.paths = list(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, indices: Iterable[int]) -> list[bytes]:
        """See `Source.read`."""
        images = []
        for index in indices:
            with open(self.describe(index), "rb") as file:
                images.append(file.read())
        return images

    def describe(self, index: int) -> str:
        """The path of record `index`."""
        return f"{self._root}/{self.paths[index]}"

    def fingerprint(self) -> str:
        """A digest of the files' relative paths, sizes and times of change, and of their labels."""
        digest = hashlib.sha256()
        for index, path in enumerate(self.paths):
            label = self.identity_names[self.identities[index]]
            line = f"{path} of {label}: {_size_and_time(self.describe(index))}\n"
            digest.update(line.encode(errors="surrogateescape"))
        return digest.hexdigest()


def _size_and_time(path: str) -> str:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return "missing"
    return f"{status.st_size} bytes of {status.st_mtime_ns}"


class DerivedSource:
    """What another source is, but for what a subclass changes after this.

    Args:
      source: the other.
    """

    def __init__(self, source: Source):
        self.name = source.name
        self.identity_names = source.identity_names
        self.identities = source.identities
        self.landmarks = source.landmarks
        self.official_test = source.official_test
        self.labelled = source.labelled
        self.folds = source.folds
        self.trusted = source.trusted
        self.aspect_ratio = source.aspect_ratio
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    @property
    def paths(self) -> list[str]:
        """The relative paths of a source of files."""
        return self._source.paths

    def describe(self, index: int) -> str:
        """See `Source.describe`."""
        return self._source.describe(index)

    def fingerprint(self) -> str:
        """See `Source.fingerprint`."""
        return self._source.fingerprint()


def require_labels(source: Source, who: str) -> None:
    """Raises `InputError` where a source has no labels; `who`, a flag, needs them."""
    if not source.labelled:
        without = "kd-distill --task=embedding learns from a teacher without them"
        raise InputError(f"{source.name} has no labels, which {who} needs: give --data that has them; {without}")


def decode_image(encoded: tf.Tensor) -> tf.Tensor:
    """An encoded image to uint8 RGB `[height, width, 3]`; grey and CMYK images become RGB."""
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    return tf.ensure_shape(image, [None, None, 3])


def read_records(source: Source, records: tf.Tensor) -> tf.Tensor:
    """`Source.read` inside `tf.data`: int64 `[n]` to strings `[n]`."""

    def read(indices: np.ndarray) -> np.ndarray:
        return np.array(source.read(indices), dtype=object)

    return tf.numpy_function(read, [records], tf.string, stateful=False)
