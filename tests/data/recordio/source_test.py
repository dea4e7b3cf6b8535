import logging
import multiprocessing.pool
import os
import pathlib
import shutil
import struct

import numpy as np
import pytest

from kd_tf.data.recordio import source as recordio
from kd_tf.data.recordio.source import open_recordio
from kd_tf.errors import InputError
from tests.data.recordio.writer import MAGIC, Record, chunk, chunks, face_pack, payload, plain_pack, random_bodies, write_pack

ROOT = pathlib.Path(__file__).parents[4]
FIXTURE = ROOT / "shared" / "fixtures" / "recordio"
LFW = os.environ.get("KD_TF_LFW", str(ROOT / "shared" / "data" / "lfw"))
BODIES = random_bodies(8)
CLASSES = [7, 7, 3, 3, 3, 40, 7, 0]
# The sorted classes are 0, 3, 7, 40.
IDENTITIES = [2, 2, 1, 1, 1, 3, 2, 0]
# Keys to the sizes of the records: 8 of the chunk, 24 of the header, 4 of each label, the body, padding.


def check(source, bodies=BODIES, identities=IDENTITIES, names=("0", "3", "7", "40")):
    assert len(source) == len(bodies)
    assert source.read(range(len(bodies))) == bodies
    assert source.identity_names == list(names)
    assert source.identities.tolist() == identities
    assert source.identities.dtype == np.int32
    assert (source.landmarks, source.official_test) == (None, None)


