import base64
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.ms_celeb_1m.source import FILE, open_ms_celeb_1m
from kd_tf.data.source import decode_image, read_records
from kd_tf.errors import InputError
from tests.data.ms_celeb_1m.tsv import PEOPLE, crop_row, drop_column, jpeg, mutate, people_rows, write_rows

MIDS = ["m.0109kg", "m.0b_c", "m.0zz"]
IDENTITIES = [1, 1, 0, 2, 0, 1]
JPEGS = [jpeg(place) for place in range(6)]
CURSED = b"m.0b_c\t7\tu\tp\tFaceId-0\tr\t"


@pytest.fixture(name="path")
def make_path(tmp_path):
    return write_rows(tmp_path / FILE, people_rows())


def refusal(path, **options):
    with pytest.raises(InputError) as error:
        open_ms_celeb_1m(str(path), **options)
    return str(error.value)


def write_and_refuse(path, data):
    path.write_bytes(data)
    return refusal(path)


def test_records(path):
    source = open_ms_celeb_1m(str(path))
    assert source.name == f"ms_celeb_1m:{path}"
    assert len(source) == 6
    assert source.identity_names == MIDS
    assert source.identities.tolist() == IDENTITIES
    assert source.identities.dtype == np.int32
    assert source.landmarks is None
    assert source.official_test is None
    assert source.read([5, 0, 0]) == [JPEGS[5], JPEGS[0], JPEGS[0]]
    assert source.read(np.arange(6)) == JPEGS
    assert source.describe(2) == f"{path} line 3 (m.0109kg/14-FaceId-0)"


def test_in_a_dataset(path):
    source = open_ms_celeb_1m(str(path))
    images = tf.data.Dataset.range(6).batch(4).map(lambda records: read_records(source, records)).unbatch()
    for image, expected in zip(images.map(decode_image), JPEGS, strict=True):
        np.testing.assert_array_equal(image, decode_image(tf.constant(expected)))


def test_a_folder(path, tmp_path):
    write_rows(tmp_path / "other.tsv", people_rows()[:2])
    source = open_ms_celeb_1m(str(tmp_path))
    assert source.name == f"ms_celeb_1m:{tmp_path}"
    assert source.describe(0) == f"{tmp_path}/{FILE} line 1 (m.0b_c/0-FaceId-0)"
    assert len(source) == 6


def test_a_folder_with_a_file_of_another_name(tmp_path):
    write_rows(tmp_path / "MsCelebV1-Faces-Aligned.tsv", people_rows())
    assert open_ms_celeb_1m(str(tmp_path)).read([3]) == [JPEGS[3]]
    assert open_ms_celeb_1m(str(tmp_path)).read([3]) == [JPEGS[3]]
    write_rows(tmp_path / "DevSet.tsv", people_rows())
    assert refusal(tmp_path) == f"{tmp_path} has no {FILE} and 2 other .tsv files: give the path of the file"


def test_nothing_there(tmp_path):
    missing = tmp_path / "missing.tsv"
    assert refusal(missing) == f"{missing} is neither a file nor a folder: give {FILE} or the folder that holds it"
    assert refusal(tmp_path) == f"{tmp_path} has no {FILE} and 0 other .tsv files: give the path of the file"


def test_without_rectangles(path):
    write_rows(path, [drop_column(row, 5) for row in people_rows()])
    source = open_ms_celeb_1m(str(path))
    assert source.identities.tolist() == IDENTITIES
    assert source.read(range(6)) == JPEGS
    assert source.describe(2) == f"{path} line 3 (m.0109kg/14-FaceId-0)"


def test_thumbnails(path):
    """MID, name, rank, image URL, page URL, image: a name may be a number, and there is no face id."""
    rows = [b"%b\t%b\t%b\tu\tp\t%b" % (mid.encode(), b"311", rank.encode(), base64.b64encode(jpeg(0))) for mid, rank in PEOPLE]
    write_rows(path, rows)
    source = open_ms_celeb_1m(str(path))
    assert source.identities.tolist() == IDENTITIES
    assert source.read([4]) == JPEGS[:1]
    assert source.describe(2) == f"{path} line 3 (m.0109kg/14)"


@pytest.mark.parametrize(("end", "last"), [(b"\n", b""), (b"\r\n", b"\r\n"), (b"\r\n", b""), (b"\n", b"\n\n\n")])
def test_line_ends(path, end, last):
    path.write_bytes(end.join(people_rows()) + last)
    source = open_ms_celeb_1m(str(path))
    assert source.identities.tolist() == IDENTITIES
    assert source.read(range(6)) == JPEGS


