"""Images that cannot be packed."""

import logging
import threading

import pytest

from kd_tf.data.folder import open_folder
from kd_tf.data.packed.pack import PackConfig, pack
from kd_tf.data.packed.source import open_packed
from kd_tf.data.packed.verify import verify_pack
from kd_tf.errors import InputError
from tests.data.packed_files import broken_images, make_source, times_of_shards
from tests.images import UNKNOWN_FORMAT, write_people, write_text

HINT = "; --skip_broken=N leaves out up to N such images"
NO_IMAGE = "is not an image that can be decoded: "
REASONS = {
    "text": f"image 6 {NO_IMAGE}{UNKNOWN_FORMAT}",
    "empty": f"image 6 {NO_IMAGE}Input is empty",
    "cut short": f"image 6 {NO_IMAGE}jpeg::Uncompress failed. Invalid JPEG data or crop window",
    "only a head": f"image 6 {NO_IMAGE}jpeg::Uncompress failed. Invalid JPEG data or crop window",
    "unreadable": "image 6 cannot be read: Permission denied",
    "refused": "list line 3: not base64; copy the file again",
}


def source_with_broken(*records):
    source = make_source()
    for record in records:
        source.images[record] = b"broken"
    return source


def refusal(source, folder, **config):
    with pytest.raises(InputError) as error:
        pack(source, PackConfig(str(folder), **config))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kind", REASONS)
@pytest.mark.parametrize("resize", [None, 16])
def test_a_broken_image_stops_the_program(tmp_path, kind, resize):
    """Before the first shard is whole, nothing is left."""
    source = make_source()
    source.images[6] = source.images[9] = broken_images()[kind]
    assert refusal(source, tmp_path / "pack", resize=resize) == REASONS[kind] + HINT
    assert list(tmp_path.iterdir()) == []


def test_no_thread_outlives_a_refusal(tmp_path):
    """The error holds the frames that hold the threads; whoever frees them later may hold what the threads need to end."""
    before = set(threading.enumerate())
    with pytest.raises(InputError) as error:
        pack(source_with_broken(6), PackConfig(str(tmp_path), resize=16))
    assert error.value.__traceback__ and set(threading.enumerate()) <= before


def test_the_folder_that_was_there_stays(tmp_path):
    refusal(source_with_broken(6), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_mended_image_after_a_first_shard_that_broke(tmp_path):
    """Nothing was finished, so that nothing is in the way."""
    photos = write_people(tmp_path / "photos", {"ann": 3})
    write_text(photos / "ann" / "ann_0002.jpg", "broken")
    assert refusal(open_folder(str(photos)), tmp_path / "pack").startswith(f"{photos}/ann/ann_0002.jpg {NO_IMAGE}")
    write_people(tmp_path / "photos", {"ann": 3})
    source = open_folder(str(photos))
    pack(source, PackConfig(str(tmp_path / "pack")))
    assert open_packed(str(tmp_path / "pack")).read(range(3)) == source.read(range(3))


def test_a_file_that_is_gone(tmp_path):
    photos = write_people(tmp_path / "photos", {"ann": 3})
    source = open_folder(str(photos))
    (photos / "ann" / "ann_0002.jpg").unlink()
    assert refusal(source, tmp_path / "pack") == f"{photos}/ann/ann_0002.jpg cannot be read: No such file or directory" + HINT


def test_broken_images_are_left_out_and_logged(tmp_path, caplog):
    """The other records move up; who has lost all images keeps the number."""
    source = source_with_broken(0, 1, 2, 3, 6)
    with caplog.at_level(logging.WARNING, "kd_tf"):
        counts = pack(source, PackConfig(str(tmp_path), shard_records=4, skip_broken=5))
    assert [record.getMessage()[:19] for record in caplog.records] == [f"left out: image {index} is"[:19] for index in (0, 1, 2, 3, 6)]
    packed, kept = open_packed(str(tmp_path)), [4, 5, 7, 8, 9, 10]
    assert packed.read(range(6)) == [source.images[index] for index in kept]
    assert packed.identity_names == source.identity_names
    assert packed.identities.tolist() == source.identities[kept].tolist() == [1, 1, 1, 2, 2, 2]
    assert packed.official_test.tolist() == source.official_test[kept].tolist()
    assert packed.landmarks.tobytes() == source.landmarks[kept].tobytes()
    assert (counts["records"], counts["identities"], counts["shards"], counts["skipped"]) == (6, 2, 3, 5)
    # The first shard has no record at all.
    assert packed.describe(0) == f"{tmp_path}/images-00001-of-00003.array_record record 0"
    assert verify_pack(str(tmp_path)) == {"records": 6, "shards": 3, "broken": 0}


@pytest.mark.parametrize("allowed", [1, 2, 3])
def test_one_too_many(tmp_path, allowed):
    source = source_with_broken(1, 4, 6, 10)
    message = refusal(source, tmp_path, shard_records=4, skip_broken=allowed)
    assert message.startswith(f"image {[1, 4, 6, 10][allowed]} {NO_IMAGE}")
    assert message.endswith(f"; --skip_broken={allowed} allows no more")
    assert not list(tmp_path.rglob("*.partial*"))


def test_more_are_allowed_the_second_time(tmp_path):
    """Finished shards stay, and those left out in them count."""
    source = source_with_broken(1, 6, 9)
    refusal(source, tmp_path, shard_records=3, skip_broken=2)
    before = times_of_shards(tmp_path)
    assert sorted(before) == [f"images-0000{shard}-of-00004.array_record" for shard in (0, 1, 2)]
    fewer = refusal(source, tmp_path, shard_records=3, skip_broken=1)
    assert fewer == "2 broken images were left out before this start, --skip_broken=1 allows fewer"
    again = refusal(source, tmp_path, shard_records=3, skip_broken=2)
    assert again.startswith("image 9 ") and again.endswith("allows no more")
    counts = pack(source, PackConfig(str(tmp_path), shard_records=3, skip_broken=3))
    assert counts["skipped"] == 3
    assert open_packed(str(tmp_path)).read(range(8)) == [source.images[index] for index in (0, 2, 3, 4, 5, 7, 8, 10)]
    after = times_of_shards(tmp_path)
    assert {name: after[name] for name in before} == before


def test_nothing_is_left(tmp_path):
    assert refusal(source_with_broken(*range(11)), tmp_path, skip_broken=11) == "memory: none of its 11 images can be read"