def error_of(path, **arguments):
    with pytest.raises(InputError) as error:
        open_recordio(str(path), **arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("make", [face_pack, plain_pack])
@pytest.mark.parametrize("newline", ["\n", "\r\n", " \n", "\n\n"])
@pytest.mark.parametrize("shuffled", [False, True])
def test_packs(tmp_path, make, newline, shuffled):
    records = make(BODIES, CLASSES)
    order = np.random.default_rng(1).permutation(len(records)) if shuffled else None
    write_pack(tmp_path, records, newline=newline, idx_order=order, property_text="4,112,112\n")
    source = open_recordio(str(tmp_path))
    check(source)
    assert source.name == f"recordio:{tmp_path}"
    check(open_recordio(str(tmp_path)))


@pytest.mark.parametrize("make", [face_pack, plain_pack])
def test_records_are_in_order_of_their_keys_wherever_they_lie(tmp_path, make):
    records = make(BODIES, CLASSES)
    places = write_pack(tmp_path, [records[place] for place in np.random.default_rng(2).permutation(len(records))])
    source = open_recordio(str(tmp_path))
    check(source)
    key = 5 if make is face_pack else 4
    assert source.describe(4) == f"{tmp_path}/train.rec key {key} at offset {places[key][0]}"
    assert source.read([4, 0, 4]) == [BODIES[4], BODIES[0], BODIES[4]]


def test_offsets_by_hand(tmp_path):
    """The records take 8 + 24 + 2 x 4 = 40 bytes and the body, with padding: 40 + 5 + 3 = 48, and 40 + 4."""
    write_pack(tmp_path, face_pack([b"first", b"2nd."], [0, 0]))
    assert (tmp_path / "train.idx").read_text() == "1\t0\n2\t48\n0\t92\n3\t132\n"
    assert (tmp_path / "train.rec").stat().st_size == 172
    source = open_recordio(str(tmp_path))
    assert source.describe(1) == f"{tmp_path}/train.rec key 2 at offset 48"
    assert source.read([0, 1]) == [b"first", b"2nd."]


@pytest.mark.parametrize("make", [face_pack, plain_pack])
@pytest.mark.parametrize("same_ids", [False, True])
def test_without_an_idx_file(tmp_path, make, same_ids):
    """Records that all carry the number 0 are told apart by their places."""
    records = [record._replace(id=0) if same_ids else record for record in make(BODIES, CLASSES)]
    write_pack(tmp_path, records, idx=False)
    check(open_recordio(str(tmp_path)))
    # The second opening reads the index file.
    check(open_recordio(str(tmp_path)))


@pytest.mark.parametrize("same_ids", [False, True])
def test_without_an_idx_file_in_another_order(tmp_path, same_ids):
    """Numbers of their own are keys, places are not: then the images are as they lie there."""
    order = np.random.default_rng(3).permutation(len(BODIES) + 6)
    records = face_pack(BODIES, CLASSES)
    assert len(records) == len(order)
    records = [records[place]._replace(id=0) if same_ids else records[place] for place in order]
    write_pack(tmp_path, records, idx=False)
    images = [place for place in order if place < len(BODIES)] if same_ids else range(len(BODIES))
    source = open_recordio(str(tmp_path))
    check(source, [BODIES[place] for place in images], [IDENTITIES[place] for place in images])
    first = order.tolist().index(images[0])
    assert f" key {first + 1 if same_ids else 1} at " in source.describe(0)


def test_numbers_of_their_own_that_are_no_keys(tmp_path):
    """Those from 2 ** 63 do not fit."""
    write_pack(tmp_path, [record._replace(id=2**64 - 1 - record.key) for record in plain_pack(BODIES, CLASSES)], idx=False)
    check(open_recordio(str(tmp_path)))


@pytest.mark.parametrize(
    "body",
    [
        MAGIC,
        MAGIC * 3,
        b"abcd" + MAGIC + b"ef",
        b"abcd" + MAGIC + MAGIC + b"efgh" + MAGIC,
        MAGIC + b"a" * 12 + MAGIC,
        # Not at a multiple of 4: one chunk.
        b"a" + MAGIC + b"bcd",
    ],
)
@pytest.mark.parametrize("make", [face_pack, plain_pack])
@pytest.mark.parametrize("idx", [True, False])
def test_images_that_contain_the_magic(tmp_path, body, make, idx):
    """The writer's parts are checked too: as many as there are magics at multiples of 4, and one."""
    parts = sum(body[place : place + 4] == MAGIC for place in range(0, len(body), 4)) + 1
    assert chunks(body).count(MAGIC) == parts + (body[1:5] == MAGIC)
    bodies = [*BODIES[:3], body, *BODIES[4:]]
    write_pack(tmp_path, make(bodies, CLASSES), idx=idx)
    check(open_recordio(str(tmp_path)), bodies)


def test_headers_that_contain_the_magic(tmp_path):
    """As the record's number, at byte 8; its label is then in the second chunk."""
    own = struct.unpack("<I", MAGIC)[0]
    records = [record._replace(id=own) for record in face_pack(BODIES, CLASSES)]
    assert chunks(payload(records[0]))[:8] == MAGIC + struct.pack("<I", 1 << 29 | 8)
    write_pack(tmp_path, records)
    check(open_recordio(str(tmp_path)))
    write_pack(tmp_path / "scanned", [records[2]], idx=False)
    source = open_recordio(str(tmp_path / "scanned"))
    check(source, [BODIES[2]], [0], ["3"])
    assert source.describe(0) == f"{tmp_path}/scanned/train.rec key {own} at offset 0"


def test_chunks_by_hand(tmp_path):
    """Three parts, the second of them empty: `ab......` magic magic `cd`."""
    head = struct.pack("<IfQQ", 0, 5.0, 1, 0)
    data = chunk(1, head + b"ab......") + chunk(2, b"") + chunk(3, b"cd")
    (tmp_path / "train.rec").write_bytes(data)
    (tmp_path / "train.idx").write_text("1\t0\n")
    check(open_recordio(str(tmp_path)), [b"ab......" + MAGIC + MAGIC + b"cd"], [0], ["5"])


@pytest.mark.parametrize("count", [1, 2, 3, 11])
def test_the_first_of_several_labels_is_the_class(tmp_path, count):
    records = [Record(key, [CLASSES[key], *range(100, 99 + count)], body) for key, body in enumerate(BODIES)]
    write_pack(tmp_path, records)
    check(open_recordio(str(tmp_path)))


def test_keys_with_gaps_and_no_header_record(tmp_path):
    records = [Record(10 * key + 5, float(CLASSES[key]), body) for key, body in enumerate(BODIES)]
    write_pack(tmp_path, records, idx_order=range(7, -1, -1))
    source = open_recordio(str(tmp_path))
    check(source)
    assert " key 75 at offset " in source.describe(7)


def test_key_0_with_labels_and_a_body_is_an_image(tmp_path):
    write_pack(tmp_path, [Record(key, [float(CLASSES[key]), 1.0], body) for key, body in enumerate(BODIES)])
    check(open_recordio(str(tmp_path)))


def test_only_what_the_header_record_announces_is_an_image(tmp_path):
    """Key 9 has a body and is none."""
    records = face_pack(BODIES, CLASSES)
    write_pack(tmp_path, [record._replace(body=b"more") if record.key == 9 else record for record in records])
    check(open_recordio(str(tmp_path)))


@pytest.mark.parametrize("announced", [2.0**24, 2.0**24 + 2, 1e9])
def test_counts_that_float32_rounds_are_not_trusted(tmp_path, announced):
    records = face_pack(BODIES, CLASSES)
    write_pack(tmp_path, [record._replace(labels=[announced, announced]) if record.key == 0 else record for record in records])
    check(open_recordio(str(tmp_path)))


def test_classes_up_to_what_float32_holds(tmp_path):
    write_pack(tmp_path, plain_pack(BODIES[:3], [2**24, 0, 2**24 - 1]))
    check(open_recordio(str(tmp_path)), BODIES[:3], [2, 0, 1], ["0", str(2**24 - 1), str(2**24)])


def test_a_file_of_another_name(tmp_path):
    write_pack(tmp_path, face_pack(BODIES, CLASSES), name="faces.v2")
    source = open_recordio(f"{tmp_path}/faces.v2.rec")
    check(source)
    assert source.name == f"recordio:{tmp_path}/faces.v2.rec"
    assert sorted(os.listdir(tmp_path)) == ["faces.v2.idx", "faces.v2.rec", "faces.v2.rec.index.npz"]


def test_a_path_from_here(tmp_path, monkeypatch):
    write_pack(tmp_path, face_pack(BODIES, CLASSES), property_text="\ufeff4, 112, 112\r\n")
    monkeypatch.chdir(tmp_path)
    check(open_recordio("train.rec"))
    check(open_recordio("."))


def test_an_idx_with_a_bom_and_no_last_line_end(tmp_path):
    write_pack(tmp_path, face_pack(BODIES, CLASSES))
    path = tmp_path / "train.idx"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().rstrip())
    check(open_recordio(str(tmp_path)))


