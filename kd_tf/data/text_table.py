"""Annotation tables: a row an image, with its name and then numbers, apart by spaces, tabs or commas.

Copies in the wild differ in what does not matter: a byte order mark, CRLF, several spaces, a header or none, the number of rows in
the first line or not, no newline at the end. All of these are read alike. What does matter is an error that names the line.
"""

import array
import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from kd_tf.data.folder import IMAGE_ENDINGS
from kd_tf.errors import InputError

Row = tuple[int, list[str]]


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """Rows of a name and numbers.

    Attributes:
      path: the file.
      header: the names of the columns as the file has them; empty: it has none.
      rows: the row of each name, in the order of the file.
      lines: int32 `[rows]`, the line of each row, from 1.
      numbers: float64 `[rows, columns - 1]`, all finite.
    """

    path: str
    header: list[str]
    rows: dict[str, int]
    lines: np.ndarray
    numbers: np.ndarray

    def refuse(self, wrong: np.ndarray, expected: str) -> None:
        """Raises an `InputError` about the first row that is wrong, if one is.

        Args:
          wrong: bool `[rows]`.
          expected: what each row should be.
        """
        if not wrong.any():
            return
        row = int(wrong.argmax())
        name = next(itertools.islice(self.rows, row, None))
        found = [name, *(f"{number:.10g}" for number in self.numbers[row])]
        raise InputError(f"{self.path} line {self.lines[row]}: expected {expected}, found {_shown(found)}")

    def refuse_others(self, images: Iterable[str], owner: str, advice: str) -> None:
        """Raises an `InputError` about the first row of another image, if there is one.

        Args:
          images: the images that may have rows.
          owner: the folder or file that they are in, for the message.
          advice: what to do, for the message.
        """
        known = set(images)
        wrong = np.array([name not in known for name in self.rows])
        self.refuse(wrong, f"an image that is in {owner} ({wrong.sum()} of {len(wrong)} rows name others: {advice})")


def read_table(path: str, columns: Sequence[str], *, normalize: Callable[[str], str] = str) -> Table:
    """Reads the whole file.

    A first row of one whole number is the number of rows. A row before the others that holds no number and no image is a header; it may
    leave out the name of the first column.

    Args:
      path: the file.
      columns: what is in each column, for messages; the first is a name, the others are numbers.
      normalize: the name as the table has it to the name to know it by.

    Raises:
      InputError: the file cannot be read as text or is a web page, it has no rows or not as many as it announces, or a row has other
        columns, a number that is none, or the name of an earlier row.
    """
    announced, header, data = _parse_head(path, read_rows(path), len(columns))
    rows, lines, numbers = {}, array.array("i"), array.array("d")
    for line, row in data:
        numbers.extend(_parse_numbers(path, line, row, columns))
        name = normalize(row[0])
        if rows.setdefault(name, len(lines)) != len(lines):
            raise InputError(f"{path} line {line}: {name[:80]!r} is there twice, first in line {lines[rows[name]]}")
        lines.append(line)
    if announced not in (None, len(rows)):
        raise InputError(f"{path} announces {announced} rows in its first line; it has {len(rows)}: copy it again")
    if not rows:
        raise InputError(f"{path} is empty: expected rows of {', '.join(columns)}")
    return Table(path, header, rows, np.asarray(lines, np.int32), np.asarray(numbers).reshape(len(rows), -1))


def read_rows(path: str) -> Iterator[Row]:
    """The line number, from 1, and the columns of every line that is not empty.

    Raises:
      InputError: the file cannot be opened, a line is not UTF-8, or the file is a web page.
    """
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            for line, text in enumerate(file, start=1):
                if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
                    raise InputError(f"{path} line {line}: this is no text in UTF-8: copy the file again")
                row = text.replace(",", " ").split()
                if row and row[0].startswith("<"):
                    raise InputError(f"{path} line {line}: this is an HTML page, not the data (an exceeded quota?): download it again")
                if row:
                    yield line, row
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _parse_head(path: str, data: Iterator[Row], columns: int) -> tuple[int | None, list[str], Iterator[Row]]:
    """The announced number of rows, the header, and the rows after both."""
    announced, header = None, []
    for line, row in data:
        if announced is None and len(row) == 1 and row[0].isascii() and row[0].isdigit() and len(row[0]) < 10:
            announced = int(row[0])
        elif not header and _is_header(row, columns):
            header = row
        else:
            return announced, header, itertools.chain([(line, row)], data)
    return announced, header, iter(())


def _is_header(row: list[str], columns: int) -> bool:
    if row[0].lower().endswith(IMAGE_ENDINGS) or not max(2, columns - 1) <= len(row) <= columns:
        return False
    return all(_numbers([text]) is None for text in row)


def _parse_numbers(path: str, line: int, row: list[str], columns: Sequence[str]) -> list[float]:
    if len(row) != len(columns):
        expected = f"{len(columns)} columns ({', '.join(columns)})"
        raise InputError(f"{path} line {line}: expected {expected}, found {len(row)}: {_shown(row)}")
    numbers = _numbers(row[1:])
    if numbers is None:
        name, text = next((name, text) for name, text in zip(columns[1:], row[1:], strict=True) if _numbers([text]) is None)
        raise InputError(f"{path} line {line}: expected a number for {name}, found {text[:80]!r}")
    return numbers


def _numbers(texts: list[str]) -> list[float] | None:
    """The numbers, or None where one is not plain or not finite; `float` alone would take `1_0` and `nan`."""
    joined = "".join(texts)
    if "_" in joined or not joined.isascii():
        return None
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return None
    return numbers if math.isfinite(sum(numbers)) else None


def _shown(row: list[str]) -> str:
    return repr(" ".join(row)[:80])
