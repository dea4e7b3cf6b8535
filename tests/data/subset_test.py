import logging

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.folder import open_folder
from kd_tf.data.image_cache import cache_images
from kd_tf.data.lfw import open_lfw
from kd_tf.data.order import epoch_order
from kd_tf.data.pipeline import evaluation_batches, training_batches
from kd_tf.data.split import SplitConfig, train_and_test
from kd_tf.data.subset import PACKAGE_LISTS, Subset, keep_identities
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from tests.data.packed_files import MemorySource, make_source
from tests.images import write_people, write_text

PEOPLE = {"ann": 1, "bob": 3, "cat": 2, "dan": 2}
# Of the eleven records of `make_source` those of the first and third person: 0 to 3 and 8 to 10.
KEPT = np.array([0, 1, 2, 3, 8, 9, 10])


@pytest.fixture(name="photos")
def make_photos(tmp_path):
    return open_folder(str(write_people(tmp_path / "photos", PEOPLE)))


def refusal(source, **arguments):
    with pytest.raises(InputError) as error:
        keep_identities(source, **arguments)
    return str(error.value)


def images_of(source):
    """Each identity's name with its files, as they are on disk."""
    found = {}
    for index, (identity, path) in enumerate(zip(source.identities, source.paths, strict=True)):
        with open(source.describe(index), "rb") as file:
            assert source.read([index]) == [file.read()]
        assert source.describe(index).endswith(f"/photos/{path}")
        found.setdefault(source.identity_names[identity], []).append(path)
    return found


@pytest.mark.parametrize(("min_images", "names"), [(2, ["bob", "cat", "dan"]), (3, ["bob"])])
def test_people_with_too_few_images_are_left_out(photos, min_images, names):
    kept = keep_identities(photos, min_images=min_images)
    assert kept.identity_names == names
    assert kept.identities.tolist() == [0, 0, 0, 1, 1, 2, 2][: len(kept)] and len(kept) == sum(PEOPLE[name] for name in names)
    assert images_of(kept) == {name: [f"{name}/{name}_{number:04d}.jpg" for number in range(1, PEOPLE[name] + 1)] for name in names}


def test_a_source_of_which_nobody_is_left_out_stays_itself(photos, tmp_path):
    assert keep_identities(photos) is photos
    assert keep_identities(photos, min_images=1, exclude=None) is photos


def test_nobody_has_enough_images(photos):
    assert refusal(photos, min_images=4) == f"{photos.name}: no identity has --min_images=4 images; the most is 3"


@pytest.mark.parametrize(
    "data",
    [
        b"bob\ndan\n",
        b"dan\nbob",
        b"\xef\xbb\xbfbob\ndan\n",
        b"bob\r\ndan\r\n",
        b"# people of LFW\n\nbob  # also there\n \t\n\tdan \n#cat\n",
        b"bob\nzoe\ndan\nbob\n",
    ],
    ids=["plain", "no_end", "bom", "crlf", "comments", "others_and_twice"],
)
def test_people_of_a_file_are_left_out(photos, tmp_path, data):
    (tmp_path / "list.txt").write_bytes(data)
    kept = keep_identities(photos, exclude=f"{tmp_path}/list.txt")
    assert kept.identity_names == ["ann", "cat"]
    assert kept.identities.tolist() == [0, 1, 1] and kept.identities.dtype == np.int32
    assert images_of(kept) == {"ann": ["ann/ann_0001.jpg"], "cat": ["cat/cat_0001.jpg", "cat/cat_0002.jpg"]}


def test_a_name_counts_only_whole(photos, tmp_path):
    path = write_text(tmp_path / "list.txt", "an\nBob\ncat_0001\ndan\n")
    assert keep_identities(photos, exclude=str(path)).identity_names == ["ann", "bob", "cat"]


def test_how_many_were_left_out_is_logged(photos, tmp_path, caplog):
    path = write_text(tmp_path / "list.txt", "bob\nzoe\ndan\n")
    with caplog.at_level(logging.INFO, "kd_tf"):
        keep_identities(photos, exclude=str(path))
    assert caplog.messages == [f"{photos.name}: 2 of the 3 identities of {path} are left out"]


def test_a_list_of_the_package(tmp_path, monkeypatch):
    """Whatever lies in the working directory under its name."""
    monkeypatch.chdir(tmp_path)
    write_text(tmp_path / "casia_webface_lfw", "0000045\n")
    source = open_folder(str(write_people(tmp_path / "photos", dict.fromkeys(["0000045", "0166921", "0166922", "1056413", "1193098"], 1))))
    assert keep_identities(source, exclude="casia_webface_lfw").identity_names == ["0000045", "0166922"]
    assert PACKAGE_LISTS == ("casia_webface_lfw",)


def test_both_at_once(photos, tmp_path):
    """Somebody who is named and has too few images, is no mistake in the list."""
    path = write_text(tmp_path / "list.txt", "cat\nann\n")
    kept = keep_identities(photos, min_images=2, exclude=str(path))
    assert kept.identity_names == ["bob", "dan"]
    assert kept.identities.tolist() == [0, 0, 0, 1, 1]
    assert keep_identities(photos, min_images=2, exclude=str(write_text(path, "ann\n"))).identity_names == ["bob", "cat", "dan"]


@pytest.mark.parametrize(("min_images", "names"), [(1, "ann bob cat dan"), (3, "bob"), (2, "dan cat bob")])
def test_a_list_that_leaves_nobody(photos, tmp_path, min_images, names):
    path = write_text(tmp_path / "list.txt", names.replace(" ", "\n"))
    assert refusal(photos, min_images=min_images, exclude=str(path)) == f"{photos.name}: --exclude_identities={path} leaves nobody"


