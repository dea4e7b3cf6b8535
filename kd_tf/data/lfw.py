"""`lfw:PATH`: Labeled Faces in the Wild, deep-funneled, as it unpacks, with the files that lie beside it.

`pairs.txt` and `people.txt` are LFW's own: its folds of pairs, and of people, the last of which is the official test set.
`landmarks.csv` has the columns `image, confidence` and x and y of five points in pixels, image-left first. Rows that a
detector was unsure of, and images without a row, count as images without landmarks.
"""

import csv
import os
from collections.abc import Iterator

import numpy as np

from kd_tf.data.folder import images_by_identity
from kd_tf.data.pairs import Pairs
from kd_tf.data.source import FileSource
from kd_tf.errors import InputError

IMAGES = "lfw-deepfunneled"
PAIRS = "pairs.txt"
PEOPLE = "people.txt"
IMAGE_SIZE = 250
RELIABLE_CONFIDENCE = 0.9


def open_lfw(path: str) -> FileSource:
    """Opens all people.

    Raises:
      InputError: the path lacks `lfw-deepfunneled/`, `landmarks.csv` or `people.txt` has a row that cannot be read, or
        `people.txt` lacks one of the people.
    """
    root = os.path.join(path, IMAGES)
    if not os.path.isdir(root):
        raise InputError(f"{path} is not LFW: it has no folder {IMAGES}/")
    images = images_by_identity(root)
    if not images:
        raise InputError(f"{root} has no images: expected {root}/NAME/NAME_0001.jpg")
    paths = [f"{name}/{image}" for name, images in images.items() for image in images]
    annotations = os.path.join(path, "landmarks.csv")
    landmarks = _read_landmarks(annotations, paths) if os.path.exists(annotations) else None
    people = [name.split("/")[0] for name in paths]
    return FileSource(f"lfw:{path}", root, paths, people, landmarks, **_division(path, people))