def test_long_lines(path):
    images = [np.random.default_rng(0).bytes(3_000_000), JPEGS[1], np.random.default_rng(1).bytes(1_000_000)]
    write_rows(path, [crop_row("m.01", str(rank), image) for rank, image in enumerate(images)])
    assert open_ms_celeb_1m(str(path)).read([2, 1, 0]) == images[::-1]


def test_several_faces_in_one_picture(path):
    write_rows(path, [crop_row("m.01", "3", JPEGS[face], f"FaceId-{face}") for face in (0, 1)])
    source = open_ms_celeb_1m(str(path))
    assert [source.describe(record) for record in (0, 1)] == [f"{path} line {face + 1} (m.01/3-FaceId-{face})" for face in (0, 1)]


def test_index_elsewhere(path, tmp_path):
    folder = tmp_path / "indices"
    assert open_ms_celeb_1m(str(path), index_dir=str(folder)).read([3]) == [JPEGS[3]]
    assert sorted(os.listdir(tmp_path)) == [FILE, "indices"]
    assert os.listdir(folder) == [f"{FILE}.index"]


def test_a_relative_path(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    assert open_ms_celeb_1m(FILE).read([3]) == [JPEGS[3]]
    assert os.path.isdir(f"{path}.index")


def test_a_folder_that_cannot_be_written(path):
    (path.parent / f"{FILE}.index").write_bytes(b"in the way")
    assert refusal(path) == f"cannot write the index {path}.index (File exists): give --index_dir, a folder with room for it"


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_folder_of_somebody_else(path):
    """As another user: refused while there is no index, and served when there is one."""
    # As many levels as the test runner makes below the one that is everybody's.
    for folder in path.parents:
        if folder == pathlib.Path(tempfile.gettempdir()):
            break
        folder.chmod(0o755)
    # What is imported in functions has to be there before.
    script = (
        "import os, sys; from kd_tf.data.ms_celeb_1m.source import open_ms_celeb_1m as open_file\n"
        "open_file(sys.argv[1], index_dir=sys.argv[2])\n"
        "os.setuid(65534)\n"
        "print(len(open_file(sys.argv[1])))"
    )
    command = [sys.executable, "-c", script, str(path), str(path.parent / "indices")]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert f"cannot write the index {path}.index (Permission denied): give --index_dir" in refused.stderr
    open_ms_celeb_1m(str(path))
    assert subprocess.run(command, capture_output=True, text=True).stdout == "6\n"


def test_fingerprint(path):
    first = open_ms_celeb_1m(str(path)).fingerprint()
    assert open_ms_celeb_1m(str(path)).fingerprint() == first
    assert open_ms_celeb_1m(str(path.parent), index_dir=str(path.parent / "indices")).fingerprint() == first
    os.utime(path, ns=(0, 7))
    touched = open_ms_celeb_1m(str(path)).fingerprint()
    write_rows(path, people_rows()[::-1])
    os.utime(path, ns=(0, 7))
    assert len({first, touched, open_ms_celeb_1m(str(path)).fingerprint()}) == 3


def test_changed_file(path):
    assert open_ms_celeb_1m(str(path)).read([5]) == [JPEGS[5]]
    write_rows(path, people_rows()[::-1])
    source = open_ms_celeb_1m(str(path))
    assert source.identities.tolist() == IDENTITIES[::-1]
    assert source.read([5]) == [JPEGS[0]]


def test_changed_under_an_open_source(path):
    source = open_ms_celeb_1m(str(path))
    start = len(people_rows()[0]) + 1
    path.write_bytes(people_rows()[0] + b"\n" + b"\n" * 3000)
    expected = f"{path} line 2 (offset {start}) is not what was indexed: the file has changed since, start again"
    for use in (lambda: source.read([0, 1]), lambda: source.describe(1)):
        with pytest.raises(InputError) as error:
            use()
        assert str(error.value) == expected
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"line 6 .* is not what was indexed"):
        source.read([5])


def test_many_threads(path):
    source = open_ms_celeb_1m(str(path))
    records = np.random.default_rng(0).integers(0, 6, (200, 5))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for batch, images in zip(records, pool.map(source.read, records), strict=True):
            assert images == [JPEGS[record] for record in batch]


def test_the_file_is_closed(path):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        open_ms_celeb_1m(str(path))
    assert len(os.listdir("/proc/self/fd")) < before + 5


