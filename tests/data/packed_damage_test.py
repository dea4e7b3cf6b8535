"""What happens to a pack on disk, and who notices."""

import json
import shutil

import numpy as np
import pytest
from array_record.python import array_record_module

from kd_tf.data.packed import pack as pack_module
from kd_tf.data.packed import shards
from kd_tf.data.packed.pack import PackConfig, pack
from kd_tf.data.packed.source import AGAIN, open_packed
from kd_tf.data.packed.verify import verify_pack
from kd_tf.errors import InputError
from tests.data.packed_files import encode, make_source

SHARD = "images-00001-of-00003.array_record"


@pytest.fixture(name="whole", scope="module")
def make_whole(tmp_path_factory):
    """A pack of 4 + 4 + 3 images."""
    folder = tmp_path_factory.mktemp("packed") / "whole"
    pack(make_source(), PackConfig(str(folder), shard_records=4))
    return folder


@pytest.fixture(name="folder")
def copy_whole(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "pack")


def faults(folder):
    lines = []
    counts = verify_pack(str(folder), report=lines.append)
    assert (counts["records"], counts["shards"], counts["broken"]) == (11, 3, len(lines))
    assert not any("\n" in line for line in lines)
    return lines


def flip(path, position, bit=0x10):
    data = bytearray(path.read_bytes())
    data[position] ^= bit
    path.write_bytes(data)


def assert_the_other_shards_are_read(folder):
    packed, source = open_packed(str(folder)), make_source()
    assert packed.read([10, 0, 3, 8]) == [source.images[index] for index in (10, 0, 3, 8)]
    with pytest.raises(InputError) as error:
        packed.read([0, 5])
    assert "\n" not in str(error.value) and str(error.value).startswith(f"{folder}/{SHARD} ")


def write_shard(path, images):
    writer = array_record_module.ArrayRecordWriter(str(path), "group_size:1,uncompressed")
    for image in images:
        writer.write(image)
    writer.close()


def test_a_flipped_byte_of_an_image(folder):
    """Only that image is lost, whoever asks for it."""
    image = make_source().images[6]
    flip(folder / SHARD, (folder / SHARD).read_bytes().index(image) + len(image) // 2)
    (line,) = faults(folder)
    assert line.startswith(f"{folder}/{SHARD} record 2 cannot be read: ") and line.endswith(AGAIN)
    packed = open_packed(str(folder))
    assert packed.read([4, 5, 7]) == [make_source().images[index] for index in (4, 5, 7)]
    for wanted in ([6], [4, 5, 6, 7]):
        with pytest.raises(InputError) as error:
            packed.read(wanted)
        assert str(error.value) == line


def test_another_image_in_its_place(folder):
    """The shard itself is faultless."""
    images = list(make_source().images[4:8])
    images[1] = encode(99)
    write_shard(folder / SHARD, images)
    assert faults(folder) == [f"{folder}/{SHARD} record 1 is not the image that was packed, its checksum differs; {AGAIN}"]


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_shard_that_was_cut_short(folder, share):
    data = (folder / SHARD).read_bytes()
    (folder / SHARD).write_bytes(data[: int(len(data) * share)])
    assert faults(folder) == [f"{folder}/{SHARD} has 0 records that can be read, packed.json says 4; {AGAIN}"]
    assert_the_other_shards_are_read(folder)


def test_a_shard_that_is_missing(folder):
    (folder / SHARD).unlink()
    assert faults(folder) == [f"{folder}/{SHARD} is missing; {AGAIN}"]
    assert_the_other_shards_are_read(folder)


def test_a_shard_of_another_pack(folder):
    write_shard(folder / SHARD, make_source().images[4:7])
    assert faults(folder) == [f"{folder}/{SHARD} has 3 records that can be read, packed.json says 4; {AGAIN}"]


def test_several_faults_are_all_listed(folder):
    (folder / SHARD).write_bytes(b"garbage" * 30_000)
    images = list(make_source().images[8:])
    write_shard(folder / "images-00002-of-00003.array_record", [images[2], images[1], images[0]])
    lines = faults(folder)
    assert len(lines) == 3
    for line, start in zip(lines, ("00001-of-00003.array_record has", "00002-of-00003.array_record record 0", "00002-of"), strict=True):
        assert line.startswith(f"{folder}/images-{start}")


def test_what_was_no_image_when_it_was_packed(tmp_path, monkeypatch):
    """The checksum is right, and still it is found."""
    source = make_source()
    source.images[5] = encode(5)[:-20]
    monkeypatch.setattr(shards, "read_image", lambda source, record, resize: source.read([record])[0])
    monkeypatch.setattr(pack_module, "draw_contact_sheet", lambda source: np.zeros([1, 1, 3], np.uint8))
    pack(source, PackConfig(str(tmp_path), shard_records=4))
    (line,) = faults(tmp_path)
    assert line.startswith(f"{tmp_path}/{SHARD} record 1 is not an image that can be decoded: jpeg::Uncompress failed.")


def refusal(folder):
    with pytest.raises(InputError) as error:
        open_packed(str(folder))
    assert "\n" not in str(error.value)
    with pytest.raises(InputError) as of_verify:
        verify_pack(str(folder))
    assert str(of_verify.value) == str(error.value)
    return str(error.value)


def test_no_pack(tmp_path):
    message = "has no packed.json: it is no pack, or one that kd-prepare has not finished"
    assert refusal(tmp_path) == f"{tmp_path} {message}"
    assert refusal(tmp_path / "nowhere") == f"{tmp_path}/nowhere {message}"


@pytest.mark.parametrize("garbage", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, rb'"\ud800'])
def test_a_manifest_that_cannot_be_read(folder, garbage):
    (folder / "packed.json").write_bytes(garbage)
    message = refusal(folder)
    assert message.startswith(f"{folder}/packed.json cannot be read: ") and message.endswith(AGAIN)


