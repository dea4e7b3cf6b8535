"""Some records of a source, as a source: identities that are too small, or excluded by name, left out."""

import hashlib
import logging
import os
from collections.abc import Iterable

import numpy as np

from kd_tf.data.source import DerivedSource, Source
from kd_tf.errors import InputError

_LOGGER = logging.getLogger(__name__)
# Lists that come with the package: `--exclude_identities=casia_webface_lfw`.
_LISTS = os.path.join(os.path.dirname(__file__), "lists")
PACKAGE_LISTS = tuple(sorted(name.removesuffix(".txt") for name in os.listdir(_LISTS)))


class Subset(DerivedSource):
    """The records `records` of `source`; identities are numbered anew, in the same order.

    Args:
      source: where they are.
      records: int `[n]`, ascending.
    """

    def __init__(self, source: Source, records: np.ndarray):
        super().__init__(source)
        kept, identities = np.unique(source.identities[records], return_inverse=True)
        self.identity_names = [source.identity_names[identity] for identity in kept]
        self.identities = identities.astype(np.int32)
        self.landmarks = None if source.landmarks is None else source.landmarks[records]
        self.official_test = None if source.official_test is None else source.official_test[records]
        self.folds = None if source.folds is None else source.folds[records]
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    @property
    def paths(self) -> list[str]:
        """The relative paths of a source of files."""
        return [self._source.paths[record] for record in self._records]

    def read(self, indices: Iterable[int]) -> list[bytes]:
        """See `Source.read`."""
        return self._source.read([self._records[index] for index in indices])

    def describe(self, index: int) -> str:
        """See `Source.describe`."""
        return self._source.describe(self._records[index])

    def fingerprint(self) -> str:
        """The source's, and which records."""
        return f"{self._source.fingerprint()} of which {len(self)}: {hashlib.sha256(self._records.tobytes()).hexdigest()}"


def keep_identities(source: Source, *, min_images: int = 1, exclude: str | None = None) -> Source:
    """The records of the identities that have `min_images` images and are not named in the list `exclude`.

    Args:
      source: the whole data set.
      min_images: of an identity.
      exclude: a file with one identity's name a line, or the name of a list that comes with the package.

    Raises:
      InputError: the list cannot be read or names nobody of the data set, or nobody is left.
    """
    counts = np.bincount(source.identities, minlength=len(source.identity_names))
    kept = counts >= min_images
    if not kept.any():
        raise InputError(f"{source.name}: no identity has --min_images={min_images} images; the most is {counts.max()}")
    if exclude:
        kept &= ~_named(source, exclude)
        if not kept.any():
            raise InputError(f"{source.name}: --exclude_identities={exclude} leaves nobody")
    return source if kept.all() else Subset(source, np.flatnonzero(kept[source.identities]))


def _named(source: Source, exclude: str) -> np.ndarray:
    names = set(_read_names(exclude))
    named = np.array([name in names for name in source.identity_names])
    if not named.any():
        raise InputError(f"--exclude_identities={exclude} names {len(names)} identities, and {source.name} has none of them")
    _LOGGER.info("%s: %d of the %d identities of %s are left out", source.name, named.sum(), len(names), exclude)
    return named


def _read_names(path: str) -> list[str]:
    try:
        with open(os.path.join(_LISTS, f"{path}.txt") if path in PACKAGE_LISTS else path, encoding="utf-8-sig") as file:
            lines = [line.partition("#")[0].strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(PACKAGE_LISTS)
        raise InputError(f"--exclude_identities={path} cannot be read ({error}), and is no list of the package ({known})") from error
    return [line for line in lines if line]
