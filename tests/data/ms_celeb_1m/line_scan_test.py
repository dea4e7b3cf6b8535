import logging

import pytest

from kd_tf.data.ms_celeb_1m import line_scan
from kd_tf.data.ms_celeb_1m.line_scan import BrokenRow, scan_rows
from kd_tf.errors import InputError


def parse(row, *, ended):
    identity, _, name = row.partition(b" ")
    if not name:
        raise BrokenRow("one column")
    if not ended and name == b"half":
        raise BrokenRow("half a row")
    return identity.decode(), name


@pytest.fixture(name="path")
def make_path(tmp_path):
    return tmp_path / "rows.tsv"


def scan(path, data, **start):
    path.write_bytes(data)
    return list(scan_rows(str(path), parse, **start))


def refusal(path, data, **start):
    with pytest.raises(InputError) as error:
        scan(path, data, **start)
    return str(error.value)


def test_rows(path):
    assert scan(path, b"bob 1\nann two\r\neve 3") == [(6, "bob", b"1"), (15, "ann", b"two"), (20, "eve", b"3")]
    assert scan(path, b"bob 1\nann two\r\neve 3", lines=1, offset=6) == [(15, "ann", b"two"), (20, "eve", b"3")]
    assert scan(path, b"bob 1\n\n\r\n\n") == [(6, "bob", b"1")]
    assert scan(path, b"bob 1\n", lines=1, offset=6) == []


def test_broken_row(path):
    assert refusal(path, b"bob 1\nann 2\neve\nbob 4\n") == f"{path} line 3 (offset 12): one column; copy the file again"
    assert refusal(path, b"bob 1\nann 2\neve\n", lines=1, offset=6) == f"{path} line 3 (offset 12): one column; copy the file again"


def test_rows_before_a_broken_one(path):
    path.write_bytes(b"bob 1\nann\n")
    rows = scan_rows(str(path), parse)
    assert next(rows) == (6, "bob", b"1")
    with pytest.raises(InputError):
        next(rows)


def test_cut_off(path):
    expected = f"{path} line 3 (offset 12) is where the file is cut off (half a row): wait until it is copied, or copy it again"
    assert refusal(path, b"bob 1\nann 2\neve half") == expected
    assert scan(path, b"eve half\n") == [(9, "eve", b"half")]


@pytest.mark.parametrize("start", [{}, {"lines": 1, "offset": 7}])
def test_empty_line(path, start):
    expected = f"{path} line 2 (offset 7) is empty and rows follow: the file is damaged, copy it again"
    assert refusal(path, b"bob 1\r\n\r\n\r\nann 2\r\n", **start) == expected


def test_long_rows(path):
    """Longer than any buffer, and than the csv module takes."""
    long, longer = b"x" * 2_000_000, b"y" * 5_000_000
    rows = scan(path, b"bob " + longer + b"\nann 2\neve " + long)
    assert rows == [(5_000_005, "bob", longer), (5_000_011, "ann", b"2"), (7_000_015, "eve", long)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_rows_that_are_too_long(path, monkeypatch, end):
    monkeypatch.setattr(line_scan, "LONGEST_ROW", 1 << 20)
    name = b"x" * ((1 << 20) - 4)
    assert [row[1:] for row in scan(path, b"bob 1\nann " + name + end)] == [("bob", b"1"), ("ann", name)]
    expected = f"{path} line 2 (offset 6) is longer than 1 MiB: the file is damaged or something else"
    assert refusal(path, b"bob 1\nann x" + name + end) == expected


def test_a_huge_row_is_not_read(path):
    """A terabyte without a line end."""
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError, match="line 1 .offset 0. is longer than 64 MiB"):
        list(scan_rows(str(path), parse))


def test_a_file_that_cannot_be_read(tmp_path):
    rows = scan_rows(str(tmp_path), parse)
    with pytest.raises(InputError, match=f"{tmp_path} cannot be read behind offset 0: Is a directory"):
        next(rows)


def test_says_how_far_it_is(path, monkeypatch, caplog):
    """A clock that moves 10 s a look, and a look at every row: 6 MB in 20 s are 0.3 MB/s, and the other 12 MB take 40 s more."""
    caplog.set_level(logging.INFO, "kd_tf")
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(line_scan.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(line_scan, "_ROWS_BETWEEN_LOOKS", 1)
    scan(path, (b"bob " + b"x" * 2_999_995 + b"\n") * 6)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: indexed 0.01 of 0.02 GB, 0.3 MB/s, 0.7 min left",
        f"{path}: indexed 0.01 of 0.02 GB, 0.3 MB/s, 0.3 min left",
        f"{path}: indexed 0.02 of 0.02 GB, 0.3 MB/s, 0.0 min left",
    ]


def test_offset_and_lines_of_a_pass_that_goes_on(path, monkeypatch, caplog):
    """Only what is read now counts for the speed: 3 MB in 20 s, 0.15 MB/s, and the last 3 MB take 20 s more."""
    caplog.set_level(logging.INFO, "kd_tf")
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr(line_scan.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(line_scan, "_ROWS_BETWEEN_LOOKS", 1)
    scan(path, (b"bob " + b"x" * 2_999_995 + b"\n") * 4, lines=2, offset=6_000_000)
    assert caplog.records[0].getMessage() == f"{path}: indexed 0.01 of 0.01 GB, 0.1 MB/s, 0.3 min left"