def test_more_records_than_are_read_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("kd_tf.data.recordio.format._BLOCK", 3)
    bodies = [*BODIES[:3], MAGIC + b"x", *BODIES[4:]]
    write_pack(tmp_path, face_pack(bodies, CLASSES))
    check(open_recordio(str(tmp_path)), bodies)


def test_threads_read_at_once(tmp_path):
    bodies = random_bodies(200)
    write_pack(tmp_path, plain_pack(bodies, range(200)))
    source = open_recordio(str(tmp_path))
    wanted = np.random.default_rng(0).integers(0, 200, (64, 50))
    with multiprocessing.pool.ThreadPool(8) as pool:
        found = pool.map(source.read, wanted)
    assert found == [[bodies[record] for record in records] for records in wanted]


@pytest.mark.parametrize(("text", "said"), [("4,112,112", False), ("9,112,112", True)])
def test_classes_are_counted_not_believed(tmp_path, caplog, text, said):
    write_pack(tmp_path, face_pack(BODIES, CLASSES), property_text=text)
    with caplog.at_level(logging.INFO):
        check(open_recordio(str(tmp_path)))
    expected = f"recordio:{tmp_path}: property says 9 classes, the labels are of 4"
    assert (expected in caplog.messages) == said


@pytest.mark.skipif(not FIXTURE.is_dir(), reason="no pack of the reference implementation in ../shared/fixtures/recordio")
@pytest.mark.parametrize("idx", [True, False])
def test_the_pack_of_the_reference_implementation(tmp_path, idx):
    for name in ["train.rec", *["train.idx"] * idx]:
        (tmp_path / name).write_bytes((FIXTURE / name).read_bytes())
    source = open_recordio(str(tmp_path))
    assert source.identity_names == ["0", "1", "2"]
    assert source.identities.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert source.describe(3) == f"{tmp_path}/train.rec key 4 at offset 24948"
    assert [len(image) for image in source.read(range(9))] == [8782, 8458, 7584, 7821, 9367, 7229, 9873, 8492, 8821]


@pytest.mark.skipif(not FIXTURE.is_dir(), reason="no pack of the reference implementation in ../shared/fixtures/recordio")
@pytest.mark.skipif(not os.path.isdir(LFW), reason="no LFW: set KD_TF_LFW to the folder that holds lfw-deepfunneled/")
def test_the_photographs_of_the_reference_implementation(tmp_path):
    """They were not encoded again: every byte is that of LFW."""
    names = [line.split("\t")[1] for line in (FIXTURE / "train.lst").read_text().splitlines()]
    expected = [pathlib.Path(LFW, "lfw-deepfunneled", name).read_bytes() for name in names]
    assert open_recordio(str(FIXTURE), index_dir=str(tmp_path)).read(range(9)) == expected