def read_lfw_pairs(path: str, source: FileSource) -> Pairs:
    """Reads `PATH/pairs.txt`: the numbers of folds and pairs, and in each fold so many pairs of one person and of two.

    Args:
      path: LFW's folder.
      source: what `open_lfw` gave for it.

    Returns:
      Pairs of record indices.

    Raises:
      InputError: the file is missing, has other lines than it announces, or one that names an image that the source lacks.
    """
    file = os.path.join(path, PAIRS)
    (first, header), *rows = _read_rows(file, "the numbers of folds and of pairs", columns=2)
    folds, pairs = (_number(f"{file} line {first}", value) for value in header)
    if len(rows) != 2 * folds * pairs:
        announced = f"{folds} folds of {pairs} pairs of one person and {pairs} of two, {2 * folds * pairs} lines"
        raise InputError(f"{file} announces {announced}; it has {len(rows)}: copy it again")
    places = {os.path.splitext(name)[0]: index for index, name in enumerate(source.paths)}
    same = np.arange(len(rows)) // pairs % 2 == 0
    found = []
    for (line, row), matched in zip(rows, same, strict=True):
        where = f"{file} line {line}"
        for image in _images_of_pair(where, row, matched):
            if image not in places:
                raise InputError(f"{where}: {image}.jpg is not among the {len(source)} images of {source.name}")
            found.append(places[image])
    return Pairs(np.array(found[::2]), np.array(found[1::2]), same, np.arange(len(rows)) // (2 * pairs))


def read_people_folds(path: str) -> dict[str, int]:
    """Reads `PATH/people.txt`: the number of folds, and in each the number of people and a line for each.

    Args:
      path: LFW's folder.

    Returns:
      The fold of each person, from 0.

    Raises:
      InputError: the file is missing or has other lines than it announces, or somebody is there twice.
    """
    file = os.path.join(path, PEOPLE)
    (first, header), *rows = _read_rows(file, "the number of folds", columns=1)
    folds = _number(f"{file} line {first}", header[0])
    found, rows = {}, iter(rows)
    for fold in range(folds):
        line, (count,) = _next_row(file, rows, f"the number of people in fold {fold + 1} of {folds}", columns=1)
        count = _number(f"{file} line {line}", count)
        for person in range(count):
            expected = f"NAME IMAGES, person {person + 1} of {count} in fold {fold + 1} of {folds}"
            line, (name, images) = _next_row(file, rows, expected, columns=2)
            _number(f"{file} line {line}", images)
            if name in found:
                raise InputError(f"{file} line {line}: {name} is in fold {found[name] + 1} already")
            found[name] = fold
    for line, row in rows:
        raise InputError(f"{file} line {line}: expected the end after {folds} folds, found {_shown(row)}")
    return found


def _division(path: str, people: list[str]) -> dict[str, np.ndarray]:
    """By `people.txt`, the fold of each record's person and whether it is the last; empty: there is no such file."""
    file = os.path.join(path, PEOPLE)
    if not os.path.exists(file):
        return {}
    folds = read_people_folds(path)
    for name in people:
        if name not in folds:
            raise InputError(f"{file} lacks {name}, who has images in {path}/{IMAGES}: use the file and the images of one copy of LFW")
    of_records = np.array([folds[name] for name in people])
    return {"folds": of_records, "official_test": of_records == max(folds.values())}


def _images_of_pair(where: str, row: list[str], matched: bool) -> tuple[str, str]:
    """Both images as `NAME/NAME_0001`."""
    expected = "NAME NUMBER NUMBER, a pair of one person" if matched else "NAME NUMBER NAME NUMBER, a pair of two people"
    if len(row) != (3 if matched else 4):
        raise InputError(f"{where}: expected {expected}, found {len(row)} columns: {_shown(row)}")
    first, second = ((row[0], row[1]), (row[0], row[2])) if matched else (row[:2], row[2:])
    return tuple(f"{name}/{name}_{_number(where, number):04d}" for name, number in (first, second))


def _read_rows(path: str, expected: str, columns: int) -> list[tuple[int, list[str]]]:
    """Line number and columns of every line that is not empty; the first of them has so many columns."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            rows = [(line, text.split()) for line, text in enumerate(file, start=1) if text.strip()]
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: it comes with LFW") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text: {error}") from error
    _next_row(path, iter(rows), expected, columns)
    return rows


def _next_row(path: str, rows: Iterator[tuple[int, list[str]]], expected: str, columns: int) -> tuple[int, list[str]]:
    line, row = next(rows, (None, None))
    if row is None:
        raise InputError(f"{path} ends where it should have {expected}")
    if len(row) != columns:
        raise InputError(f"{path} line {line}: expected {expected}, found {len(row)} columns: {_shown(row)}")
    return line, row


def _shown(row: list[str]) -> str:
    return repr(" ".join(row)[:80])


def _number(where: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value)):
        raise InputError(f"{where}: expected a number from 1, found {value[:80]!r}")
    return int(value)


def _read_landmarks(path: str, images: list[str]) -> np.ndarray:
    rows = {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        for line, row in enumerate(csv.reader(file), start=1):
            if line == 1 or not row:
                continue
            try:
                confidence, *points = (float(value) for value in row[1:])
                rows[row[0]] = confidence, np.array(points, np.float32).reshape(5, 2)
            except ValueError as error:
                expected = "image, confidence and ten numbers"
                raise InputError(f"{path} line {line}: expected {expected}, found {','.join(row)!r}") from error
            if points[:2] == points[2:4]:
                raise InputError(f"{path} line {line}: both eyes of {row[0]} are at one place")
    missing = np.full([5, 2], np.nan, np.float32)
    pixels = [
        points if confidence >= RELIABLE_CONFIDENCE else missing
        for confidence, points in (rows.get(image, (0.0, missing)) for image in images)
    ]
    return (np.stack(pixels) + 0.5) / IMAGE_SIZE
