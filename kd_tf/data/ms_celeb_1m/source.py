"""`ms_celeb_1m:PATH`: MS-Celeb-1M as it comes, a text file of 85 GB; its images stay there, and an index says where.

The index is made once, in `NAME.index/`, at the speed of the disk.
"""

import hashlib
import json
import os
import weakref
from collections.abc import Iterable, Sequence

import numpy as np

from kd_tf.data.ms_celeb_1m.clean_list import choose_rows
from kd_tf.data.ms_celeb_1m.line_index import LineIndex, open_line_index
from kd_tf.data.ms_celeb_1m.line_scan import BrokenRow
from kd_tf.data.ms_celeb_1m.rows import RowLayout, decode_image_column, read_layout
from kd_tf.errors import InputError

FILE = "FaceImageCroppedWithAlignment.tsv"


class MSCelebSource:
    """A `Source` of rows of one file.

    Args:
      name: as in `Source`.
      path: the file.
      layout: of its rows.
      index: of its rows.
      rows: those that are records.
      identities: as in `Source`.
      identity_names: as in `Source`.
    """

    landmarks = None
    official_test = None
    labelled = True
    folds = None
    trusted = False
    aspect_ratio = 1.0

    def __init__(
        self,
        name: str,
        path: str,
        layout: RowLayout,
        index: LineIndex,
        rows: Sequence[int] | np.ndarray,
        identities: np.ndarray,
        identity_names: Sequence[str],
    ):
        self.name = name
        self.identities = identities
        self.identity_names = identity_names
        self._path = path
        self._layout = layout
        self._index = index
        self._rows = rows
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, indices: Iterable[int]) -> list[bytes]:
        """See `Source.read`; several threads may call it.

        Raises:
          InputError: an image is not base64, or the file has changed since it was opened.
        """
        return [self._image(int(self._rows[index])) for index in indices]

    def describe(self, index: int) -> str:
        """The file, the line and the image's name."""
        row = int(self._rows[index])
        return f"{self._path} line {row + 1} ({self._layout.name(self._columns(row)).decode('latin-1')})"

    def fingerprint(self) -> str:
        """A digest of the file's size, time of change and ends, and of which rows are records of whom."""
        digest = hashlib.sha256(json.dumps([self._index.facts, self.identity_names]).encode())
        digest.update(np.asarray(self._rows).tobytes())
        digest.update(self.identities.tobytes())
        return digest.hexdigest()

    def _image(self, row: int) -> bytes:
        try:
            return decode_image_column(self._columns(row)[-1])
        except BrokenRow as broken:
            raise InputError(f"{self._where(row)}: {broken}; copy the file again") from broken

    def _columns(self, row: int) -> list[bytes]:
        start, end = self._index.starts[row : row + 2].tolist()
        line = os.pread(self._file, end - start, start)
        columns = line.rstrip(b"\r\n").split(b"\t")
        if len(line) != end - start or len(columns) != self._layout.columns:
            raise InputError(f"{self._where(row)} is not what was indexed: the file has changed since, start again")
        return columns

    def _where(self, row: int) -> str:
        return f"{self._path} line {row + 1} (offset {self._index.starts[row]})"


def open_ms_celeb_1m(path: str, *, index_dir: str | None = None, clean_list: str | None = None) -> MSCelebSource:
    """Opens the file; the first time this reads all of it.

    Args:
      path: the file, or a folder that holds it.
      index_dir: a folder for the index; None: beside the file.
      clean_list: a text file of lines `MID/RANK-FACE.jpg CLASS`, see `choose_rows`; None: all rows are records, and an identity
        is a MID.

    Raises:
      InputError: there is no such file, it is something else or has a broken row, the index cannot be written, or the list does
        not fit the file.
    """
    file = _find(path)
    layout = read_layout(file)
    folder = os.path.dirname(os.path.abspath(file)) if index_dir is None else index_dir
    index = open_line_index(file, folder, layout.parse)
    if clean_list is None:
        chosen = range(len(index.identities)), np.array(index.identities), index.identity_names
    else:
        chosen = choose_rows(clean_list, file, index)
    return MSCelebSource(f"ms_celeb_1m:{path}", file, layout, index, *chosen)


def _find(path: str) -> str:
    if os.path.isfile(path):
        return path
    if not os.path.isdir(path):
        raise InputError(f"{path} is neither a file nor a folder: give {FILE} or the folder that holds it")
    if os.path.isfile(os.path.join(path, FILE)):
        return os.path.join(path, FILE)
    others = sorted(name for name in os.listdir(path) if name.endswith(".tsv") and not name.startswith("."))
    if len(others) != 1:
        raise InputError(f"{path} has no {FILE} and {len(others)} other .tsv files: give the path of the file")
    return os.path.join(path, others[0])
