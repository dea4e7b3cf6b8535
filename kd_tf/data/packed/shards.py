"""The shards of a pack: which records each holds is arithmetic, and one that stands at its place is whole.

A shard is written in the workspace and moved to its place after its notes: which of its records could be read, and their checksums.
"""

import contextlib
import functools
import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np
from array_record.python import array_record_module

from kd_tf.data.packed.image import read_image
from kd_tf.data.packed.parallel import in_order
from kd_tf.data.packed.source import shard_name
from kd_tf.data.source import Source
from kd_tf.errors import InputError, first_line
from kd_tf.files import PARTIAL, place
from kd_tf.progress import with_progress

# Each record by itself, so that it is read without its neighbours; JPEGs do not get smaller.
_WRITER_OPTIONS = "group_size:1,uncompressed"
_LOGGER = logging.getLogger(__name__)


class Shard(NamedTuple):
    """One shard.

    Attributes:
      records: of the source.
      path: its place.
      notes: the place of its notes, an `.npz` file of `records` int64 `[n]`, those that are in the shard, and `checksums` uint32 `[n]`.
    """

    records: range
    path: str
    notes: str

    def read_notes(self) -> dict[str, np.ndarray]:
        """The notes, of a shard that is written."""
        with np.load(self.notes, allow_pickle=False) as arrays:
            return dict(arrays)

    def left_out(self) -> int:
        """How many of its records were broken, of a shard that is written."""
        return len(self.records) - len(self.read_notes()["records"])


class _Broken:
    """Counts the images that are left out; so many may be."""

    def __init__(self, allowed: int):
        self._allowed = allowed
        self._count = 0

    def add_earlier(self, count: int) -> None:
        """Those that an interrupted call left out."""
        self._count += count
        if self._count > self._allowed:
            raise InputError(f"{self._count} broken images were left out before this start, --skip_broken={self._allowed} allows fewer")

    def leave_out(self, fault: InputError) -> None:
        """Logs it, or raises it where it is one too many."""
        if not self._allowed:
            raise InputError(f"{fault}; --skip_broken=N leaves out up to N such images") from fault
        if self._count == self._allowed:
            raise InputError(f"{fault}; --skip_broken={self._allowed} allows no more") from fault
        self._count += 1
        _LOGGER.warning("left out: %s", fault)


def plan_shards(records: int, shard_records: int, output: str, work: str) -> list[Shard]:
    """All shards of a pack in the folder `output` with the workspace `work`."""
    parts = [range(first, min(first + shard_records, records)) for first in range(0, records, shard_records)]
    names = [shard_name(number, len(parts)) for number in range(len(parts))]
    return [Shard(part, os.path.join(output, name), os.path.join(work, f"{name}.npz")) for part, name in zip(parts, names, strict=True)]


def write_shards(source: Source, shards: Sequence[Shard], *, resize: int | None, workers: int, skip_broken: int) -> None:
    """Writes those shards that are not there.

    Raises:
      InputError: more than `skip_broken` images are broken.
      OSError: a shard cannot be written.
    """
    missing = [shard for shard in shards if not os.path.exists(shard.path)]
    broken = _Broken(skip_broken)
    broken.add_earlier(sum(shard.left_out() for shard in shards if os.path.exists(shard.path)))
    records = itertools.chain.from_iterable(shard.records for shard in missing)
    images = in_order(functools.partial(read_image, source, resize=resize), records, workers)
    # Closed here, and not by the garbage collector in the middle of whatever: it would wait there for threads that wait for that.
    with contextlib.closing(images):
        shown = with_progress(images, sum(len(shard.records) for shard in missing), "images")
        for shard in missing:
            _write_shard(shard, shown, broken)


def _write_shard(shard: Shard, images: Iterator[bytes | InputError], broken: _Broken) -> None:
    partial = os.path.join(os.path.dirname(shard.notes), f"shard{PARTIAL}")
    kept, checksums = [], []
    with _open_writer(partial) as writer:
        for record, image in zip(shard.records, images, strict=False):
            if isinstance(image, InputError):
                broken.leave_out(image)
                continue
            writer.write(image)
            kept.append(record)
            checksums.append(crc32(image))
    with open(f"{shard.notes}{PARTIAL}", "wb") as file:
        np.savez(file, records=np.array(kept, np.int64), checksums=np.array(checksums, np.uint32))
    place(f"{shard.notes}{PARTIAL}", shard.notes)
    place(partial, shard.path)


@contextlib.contextmanager
def _open_writer(path: str) -> Iterator[array_record_module.ArrayRecordWriter]:
    writer = array_record_module.ArrayRecordWriter(path, _WRITER_OPTIONS)
    try:
        yield writer
    finally:
        try:
            # Only here does it say that the disk is full.
            writer.close()
        except RuntimeError as error:
            raise OSError(first_line(error)) from error
