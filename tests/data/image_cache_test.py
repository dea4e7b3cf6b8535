import hashlib
import logging
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.folder import open_folder
from kd_tf.data.image_cache import cache_images
from kd_tf.data.lfw import open_lfw
from kd_tf.data.order import epoch_order
from kd_tf.data.pipeline import evaluation_batches, training_batches
from kd_tf.data.split import SplitConfig, train_and_test
from kd_tf.data.views import ViewConfig, make_canvas
from kd_tf.errors import InputError
from tests.images import smooth_image, write_image, write_people, write_text

VIEW = ViewConfig(image_size=28, central_fraction=0.6, seed=3)


@pytest.fixture(name="root")
def make_root(tmp_path):
    """Twelve JPEGs of 40 x 50 pixels in an LFW layout, nine of them with landmarks."""
    rows = ["image,confidence"]
    for record in range(12):
        name = f"ann/{record:02d}.jpg" if record < 5 else f"bob/{record:02d}.jpg"
        write_image(tmp_path / "lfw" / "lfw-deepfunneled" / name, smooth_image(record, height=40, width=50))
        points = np.random.default_rng(record).uniform(0, 250, 10).round(2)
        rows += [",".join(map(str, [name, 0.95, *points]))] * (record < 9)
    write_text(tmp_path / "lfw" / "landmarks.csv", "\n".join(rows))
    return tmp_path


def all_batches(source, view):
    train, test = train_and_test(source, SplitConfig(split_seed=1))
    training = training_batches(train, epoch_order(len(train), seed=1), view, batch_size=4, steps=5)
    return [*training.as_numpy_iterator(), *evaluation_batches(test, view, batch_size=4).as_numpy_iterator()]


def test_batches_are_the_same_from_the_cache(root):
    source = open_lfw(f"{root}/lfw")
    expected = all_batches(source, VIEW)
    found = all_batches(*cache_images(source, VIEW, f"{root}/cache"))
    assert len(found) == len(expected) == 6
    tf.nest.map_structure(np.testing.assert_array_equal, found, expected)


def test_cached_images_are_canvases(root):
    source = open_lfw(f"{root}/lfw")
    cached, view = cache_images(source, VIEW, f"{root}/cache")
    assert view == ViewConfig(image_size=28, central_fraction=1.0, seed=3)
    assert len(cached) == 12
    for record in (0, 11):
        canvas = make_canvas(tf.io.decode_jpeg(source.read([record])[0]), VIEW)
        np.testing.assert_array_equal(tf.io.decode_bmp(cached.read([record])[0]), canvas)
        assert cached.describe(record) == source.describe(record)
    np.testing.assert_array_equal(cached.identities, source.identities)
    assert cached.identity_names == source.identity_names
    assert cached.fingerprint() == source.fingerprint()


def test_the_cache_is_made_once(root):
    cache_images(open_lfw(f"{root}/lfw"), VIEW, f"{root}/cache")
    (name,) = os.listdir(root / "cache")
    before = os.stat(root / "cache" / name).st_mtime_ns
    cache_images(open_lfw(f"{root}/lfw"), VIEW, f"{root}/cache")
    assert os.listdir(root / "cache") == [name]
    assert os.stat(root / "cache" / name).st_mtime_ns == before


def test_a_copy_of_the_data_set_has_the_same_cache(root):
    cached, _ = cache_images(open_lfw(f"{root}/lfw"), VIEW, f"{root}/cache")
    (name,) = os.listdir(root / "cache")
    before = os.stat(root / "cache" / name).st_mtime_ns
    shutil.copytree(root / "lfw", root / "elsewhere")
    copied, _ = cache_images(open_lfw(f"{root}/elsewhere"), VIEW, f"{root}/cache")
    assert os.listdir(root / "cache") == [name] and os.stat(root / "cache" / name).st_mtime_ns == before
    assert copied.read(range(12)) == cached.read(range(12))


@pytest.mark.parametrize("other", [ViewConfig(image_size=32, central_fraction=0.6), ViewConfig(image_size=28, central_fraction=0.7)])
def test_other_canvases_have_another_file(root, other):
    for view in (VIEW, other, VIEW, other):
        cache_images(open_lfw(f"{root}/lfw"), view, f"{root}/cache")
    assert len(os.listdir(root / "cache")) == 2


def test_views_of_one_canvas_share_the_file(root):
    """Neither the seed nor the jitter of a view changes its canvas."""
    for view in (VIEW, ViewConfig(image_size=28, central_fraction=0.6, jitter=False, seed=4)):
        cache_images(open_lfw(f"{root}/lfw"), view, f"{root}/cache")
    assert len(os.listdir(root / "cache")) == 1