@pytest.mark.parametrize(("manifest", "version"), [([], None), ({}, None), ({"version": 2}, 2), ({"version": "1"}, "1")])
def test_another_version(folder, manifest, version):
    (folder / "packed.json").write_text(json.dumps(manifest))
    (folder / "records.npz").unlink()
    assert (
        refusal(folder) == f"{folder}/packed.json is of version {version}, this program reads 1: delete the folder and pack the data again"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"identity_names": ["a", "b", "c"]},
        {"identity_names": None},
        {"shards": [4, 4]},
        {"shards": "443"},
        {"shards": None},
        {"fingerprint": "0"},
        {"fingerprint": None},
    ],
)
def test_a_manifest_that_was_changed(folder, change):
    manifest = json.loads((folder / "packed.json").read_text())
    (folder / "packed.json").write_text(json.dumps(manifest | change))
    assert refusal(folder) == f"{folder}: packed.json and records.npz are not of one pack, or one is damaged; {AGAIN}"


@pytest.mark.parametrize("name", ["version", "shards", "identity_names", "fingerprint"])
def test_a_manifest_that_lacks_something(folder, name):
    manifest = json.loads((folder / "packed.json").read_text())
    del manifest[name]
    (folder / "packed.json").write_text(json.dumps(manifest))
    assert refusal(folder).startswith(f"{folder}")


def test_records_of_another_pack(folder, tmp_path):
    """As many, and the images are the same, but not their people."""
    source = make_source()
    source.identities[0] = 1
    pack(source, PackConfig(str(tmp_path / "other"), shard_records=4))
    shutil.copy(tmp_path / "other" / "records.npz", folder)
    assert "are not of one pack" in refusal(folder)


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"PK\x03\x04 garbage", b"\x93NUMPY\x01\x00"])
def test_records_that_cannot_be_read(folder, garbage):
    (folder / "records.npz").write_bytes(garbage)
    message = refusal(folder)
    assert message.startswith(f"{folder}/records.npz cannot be read (") and message.endswith(AGAIN)


def test_records_that_are_missing(folder):
    (folder / "records.npz").unlink()
    assert refusal(folder).startswith(f"{folder}/records.npz cannot be read (FileNotFoundError")


def test_no_flipped_byte_of_the_records_goes_unnoticed(folder):
    """Every 13th is tried: it is refused, or it was of no account."""
    path, source = folder / "records.npz", make_source()
    whole, refused = path.read_bytes(), 0
    for position in range(0, len(whole), 13):
        flip(path, position)
        try:
            packed = open_packed(str(folder))
            np.testing.assert_array_equal(packed.identities, source.identities)
            np.testing.assert_array_equal(packed.landmarks, source.landmarks)
            np.testing.assert_array_equal(packed.official_test, source.official_test)
            assert packed.read(range(11)) == source.images
        except InputError as error:
            refused += 1
            assert str(error).startswith(str(folder)) and "\n" not in str(error)
        path.write_bytes(whole)
    assert refused > len(whole) / 13 / 3
