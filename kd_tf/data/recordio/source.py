"""`recordio:PATH`: a face pack of MXNet: `train.rec` with the images, `train.idx` with where each is, `property` beside them.

Nothing is unpacked: images are read from the pack where they lie. Their labels lie between them, so the first opening reads the head of
each record and keeps what it learnt in an index file, which later openings read as long as the pack has not changed.
"""

import hashlib
import logging
import os
import re
from collections.abc import Iterable

import numpy as np

from kd_tf.data.recordio.format import RecordFile, open_data
from kd_tf.data.recordio.index import Index, build_index
from kd_tf.errors import InputError
from kd_tf.files import partial_path

_LOGGER = logging.getLogger(__name__)
_PROPERTY = re.compile(rb"(?:\xef\xbb\xbf)?\s*(\d{1,18})\s*,\s*\d{1,18}\s*,\s*\d{1,18}\s*")
_INDEX_FORMAT = 1


class RecordIOSource:
    """A `Source` of the images in a pack, by ascending key; an identity's name is its class number.

    Args:
      name: as in `Source`.
      records: the pack.
      index: its images.
      facts: changes when the pack does.
    """

    landmarks = None
    official_test = None
    labelled = True
    folds = None
    trusted = False
    aspect_ratio = 1.0

    def __init__(self, name: str, records: RecordFile, index: Index, facts: str):
        self.name = name
        classes, identities = np.unique(index.classes, return_inverse=True)
        self.identity_names = classes.astype(np.str_).tolist()
        self.identities = identities.astype(np.int32)
        self._records = records
        self._keys = index.keys
        self._offsets = index.offsets
        self._facts = facts

    def __len__(self) -> int:
        return len(self._offsets)

    def read(self, indices: Iterable[int]) -> list[bytes]:
        """See `Source.read`.

        Raises:
          InputError: a record is no longer what it was at opening.
        """
        return [self._records.read(self.describe(index), int(self._offsets[index])) for index in indices]

    def describe(self, index: int) -> str:
        """The pack, and the record's key and offset in it."""
        return self._records.describe(self._keys[index], self._offsets[index])

    def fingerprint(self) -> str:
        """A digest of the sizes and times of change of the pack's files."""
        return hashlib.sha256(self._facts.encode()).hexdigest()


def open_recordio(path: str, *, index_dir: str | None = None) -> RecordIOSource:
    """Opens a pack. Without an `.idx` file the records are found by going through the pack.

    Args:
      path: a folder with `train.rec`, or a `.rec` file of any name.
      index_dir: where the index file is kept; None: beside the pack. If it cannot be written there, every opening reads all heads.

    Raises:
      InputError: the path is something else, or a file there is broken.
    """
    pack = os.path.join(path, "train.rec") if os.path.isdir(path) else path
    if not pack.endswith(".rec") or not os.path.exists(pack):
        raise InputError(f"{path} is not a RecordIO pack: expected a folder with train.rec, or a .rec file")
    classes = _read_property(os.path.join(os.path.dirname(pack), "property"))
    records, idx = RecordFile(pack), pack.removesuffix("rec") + "idx"
    facts = _facts(records, idx)
    index_file = _index_file(pack, index_dir)
    index = _load(index_file, facts)
    if index is None:
        _LOGGER.info("%s: reading the head of each record once", pack)
        index = build_index(records, idx)
        _save(index_file, index, facts)
    source = RecordIOSource(f"recordio:{path}", records, index, facts)
    if classes not in (None, len(source.identity_names)):
        _LOGGER.info("%s: property says %d classes, the labels are of %d", source.name, classes, len(source.identity_names))
    return source


def _read_property(path: str) -> int | None:
    """The number of classes; None: there is no such file."""
    if not os.path.exists(path):
        return None
    with open_data(path) as file:
        text = file.read(100)
    match = _PROPERTY.fullmatch(text)
    if not match:
        raise InputError(f"{path}: expected CLASSES,HEIGHT,WIDTH, three numbers, found {ascii(text.decode('latin1'))}")
    return int(match[1])


def _facts(records: RecordFile, idx: str) -> str:
    status = [records.status] + ([os.stat(idx)] if os.path.exists(idx) else [])
    return f"{_INDEX_FORMAT}: " + ", ".join(f"{file.st_size} bytes of {file.st_mtime_ns}" for file in status)


def _index_file(pack: str, index_dir: str | None) -> str:
    if index_dir is None:
        return f"{pack}.index.npz"
    place = hashlib.sha256(os.path.realpath(pack).encode()).hexdigest()[:16]
    return os.path.join(index_dir, f"{os.path.basename(pack)}-{place}.index.npz")


def _load(path: str, facts: str) -> Index | None:
    """None: there is no whole index file of these facts."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Index(*(arrays[name] for name in Index._fields)) if arrays["facts"].item() == facts else None
    # Garbage raises anything.
    except Exception:
        return None


def _save(path: str, index: Index, facts: str) -> None:
    partial = partial_path(path)
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(partial, "wb") as file:
            np.savez(file, facts=facts, **index._asdict())
        os.replace(partial, path)
    except OSError as error:
        _LOGGER.warning("%s cannot be written (%s): every opening reads the head of each record", path, error.strerror)
    finally:
        if os.path.exists(partial):
            os.remove(partial)