@pytest.mark.skipif(not FIXTURE.is_dir(), reason="no pack of the reference implementation in ../shared/fixtures/recordio")
def test_the_writer_of_these_tests_writes_what_the_reference_implementation_does(tmp_path):
    source = open_recordio(str(FIXTURE), index_dir=str(tmp_path))
    write_pack(tmp_path / "own", face_pack(source.read(range(9)), source.identities.tolist()))
    for name in ("train.rec", "train.idx"):
        assert (tmp_path / "own" / name).read_bytes() == (FIXTURE / name).read_bytes()


def counted_builds(monkeypatch):
    """The list that grows with each index that is built."""
    builds = []

    def build(records, idx):
        builds.append(records.path)
        return real(records, idx)

    real = recordio.build_index
    monkeypatch.setattr(recordio, "build_index", build)
    return builds


@pytest.mark.parametrize("idx", [True, False])
def test_the_index_is_built_once(tmp_path, monkeypatch, idx):
    builds = counted_builds(monkeypatch)
    write_pack(tmp_path, face_pack(BODIES, CLASSES), idx=idx)
    first, second = open_recordio(str(tmp_path)), open_recordio(str(tmp_path))
    assert len(builds) == 1
    check(second)
    assert second.fingerprint() == first.fingerprint()
    assert [second.describe(record) for record in range(8)] == [first.describe(record) for record in range(8)]
    assert sorted(os.listdir(tmp_path)) == sorted(["train.rec", "train.rec.index.npz", *["train.idx"] * idx])


def test_a_changed_pack_is_indexed_again(tmp_path, monkeypatch):
    """Another size at the same time, another time of the same size, another index, no index."""
    builds = counted_builds(monkeypatch)
    fingerprints = []

    def opened():
        source = open_recordio(str(tmp_path))
        fingerprints.append(source.fingerprint())
        return source

    for count in (8, 5):
        write_pack(tmp_path, face_pack(BODIES[:count], CLASSES[:count]))
        for name in ("train.rec", "train.idx"):
            os.utime(tmp_path / name, ns=(1, 1))
        assert len(opened()) == count
    check(opened(), BODIES[:5], [1, 1, 0, 0, 0], ["3", "7"])
    os.utime(tmp_path / "train.rec", ns=(0, 0))
    check(opened(), BODIES[:5], [1, 1, 0, 0, 0], ["3", "7"])
    os.utime(tmp_path / "train.idx", ns=(0, 0))
    check(opened(), BODIES[:5], [1, 1, 0, 0, 0], ["3", "7"])
    (tmp_path / "train.idx").unlink()
    check(opened(), BODIES[:5], [1, 1, 0, 0, 0], ["3", "7"])
    assert len(builds) == len(set(fingerprints)) == 5


def test_a_copy_has_the_same_index_and_fingerprint(tmp_path, monkeypatch):
    builds = counted_builds(monkeypatch)
    write_pack(tmp_path / "a", face_pack(BODIES, CLASSES))
    first = open_recordio(f"{tmp_path}/a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    copied = open_recordio(f"{tmp_path}/b")
    check(copied)
    assert copied.fingerprint() == first.fingerprint() and len(builds) == 1


def test_an_index_elsewhere(tmp_path, monkeypatch):
    """Packs of one name do not share it, two ways to one pack do."""
    builds = counted_builds(monkeypatch)
    for count, name in ((8, "a"), (5, "b")):
        write_pack(tmp_path / name, plain_pack(BODIES[:count], CLASSES[:count]))
    os.symlink(tmp_path / "a", tmp_path / "c")
    for path in ("a", "b", "a", "b", "c", "a/train.rec"):
        source = open_recordio(f"{tmp_path}/{path}", index_dir=f"{tmp_path}/made/here")
        assert source.read(range(len(source))) == BODIES[: 5 if path == "b" else 8]
    assert len(builds) == len(os.listdir(tmp_path / "made" / "here")) == 2
    assert sorted(os.listdir(tmp_path / "a")) == ["train.idx", "train.rec"]


@pytest.mark.parametrize("elsewhere", [True, False])
def test_an_index_that_cannot_be_written(tmp_path, monkeypatch, caplog, elsewhere):
    """Every opening says so, and works."""
    builds = counted_builds(monkeypatch)
    write_pack(tmp_path, face_pack(BODIES, CLASSES))
    (tmp_path / "file").write_text("")
    arguments = {"index_dir": f"{tmp_path}/file"} if elsewhere else {}

    def replace(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", replace)
    for _ in range(2):
        check(open_recordio(str(tmp_path), **arguments))
    assert len(builds) == 2
    assert sorted(os.listdir(tmp_path)) == ["file", "train.idx", "train.rec"]
    (message, _) = caplog.messages
    assert message.startswith(f"{tmp_path}/")
    assert message.endswith(": every opening reads the head of each record")
    assert ("File exists" if elsewhere else "Permission denied") in message


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-40], lambda data: b"not one", lambda data: data[:300] + b"?" + data[301:]]
)
def test_a_damaged_index_is_built_again(tmp_path, monkeypatch, damage):
    builds = counted_builds(monkeypatch)
    write_pack(tmp_path, face_pack(BODIES, CLASSES))
    path = tmp_path / "train.rec.index.npz"
    check(open_recordio(str(tmp_path)))
    path.write_bytes(damage(path.read_bytes()))
    for _ in range(2):
        check(open_recordio(str(tmp_path)))
    assert len(builds) == 2


