"""One pass over the rows of a huge text file: says how far it is, and where a row is broken."""

import logging
import os
import time
from collections.abc import Iterator
from typing import Protocol

from kd_tf.errors import InputError
from kd_tf.progress import SECONDS_BETWEEN_LINES

LONGEST_ROW = 64 << 20
_BUFFER_BYTES = 1 << 20
_ROWS_BETWEEN_LOOKS = 256
_LOGGER = logging.getLogger(__name__)


class BrokenRow(ValueError):
    """What is wrong with a row, in words that follow its place."""


class ParseRow(Protocol):
    """Tells what a row is about."""

    def __call__(self, row: bytes, *, ended: bool) -> tuple[str, bytes]:
        """The identity in `row`, which has lost its line end, and 16 bytes that stand for its name.

        Raises:
          BrokenRow: it is no row. One that is not `ended`, the last of a file, may be half of one.
        """


def scan_rows(path: str, parse: ParseRow, *, lines: int = 0, offset: int = 0) -> Iterator[tuple[int, str, bytes]]:
    """Yields for each row where it ends, in bytes, and what `parse` says about it.

    Args:
      path: the file. Empty lines may follow its last row.
      parse: see `ParseRow`.
      lines: how many to leave out.
      offset: where they end.

    Raises:
      InputError: a row is broken, empty or longer than `LONGEST_ROW`; the file ends inside one or cannot be read.
    """
    empty, progress = None, _Progress(path, offset)
    for line, row in enumerate(_lines(path, offset), start=lines + 1):
        where = f"{path} line {line} (offset {offset})"
        offset += len(row)
        content = row.rstrip(b"\r\n")
        if not content:
            empty = empty or where
            continue
        if empty:
            raise InputError(f"{empty} is empty and rows follow: the file is damaged, copy it again")
        yield offset, *_parse(parse, content, row.endswith(b"\n"), where)
        if line % _ROWS_BETWEEN_LOOKS == 0:
            progress.show(offset)


def _parse(parse: ParseRow, content: bytes, ended: bool, where: str) -> tuple[str, bytes]:
    if len(content) > LONGEST_ROW:
        raise InputError(f"{where} is longer than {LONGEST_ROW >> 20} MiB: the file is damaged or something else")
    try:
        return parse(content, ended=ended)
    except BrokenRow as broken:
        if ended:
            raise InputError(f"{where}: {broken}; copy the file again") from broken
        raise InputError(f"{where} is where the file is cut off ({broken}): wait until it is copied, or copy it again") from broken


def _lines(path: str, offset: int) -> Iterator[bytes]:
    """The lines from `offset` on with their ends, but no more of one than shows that it is too long."""
    try:
        with open(path, "rb", buffering=_BUFFER_BYTES) as file:
            file.seek(offset)
            while line := file.readline(LONGEST_ROW + 3):
                yield line
    except OSError as error:
        raise InputError(f"{path} cannot be read behind offset {offset}: {error.strerror}") from error


class _Progress:
    """Logs how far a pass is, now and then."""

    def __init__(self, path: str, offset: int):
        self._path, self._begin, self._size = path, offset, os.path.getsize(path)
        self._started = self._shown = time.monotonic()

    def show(self, offset: int) -> None:
        now = time.monotonic()
        if now - self._shown < SECONDS_BETWEEN_LINES:
            return
        self._shown = now
        rate = (offset - self._begin) / (now - self._started)
        left = (self._size - offset) / rate / 60
        message = "%s: indexed %.2f of %.2f GB, %.1f MB/s, %.1f min left"
        _LOGGER.info(message, self._path, offset / 1e9, self._size / 1e9, rate / 1e6, left)
