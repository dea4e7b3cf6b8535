import logging

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.broken import broken_images, naming_bad_images, sound_records, verify_images
from kd_tf.data.folder import open_folder
from kd_tf.errors import InputError
from tests.data import packed_files
from tests.data.packed_files import MemorySource, encode
from tests.images import FOREIGN_NAME, UNKNOWN_FORMAT, write_people, write_text

UNDECODABLE = "is not an image that can be decoded: "
# What TensorFlow says of `packed_files.broken_images`.
SAID = {
    "text": UNKNOWN_FORMAT,
    "empty": "Input is empty",
    "cut short": "jpeg::Uncompress failed. Invalid JPEG data or crop window",
    "only a head": "jpeg::Uncompress failed. Invalid JPEG data or crop window",
}
LIMIT = "kd_tf.data.broken.CHECKED_IMAGES"


class CountingSource(MemorySource):
    """Notes which records were read."""

    def __init__(self, images):
        super().__init__(images)
        self.seen = []

    def read(self, indices):
        indices = [int(index) for index in indices]
        self.seen += indices
        return super().read(indices)


def with_broken(records, *broken):
    """Images, and some that are none."""
    return CountingSource([b"no image" if record in broken else encode(record) for record in range(records)])


def test_good_images_pass(tmp_path):
    """A PNG under the name of a JPEG is still an image."""
    write_people(tmp_path, {"ann": 2}, ending=".png")
    write_people(tmp_path, {"bob": 1})
    (tmp_path / "ann" / "ann_0001.png").rename(tmp_path / "ann" / "ann_0001.jpg")
    verify_images(open_folder(str(tmp_path)))


def test_a_truncated_file_is_named(tmp_path):
    path = write_people(tmp_path, {"ann": 3}) / "ann" / "ann_0002.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError) as error:
        verify_images(open_folder(str(tmp_path)))
    assert str(error.value) == f"{path} {UNDECODABLE}jpeg::Uncompress failed. Invalid JPEG data or crop window"


def test_a_broken_file_whose_name_is_no_text(tmp_path):
    write_people(tmp_path, {"ann": 1, "zoe": 2})
    (tmp_path / "zoe").rename(tmp_path / FOREIGN_NAME)
    path = write_text(tmp_path / FOREIGN_NAME / "zoe_0002.jpg", "no image")
    with pytest.raises(InputError) as error:
        verify_images(open_folder(str(tmp_path)))
    assert str(error.value) == f"{path} {UNDECODABLE}{UNKNOWN_FORMAT}"


def test_a_file_that_is_gone_is_named(tmp_path):
    """Removed between listing and reading."""
    source = open_folder(str(write_people(tmp_path, {"ann": 2})))
    path = tmp_path / "ann" / "ann_0002.jpg"
    path.unlink()
    with pytest.raises(InputError) as error:
        verify_images(source)
    assert str(error.value) == f"{path} {UNDECODABLE}[Errno 2] No such file or directory: '{path}'"


def test_only_the_given_records_are_verified(tmp_path):
    write_text(write_people(tmp_path, {"ann": 3}) / "ann" / "ann_0002.jpg", "not an image")
    verify_images(open_folder(str(tmp_path)), np.array([0, 2]))


def test_each_broken_image_is_found_with_its_reason():
    kinds = packed_files.broken_images()
    # Before and after each is an image; the records are asked for backwards.
    images = [image for number, kind in enumerate(kinds.values()) for image in (encode(number), kind)]
    found = list(broken_images(MemorySource([*images, encode(99)]), np.arange(len(images) + 1)[::-1]))
    places = {kind: 2 * number + 1 for number, kind in enumerate(kinds)}
    assert [record for record, _ in found] == list(places.values())[::-1]
    reasons = dict(found)
    for kind in SAID:
        assert reasons[places[kind]] == f"image {places[kind]} {UNDECODABLE}{SAID[kind]}"
    assert reasons[places["unreadable"]] == f"image {places['unreadable']} {UNDECODABLE}[Errno 13] Permission denied"
    # What says for itself where it is.
    assert reasons[places["refused"]] == "list line 3: not base64; copy the file again"