def test_an_index_of_pickles_is_not_read(tmp_path, monkeypatch):
    builds = counted_builds(monkeypatch)
    write_pack(tmp_path, face_pack(BODIES, CLASSES))
    check(open_recordio(str(tmp_path)))
    path = tmp_path / "train.rec.index.npz"
    with np.load(path) as file:
        np.savez(path, **{**file, "keys": file["keys"].astype(object)})
    check(open_recordio(str(tmp_path)))
    assert len(builds) == 2


def test_a_pack_cut_after_opening(tmp_path):
    places = write_pack(tmp_path, face_pack(BODIES, CLASSES))
    size = (tmp_path / "train.rec").stat().st_size
    source = open_recordio(str(tmp_path))
    os.truncate(tmp_path / "train.rec", places[5][0] + 20)
    assert source.read([3]) == [BODIES[3]]
    with pytest.raises(InputError) as error:
        source.read([4])
    reason = f"the file had {size} bytes and has become shorter: open it again"
    assert str(error.value) == f"{tmp_path}/train.rec key 5 at offset {places[5][0]}: {reason}"
    with pytest.raises(InputError, match="key 6 .*has become shorter"):
        source.read([5])


def test_not_a_pack(tmp_path):
    expected = "is not a RecordIO pack: expected a folder with train.rec, or a .rec file"
    (tmp_path / "train.idx").write_text("0\t0\n")
    for path in (tmp_path, tmp_path / "none", tmp_path / "none.rec", tmp_path / "train.idx"):
        assert error_of(path) == f"{path} {expected}"
    (tmp_path / "train.rec").mkdir()
    assert error_of(tmp_path) == f"{tmp_path}/train.rec is not a file"


@pytest.mark.parametrize("name", ["train.rec", "train.idx", "property"])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty: copy it again"),
        (b"\r\n <!DOCTYPE html><html><body>Quota exceeded</body></html>", "is an HTML page, not the data"),
        (b"<HTML>\n", "is an HTML page, not the data"),
        (b"PK\x03\x04....", "is a ZIP archive, not the data"),
    ],
)
def test_other_files(tmp_path, name, data, reason):
    write_pack(tmp_path, face_pack(BODIES, CLASSES), property_text="4,112,112\n")
    (tmp_path / name).write_bytes(data)
    assert error_of(tmp_path) == f"{tmp_path}/{name} {reason}"


@pytest.mark.parametrize(
    "text", ["4,112\n", "4,112,112,3", "four,112,112", "-4,112,112", "4;112;112", " ", "4,112,112\n5,112,112", "4" * 99]
)
def test_malformed_property(tmp_path, text):
    write_pack(tmp_path, face_pack(BODIES, CLASSES), property_text=text)
    assert error_of(tmp_path) == f"{tmp_path}/property: expected CLASSES,HEIGHT,WIDTH, three numbers, found {text!r}"


@pytest.mark.parametrize(
    "line", ["3", "3\tx", "x\t3", "3\t4\t5", "3\t-4", "3\t4.0", "3\t1_0", "3,4", "9" * 19 + "\t0", "0\t" + "9" * 40, "\x00\x00"]
)
def test_malformed_idx(tmp_path, line):
    write_pack(tmp_path, face_pack(BODIES, CLASSES))
    path = tmp_path / "train.idx"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], "", line, *lines[3:]]))
    assert error_of(tmp_path) == f"{path} line 4: expected KEY OFFSET, two numbers, found {line!r}"


