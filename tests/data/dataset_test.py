import dataclasses
import os

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.dataset import open_data, prepare_data
from kd_tf.data.folder import open_folder
from kd_tf.data.packed.pack import PackConfig, pack
from kd_tf.data.pipeline import evaluation_batches, training_batches
from kd_tf.data.sources import SourceConfig
from kd_tf.data.split import SplitConfig
from kd_tf.data.synthetic.source import SyntheticSource
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from tests.images import write_people, write_text

VIEW = ViewConfig(image_size=16)
FACES = SourceConfig(identities=10, pictures=3, picture_size=24)


@pytest.mark.parametrize("config", [SplitConfig(split_seed=3), SplitConfig("identity_disjoint"), SplitConfig(validation=True)])
def test_data_is_opened_as_it_is_to_be_split(config):
    data = open_data(FACES, VIEW, config)
    share = 0.2 * (0.8 if config.validation else 1)
    assert len(data.test) == pytest.approx(30 * share, abs=1)
    assert data.test.has_strangers == (config.split == "identity_disjoint")
    again = open_data(FACES, VIEW, SplitConfig(config.split, config.split_seed + 1, config.validation))
    assert data.test.records.tolist() != again.test.records.tolist()


def test_a_data_set_without_an_official_split_is_refused():
    with pytest.raises(InputError, match="comes with no official split; use --split=random or identity_disjoint"):
        open_data(FACES, VIEW, SplitConfig("official"))


def _identities(batches):
    return np.concatenate([targets["identity"] for _, targets in batches.as_numpy_iterator()])


@pytest.mark.parametrize("cached", [False, True])
def test_batches_carry_the_labels_of_the_split(tmp_path, cached):
    """With and without a cache: it knows the source's identities only."""
    data = prepare_data(open_data(FACES, VIEW, SplitConfig("identity_disjoint")), str(tmp_path / "cache") if cached else None)
    assert data.train.classes == 8
    trained = _identities(training_batches(data.train, lambda position: (position, 0 * position), data.view, batch_size=8, steps=3))
    np.testing.assert_array_equal(trained, data.train.identities)
    np.testing.assert_array_equal(trained, np.repeat(np.arange(8), 3))
    tested = _identities(evaluation_batches(data.test, data.view, batch_size=4))
    np.testing.assert_array_equal(tested, data.test.identities)
    np.testing.assert_array_equal(tested, np.repeat([8, 9], 3))


def test_every_image_is_looked_at_before_the_start(tmp_path):
    root = write_people(tmp_path / "photos", {f"person{person}": 2 for person in range(5)})
    data = open_data(SourceConfig(f"folder:{root}"), VIEW)
    broken = write_text(root / data.train.source.paths[data.train.records[0]], "no image")
    with pytest.raises(InputError, match=f"^{broken} is not an image that can be decoded: "):
        prepare_data(data, None)


