"""The outputs of a teacher on disk: K_T of records under views, as plain arrays that any framework can write (docs/CACHE.md).

| file | what |
| --- | --- |
| `manifest.json` | what was stored, of which teacher, data set and views: the fields of `Manifest` |
| `records.npy` | int64 `[rows]`, the records of the training views, ascending |
| `evaluation_records.npy` | int64 `[rows]`, those of the evaluation view |
| `view_00000/part_00000.npy` | K_T of the first `part_rows` rows under view 0, `[part_rows, width]`; the next rows are in the next part |
| `evaluation/part_00000.npy` | likewise, under the evaluation view |
| `head.npz` | `kernel` `[width, identities]` and `bias` `[identities]` of the teacher's identity head, where it has one |
| `identities.txt` | the names of those identities, a line each, where they are known |
"""

import contextlib
import dataclasses
import io
import json
import os
import zipfile
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from kd_tf.data.views import EVALUATION_VIEW
from kd_tf.errors import InputError, first_line
from kd_tf.files import check_folder_can_be_written, write_whole
from kd_tf.networks.identity_names import IDENTITIES_FILE, write_identity_names
from kd_tf.teachers.cache.manifest import MANIFEST_FILE, Manifest, read_manifest
from kd_tf.teachers.cache.rows import ViewRows, array_file

RECORDS_FILE, EVALUATION_RECORDS_FILE = "records.npy", "evaluation_records.npy"
HEAD_FILE = "head.npz"
# Besides the rows; the manifest is the last that is written.
_FILES = (RECORDS_FILE, EVALUATION_RECORDS_FILE, HEAD_FILE, IDENTITIES_FILE, MANIFEST_FILE)
TEACHER_HIDDEN = "teacher_hidden"


