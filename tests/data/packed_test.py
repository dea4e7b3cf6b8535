"""What was packed is what is read."""

import os
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from kd_tf.data.folder import open_folder
from kd_tf.data.order import epoch_order
from kd_tf.data.packed import source as packed_source
from kd_tf.data.packed.contact_sheet import draw_contact_sheet
from kd_tf.data.packed.image import decode
from kd_tf.data.packed.pack import PackConfig, pack
from kd_tf.data.packed.source import open_packed
from kd_tf.data.packed.verify import verify_pack
from kd_tf.data.pipeline import training_batches
from kd_tf.data.split import SplitConfig, train_and_test
from kd_tf.data.views import ViewConfig
from tests.data.packed_files import MemorySource, encode, make_source
from tests.images import smooth_image, write_people


def repack(source, folder, **config):
    counts = pack(source, PackConfig(str(folder), **config))
    return open_packed(str(folder)), counts


@pytest.mark.parametrize(("shard_records", "shards"), [(1, 11), (4, 3), (11, 1), (8192, 1)])
def test_every_record_comes_back(tmp_path, shard_records, shards):
    source = make_source()
    packed, counts = repack(source, tmp_path / "pack", shard_records=shard_records)
    assert packed.read(range(11)) == source.images
    np.testing.assert_array_equal(packed.identities, source.identities)
    assert packed.identities.dtype == np.int32
    np.testing.assert_array_equal(packed.landmarks, source.landmarks)
    assert np.isnan(packed.landmarks[5]).all() and packed.landmarks.dtype == np.float32
    np.testing.assert_array_equal(packed.official_test, source.official_test)
    np.testing.assert_array_equal(packed.folds, source.folds)
    assert packed.identity_names == source.identity_names
    assert (packed.name, len(packed)) == (f"packed:{tmp_path}/pack", 11)
    size = sum(path.stat().st_size for path in (tmp_path / "pack").glob("images-*"))
    assert counts == {"records": 11, "identities": 3, "shards": shards, "skipped": 0, "bytes": size}
    assert verify_pack(str(tmp_path / "pack")) == {"records": 11, "shards": shards, "broken": 0}


def test_what_lies_in_a_pack(tmp_path):
    repack(make_source(), tmp_path, shard_records=6)
    images = [f"images-0000{shard}-of-00002.array_record" for shard in (0, 1)]
    assert sorted(os.listdir(tmp_path)) == ["contact_sheet.jpg", *images, "packed.json", "records.npz"]


def test_records_in_any_order(tmp_path):
    source = make_source()
    packed, _ = repack(source, tmp_path, shard_records=4)
    order = [9, 0, 9, 3, 4, 10, 0]
    for indices in (order, np.array(order), iter(order)):
        assert packed.read(indices) == [source.images[index] for index in order]
    assert packed.read([]) == []
    assert packed.describe(0) == f"{tmp_path}/images-00000-of-00003.array_record record 0"
    assert packed.describe(10) == f"{tmp_path}/images-00002-of-00003.array_record record 2"


@pytest.mark.parametrize("index", [-1, 11])
def test_there_is_no_such_record(tmp_path, index):
    packed, _ = repack(make_source(), tmp_path)
    with pytest.raises(IndexError, match=f"has 11 records, there is no {index}"):
        packed.read([index])


def test_nothing_but_images(tmp_path):
    packed, counts = repack(MemorySource([encode(1), encode(2)]), tmp_path)
    assert packed.landmarks is None and packed.official_test is None
    assert counts["identities"] == 1


def test_names_in_any_script(tmp_path):
    """The last one is a file name that is no UTF-8."""
    source = make_source()
    source.identity_names = ["Zo\u00eb", "\u6bdb", os.fsdecode(b"\xff\xfe")]
    assert repack(source, tmp_path)[0].identity_names == source.identity_names


