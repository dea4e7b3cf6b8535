"""Which records of a RecordIO pack are images, where each begins, and of which class it is."""

import os
import re
from array import array
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kd_tf.data.recordio.format import RecordFile, open_data
from kd_tf.errors import InputError

_LINE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(\d{1,18})\s+(\d{1,18})\s*")
# From here on float32, in which packs keep all numbers, leaves whole numbers out.
_INEXACT = 2**24


class Index(NamedTuple):
    """The images of a pack, by ascending key.

    Attributes:
      keys: int64 `[records]`.
      offsets: int64 `[records]`, where each record begins in the pack.
      classes: int32 `[records]`, as the pack numbers them.
    """

    keys: np.ndarray
    offsets: np.ndarray
    classes: np.ndarray


def build_index(records: RecordFile, idx: str) -> Index:
    """Reads the head of every record, not its image.

    Args:
      records: the pack.
      idx: its text file of keys and offsets, in any order. Where there is none, the records are found from chunk to chunk; their keys are
        the numbers that they carry or, if several carry one number, their places in the pack, from 1.

    Raises:
      InputError: a record or a line is broken, the two files disagree, an image has no class or there are no images.
    """
    keys, offsets, heads = _with_idx(records, idx) if os.path.exists(idx) else _without_idx(records)
    order = np.argsort(keys)
    keys, offsets, heads = keys[order], offsets[order], heads[order]
    for place in np.flatnonzero(keys[1:] == keys[:-1])[:1]:
        raise InputError(f"{idx} has key {keys[place]} twice, with offsets {offsets[place]} and {offsets[place + 1]}: copy it again")
    images = _images(lambda place: records.describe(keys[place], offsets[place]), keys, heads)
    if not images.size:
        raise InputError(f"{records.path} has {len(keys)} records and no images")
    return Index(keys[images], offsets[images], heads["label"][images].astype(np.int32))


def _with_idx(records: RecordFile, idx: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keys, offsets and heads by ascending offset, as the disk reads them best."""
    keys, offsets = _read_idx(idx)
    order = np.argsort(offsets)
    keys, offsets = keys[order], offsets[order]
    for place in np.flatnonzero(offsets >= records.size)[:1]:
        raise InputError(f"{idx} has key {keys[place]} at offset {offsets[place]}; {records.path} ends at {records.size}: copy both again")
    for place in np.flatnonzero(offsets[1:] == offsets[:-1])[:1]:
        raise InputError(f"{idx} has the keys {keys[place]} and {keys[place + 1]} at one offset, {offsets[place]}: copy it again")
    return keys, offsets, records.heads(lambda place: records.describe(keys[place], offsets[place]), offsets)


def _without_idx(records: RecordFile) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `_with_idx` gives them. No place is key 0: what a header record announces are keys, not places."""
    offsets = records.scan()
    heads = records.heads(lambda place: f"{records.path} at offset {offsets[place]}", offsets)
    distinct = len(np.unique(heads["id"])) == len(heads) and heads["id"].max() < 2**63
    return heads["id"].astype(np.int64) if distinct else np.arange(1, len(heads) + 1), offsets, heads


def _read_idx(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Keys and offsets, int64 `[records]`, as they stand there."""
    keys, offsets = array("q"), array("q")
    with open_data(path) as file:
        for number, line in enumerate(file, start=1):
            match = _LINE.fullmatch(line)
            if match:
                keys.append(int(match[1]))
                offsets.append(int(match[2]))
            elif line.strip():
                found = ascii(line[:80].strip().decode("latin1"))
                raise InputError(f"{path} line {number}: expected KEY OFFSET, two numbers, found {found}")
    return np.asarray(keys, np.int64), np.asarray(offsets, np.int64)


def _images(where: Callable[[int], str], keys: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """The places of the images. Records of labels without a body are none: the header record and the ranges of the identities."""
    bare = (heads["labels"] > 0) & ~heads["body"]
    images = np.flatnonzero(~bare)
    if keys.size and keys[0] == 0 and bare[0]:
        images = _announced_images(where(0), keys, float(heads["label"][0]), images)
    for place in images[~heads["body"][images]][:1]:
        raise InputError(f"{where(place)}: the record has no image")
    label = heads["label"][images]
    with np.errstate(invalid="ignore"):
        wrong = ~((label >= 0) & (label <= _INEXACT) & (label == np.floor(label)))
    for place in images[wrong][:1]:
        raise InputError(f"{where(place)}: expected a class, a whole number from 0 to {_INEXACT}, found {heads['label'][place]}")
    return images


def _announced_images(where: str, keys: np.ndarray, label: float, images: np.ndarray) -> np.ndarray:
    """The places of the keys 1 to `label` - 1; `images` where the label may have been rounded."""
    if not (label >= 1 and label.is_integer()):
        raise InputError(f"{where}: the header record's label is {label}: expected the number of images and 1")
    if label >= _INEXACT:
        return images
    announced = np.arange(1, int(label))
    present = announced[: len(keys) - 1]
    lacking = [*present[keys[present] != present][:1], *announced[len(present) :][:1]]
    for key in lacking[:1]:
        raise InputError(
            f"{where}: the header record announces the keys 1 to {len(announced)}; key {key} is missing: copy both files again"
        )
    return announced