def test_a_changed_image_makes_a_new_cache(root):
    cache_images(open_lfw(f"{root}/lfw"), VIEW, f"{root}/cache")
    path = root / "lfw" / "lfw-deepfunneled" / "bob" / "11.jpg"
    write_image(path, np.full([40, 50, 3], 77, np.uint8))
    os.utime(path, ns=(0, 0))
    cached, _ = cache_images(open_lfw(f"{root}/lfw"), VIEW, f"{root}/cache")
    assert len(os.listdir(root / "cache")) == 2
    np.testing.assert_array_equal(tf.io.decode_bmp(cached.read([11])[0]), np.full([32, 32, 3], 77))


def test_an_undecodable_image_leaves_nothing_behind(tmp_path):
    path = write_text(write_people(tmp_path / "photos", {"ann": 3}) / "ann" / "ann_0002.jpg", "not an image")
    with pytest.raises(InputError) as error:
        cache_images(open_folder(f"{tmp_path}/photos"), VIEW, f"{tmp_path}/cache")
    assert str(error.value).startswith(f"{path} is not an image that can be decoded: ")
    assert os.listdir(tmp_path / "cache") == []


def test_records_that_will_not_be_read_stay_black(root):
    """One of them is no image, which nobody finds out."""
    write_text(root / "lfw" / "lfw-deepfunneled" / "ann" / "03.jpg", "not an image")
    source = open_lfw(f"{root}/lfw")
    cached, view = cache_images(source, VIEW, f"{root}/cache", np.array([0, 5, 11]))
    assert len(cached) == 12 and cached.trusted
    for record, encoded in enumerate(cached.read(range(12))):
        read = record in (0, 5, 11)
        expected = make_canvas(tf.io.decode_jpeg(source.read([record])[0]), VIEW) if read else np.zeros([32, 32, 3])
        np.testing.assert_array_equal(tf.io.decode_bmp(encoded), expected)


def test_each_choice_of_records_has_its_own_file(root):
    """All of them, however they are named, have the file that they always had, which a cache of weeks ago is found by."""
    source = open_lfw(f"{root}/lfw")
    digest = hashlib.sha256(f"{source.fingerprint()} canvas 32 of the central 0.6".encode()).hexdigest()
    cache_images(source, VIEW, f"{root}/cache")
    assert os.listdir(root / "cache") == [f"canvases-{digest[:16]}.npy"]
    choices = [None, np.arange(12), np.array([0, 5, 11]), np.array([0, 5, 10]), np.array([0, 5]), np.array([0, 5, 11])]
    found = []
    for records in choices:
        cache_images(source, VIEW, f"{root}/cache", records)
        found.append(len(os.listdir(root / "cache")))
    assert found == [1, 1, 2, 3, 4, 4]


def test_only_what_will_be_read_is_counted(root, caplog):
    with caplog.at_level(logging.INFO, "kd_tf"):
        cache_images(open_lfw(f"{root}/lfw"), VIEW, f"{root}/cache", np.array([0, 5, 11]))
    assert caplog.messages[0].startswith(f"lfw:{root}/lfw: decoding 3 images once into {root}/cache/canvases-")


def test_an_undecodable_image_among_the_chosen_is_named(root):
    path = write_text(root / "lfw" / "lfw-deepfunneled" / "ann" / "03.jpg", "not an image")
    with pytest.raises(InputError, match=f"^{path} is not an image that can be decoded: "):
        cache_images(open_lfw(f"{root}/lfw"), VIEW, f"{root}/cache", np.array([0, 3, 11]))
    assert os.listdir(root / "cache") == []


def test_a_directory_that_cannot_be_made(tmp_path):
    write_people(tmp_path / "photos", {"ann": 2})
    blocked = write_text(tmp_path / "cache", "a file")
    with pytest.raises(InputError, match=f"^cannot write the image cache {blocked}/canvases-[0-9a-f]{{16}}.npy: .*File exists"):
        cache_images(open_folder(f"{tmp_path}/photos"), VIEW, str(blocked))


def test_the_official_split_is_the_sources(root):
    source = open_lfw(f"{root}/lfw")
    source.official_test = np.arange(12) % 3 == 0
    cached, _ = cache_images(source, VIEW, f"{root}/cache")
    (train, test), (expected_train, expected_test) = (train_and_test(each, SplitConfig("official")) for each in (cached, source))
    np.testing.assert_array_equal(test.records, [0, 3, 6, 9])
    np.testing.assert_array_equal(test.records, expected_test.records)
    np.testing.assert_array_equal(train.identities, expected_train.identities)
