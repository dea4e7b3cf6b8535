"""Lists of the good rows of MS-Celeb-1M: lines `m.0109kg/14-FaceId-0.jpg 17`, the class a number or, as in C-MS-Celeb, a MID in front."""

import array
import functools
import itertools
import re
from typing import NamedTuple

import numpy as np

from kd_tf.data.ms_celeb_1m.line_index import LineIndex
from kd_tf.data.ms_celeb_1m.rows import name_digest, shown
from kd_tf.errors import InputError

_IMAGE = re.compile(rb"([!-.0-~]{1,64}/[!-.0-~]{1,80})\.jpg")
_CLASS = re.compile(rb"[0-9]{1,9}|[a-z]\.[!-.0-~]{1,62}")
_LONGEST_LINE = 4096
_JOINED_AT_ONCE = 1 << 20


class CleanList(NamedTuple):
    """What a list says.

    Attributes:
      digests: S16 `[images]`, of the names.
      classes: int32 `[images]`, places in `class_names`.
      lines: int32 `[images]`, from 1.
      class_names: in the order of the numbers, or sorted.
    """

    digests: np.ndarray
    classes: np.ndarray
    lines: np.ndarray
    class_names: list[str]


def choose_rows(path: str, data: str, index: LineIndex) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The rows that a list has, in the order of the data.

    A class that is one MID and has all of that MID's images is called by it; others are called `class 17`, or by the MID that the list
    gives them. Of rows of one name the first counts.

    Args:
      path: the list.
      data: the file that `index` is of, for messages.
      index: of all rows.

    Returns:
      The rows, the class of each, int32 `[rows]`, and the names of the classes.

    Raises:
      InputError: a line is broken, or of an image that the data lacks or that another line gives to another class.
    """
    clean = read_clean_list(path)
    rows = _find_rows(clean.digests, index.digests)
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        line = clean.lines[missing[0]]
        counts = f"{len(missing)} of the {len(rows)} images listed are missing"
        raise InputError(f"{path} line {line}: {data} has no row for {_text_of_line(path, line)}; {counts}: take them out of the list")
    order = np.argsort(rows, kind="stable")
    rows, classes, lines = rows[order], clean.classes[order], clean.lines[order]
    again = rows[1:] == rows[:-1]
    for place in np.flatnonzero(again & (classes[1:] != classes[:-1]))[:1]:
        one, other = (f"line {lines[at]}: {_text_of_line(path, lines[at])}" for at in (place, place + 1))
        raise InputError(f"{path} has an image in two classes ({one}; {other}): take one out")
    kept = np.concatenate([[True], ~again])
    rows, classes = rows[kept], classes[kept]
    return rows, classes, _names(clean.class_names, classes, index.identities[rows], index.identity_names)


def read_clean_list(path: str) -> CleanList:
    """Reads a list. Blank lines do not count.

    Raises:
      InputError: it cannot be read, has no lines, or one that is broken.
    """
    digests, lines, classes, numbers = bytearray(), array.array("i"), array.array("i"), {}
    try:
        with open(path, "rb") as file:
            for line, text in enumerate(iter(functools.partial(file.readline, _LONGEST_LINE), b""), start=1):
                columns = text.removeprefix(b"\xef\xbb\xbf" if line == 1 else b"").split()
                if columns:
                    name, label = _parse(f"{path} line {line}", columns)
                    digests += name_digest(name)
                    lines.append(line)
                    classes.append(numbers.setdefault(label, len(numbers)))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if not numbers:
        raise InputError(f"{path} is empty: expected lines like 'm.0109kg/14-FaceId-0.jpg 17'")
    names = sorted(numbers, key=lambda label: (not label.isdigit(), int(label) if label.isdigit() else 0, label))
    places = np.empty(len(names), np.int32)
    places[[numbers[label] for label in names]] = np.arange(len(names))
    return CleanList(np.frombuffer(digests, "S16"), places[np.frombuffer(classes, np.int32)], np.frombuffer(lines, np.int32), names)


def _parse(where: str, columns: list[bytes]) -> tuple[bytes, str]:
    """The image's name without its ending, and the class."""
    if len(columns) == 2:
        image, label = columns if columns[0].endswith(b".jpg") else reversed(columns)
        name = _IMAGE.fullmatch(image)
        if name and _CLASS.fullmatch(label):
            return name[1], str(int(label)) if label.isdigit() else label.decode()
    raise InputError(f"{where}: expected something like 'm.0109kg/14-FaceId-0.jpg 17', found {shown(b' '.join(columns))}")


def _find_rows(wanted: np.ndarray, digests: np.ndarray) -> np.ndarray:
    """For each digest its first place among `digests`, int32; -1 where it has none."""
    order = np.argsort(digests, kind="stable").astype(np.int32)
    rows = np.empty(len(wanted), np.int32)
    for start in range(0, len(wanted), _JOINED_AT_ONCE):
        part = wanted[start : start + _JOINED_AT_ONCE]
        # Searched in order they are found five times as fast.
        places = np.argsort(part)
        part = part[places]
        found = order[np.minimum(np.searchsorted(digests, part, sorter=order), len(digests) - 1)]
        rows[start + places] = np.where(digests[found] == part, found, -1)
    return rows


def _names(class_names: list[str], classes: np.ndarray, identities: np.ndarray, identity_names: list[str]) -> list[str]:
    """The MID of each class that is one MID and the only one with it."""
    pairs = np.divmod(np.unique(classes.astype(np.int64) * len(identity_names) + identities), len(identity_names))
    mids_of_class, classes_of_mid = (np.bincount(part) for part in pairs)
    names = [f"class {name}" if name.isdigit() else name for name in class_names]
    for label, identity in zip(*(part.tolist() for part in pairs), strict=True):
        if names[label].startswith("class ") and mids_of_class[label] == classes_of_mid[identity] == 1:
            names[label] = identity_names[identity]
    return names


def _text_of_line(path: str, line: int) -> str:
    with open(path, "rb") as file:
        text = next(itertools.islice(file, line - 1, None), b"")
    return shown(text.removeprefix(b"\xef\xbb\xbf").strip())