def idx_error(folder, text):
    """Of a pack of 172 bytes: image 1 at 0, image 2 at 48, the header record at 92, a range with key 3 at 132."""
    write_pack(folder, face_pack([b"first", b"2nd."], [0, 0]))
    (folder / "train.idx").write_text(text)
    return error_of(folder)


def test_idx_that_disagrees_with_the_pack(tmp_path):
    rec, idx = f"{tmp_path}/train.rec", f"{tmp_path}/train.idx"
    whole = "1\t0\n2\t48\n0\t92\n3\t132\n"
    assert idx_error(tmp_path, whole + "4\t172\n") == f"{idx} has key 4 at offset 172; {rec} ends at 172: copy both again"
    ending = f"{rec} key 4 at offset 168: expected a chunk at offset 168; the file ends at 172: copy it again"
    assert idx_error(tmp_path, whole + "4\t168\n") == ending
    assert idx_error(tmp_path, f"{whole}4\t{'9' * 18}\n") == f"{idx} has key 4 at offset {'9' * 18}; {rec} ends at 172: copy both again"
    assert idx_error(tmp_path, whole + "2\t0\n") in [
        f"{idx} has the keys {keys} at one offset, 0: copy it again" for keys in ("1 and 2", "2 and 1")
    ]
    twice = [f"{idx} has key 2 twice, with offsets {offsets}: copy it again" for offsets in ("48 and 132", "132 and 48")]
    assert idx_error(tmp_path, whole.replace("3\t", "2\t")) in twice
    inside = f"{rec} key 2 at offset 44: expected the magic 0xced7230a at offset 44, found 0x00000074: copy pack and index again"
    assert idx_error(tmp_path, whole.replace("48", "44")) == inside
    missing = f"{rec} key 0 at offset 92: the header record announces the keys 1 to 2; key {{}} is missing: copy both files again"
    assert idx_error(tmp_path, whole.replace("2\t48\n", "")) == missing.format(2)
    assert idx_error(tmp_path, whole.replace("1\t0\n", "")) == missing.format(1)
    assert idx_error(tmp_path, "0\t92\n") == missing.format(1)
    assert idx_error(tmp_path, "0\t92\n1\t0\n") == missing.format(2)
    assert idx_error(tmp_path, " \n") == f"{rec} has 0 records and no images"
    assert idx_error(tmp_path, "3\t132\n") == f"{rec} has 1 records and no images"


HEAD = struct.pack("<IfQQ", 0, 5.0, 1, 0)
BAD_RECORDS = [
    (chunk(0, HEAD[:20]), "the record has 20 bytes, fewer than its header of 24"),
    (chunk(0, b""), "the record has 0 bytes, fewer than its header of 24"),
    (chunk(1, HEAD[:8]) + chunk(3, HEAD[8:16]), "the record has 20 bytes, fewer than its header of 24"),
    (chunk(0, HEAD), "the record has no image"),
    (chunk(0, struct.pack("<IfQQ", 3, 0, 1, 0) + bytes(11)), "the record has 35 bytes; a header and 3 labels need 36"),
    (
        chunk(0, struct.pack("<IfQQ", 2**32 - 1, 0, 1, 0)),
        f"the record has 24 bytes; a header and {2**32 - 1} labels need {24 + 4 * (2**32 - 1)}",
    ),
    (chunk(2, HEAD + b"x"), "expected a chunk of kind 0 or 1, which begin a record, found 2: the index is not of this file"),
    (chunk(3, HEAD + b"x"), "expected a chunk of kind 0 or 1, which begin a record, found 3: the index is not of this file"),
    (chunk(4, HEAD + b"x"), "expected a chunk of kind 0 or 1, which begin a record, found 4: the index is not of this file"),
    (chunk(1, HEAD) + chunk(0, b"x"), "expected a chunk of kind 2 or 3, which go on with it, at offset 92, found 0"),
    (chunk(1, HEAD) + chunk(2, b"x") + chunk(1, b"x"), "expected a chunk of kind 2 or 3, which go on with it, at offset 104, found 1"),
    (chunk(1, HEAD) + chunk(7, b"x"), "expected a chunk of kind 2 or 3, which go on with it, at offset 92, found 7"),
    (chunk(1, HEAD), "expected a chunk at offset 92; the file ends at 92: copy it again"),
    (chunk(1, HEAD) + chunk(2, b"x"), "expected a chunk at offset 104; the file ends at 104: copy it again"),
    (chunk(0, HEAD + b"abcdefgh")[:-1], "the chunk at offset 60 ends at 100; the file ends at 99: copy it again"),
    (chunk(1, HEAD) + chunk(3, b"abcdefgh")[:-5], "the chunk at offset 92 ends at 108; the file ends at 103: copy it again"),
    (b"\0" + chunk(0, HEAD + b"x")[1:], "expected the magic 0xced7230a at offset 60, found 0xced72300: copy pack and index again"),
    (MAGIC[:3], "expected a chunk at offset 60; the file ends at 63: copy it again"),
    (MAGIC + b"abc", "expected a chunk at offset 60; the file ends at 67: copy it again"),
]