class TeacherCache:
    """A cache that was begun, filled or not.

    Args:
      path: its directory.

    Attributes:
      manifest: what it holds.
      records: int64 `[rows]`, those of the training views.
      evaluation_records: int64 `[rows]`, those of the evaluation view.

    Raises:
      InputError: it is no cache, or its lists cannot be read.
    """

    def __init__(self, path: str):
        self.path = path
        self.manifest = read_manifest(path)
        self.records = _read_records(os.path.join(path, RECORDS_FILE))
        self.evaluation_records = _read_records(os.path.join(path, EVALUATION_RECORDS_FILE))
        self._rows = {
            view: ViewRows(os.path.join(path, f"view_{view:05d}"), self.records, self.manifest) for view in range(self.manifest.views)
        }
        self._rows[EVALUATION_VIEW] = ViewRows(os.path.join(path, "evaluation"), self.evaluation_records, self.manifest)

    def parts(self) -> Iterator[tuple[int, ViewRows, int]]:
        """All parts that there are to be: the view, its rows, and which part of them."""
        for view, rows in self._rows.items():
            for part in range(rows.parts):
                yield view, rows, part

    def coverage(self) -> tuple[int, int]:
        """How many outputs are there, of how many."""
        return sum(rows.filled() for rows in self._rows.values()), sum(len(rows.records) for rows in self._rows.values())

    @property
    def bytes_on_disk(self) -> int:
        """Of all files."""
        return sum(os.path.getsize(os.path.join(folder, file)) for folder, _, files in os.walk(self.path) for file in files)

    def head(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Kernel `[width, identities]` and bias `[identities]` of the identity head, float32; None where the cache has none.

        Raises:
          InputError: it cannot be read, or does not fit the width.
        """
        path = os.path.join(self.path, HEAD_FILE)
        if not os.path.exists(path):
            return None
        try:
            with np.load(path) as arrays:
                kernel, bias = (arrays[name].astype(np.float32, copy=False) for name in ("kernel", "bias"))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} cannot be read: {first_line(error)}") from error
        if kernel.ndim != 2 or kernel.shape[0] != self.manifest.width or bias.shape != kernel.shape[1:]:
            raise InputError(f"{path}: kernel {kernel.shape} and bias {bias.shape} do not fit a hidden layer of {self.manifest.width}")
        return kernel, bias

    def look_up(self, records: tf.Tensor, views: tf.Tensor) -> dict[str, tf.Tensor]:
        """K_T of a batch, inside `tf.data`: int64 `[batch]` each to `teacher_hidden` `[batch, width]`."""
        hidden = tf.numpy_function(self.read, [records, views], self.manifest.dtype, stateful=False)
        return {TEACHER_HIDDEN: tf.ensure_shape(hidden, [None, self.manifest.width])}

    def read(self, records: np.ndarray, views: np.ndarray) -> np.ndarray:
        """K_T of records under views, `[n, width]`; both are there (`check_cache`)."""
        hidden = np.empty([len(records), self.manifest.width], self.manifest.dtype)
        for view in np.unique(views):
            hidden[views == view] = self._rows[int(view)].read(records[views == view])
        return hidden


def begin_cache(
    path: str,
    manifest: Manifest,
    records: np.ndarray,
    evaluation_records: np.ndarray,
    head: tuple[np.ndarray, np.ndarray] | None,
    identity_names: list[str] | None,
) -> TeacherCache:
    """Makes the directory of a cache, without rows, or opens that of the same cache, begun or filled; another without rows is replaced.

    Args:
      path: the directory.
      manifest: see `Manifest`.
      records: int64 `[rows]`, those of the training views, ascending.
      evaluation_records: int64 `[rows]`, those of the evaluation view, ascending.
      head: kernel and bias of the teacher's identity head, where it has one.
      identity_names: of the head's identities, where they are known.

    Raises:
      InputError: the directory holds something else, or cannot be written.
    """
    if is_begun(path):
        cache = TeacherCache(path)
        difference = _difference(cache, manifest, records, evaluation_records)
        if difference is None:
            return cache
        if has_rows(path):
            raise InputError(f"--output={path} was begun {difference}; give another directory or delete it")
        check_folder_for_cache(path)
        _remove(path)
    _begin(path, manifest, {RECORDS_FILE: records, EVALUATION_RECORDS_FILE: evaluation_records}, head, identity_names)
    return TeacherCache(path)


def is_begun(path: str) -> bool:
    """Whether there is a cache in directory `path`, filled or not."""
    return os.path.exists(os.path.join(path, MANIFEST_FILE))


def has_rows(path: str) -> bool:
    """Whether there is a cache in directory `path` with something in it, whole or not."""
    return is_begun(path) and any(files for folder, _, files in os.walk(path) if folder != path)


def check_folder_for_cache(path: str) -> None:
    """Raises `InputError` where no cache can be begun in directory `path`: it holds something else, or cannot be written."""
    if os.path.exists(path) and (not os.path.isdir(path) or any(not name.startswith(_FILES) for name in os.listdir(path))):
        raise InputError(f"--output={path} is not empty and no teacher cache; give another directory")
    check_folder_can_be_written(path)


def _begin(path: str, manifest: Manifest, lists: dict[str, np.ndarray], head, identity_names: list[str] | None) -> None:
    """Writes the manifest last, so that what has one has the lists."""
    check_folder_for_cache(path)
    try:
        os.makedirs(path, exist_ok=True)
        for name, records in lists.items():
            write_whole(os.path.join(path, name), array_file(records.astype(np.int64)))
        if head is not None:
            write_whole(os.path.join(path, HEAD_FILE), _head_file(*head))
        if identity_names is not None:
            write_identity_names(path, identity_names)
        write_whole(os.path.join(path, MANIFEST_FILE), json.dumps(dataclasses.asdict(manifest), indent=2) + "\n")
    except OSError as error:
        raise InputError(f"--output={path} cannot be written: {error}") from error


def _remove(path: str) -> None:
    """Removes what was begun and has no rows, the manifest first."""
    for name in reversed(_FILES):
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(path, name))


def _difference(cache: TeacherCache, manifest: Manifest, records: np.ndarray, evaluation_records: np.ndarray) -> str | None:
    """What a cache was begun for and what is wanted, in words; None: the same."""
    found, wanted = dataclasses.asdict(cache.manifest), dataclasses.asdict(manifest)
    for name, value in wanted.items():
        # The data set may lie elsewhere by now: `data` says whether it is the same one.
        if name != "data_name" and found[name] != value:
            return f"with {name} {found[name]}, not {value}"
    if np.array_equal(cache.records, records) and np.array_equal(cache.evaluation_records, evaluation_records):
        return None
    return (
        f"for {len(cache.records)} training and {len(cache.evaluation_records)} evaluation images, "
        f"not these {len(records)} and {len(evaluation_records)}"
    )


def _head_file(kernel: np.ndarray, bias: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, kernel=kernel, bias=bias)
    return file.getvalue()


def _read_records(path: str) -> np.ndarray:
    try:
        records = np.load(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from error
    if records.ndim != 1 or records.dtype != np.int64 or (np.diff(records) <= 0).any():
        raise InputError(f"{path} holds {records.dtype} {records.shape}; wanted are ascending int64 record numbers")
    return records