@pytest.mark.parametrize("column", [b"/9j/4AA", b"/9j/4A!=", b"/9j/4AA===", "/9j/4AAä".encode(), b"/9j/ 4AA="])
def test_image_that_is_not_base64(path, column):
    write_rows(path, [*people_rows()[:2], CURSED + column, *people_rows()[3:]])
    source = open_ms_celeb_1m(str(path))
    offset = sum(len(row) + 1 for row in people_rows()[:2])
    assert source.read([0, 3]) == [JPEGS[0], JPEGS[3]]
    with pytest.raises(InputError) as error:
        source.read([2])
    assert str(error.value).startswith(f"{path} line 3 (offset {offset}): the image is not base64 (")
    assert str(error.value).endswith("; copy the file again")
    assert source.describe(2) == f"{path} line 3 (m.0b_c/7-FaceId-0)"


NAME = "MID, rank and face id make {}, not something like 'm.0109kg/14-FaceId-0'"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"m.0b_c\t7\tu", r"3 columns, line 1 has 7; it starts with 'm.0b_c\t7\tu'"),
        (CURSED + b"x\ty", r"8 columns, line 1 has 7; it starts with 'm.0b_c\t7\tu\tp\tFaceId-0\tr\tx\ty'"),
        (b"x" * 100, f"1 columns, line 1 has 7; it starts with '{'x' * 80}'"),
        (CURSED, "column 7, the image, is empty"),
        (b"\t7\tu\tp\tFaceId-0\tr\tabcd", NAME.format("'/7-FaceId-0'")),
        (b"m.01\t\tu\tp\tFaceId-0\tr\tabcd", NAME.format("'m.01/-FaceId-0'")),
        (b"m.01\t7\tu\tp\t\tr\tabcd", NAME.format("'m.01/7-'")),
        (b"m.01\tseven\tu\tp\tFaceId-0\tr\tabcd", NAME.format("'m.01/seven-FaceId-0'")),
        (b"m/01\t7\tu\tp\tFaceId-0\tr\tabcd", NAME.format("'m/01/7-FaceId-0'")),
        (b"m 01\t7\tu\tp\tFaceId-0\tr\tabcd", NAME.format("'m 01/7-FaceId-0'")),
        (b"\xff\x00\x1b\t7\tu\tp\tFaceId-0\tr\tabcd", NAME.format(r"'\xff\x00\x1b/7-FaceId-0'")),
        (b"m" * 65 + b"\t7\tu\tp\tFaceId-0\tr\tabcd", NAME.format(f"'{'m' * 65}/7-FaceId-0'")),
    ],
)
def test_broken_row(path, row, reason):
    rows = people_rows()
    offset = len(rows[0]) + len(rows[1]) + 2
    message = write_and_refuse(path, b"\n".join([*rows[:2], row, *rows[2:], b""]))
    assert message == f"{path} line 3 (offset {offset}): {reason}; copy the file again"


def test_rows_of_two_layouts(path):
    message = write_and_refuse(path, people_rows()[0] + b"\n" + drop_column(people_rows()[1], 5) + b"\n")
    assert "line 2" in message and "6 columns, line 1 has 7" in message


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<!DOCTYPE html>\n<html>", "this is an HTML page, not the data"),
        (b"\xef\xbb\xbf\n <HTML><head>", None),
        (b" <HTML><head>", "this is an HTML page, not the data"),
        (b"PK\x03\x04\n\n", "this is a ZIP archive, not the data"),
        (b"7z\xbc\xaf\x27\x1c", "this is a 7z archive, not the data"),
        (b"\x1f\x8b\x08", "this is a gzip archive, not the data"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "this is a Git LFS pointer, not the data"),
        (b"a,b\n", "expected 7 columns (MID, rank, image URL, page URL, face id, rectangle, image), or 6; found 1: 'a,b\\n'"),
        (b"\n", "expected 7 columns (MID, rank, image URL, page URL, face id, rectangle, image), or 6; found 1: '\\n'"),
        (b"a\tb\tc\td\te\tf\tg\th", None),
        (b"\x00" * 100, None),
        (b"MID\tRank\tURL\tPage\tFace\tRect\tImage\n", NAME.format("'MID/Rank-Face'") + "; copy the file again"),
    ],
)
def test_another_file(path, data, reason):
    message = write_and_refuse(path, data)
    assert message.startswith(f"{path} line 1 (offset 0)")
    assert reason is None or message == f"{path} line 1 (offset 0): {reason}"


def test_an_empty_file(path):
    assert write_and_refuse(path, b"") == f"{path} is empty: copy it again"


@pytest.mark.parametrize("missing", range(1, 40))
def test_cut_off(path, missing):
    """Wherever the last row is cut, and the shortest ways to cut it are all here: of base64 any of four bytes."""
    whole = b"\n".join(people_rows())
    offset = sum(len(row) + 1 for row in people_rows()[:-1])
    message = write_and_refuse(path, whole[:-missing])
    assert message.startswith(f"{path} line 6 (offset {offset}) is where the file is cut off (")
    assert message.endswith("): wait until it is copied, or copy it again")