@pytest.mark.parametrize(("text", "count"), [("zoe\nyan\nzoe\n", 2), ("# bob\n\n", 0), ("", 0)])
def test_a_list_that_names_nobody_here(photos, tmp_path, text, count):
    path = write_text(tmp_path / "list.txt", text)
    assert refusal(photos, exclude=str(path)) == f"--exclude_identities={path} names {count} identities, and {photos.name} has none of them"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere", "[Errno 2] No such file or directory: '{path}'"),
        ("photos", "[Errno 21] Is a directory: '{path}'"),
        ("latin1.txt", "'utf-8' codec can't decode byte 0xe9 in position 3: invalid continuation byte"),
    ],
)
def test_lists_that_cannot_be_read(photos, tmp_path, name, reason):
    (tmp_path / "latin1.txt").write_bytes(b"Jos\xe9\nbob\n")
    path = f"{tmp_path}/{name}"
    expected = f"--exclude_identities={path} cannot be read ({reason.format(path=path)}), and is no list of the package (casia_webface_lfw)"
    assert refusal(photos, exclude=path) == expected


def test_all_that_a_record_has_comes_along():
    source = make_source()
    source.official_test = np.isin(np.arange(11), [2, 5, 10])
    subset = Subset(source, KEPT)
    assert len(subset) == 7
    assert subset.name == "memory"
    assert subset.identity_names == ["person 0", "person 2"]
    assert subset.identities.tolist() == [0, 0, 0, 0, 1, 1, 1] and subset.identities.dtype == np.int32
    np.testing.assert_array_equal(subset.landmarks, source.landmarks[KEPT])
    assert subset.official_test.tolist() == [False, False, True, False, False, False, True]
    assert subset.folds.tolist() == [0, 0, 0, 0, 2, 2, 2]
    for indices in ([6, 0, 4, 0], np.array([6, 0, 4, 0]), iter([6, 0, 4, 0])):
        assert subset.read(indices) == [source.images[record] for record in (10, 0, 8, 0)]
    assert subset.describe(4) == "image 8"
    assert getattr(subset, "paths", None) is None


@pytest.mark.parametrize("trusted", [False, True])
def test_what_a_source_does_not_have(trusted):
    source = MemorySource([b"a", b"b", b"c"], [0, 1, 2])
    source.trusted = trusted
    subset = Subset(source, np.array([1]))
    assert (subset.landmarks, subset.official_test, subset.folds, subset.trusted) == (None, None, None, trusted)


def test_a_subset_of_a_subset():
    source = make_source()
    subset = Subset(Subset(source, KEPT), np.array([1, 5]))
    assert subset.read([0, 1]) == [source.images[1], source.images[9]]
    assert subset.identity_names == ["person 0", "person 2"] and subset.identities.tolist() == [0, 1]
    np.testing.assert_array_equal(subset.landmarks, source.landmarks[[1, 9]])


def test_the_fingerprint_is_of_the_source_and_the_records():
    found = [Subset(make_source(), KEPT).fingerprint(), make_source().fingerprint()]
    assert Subset(make_source(), KEPT.copy()).fingerprint() == found[0]
    found += [Subset(make_source(), KEPT[:-1]).fingerprint(), Subset(make_source(), np.array([0, 1, 2, 3, 4, 9, 10])).fingerprint()]
    found.append(Subset(make_source(first_seed=1), KEPT).fingerprint())
    assert len(set(found)) == 5


def test_the_official_split_of_a_subset():
    source = make_source()
    source.official_test = np.isin(np.arange(11), [2, 5, 10])
    train, test = train_and_test(Subset(source, KEPT), SplitConfig("official"))
    assert test.records.tolist() == [2, 6] and test.identities.tolist() == [0, 1]
    assert train.records.tolist() == [0, 1, 3, 4, 5]
    assert train.identity_names == ["person 0", "person 2"]


def lfw(root, people):
    """LFW's people with images that depend on the name alone, and landmarks of all that may be there."""
    write_people(root / "lfw-deepfunneled", {name: PEOPLE[name] if name in people else 0 for name in PEOPLE})
    rows = [(f"{name}/{name}_{number + 1:04d}.jpg", person, number) for person, name in enumerate(PEOPLE) for number in range(3)]
    points = [np.random.default_rng([person, number]).uniform(50, 200, 10).round(1) for _, person, number in rows]
    lines = [",".join(map(str, [image, 0.95, *values])) for (image, *_), values in zip(rows, points, strict=True)]
    write_text(root / "landmarks.csv", "\n".join(["image,confidence", *lines]))
    return open_lfw(str(root))


@pytest.mark.parametrize("cached", [False, True])
def test_batches_are_those_of_a_folder_that_holds_nobody_else(tmp_path, cached):
    """Training and test batches, bit for bit: a view is drawn from a record's number, which is not the one in the whole source."""
    whole, alone = lfw(tmp_path / "whole", PEOPLE), lfw(tmp_path / "alone", ["bob", "dan"])
    path = write_text(tmp_path / "list.txt", "cat\n")
    kept = keep_identities(whole, min_images=2, exclude=str(path))
    assert isinstance(kept, Subset) and kept.paths == alone.paths

    def batches(source):
        view = ViewConfig(image_size=16, seed=3)
        if cached:
            source, view = cache_images(source, view, f"{tmp_path}/cache")
        train, test = train_and_test(source, SplitConfig(split_seed=1))
        training = training_batches(train, epoch_order(len(train), seed=1), view, batch_size=2, steps=4)
        return [*training.as_numpy_iterator(), *evaluation_batches(test, view, batch_size=2).as_numpy_iterator()]

    found, expected = batches(kept), batches(alone)
    assert len(found) == len(expected) == 5 and "landmarks" in found[0][1]
    tf.nest.map_structure(np.testing.assert_array_equal, found, expected)