@pytest.mark.parametrize("skip_broken", [2, 3])
def test_so_many_are_left_out_and_logged(skip_broken, caplog):
    source = with_broken(8, 2, 5)
    with caplog.at_level(logging.INFO, "kd_tf"):
        sound, faults = sound_records(source, np.array([0, 2, 3, 5, 7]), skip_broken=skip_broken)
    assert sound.tolist() == [0, 3, 7] and sound.dtype == np.int64
    looked, *left_out = caplog.messages
    assert looked == "memory: looking at all 5 images"
    assert [line.partition(UNDECODABLE)[0] for line in left_out] == ["left out: image 2 ", "left out: image 5 "]
    assert [f"left out: {fault}" for fault in faults] == left_out


def test_one_more_is_refused(caplog):
    with caplog.at_level(logging.INFO, "kd_tf"), pytest.raises(InputError) as error:
        sound_records(with_broken(8, 2, 5), np.arange(8), skip_broken=1)
    assert str(error.value).startswith(f"image 5 {UNDECODABLE}")
    assert str(error.value).endswith("; it is one more than --skip_broken=1 allows")
    assert sum(line.startswith("left out: ") for line in caplog.messages) == 1


@pytest.mark.parametrize("records", [np.arange(6), np.array([1, 4])])
def test_nothing_is_broken(records):
    sound, faults = sound_records(with_broken(6), records, skip_broken=3)
    assert sound.tolist() == records.tolist() and faults == ()


@pytest.mark.parametrize(
    ("limit", "records", "seen"),
    [
        (4, np.arange(10), [0, 3, 6, 9]),
        (4, np.arange(11), [0, 3, 6, 9]),
        (4, np.arange(8), [0, 2, 4, 6]),
        (4, np.array([0, 1, 5, 6, 7]), [0, 5, 7]),
        (4, np.arange(4), [0, 1, 2, 3]),
        (1, np.arange(10), [0]),
    ],
)
def test_of_many_some_evenly_spread_are_looked_at(monkeypatch, limit, records, seen):
    monkeypatch.setattr(LIMIT, limit)
    source = with_broken(11, *(set(range(11)) - set(seen)))
    np.testing.assert_array_equal(sound_records(source, records, skip_broken=0)[0], records)
    assert sorted(source.seen) == seen


def test_a_broken_one_among_those_is_refused(monkeypatch):
    monkeypatch.setattr(LIMIT, 4)
    with pytest.raises(InputError, match=f"^image 6 {UNDECODABLE}"):
        sound_records(with_broken(10, 6), np.arange(10), skip_broken=0)


def test_all_are_looked_at_where_some_may_be_left_out(monkeypatch):
    monkeypatch.setattr(LIMIT, 1)
    source = with_broken(10, 7)
    assert sound_records(source, np.arange(10), skip_broken=1)[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 8, 9]
    assert sorted(source.seen) == list(range(10))


@pytest.mark.parametrize(
    "error", [tf.errors.InvalidArgumentError(None, None, "Unknown image file format."), OSError(5, "Input/output error")]
)
def test_an_image_that_stops_the_reading_is_named(error):
    with pytest.raises(InputError, match=f"^image 4 {UNDECODABLE}"), naming_bad_images(with_broken(6, 1, 4), lambda: np.array([3, 4, 5])):
        raise error


@pytest.mark.parametrize("error", [tf.errors.InvalidArgumentError(None, None, "no label 7"), OSError(28, "No space left on device")])
def test_what_no_image_has_done_stays_what_it_was(error):
    with pytest.raises(type(error)) as raised, naming_bad_images(with_broken(6, 1), lambda: np.array([3, 4, 5])):
        raise error
    assert raised.value is error


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        InputError("refused"),
        KeyboardInterrupt(),
        tf.errors.ResourceExhaustedError(None, None, "out of memory"),
        tf.errors.UnavailableError(None, None, "a worker is gone"),
    ],
)
def test_other_errors_make_nobody_look(error):
    source = with_broken(6, 4)
    with pytest.raises(type(error)) as raised, naming_bad_images(source, lambda: np.arange(6)):
        raise error
    assert raised.value is error and source.seen == []
