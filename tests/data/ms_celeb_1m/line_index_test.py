import errno
import hashlib
import logging
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from kd_tf.data.ms_celeb_1m.line_index import open_line_index
from kd_tf.data.ms_celeb_1m.line_scan import BrokenRow
from kd_tf.errors import InputError

ROWS = [b"bob 1", b"ann 2", b"bob three", b"eve 4", b"ann 5", b"ann 6", b"dan 7", b"bob 8"]


def digest(name):
    return hashlib.md5(name).digest()


def parse(row, *, ended):
    identity, _, name = row.partition(b" ")
    if not name:
        raise BrokenRow("one column")
    return identity.decode(), digest(name)


def never(row, *, ended):
    raise AssertionError(f"{row} was read again")


class Counting:
    """A parser that counts rows and does something before one of them."""

    def __init__(self, at=None, do=None):
        self.rows, self._at, self._do = [], at, do

    def __call__(self, row, *, ended):
        if len(self.rows) == self._at:
            self._do()
        self.rows.append(row)
        return parse(row, ended=ended)


class Killed(BaseException):
    pass


def kill():
    raise Killed


@pytest.fixture(name="path")
def make_path(tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_bytes(b"".join(row + b"\n" for row in ROWS))
    return path


def open_index(path, parse=parse, part_rows=3, folder=None):
    return open_line_index(str(path), str(folder or path.parent), parse, part_rows=part_rows)


def check(index, rows, data):
    """`data` holds the rows; compares all of the index with what it must be."""
    names = sorted({row.split()[0].decode() for row in rows})
    assert index.identity_names == names
    assert [names[identity] for identity in index.identities] == [row.split()[0].decode() for row in rows]
    assert index.starts[0] == 0
    assert [data[start:end].rstrip() for start, end in zip(index.starts[:-1], index.starts[1:], strict=True)] == rows
    assert index.digests.tobytes() == b"".join(digest(row.split()[1]) for row in rows)
    assert [index.starts.dtype, index.identities.dtype, index.digests.dtype] == [np.int64, np.int32, np.dtype("S16")]


def refusal(path, **options):
    with pytest.raises(InputError) as error:
        open_index(path, **options)
    return str(error.value)


def test_index(path):
    """Rows of 5 or 9 bytes and a line end: the third ends at 6 + 6 + 10 = 22."""
    index = open_index(path)
    assert index.starts.tolist() == [0, 6, 12, 22, 28, 34, 40, 46, 52]
    assert index.identities.tolist() == [1, 0, 1, 3, 0, 0, 2, 1]
    assert index.identity_names == ["ann", "bob", "dan", "eve"]
    check(index, ROWS, path.read_bytes())
    assert isinstance(index.digests, np.memmap)
    assert sorted(os.listdir(f"{path}.index")) == ["digests.npy", "identities.npy", "index.json", "lock", "starts.npy"]


@pytest.mark.parametrize("part_rows", [1, 2, 7, 8, 9, 1000])
def test_parts_of_any_size(path, part_rows):
    check(open_index(path, part_rows=part_rows), ROWS, path.read_bytes())


@pytest.mark.parametrize(("between", "after"), [(b"\r\n", b"\r\n"), (b"\n", b""), (b"\n", b"\n\n\r\n\n"), (b"\r\n", b"")])
def test_line_ends(path, between, after):
    path.write_bytes(between.join(ROWS) + after)
    check(open_index(path), ROWS, path.read_bytes())


def test_opened_again_without_reading(path):
    first = open_index(path)
    again = open_index(path, never)
    check(again, ROWS, path.read_bytes())
    assert again.facts == first.facts


def test_another_folder(path, tmp_path):
    folder = tmp_path / "some" / "where"
    check(open_index(path, folder=folder), ROWS, path.read_bytes())
    assert os.listdir(folder) == ["rows.tsv.index"]
    assert sorted(os.listdir(tmp_path)) == ["rows.tsv", "some"]
    open_index(path, never, folder=folder)


@pytest.mark.parametrize("at", range(8))
def test_goes_on_after_being_stopped(path, at):
    """Parts of three rows: stopped before row `at`, from 0, it has kept 3 * (at // 3)."""
    with pytest.raises(Killed):
        open_index(path, Counting(at, kill))
    rest = Counting()
    check(open_index(path, rest), ROWS, path.read_bytes())
    assert rest.rows == ROWS[3 * (at // 3) :]


@pytest.mark.parametrize("renames", range(7))
def test_stopped_at_any_file(path, monkeypatch, renames):
    """Three parts, three arrays and the manifest are renamed; what was renamed stays, and the rest is made again."""
    replace, done = os.replace, []

    def replace_or_stop(source, target):
        if len(done) == renames:
            kill()
        done.append(target)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace_or_stop)
        with pytest.raises(Killed):
            open_index(path)
    rest = Counting()
    check(open_index(path, rest), ROWS, path.read_bytes())
    assert rest.rows == ROWS[3 * min(renames, 3) :]


def test_goes_on_after_sigkill(path):
    """A process kills itself before row 7 of 8, then another before renaming the second array."""
    script = (
        "import os, pathlib, signal, sys\n"
        "from tests.data.ms_celeb_1m import line_index_test as test\n"
        "def kill(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "calls, replace = [], os.replace\n"
        "def rename(source, target): replace(source, target) if calls.append(target) or len(calls) < 3 else kill()\n"
        "if sys.argv[2] == 'array': os.replace = rename\n"
        "test.open_index(pathlib.Path(sys.argv[1]), test.Counting(7, kill) if sys.argv[2] == 'row' else test.parse)\n"
    )
    for moment in ("row", "array"):
        assert subprocess.run([sys.executable, "-c", script, str(path), moment]).returncode == -signal.SIGKILL
    assert sorted(os.listdir(f"{path}.index/parts")) == ["00000.npz", "00001.npz", "00002.npz"]
    assert os.path.exists(f"{path}.index/identities.npy.partial")
    check(open_index(path, never), ROWS, path.read_bytes())


def test_parts_of_another_size_before_a_damaged_one(path):
    """Parts of two rows, the second damaged; then of three: the third part of before starts elsewhere and does not count."""
    with pytest.raises(Killed):
        open_index(path, Counting(7, kill), part_rows=2)
    part = path.parent / "rows.tsv.index" / "parts" / "00001.npz"
    part.write_bytes(part.read_bytes()[:-30])
    with pytest.raises(Killed):
        open_index(path, Counting(4, kill))
    rest = Counting()
    check(open_index(path, rest), ROWS, path.read_bytes())
    assert rest.rows == ROWS[5:]


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-5], lambda data: data.replace(digest(b"4"), bytes(16))])
def test_damaged_part(path, damage):
    with pytest.raises(Killed):
        open_index(path, Counting(7, kill))
    part = path.parent / "rows.tsv.index" / "parts" / "00001.npz"
    part.write_bytes(damage(part.read_bytes()))
    rest = Counting()
    check(open_index(path, rest), ROWS, path.read_bytes())
    assert rest.rows == ROWS[3:]


