"""Where the rows of a huge text file are, whom each shows and a digest of its name: found in one pass, kept on disk, memory-mapped.

The file is known by its size, its time of change and both its ends: when they change, the index is made anew. A pass that was killed
goes on where it was. One process makes an index, others wait for it.
"""

import contextlib
import fcntl
import hashlib
import itertools
import json
import logging
import os
import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from kd_tf.data.ms_celeb_1m.line_parts import ARRAYS, LineParts
from kd_tf.data.ms_celeb_1m.line_scan import ParseRow, scan_rows
from kd_tf.errors import InputError
from kd_tf.files import write_whole

PART_ROWS = 50_000
_VERSION = 1
_MANIFEST = "index.json"
_PARTS = "parts"
_END_BYTES = 1 << 20
_LOGGER = logging.getLogger(__name__)


class LineIndex(NamedTuple):
    """An open index.

    Attributes:
      facts: what the file is known by.
      starts: int64 `[rows + 1]`, in bytes; row `i` lies from `starts[i]` to `starts[i + 1]`, its line end included.
      identities: int32 `[rows]`, places in `identity_names`.
      digests: S16 `[rows]`, of each row's name.
      identity_names: sorted.
    """

    facts: dict[str, Any]
    starts: np.ndarray
    identities: np.ndarray
    digests: np.ndarray
    identity_names: list[str]


def file_facts(path: str) -> dict[str, Any]:
    """Size, time of change, and a digest of the first and the last MiB."""
    status = os.stat(path)
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read(_END_BYTES))
        file.seek(max(0, status.st_size - _END_BYTES))
        digest.update(file.read(_END_BYTES))
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "ends": digest.hexdigest()}


def open_line_index(path: str, folder: str, parse: ParseRow, *, part_rows: int = PART_ROWS) -> LineIndex:
    """Opens the index of `path` that is in `folder`, making it or the rest of it first where need be.

    Args:
      path: the text file.
      folder: holds the index, as `NAME.index/`.
      parse: gives the identity and the name's digest of a row.
      part_rows: how many rows are lost at most when the pass is killed.

    Raises:
      InputError: a row is broken, the file changes in the meantime, or the folder cannot be written.
    """
    directory = os.path.join(folder, f"{os.path.basename(path)}.index")
    facts = file_facts(path)
    index = _load(directory, facts)
    if index is None:
        with _only_process(directory):
            index = _load(directory, facts)
            if index is None:
                _make(path, directory, facts, parse, part_rows)
                index = _load(directory, facts)
    if index is None:
        raise InputError(f"the index {directory} has changed while it was made: delete it and try again")
    return index


def _load(directory: str, facts: dict[str, Any]) -> LineIndex | None:
    """The index if it is whole and of the file with these facts."""
    try:
        with open(os.path.join(directory, _MANIFEST), encoding="utf-8") as file:
            manifest = json.load(file)
        if manifest["version"] != _VERSION or manifest["facts"] != facts:
            return None
        arrays = {name: np.load(os.path.join(directory, f"{name}.npy"), mmap_mode="r") for name in ARRAYS}
        fits = all(len(array) == manifest["rows"] + (name == "starts") for name, array in arrays.items())
        return LineIndex(facts, **arrays, identity_names=manifest["identity_names"]) if fits else None
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None


@contextlib.contextmanager
def _writing(directory: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write the index {directory} ({error.strerror}): give --index_dir, a folder with room for it") from error


@contextlib.contextmanager
def _only_process(directory: str) -> Iterator[None]:
    """Makes the directory, and waits until no other process is in here for it."""
    with contextlib.ExitStack() as stack:
        with _writing(directory):
            os.makedirs(directory, exist_ok=True)
            file = stack.enter_context(open(os.path.join(directory, "lock"), "w"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _LOGGER.info("%s: another process makes it, waiting", directory)
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(path: str, directory: str, facts: dict[str, Any], parse: ParseRow, part_rows: int) -> None:
    manifest, folder = os.path.join(directory, _MANIFEST), os.path.join(directory, _PARTS)
    with _writing(directory):
        if os.path.exists(manifest):
            _LOGGER.warning("%s is damaged or not of %s as that is now: making it anew", directory, path)
            os.remove(manifest)
        os.makedirs(folder, exist_ok=True)
    parts = LineParts(folder, {"version": _VERSION, **facts})
    if parts.count:
        _LOGGER.info("%s: indexing goes on at line %d, offset %d", path, parts.rows + 1, parts.end)
    rows = scan_rows(path, parse, lines=parts.rows, offset=parts.end)
    while batch := list(itertools.islice(rows, part_rows)):
        with _writing(directory):
            parts.append(*zip(*batch, strict=True))
    if file_facts(path) != facts:
        raise InputError(f"{path} has changed while it was indexed: try again when it is whole")
    with _writing(directory):
        parts.join(directory)
        names = sorted(parts.identities)
        write_whole(manifest, json.dumps({"version": _VERSION, "facts": facts, "rows": parts.rows, "identity_names": names}))
    shutil.rmtree(folder, ignore_errors=True)
    _LOGGER.info("%s: indexed %d rows of %d identities into %s", path, parts.rows, len(parts.identities), directory)