def test_resized(tmp_path):
    """The shorter side of larger images becomes 50 pixels; the others keep their bytes."""
    sides = [(100, 100), (100, 150), (450, 150), (50, 90), (49, 49)]
    source = MemorySource([encode(seed, ".png", *size) for seed, size in enumerate(sides)])
    packed, _ = repack(source, tmp_path, resize=50)
    images = packed.read(range(5))
    assert images[3:] == source.images[3:]
    for seed, expected in enumerate([(50, 50), (50, 75), (150, 50)]):
        image = decode(images[seed])
        assert image.shape[:2] == expected and images[seed][:2] == b"\xff\xd8"
        reference = cv2.resize(smooth_image(seed, *sides[seed]), expected[::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(image.astype(int) - reference).mean() < 4


def test_resized_images_are_not_turned(tmp_path):
    """Training does not look at EXIF's orientation, and landmarks would be wrong."""
    rotated = b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    image = encode(3, height=40, width=80)
    with_orientation = image[:2] + rotated + image[2:]
    assert cv2.imdecode(np.frombuffer(with_orientation, np.uint8), cv2.IMREAD_COLOR).shape == (80, 40, 3)
    packed, _ = repack(MemorySource([with_orientation, image]), tmp_path, resize=20)
    turned, straight = packed.read([0, 1])
    np.testing.assert_array_equal(decode(turned), decode(straight))
    assert decode(turned).shape == (20, 40, 3)


def test_the_fingerprint_is_that_of_the_records(tmp_path):
    def fingerprint(name, source, **config):
        return repack(source, tmp_path / name, **config)[0].fingerprint()

    same = {
        fingerprint("one", make_source()),
        fingerprint("two", make_source(), shard_records=3),
        fingerprint("three", make_source(), resize=20),
    }
    assert len(same) == 1
    others = [make_source() for _ in range(5)]
    others[0].images[7] = encode(99)
    others[1].identities[7] = 2
    others[2].landmarks[7, 0, 0] += 1
    others[3].official_test = None
    others[4].identity_names[0] = "another"
    found = {fingerprint(f"other{number}", source) for number, source in enumerate(others)}
    found |= {fingerprint("small", make_source(), resize=16), fingerprint("fewer", make_source(10))}
    assert len(found) == 7 and not found & same


def test_many_threads_read_what_they_ask_for(tmp_path):
    source = MemorySource([encode(seed, height=16 + seed % 9) for seed in range(60)])
    packed, _ = repack(source, tmp_path, shard_records=7)

    def wrong(seed):
        random = np.random.default_rng(seed)
        batches = [random.integers(0, 60, size).tolist() for size in (1, 16, 3) for _ in range(40)]
        return sum(packed.read(batch) != [source.images[index] for index in batch] for batch in batches)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(wrong, range(8))) == [0] * 8


def test_more_shards_than_may_be_open(tmp_path, monkeypatch):
    monkeypatch.setattr(packed_source, "OPEN_SHARDS", 2)
    source = make_source()
    packed, _ = repack(source, tmp_path, shard_records=2)
    for _ in range(2):
        assert packed.read(range(11)) == source.images
    shard = f"{tmp_path}/images-"
    targets = [os.path.realpath(f"/proc/self/fd/{file}") for file in os.listdir("/proc/self/fd")]
    assert sum(target.startswith(shard) for target in targets) == 2


def test_training_sees_the_same(tmp_path):
    source = open_folder(str(write_people(tmp_path / "photos", {"ann": 5, "bob": 4, "cat": 3})))
    packed, _ = repack(source, tmp_path / "pack", shard_records=5)
    batches = []
    for each in (source, packed):
        split, _ = train_and_test(each, SplitConfig(split_seed=1))
        stream = training_batches(split, epoch_order(len(split), seed=1), ViewConfig(image_size=28, seed=2), batch_size=4, steps=5)
        batches.append(list(stream.as_numpy_iterator()))
    assert len(batches[0]) == len(batches[1]) == 5
    for (images, targets), (packed_images, packed_targets) in zip(*batches, strict=True):
        np.testing.assert_array_equal(packed_images, images)
        assert packed_targets.keys() == targets.keys()
        for name in targets:
            np.testing.assert_array_equal(packed_targets[name], targets[name])


def test_contact_sheet_of_few():
    """Rows of up to eight cells of 128 pixels, with 8 between them and 16 for a caption."""
    plain = [cv2.imencode(".png", np.full([30, 60, 3], value, np.uint8))[1].tobytes() for value in (10, 100, 200)]
    source = MemorySource(plain, [0, 1, 2])
    sheet = draw_contact_sheet(source)
    assert sheet.shape == (8 + 152, 8 + 3 * 136, 3)
    # A wide image is 64 pixels high, at the bottom of its cell: the middle is at 96.
    assert [sheet[8 + 96, 8 + 136 * column + 64].tolist() for column in range(3)] == [[value] * 3 for value in (10, 100, 200)]
    captions = sheet[8 + 128 : 8 + 144]
    assert (captions < 128).any()
    assert (np.delete(sheet, np.s_[8:152], axis=0) == 255).all()


def test_contact_sheet_of_many_and_long_names():
    """64 of 130 images, the first and the last among them: cell 1 shows record round(129 / 63) = 2."""
    grey = [cv2.imencode(".png", np.full([8, 8, 3], value, np.uint8))[1].tobytes() for value in range(130)]
    source = MemorySource(grey)
    source.identity_names = ["a very long name " * 9]
    sheet = draw_contact_sheet(source)
    assert sheet.shape == (8 + 8 * 152, 8 + 8 * 136, 3)
    middles = sheet[8 + 64 :: 152, 8 + 64 :: 136, 0]
    assert (middles[0, 0], middles[0, 1], middles[7, 7]) == (0, 2, 129)
    # Captions keep to their cells.
    assert (sheet[:, 136::136] == 255).all()