def test_cut_off_in_every_column(path):
    rows = people_rows()
    start = b"\n".join(rows[:-1]) + b"\n"
    for length in range(1, len(rows[-1]), 7):
        assert f"line 6 (offset {len(start)}) is where the file is cut off" in write_and_refuse(path, start + rows[-1][:length])


def test_fuzz(path):
    """300 mutations: refused, or every row that is still as it was is read as it was."""
    whole = path.read_bytes()
    expected = dict(zip(whole.splitlines(), zip(PEOPLE, JPEGS, strict=True), strict=True))
    outcomes = []
    for seed in range(300):
        data = mutate(whole, np.random.default_rng(seed))
        path.write_bytes(data)
        try:
            source = open_ms_celeb_1m(str(path))
        except InputError as error:
            assert str(path) in str(error)
            outcomes.append("refused")
            continue
        outcomes.append("opened")
        for record, row in enumerate(data.rstrip(b"\r\n").split(b"\n")):
            if row in expected:
                (mid, rank), image = expected[row]
                assert source.identity_names[source.identities[record]] == mid
                assert source.describe(record) == f"{path} line {record + 1} ({mid}/{rank}-FaceId-0)"
                assert source.read([record]) == [image]
            else:
                _read_or_refuse(source, record)
    assert min(outcomes.count("opened"), outcomes.count("refused")) > 50


def _read_or_refuse(source, record):
    try:
        source.read([record])
    except InputError as error:
        assert f"line {record + 1} " in str(error)


# VmHWM and not getrusage: that counts what the process was before exec, a copy of this one.
MEASURE = """
import sys, time
import numpy as np
from kd_tf.data.ms_celeb_1m.source import open_ms_celeb_1m
start = time.monotonic()
source = open_ms_celeb_1m(sys.argv[1], clean_list=sys.argv[2] or None)
seconds = time.monotonic() - start
source.read(np.random.default_rng(0).integers(0, len(source), 1000))
assert "tensorflow" not in sys.modules
peak = next(int(line.split()[1]) >> 10 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(len(source), len(source.identity_names), peak, seconds)
"""


def _write_many(path, rows, clean_list):
    image = base64.b64encode(JPEGS[0][:2] + bytes(32) + JPEGS[0][-2:]).decode()
    with open(path, "w", buffering=1 << 20) as file, open(clean_list, "w", buffering=1 << 20) as names:
        for row in range(rows):
            mid, rank = f"m.0{row // 84 * 7919 % 999983:x}", row % 84
            file.write(
                f"{mid}\t{rank}\thttp://example.org/{row}.jpg\thttp://example.org/{row}\tFaceId-0\tAAAAAAAAAAAAAAAAAAAAAA==\t{image}\n"
            )
            if row % 10 < 6:
                names.write(f"{mid}/{rank}-FaceId-0.jpg {row // 84}\r\n")


def _measure(path, clean_list=""):
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path), str(clean_list)], capture_output=True, text=True, check=True)
    *numbers, seconds = done.stdout.split()
    print(f"{path}, list {clean_list or 'none'}: {done.stdout}")
    return [int(number) for number in numbers], float(seconds)


def test_memory_does_not_grow_with_rows(tmp_path):
    """The index has 28 bytes a row, 3.2 MiB for 120,000 rows more, and a pass holds two parts of 50,000 rows in either case."""
    peaks = []
    for rows in (120_000, 240_000):
        path, clean_list = tmp_path / f"{rows}.tsv", tmp_path / f"{rows}.txt"
        _write_many(path, rows, clean_list)
        (records, identities, mebibytes), _ = _measure(path)
        assert (records, identities) == (rows, -(-rows // 84))
        peaks.append(mebibytes)
    assert peaks[0] < 150
    assert peaks[1] - peaks[0] < 10


@pytest.mark.slow
def test_the_size_of_the_real_file(tmp_path):
    """8.4 million rows of 100,000 people, and a list of 60% of them, each in less than 1 GiB."""
    path, clean_list = tmp_path / "many.tsv", tmp_path / "list.txt"
    try:
        _write_many(path, 8_400_000, clean_list)
        (records, identities, mebibytes), _ = _measure(path)
        assert (records, identities) == (8_400_000, 100_000)
        assert mebibytes < 1024
        _, seconds = _measure(path)
        assert seconds < 20
        (records, identities, mebibytes), _ = _measure(path, clean_list)
        assert (records, identities) == (5_040_000, 100_000)
        assert mebibytes < 1024
    finally:
        path.unlink()
        clean_list.unlink()
