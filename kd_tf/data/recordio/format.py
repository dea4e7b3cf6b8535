"""RecordIO, in which MXNet keeps images: chunks, the records they make up, and the header before each image.

All numbers are little endian. A chunk is a magic number, a word of kind (3 bits) and length (29), the data, and zeros up to a multiple of 4
bytes. A record is one chunk, or several where it contains the magic itself: each time the writer leaves it out and begins a new chunk.
A record starts with 24 bytes: how many labels follow, one label for where none do, and two numbers of the writer's choice, the first of
which is usually the record's key.
"""

import os
import struct
import weakref
from array import array
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from kd_tf.errors import InputError
from kd_tf.files import other_file

MAGIC = 0xCED7230A
WHOLE, FIRST, MIDDLE, LAST = range(4)
# A table of heads: the record's own number, how many labels it has, the first of them, and whether anything follows.
HEADS = np.dtype([("id", np.uint64), ("labels", np.uint32), ("label", np.float32), ("body", np.bool_)])
_STARTS = np.dtype("<u4, <u4, <u4, <f4, <u8, <u8, <f4")
_STARTS.names = ("magic", "chunk", "labels", "label", "id", "id2", "first_label")
_CHUNK = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")
_LABEL = struct.Struct("<f")
_JOINT = struct.pack("<I", MAGIC)
_LENGTH_BITS = 29
_BLOCK = 1 << 16


class Head(NamedTuple):
    """One row of `HEADS`."""

    id: int
    labels: int
    label: float
    body: bool