@pytest.fixture(name="photos")
def make_photos(tmp_path):
    """Twenty photographs of five people, of which two are broken: one to be trained on and one to be tested."""
    root = write_people(tmp_path / "photos", {f"person{person}": 4 for person in range(5)})
    data = open_data(SourceConfig(f"folder:{root}"), VIEW)
    broken = [int(half.records[1]) for half in (data.train, data.test)]
    for record in broken:
        write_text(root / data.train.source.paths[record], "no image")
    return open_data(SourceConfig(f"folder:{root}"), VIEW), broken


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("allowed", [2, 7])
def test_broken_images_are_left_out_of_both_halves(photos, tmp_path, cached, allowed):
    data, broken = photos
    cache = str(tmp_path / "cache") if cached else None
    prepared = prepare_data(data, cache, skip_broken=allowed)
    assert prepared.skipped == 2
    for half, before, record in zip((prepared.train, prepared.test), (data.train, data.test), broken, strict=True):
        assert half.records.tolist() == [other for other in before.records if other != record]
        assert (half.classes, half.identity_names) == (before.classes, before.identity_names)
        np.testing.assert_array_equal(half.labels, before.labels)
    # What is left can be read, and is what it was; a second time nothing is decoded again.
    batches = list(evaluation_batches(prepared.train, prepared.view, batch_size=4).as_numpy_iterator())
    np.testing.assert_array_equal(np.concatenate([targets["record"] for _, targets in batches]), prepared.train.records)
    expected = evaluation_batches(dataclasses.replace(data.train, records=prepared.train.records), VIEW, batch_size=4)
    for (found, _), (image, _) in zip(batches, expected.as_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(found, image)
    assert prepare_data(data, cache, skip_broken=allowed).skipped == 2
    if cached:
        assert len(os.listdir(cache)) == 1
        for record in broken:
            assert not tf.io.decode_bmp(prepared.train.source.read([record])[0]).numpy().any()


@pytest.mark.parametrize("cached", [False, True])
def test_more_broken_images_than_may_be_left_out(photos, tmp_path, cached):
    data, broken = photos
    last = data.train.source.describe(max(broken))
    cache = str(tmp_path / "cache") if cached else None
    with pytest.raises(InputError) as error:
        prepare_data(data, cache, skip_broken=1)
    assert str(error.value).startswith(f"{last} is not an image that can be decoded: ")
    assert str(error.value).endswith("; it is one more than --skip_broken=1 allows")
    assert not os.path.exists(tmp_path / "cache")


def test_a_cache_holds_what_this_task_does_not_read(photos, tmp_path):
    """Its broken images count, so that the next task finds the same file."""
    data, broken = photos
    part = dataclasses.replace(data, train=dataclasses.replace(data.train, records=data.train.records[4:]))
    assert prepare_data(part, None, skip_broken=2).skipped == 1
    for opened in (part, data):
        assert prepare_data(opened, str(tmp_path / "cache"), skip_broken=2).skipped == 2
    assert len(os.listdir(tmp_path / "cache")) == 1


@pytest.mark.parametrize("half", ["train", "test"])
def test_nothing_is_left(tmp_path, half):
    root = write_people(tmp_path / "photos", {"ann": 3, "bob": 7})
    data = open_data(SourceConfig(f"folder:{root}"), VIEW)
    broken = getattr(data, half).records
    for record in broken:
        write_text(root / data.train.source.paths[record], "no image")
    with pytest.raises(InputError) as error:
        prepare_data(data, None, skip_broken=10)
    left = "0 to train on and 2 to test" if half == "train" else "8 to train on and 0 to test"
    assert str(error.value) == f"folder:{root}: without its {len(broken)} broken images there are {left}"


def test_nothing_is_broken(tmp_path):
    root = write_people(tmp_path / "photos", {"ann": 3, "bob": 3})
    data = open_data(SourceConfig(f"folder:{root}"), VIEW)
    prepared = prepare_data(data, None, skip_broken=2)
    assert prepared.skipped == 0
    assert prepared.train.records.tolist() == data.train.records.tolist() and prepared.test.records.tolist() == data.test.records.tolist()


def test_images_that_are_known_to_decode_are_not_looked_at(monkeypatch, tmp_path):
    """A part of a source is as good as the whole."""
    monkeypatch.setattr(SyntheticSource, "read", lambda *_: pytest.fail("looked at"))
    path = write_text(tmp_path / "list.txt", "synthetic_000003\n")
    for config, people in ((FACES, 10), (dataclasses.replace(FACES, exclude_identities=str(path)), 9)):
        data = open_data(config, VIEW)
        assert data.train.classes == people
        assert prepare_data(data, None) is data


@pytest.mark.parametrize("cached", [False, True])
def test_images_of_a_pack_that_are_broken_since_are_left_out(tmp_path, cached):
    """One image is another than was packed, and a whole shard is gone."""
    source = open_folder(str(write_people(tmp_path / "photos", {f"person{person}": 6 for person in range(4)})))
    pack(source, PackConfig(str(tmp_path / "pack"), shard_records=3))
    shards = sorted((tmp_path / "pack").glob("images-*"))
    data, image = bytearray(shards[1].read_bytes()), source.read([4])[0]
    data[data.index(image) + len(image) // 2] ^= 0x10
    shards[1].write_bytes(data)
    shards[6].unlink()
    opened = open_data(SourceConfig(f"packed:{tmp_path}/pack"), VIEW)
    cache = str(tmp_path / "cache") if cached else None
    prepared = prepare_data(opened, cache, skip_broken=4)
    for half, before in ((prepared.train, opened.train), (prepared.test, opened.test)):
        assert half.records.tolist() == [record for record in before.records if record not in (4, 18, 19, 20)]
    assert prepared.left_out[0].startswith(f"{shards[1]} record 1 cannot be read: ") and prepared.skipped == 4
    assert prepared.left_out[3].startswith(f"{shards[6]} is missing")
    with pytest.raises(InputError, match="it is one more than --skip_broken=3 allows"):
        prepare_data(opened, cache, skip_broken=3)


def test_of_many_images_some_are_looked_at(photos, monkeypatch):
    data, broken = photos
    monkeypatch.setattr("kd_tf.data.broken.CHECKED_IMAGES", 1)
    prepared = prepare_data(data, None)
    assert prepared.skipped == 0 and set(broken) <= {*prepared.train.records, *prepared.test.records}


def test_records_without_landmarks_are_left_out_and_the_count_stays():
    data = dataclasses.replace(open_data(FACES, VIEW), left_out=("a.jpg is empty", "b.jpg is missing"))
    assert data.with_landmarks().skipped == 2