@pytest.mark.parametrize(("record", "reason"), BAD_RECORDS, ids=[reason[:50] for _, reason in BAD_RECORDS])
@pytest.mark.parametrize("idx", [True, False])
def test_broken_records(tmp_path, record, reason, idx):
    """After one of 8 + 24 + 26 + 2 = 60 bytes."""
    good = chunk(0, struct.pack("<IfQQ", 0, 5.0, 0, 0) + b"a" * 26)
    assert len(good) == 60
    (tmp_path / "train.rec").write_bytes(good + record)
    if idx:
        (tmp_path / "train.idx").write_text("1\t60\n0\t0\n")
    scanned = f"{tmp_path}/train.rec at offset 60: {reason}"
    keyed = f"{tmp_path}/train.rec key 1 at offset 60: {reason}"
    # The scan knows no keys before it has read all heads.
    assert error_of(tmp_path) == (keyed if idx or reason == "the record has no image" else scanned)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    ("label", "found"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"), (-1, "-1.0"), (0.5, "0.5"), (2**24 + 2, "16777218.0")]
)
def test_labels_that_are_no_classes(tmp_path, several, label, found):
    bad = Record(2, [label, 1.0] if several else label, b"x")
    places = write_pack(tmp_path, [*plain_pack(BODIES[:2], [0, 1]), bad])
    reason = f"expected a class, a whole number from 0 to 16777216, found {found}"
    assert error_of(tmp_path) == f"{tmp_path}/train.rec key 2 at offset {places[2][0]}: {reason}"


@pytest.mark.parametrize("key", [0, 3])
@pytest.mark.filterwarnings("error")
def test_signalling_nans(tmp_path, key):
    """NumPy warns of these, and only of these. The first label is 8 + 24 bytes into the record."""
    places = write_pack(tmp_path, face_pack(BODIES, CLASSES))
    with open(tmp_path / "train.rec", "r+b") as file:
        file.seek(places[key][0] + 32)
        file.write(struct.pack("<I", 0x7F800001))
    message = error_of(tmp_path)
    assert message.startswith(f"{tmp_path}/train.rec key {key} at offset {places[key][0]}: ")
    assert "nan" in message


@pytest.mark.parametrize(("label", "found"), [(np.nan, "nan"), (np.inf, "inf"), (0.0, "0.0"), (-3, "-3.0"), (2.5, "2.5")])
def test_header_records_that_announce_no_number(tmp_path, label, found):
    write_pack(tmp_path, [Record(0, [label, 4.0]), *face_pack(BODIES[:2], [0, 1])[:2]])
    reason = f"the header record's label is {found}: expected the number of images and 1"
    assert error_of(tmp_path) == f"{tmp_path}/train.rec key 0 at offset 0: {reason}"


def test_header_records_that_announce_nothing(tmp_path):
    write_pack(tmp_path, [Record(0, [1.0, 1.0])])
    assert error_of(tmp_path) == f"{tmp_path}/train.rec has 1 records and no images"


def test_an_announced_image_without_a_body(tmp_path):
    places = write_pack(tmp_path, [record._replace(body=b"") if record.key == 3 else record for record in face_pack(BODIES, CLASSES)])
    assert error_of(tmp_path) == f"{tmp_path}/train.rec key 3 at offset {places[3][0]}: the record has no image"