class RecordFile:
    """A file of records, read in place; any number of threads may read at once.

    Args:
      path: the file. It is kept open.

    Raises:
      InputError: it cannot be opened, is empty or is something else.
    """

    def __init__(self, path: str):
        self.path = path
        file = open_data(path, buffering=0)
        weakref.finalize(self, file.close)
        self._descriptor = file.fileno()
        self.status = os.fstat(self._descriptor)
        self.size = self.status.st_size

    def describe(self, key: int, offset: int) -> str:
        """What messages call a record."""
        return f"{self.path} key {key} at offset {offset}"

    def read(self, where: str, offset: int) -> bytes:
        """What follows the header and the labels in the record at `offset`; `where` is for messages.

        Raises:
          InputError: there is no record, or not a whole one.
        """
        payload = _JOINT.join(self._bytes(where, start, length) for start, length in self._parts(where, offset))
        return payload[_body_start(where, payload[: _HEADER.size], len(payload)) :]

    def head(self, where: str, offset: int) -> Head:
        """The head of the record at `offset`. Raises as `read` does."""
        needed = _HEADER.size + _LABEL.size
        start, length = b"", 0
        for number, (place, part) in enumerate(self._parts(where, offset)):
            length += part + (number > 0) * len(_JOINT)
            if len(start) < needed:
                start += (number > 0) * _JOINT + self._bytes(where, place, min(part, needed))
        body = _body_start(where, start[: _HEADER.size], length)
        labels, label, own, _ = _HEADER.unpack_from(start)
        return Head(own, labels, _LABEL.unpack_from(start, _HEADER.size)[0] if labels else label, length > body)

    def heads(self, where: Callable[[int], str], offsets: np.ndarray) -> np.ndarray:
        """The heads of the records at `offsets`, `HEADS` `[records]`: one small read a record, fastest in ascending order.

        Args:
          where: place in `offsets` to what messages call that record.
          offsets: int64 `[records]`, all of them within the file.

        Raises:
          InputError: see `read`; for the first such record.
        """
        heads = np.empty(len(offsets), HEADS)
        for first in range(0, len(offsets), _BLOCK):
            block = slice(first, first + _BLOCK)
            for place in first + np.flatnonzero(~self._plain_heads(offsets[block], heads[block])):
                heads[place] = self.head(where(place), int(offsets[place]))
        return heads

    def scan(self) -> np.ndarray:
        """The offsets of all records, int64 `[records]`, from chunk to chunk.

        Raises:
          InputError: the file is not records from end to end.
        """
        offsets, offset = array("q"), 0
        while offset < self.size:
            offsets.append(offset)
            for start, length in self._parts(f"{self.path} at offset {offset}", offset):
                offset = start + length + -length % 4
        return np.asarray(offsets, np.int64)

    def _plain_heads(self, offsets: np.ndarray, heads: np.ndarray) -> np.ndarray:
        """Fills in `heads`; bool, for which records that was right: whole ones in a single chunk."""
        size = _STARTS.itemsize
        read = (os.pread(self._descriptor, size, offset).ljust(size, b"\0") for offset in offsets.tolist())
        starts = np.frombuffer(b"".join(read), _STARTS)
        length = (starts["chunk"] & ((1 << _LENGTH_BITS) - 1)).astype(np.int64)
        body = _HEADER.size + _LABEL.size * starts["labels"].astype(np.int64)
        heads["id"], heads["labels"], heads["body"] = starts["id"], starts["labels"], length > body
        heads["label"] = np.where(starts["labels"] > 0, starts["first_label"], starts["label"])
        whole = (starts["magic"] == MAGIC) & (starts["chunk"] >> _LENGTH_BITS == WHOLE)
        return whole & (body <= length) & (offsets + _CHUNK.size + length <= self.size)

    def _parts(self, where: str, offset: int) -> Iterator[tuple[int, int]]:
        """Where the data of each chunk of the record at `offset` starts, and its length."""
        kind, length = self._chunk(where, offset)
        if kind not in (WHOLE, FIRST):
            raise InputError(f"{where}: expected a chunk of kind 0 or 1, which begin a record, found {kind}: the index is not of this file")
        yield offset + _CHUNK.size, length
        while kind in (FIRST, MIDDLE):
            offset += _CHUNK.size + length + -length % 4
            kind, length = self._chunk(where, offset)
            if kind not in (MIDDLE, LAST):
                raise InputError(f"{where}: expected a chunk of kind 2 or 3, which go on with it, at offset {offset}, found {kind}")
            yield offset + _CHUNK.size, length

    def _chunk(self, where: str, offset: int) -> tuple[int, int]:
        """Kind and length of the chunk at `offset`, which lies in the file with all its data."""
        start = offset + _CHUNK.size
        if start > self.size:
            raise InputError(f"{where}: expected a chunk at offset {offset}; the file ends at {self.size}: copy it again")
        magic, word = _CHUNK.unpack(self._bytes(where, offset, _CHUNK.size))
        if magic != MAGIC:
            raise InputError(f"{where}: expected the magic {MAGIC:#x} at offset {offset}, found {magic:#010x}: copy pack and index again")
        kind, length = word >> _LENGTH_BITS, word & ((1 << _LENGTH_BITS) - 1)
        if start + length > self.size:
            raise InputError(f"{where}: the chunk at offset {offset} ends at {start + length}; the file ends at {self.size}: copy it again")
        return kind, length

    def _bytes(self, where: str, offset: int, length: int) -> bytes:
        found = os.pread(self._descriptor, length, offset)
        if len(found) != length:
            raise InputError(f"{where}: the file had {self.size} bytes and has become shorter: open it again")
        return found


def open_data(path: str, **arguments):
    """Opens a file of bytes that is not empty and not evidently something else.

    Raises:
      InputError: it is, or it cannot be read.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(f"{path} is not a file")
    try:
        file = open(path, "rb", **arguments)
        start = os.pread(file.fileno(), 200, 0)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    what = other_file(start)
    if start and not what:
        return file
    file.close()
    raise InputError(f"{path} is {what}, not the data" if what else f"{path} is empty: copy it again")


def _body_start(where: str, header: bytes, length: int) -> int:
    """Where the body begins in a record of `length` bytes."""
    if len(header) < _HEADER.size:
        raise InputError(f"{where}: the record has {length} bytes, fewer than its header of {_HEADER.size}")
    labels = _HEADER.unpack(header)[0]
    body = _HEADER.size + _LABEL.size * labels
    if body > length:
        raise InputError(f"{where}: the record has {length} bytes; a header and {labels} labels need {body}")
    return body
