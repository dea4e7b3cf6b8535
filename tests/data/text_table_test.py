import math

import numpy as np
import pytest

from kd_tf.data.text_table import read_rows, read_table
from kd_tf.errors import InputError
from tests.data.mutations import read_mutations

COLUMNS = ("image", "x", "y")
TEXT = "b.jpg 1 -2.5\na.jpg 3 4e1\n"


def _read(tmp_path, data, **options):
    path = tmp_path / "table.txt"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_table(str(path), COLUMNS, **options)


def _error(tmp_path, data, **options):
    with pytest.raises(InputError) as error:
        _read(tmp_path, data, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "header", "lines"),
    [
        (TEXT, [], [1, 2]),
        (TEXT.rstrip(), [], [1, 2]),
        ("\ufeff" + TEXT, [], [1, 2]),
        (TEXT.replace("\n", "\r\n"), [], [1, 2]),
        (TEXT.replace("\n", "\r"), [], [1, 2]),
        (TEXT.replace("\n", " \n\n \t\n"), [], [1, 4]),
        (TEXT.replace(" ", "    "), [], [1, 2]),
        (TEXT.replace(" ", "\t"), [], [1, 2]),
        (TEXT.replace(" ", ","), [], [1, 2]),
        (TEXT.replace(" ", ", "), [], [1, 2]),
        ("2\n" + TEXT, [], [2, 3]),
        ("Image X Y\n" + TEXT, ["Image", "X", "Y"], [2, 3]),
        ("image,x,y\n" + TEXT.replace(" ", ","), ["image", "x", "y"], [2, 3]),
        ("2\r\nx y \r\n" + TEXT.replace("\n", "\r\n"), ["x", "y"], [3, 4]),
    ],
)
def test_one_table_in_many_copies(tmp_path, text, header, lines):
    table = _read(tmp_path, text)
    assert table.path == f"{tmp_path}/table.txt"
    assert table.header == header
    assert table.rows == {"b.jpg": 0, "a.jpg": 1}
    assert list(table.rows) == ["b.jpg", "a.jpg"]
    assert table.lines.tolist() == lines
    assert table.numbers.tolist() == [[1, -2.5], [3, 40]]
    assert table.numbers.dtype == np.float64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT + "c.jpg 1\n", " line 3: expected 3 columns (image, x, y), found 2: 'c.jpg 1'"),
        (TEXT + "c.jpg 1 2 3\n", " line 3: expected 3 columns (image, x, y), found 4: 'c.jpg 1 2 3'"),
        (TEXT + "x" * 500, f" line 3: expected 3 columns (image, x, y), found 1: '{'x' * 80}'"),
        (TEXT + "image x y\n", " line 3: expected a number for x, found 'x'"),
        ("image x y\nimage x y\n", " line 2: expected a number for x, found 'x'"),
        ("c.jpg x y\n", " line 1: expected a number for x, found 'x'"),
        ("c.jpg 1 y\n", " line 1: expected a number for y, found 'y'"),
        ("two\n" + TEXT, " line 1: expected 3 columns (image, x, y), found 1: 'two'"),
        (TEXT + "\nb.jpg 1 2\n", " line 4: 'b.jpg' is there twice, first in line 1"),
        ("3\n" + TEXT, " announces 3 rows in its first line; it has 2: copy it again"),
        ("2\n2\n" + TEXT, " line 2: expected 3 columns (image, x, y), found 1: '2'"),
        ("", " is empty: expected rows of image, x, y"),
        ("\ufeff\r\n 0 \r\nimage x y", " is empty: expected rows of image, x, y"),
    ],
)
def test_malformed_tables(tmp_path, text, message):
    assert _error(tmp_path, text) == f"{tmp_path}/table.txt{message}"


@pytest.mark.parametrize("number", ["nan", "inf", "-Infinity", "1_0", "٣", "1e999", "9" * 5000, "0x1", "1-2", "--1", "1.2.3", "\0"])
def test_numbers_that_are_none(tmp_path, number):
    """The first seven are numbers to `float`."""
    assert _error(tmp_path, TEXT + f"c.jpg 7 {number}\n") == f"{tmp_path}/table.txt line 3: expected a number for y, found {number[:80]!r}"