def test_errors_leave_no_index(tmp_path):
    write_pack(tmp_path, [record._replace(body=b"") if record.key == 3 else record for record in face_pack(BODIES, CLASSES)])
    error_of(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["train.idx", "train.rec"]


def mutated(data, generator):
    """The bytes with one to four of them changed, left out or put in, or the end cut off, and the first place that is touched."""
    data, first = bytearray(data), len(data)
    for _ in range(generator.integers(1, 5)):
        place, how = int(generator.integers(0, len(data) + 1)), generator.integers(0, 5)
        some = generator.choice([b"\0", b"\xff", b"\n", b"7", b"\t", MAGIC, generator.bytes(3)])
        if how == 0:
            data[place : place + 1] = bytes([data[place] ^ 1 << int(generator.integers(0, 8))]) if place < len(data) else b""
        elif how == 1:
            data[place:] = b""
        elif how == 2:
            data[place:place] = some
        elif how == 3:
            data[place : place + int(generator.integers(1, 9))] = b""
        else:
            data[place : place + len(some)] = some
        first = min(first, place)
    return bytes(data), first


def opened_or_refused(path):
    try:
        return open_recordio(str(path))
    except InputError as error:
        assert "\n" not in str(error)
        assert str(path) in str(error)
        return None


def images_by_offset(source):
    """What can be read, with the offset and the identity's name."""
    found = {}
    for record in range(len(source)):
        name = source.identity_names[source.identities[record]]
        try:
            found[int(source.describe(record).split()[-1])] = (source.read([record])[0], name)
        except InputError as error:
            assert source.describe(record) in str(error)
    return found


@pytest.mark.parametrize("make", [face_pack, plain_pack])
@pytest.mark.parametrize("name", ["train.rec", "train.rec alone", "train.idx", "property"])
@pytest.mark.filterwarnings("error")
def test_mutations(tmp_path, make, name):
    """Whatever is done to a file: it is refused, or what was not touched reads as before."""
    name, alone = name.split()[0], name.endswith("alone")
    bodies = [*BODIES[:3], b"abcd" + MAGIC + MAGIC + b"ef", MAGIC, *BODIES[5:]]
    places = write_pack(tmp_path, make(bodies, CLASSES), idx=not alone, property_text="4,112,112\n")
    whole = images_by_offset(open_recordio(str(tmp_path)))
    assert [image for image, _ in whole.values()] == bodies
    ends = {begin: end for begin, end in places.values()}
    data = (tmp_path / name).read_bytes()
    generator = np.random.default_rng(5)
    refused = 0
    for _ in range(250):
        broken, first = mutated(data, generator)
        (tmp_path / name).write_bytes(broken)
        (tmp_path / "train.rec.index.npz").unlink(missing_ok=True)
        source = opened_or_refused(tmp_path)
        refused += source is None
        for offset, found in images_by_offset(source).items() if source else ():
            if name != "train.rec" or ends.get(offset, len(data) + 1) <= first:
                assert found == whole[offset]
    # Neither all nor none.
    assert 20 < refused < 250


@pytest.mark.filterwarnings("error")
def test_random_bytes(tmp_path):
    generator = np.random.default_rng(6)
    for _ in range(60):
        for name in ("train.rec", "train.idx", "property"):
            write_pack(tmp_path, face_pack(BODIES, CLASSES), property_text="4,112,112\n")
            (tmp_path / name).write_bytes(generator.bytes(int(generator.integers(1, 300))))
            assert opened_or_refused(tmp_path) is None
            assert not os.path.exists(tmp_path / "train.rec.index.npz")


@pytest.mark.filterwarnings("error")
def test_mutations_of_the_index_file(tmp_path):
    write_pack(tmp_path, face_pack(BODIES, CLASSES))
    open_recordio(str(tmp_path))
    path = tmp_path / "train.rec.index.npz"
    data = path.read_bytes()
    generator = np.random.default_rng(7)
    for _ in range(150):
        path.write_bytes(mutated(data, generator)[0])
        check(open_recordio(str(tmp_path)))


@pytest.mark.filterwarnings("error")
def test_mutations_after_opening(tmp_path):
    """Records are checked again when they are read."""
    places = write_pack(tmp_path, plain_pack(BODIES, CLASSES))
    path = tmp_path / "train.rec"
    source, data, generator = open_recordio(str(tmp_path)), path.read_bytes(), np.random.default_rng(8)
    refused = 0
    for _ in range(200):
        broken, first = mutated(data, generator)
        path.write_bytes(broken)
        for record, body in enumerate(BODIES):
            try:
                found = source.read([record])
            except InputError as error:
                assert str(error).startswith(f"{source.describe(record)}: ")
                assert places[record][1] > first
                refused += 1
            else:
                assert found == [body] or places[record][1] > first
    assert refused > 100