@pytest.mark.parametrize("name", ["digests.npy", "identities.npy", "index.json", "starts.npy"])
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-5], lambda data: b"{}" + data[2:], None])
def test_damaged_index(path, name, damage):
    open_index(path)
    file = path.parent / "rows.tsv.index" / name
    if damage:
        file.write_bytes(damage(file.read_bytes()))
    else:
        file.unlink()
    check(open_index(path), ROWS, path.read_bytes())


def _grow(path):
    with open(path, "ab") as file:
        file.write(b"fay 9\n")


def _touch(path):
    os.utime(path, ns=(0, 7))


def _overwrite(path):
    """Same size, same time of change."""
    status = os.stat(path)
    path.write_bytes(path.read_bytes().replace(b"bob", b"joe"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("change", [_grow, _touch, _overwrite])
def test_changed_file(path, caplog, change):
    open_index(path)
    change(path)
    index = open_index(path)
    check(index, path.read_bytes().splitlines(), path.read_bytes())
    message = f"{path}.index is damaged or not of {path} as that is now: making it anew"
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [message]


@pytest.mark.parametrize("change", [_grow, _touch, _overwrite])
def test_changed_after_being_stopped(path, change):
    with pytest.raises(Killed):
        open_index(path, Counting(7, kill))
    change(path)
    rest = Counting()
    check(open_index(path, rest), path.read_bytes().splitlines(), path.read_bytes())
    assert rest.rows == path.read_bytes().splitlines()


def test_changed_while_it_is_read(path):
    message = f"{path} has changed while it was indexed: try again when it is whole"
    assert refusal(path, parse=Counting(7, lambda: _grow(path))) == message
    check(open_index(path), [*ROWS, b"fay 9"], path.read_bytes())


def test_broken_row(path):
    path.write_bytes(b"bob 1\nann 2\neve\nbob 4\n")
    assert refusal(path) == f"{path} line 3 (offset 12): one column; copy the file again"
    assert refusal(path, part_rows=1) == f"{path} line 3 (offset 12): one column; copy the file again"
    assert refusal(path, part_rows=1) == f"{path} line 3 (offset 12): one column; copy the file again"


def test_folder_that_cannot_be_written(path):
    (path.parent / "rows.tsv.index").write_bytes(b"in the way")
    advice = "give --index_dir, a folder with room for it"
    assert refusal(path) == f"cannot write the index {path}.index (File exists): {advice}"
    assert refusal(path, folder="/proc/kd_tf") == f"cannot write the index /proc/kd_tf/rows.tsv.index (No such file or directory): {advice}"


@pytest.mark.parametrize("name", ["savez", "lib.format.write_array_header_1_0"])
def test_full_disk(path, monkeypatch, name):
    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"numpy.{name}", fail)
        expected = f"cannot write the index {path}.index (No space left on device): give --index_dir, a folder with room for it"
        assert refusal(path) == expected
    check(open_index(path), ROWS, path.read_bytes())


def test_a_whole_index_is_only_read(path, monkeypatch):
    open_index(path)

    def fail(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "makedirs", fail)
    monkeypatch.setattr(os, "replace", fail)
    check(open_index(path, never), ROWS, path.read_bytes())


def test_only_one_makes_it(path, caplog):
    """The second waits, which it says; only then does the first go on."""
    caplog.set_level(logging.INFO, "kd_tf")
    started, waiting, indices = threading.Event(), threading.Event(), []

    class Listener(logging.Handler):
        def emit(self, record):
            if "another process" in record.getMessage():
                waiting.set()

    def hold():
        started.set()
        assert waiting.wait(60)

    listener = Listener()
    logging.getLogger("kd_tf").addHandler(listener)
    try:
        thread = threading.Thread(target=lambda: indices.append(open_index(path, Counting(4, hold))))
        thread.start()
        assert started.wait(60)
        indices.append(open_index(path, never))
        thread.join()
    finally:
        logging.getLogger("kd_tf").removeHandler(listener)
    for index in indices:
        check(index, ROWS, path.read_bytes())
    assert len(indices) == 2
