"""K_T of the records under one view, in parts: a part is there whole or not at all, so what is there is right."""

import functools
import io
import os

import numpy as np

from kd_tf.errors import InputError
from kd_tf.files import write_whole
from kd_tf.teachers.cache.manifest import Manifest

# Parts are so many of a view at most, and so small at least: a killed process costs one, and each is a file.
_MOST_PARTS, _FEWEST_ROWS = 256, 2048
# Maps keep their files open.
_OPEN_PARTS = 512


def rows_of_a_part(rows: int) -> int:
    """`part_rows` for a view with so many rows."""
    return max(_FEWEST_ROWS, -(-rows // _MOST_PARTS))


class ViewRows:
    """K_T of some records under one view.

    Args:
      directory: where its parts are.
      records: int64 `[rows]`, ascending.
      manifest: of the cache.
    """

    def __init__(self, directory: str, records: np.ndarray, manifest: Manifest):
        self.records = records
        self._directory = directory
        self._manifest = manifest

    @property
    def parts(self) -> int:
        """How many parts all rows make."""
        return -(-len(self.records) // self._manifest.part_rows)

    def records_of(self, part: int) -> np.ndarray:
        """The records of one part."""
        return self.records[part * self._manifest.part_rows :][: self._manifest.part_rows]

    def has(self, part: int) -> bool:
        """Whether a part is there; a file that was cut short is not.

        Raises:
          InputError: it is an array of another shape or dtype.
        """
        path, wanted = self._path(part), (len(self.records_of(part)), self._manifest.width)
        try:
            found = np.load(path, mmap_mode="r")
        except (OSError, ValueError):
            return False
        if found.shape != wanted or found.dtype != self._manifest.dtype:
            raise InputError(f"{path} holds {found.dtype} {list(found.shape)}; wanted is {self._manifest.dtype} {list(wanted)}")
        return True

    def filled(self) -> int:
        """Rows in the parts that are there."""
        return sum(len(self.records_of(part)) for part in range(self.parts) if self.has(part))

    def write(self, part: int, hidden: np.ndarray) -> None:
        """Stores one part, `[rows, width]`.

        Raises:
          InputError: a value is not finite, as it is or in the cache's dtype, or the file cannot be written.
        """
        stored = as_stored(hidden, self._manifest.dtype, self.records_of(part))
        path = self._path(part)
        try:
            os.makedirs(self._directory, exist_ok=True)
            write_whole(path, array_file(stored))
        except OSError as error:
            raise InputError(f"cannot write {path}: {error}") from error
        _open_part.cache_clear()

    def read(self, records: np.ndarray) -> np.ndarray:
        """`[n, width]` of records that are there."""
        rows = np.searchsorted(self.records, records)
        parts, places = np.divmod(rows, self._manifest.part_rows)
        hidden = np.empty([len(rows), self._manifest.width], self._manifest.dtype)
        for part in np.unique(parts):
            here = parts == part
            hidden[here] = _open_part(self._path(part))[places[here]]
        return hidden

    def _path(self, part: int) -> str:
        return os.path.join(self._directory, f"part_{part:05d}.npy")


def as_stored(hidden: np.ndarray, dtype: str, records: np.ndarray) -> np.ndarray:
    """`hidden` `[n, width]` of `records` `[n]` in the cache's dtype.

    Raises:
      InputError: a value is not finite, as it is or in that dtype.
    """
    with np.errstate(over="ignore"):
        stored = hidden.astype(dtype)
    wrong = np.flatnonzero(~np.isfinite(stored).all(axis=1))
    if len(wrong):
        record, value = records[wrong[0]], hidden[wrong[0]][~np.isfinite(stored[wrong[0]])][0]
        hint = "; use --cache_dtype=float32" if np.isfinite(value) else ""
        raise InputError(f"the teacher's hidden layer is {value:g} for record {record}, which cannot be stored as {dtype}{hint}")
    return stored


def array_file(array: np.ndarray) -> bytes:
    """An array as the bytes of a `.npy` file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@functools.lru_cache(_OPEN_PARTS)
def _open_part(path: str) -> np.ndarray:
    return np.load(path, mmap_mode="r")