@pytest.mark.parametrize(
    "page", ["<!DOCTYPE html>\n<html>", "<html><head><title>Quota exceeded</title>", "\ufeff\n\n  <HTML>\n", "<?xml?>"]
)
def test_web_pages(tmp_path, page):
    line = page.count("\n", 0, page.index("<")) + 1
    expected = f"line {line}: this is an HTML page, not the data (an exceeded quota?): download it again"
    assert _error(tmp_path, page) == f"{tmp_path}/table.txt {expected}"


@pytest.mark.parametrize("data", [b"\xff\xd8\xff", "é.jpg 1 2".encode("latin-1"), TEXT.encode("utf-16"), b"\xed\xb3\xbf 1 2"])
def test_what_is_no_text(tmp_path, data):
    assert _error(tmp_path, data) == f"{tmp_path}/table.txt line 1: this is no text in UTF-8: copy the file again"
    assert " line 3: this is no text" in _error(tmp_path, TEXT.encode() + data)


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(InputError) as error:
        list(read_rows(f"{tmp_path}/table.txt"))
    assert str(error.value) == f"{tmp_path}/table.txt cannot be read: No such file or directory"
    with pytest.raises(InputError) as error:
        list(read_rows(str(tmp_path)))
    assert str(error.value) == f"{tmp_path} cannot be read: Is a directory"


def test_rows(tmp_path):
    (tmp_path / "rows.txt").write_text("\ufeffÅsa_Öst 1\r\n\n2,two  zwei\n", encoding="utf-8")
    assert list(read_rows(f"{tmp_path}/rows.txt")) == [(1, ["Åsa_Öst", "1"]), (3, ["2", "two", "zwei"])]


def test_names_are_normalized_before_they_are_compared(tmp_path):
    assert list(_read(tmp_path, "B.jpg 1 2", normalize=str.lower).rows) == ["b.jpg"]
    expected = f"{tmp_path}/table.txt line 3: 'b.jpg' is there twice, first in line 1"
    assert _error(tmp_path, TEXT + "B.jpg 1 2", normalize=str.lower) == expected


def test_refusing_rows(tmp_path):
    table = _read(tmp_path, "x y\n" + TEXT)
    table.refuse(np.array([False, False]), "a miracle")
    with pytest.raises(InputError) as error:
        table.refuse(table.numbers[:, 1] > 0, "a negative y")
    assert str(error.value) == f"{tmp_path}/table.txt line 3: expected a negative y, found 'a.jpg 3 40'"


def test_refusing_other_images(tmp_path):
    table = _read(tmp_path, TEXT)
    table.refuse_others(["a.jpg", "b.jpg", "c.jpg"], "the folder", "look again")
    with pytest.raises(InputError) as error:
        table.refuse_others(["b.jpg", "c.jpg"], "the folder", "look again")
    expected = "expected an image that is in the folder (1 of 2 rows name others: look again), found 'a.jpg 3 40'"
    assert str(error.value) == f"{tmp_path}/table.txt line 2: {expected}"


@pytest.mark.parametrize("head", ["", "20\nx y\n"])
def test_mutations(tmp_path, head):
    rows = {f"{row:06d}.jpg": [row, -row / 4] for row in range(20)}
    lines = {name: f"{name} {x} {y}" for name, (x, y) in rows.items()}
    path = tmp_path / "table.txt"
    path.write_text(head + "".join(f"{line}\n" for line in lines.values()))

    def check(table, unchanged):
        for name, line in lines.items():
            if line.encode() in unchanged:
                assert table.numbers[table.rows[name]].tolist() == rows[name]
        assert table.numbers.shape == (len(table.rows), 2) and math.isfinite(table.numbers.sum())

    read_mutations(path, lambda: read_table(str(path), COLUMNS), check, seeds=600)
