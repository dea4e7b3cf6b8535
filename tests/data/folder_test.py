import logging
import os
import shutil

import numpy as np
import pytest

from kd_tf.data.folder import open_folder
from kd_tf.data.source import FileSource
from kd_tf.data.split import SplitConfig, train_and_test
from kd_tf.errors import InputError
from tests.images import FOREIGN_NAME, write_people, write_text


def test_labels_are_ranks_of_sorted_names(tmp_path):
    """Capitals sort before small letters, and ten before two."""
    write_people(tmp_path, {"bob": 2, "Zoe": 1, "person2": 1, "person10": 1})
    source = open_folder(str(tmp_path))
    assert source.identity_names == ["Zoe", "bob", "person10", "person2"]
    assert source.identities.tolist() == [0, 1, 1, 2, 3]
    assert source.identities.dtype == np.int32
    assert source.landmarks is None
    assert len(source) == 5
    assert source.describe(2) == f"{tmp_path}/bob/bob_0002.jpg"


def test_read_gives_the_files(tmp_path):
    write_people(tmp_path, {"ann": 2, "bob": 1})
    expected = [(tmp_path / path).read_bytes() for path in ("bob/bob_0001.jpg", "ann/ann_0002.jpg")]
    assert open_folder(str(tmp_path)).read([2, 1]) == expected


def test_only_images_count(tmp_path):
    """Files beside the folders, hidden files and folders, other files and empty folders."""
    for path in ("a/1.JPG", "a/2.jpeg", "a/3.Png", "a/.4.jpg", "a/notes.txt", "a/jpg", ".hidden/1.jpg", "1.jpg", "b/notes.txt", "c/1.bmp"):
        write_text(tmp_path / path, "")
    (tmp_path / "empty").mkdir()
    source = open_folder(str(tmp_path))
    assert [source.describe(index)[len(f"{tmp_path}/") :] for index in range(len(source))] == ["a/1.JPG", "a/2.jpeg", "a/3.Png", "c/1.bmp"]
    assert source.identity_names == ["a", "c"]


def test_missing_folder(tmp_path):
    with pytest.raises(InputError) as error:
        open_folder(f"{tmp_path}/nowhere")
    assert str(error.value) == f"{tmp_path}/nowhere is not a folder"


def test_no_images(tmp_path):
    write_text(tmp_path / "a" / "notes.txt", "")
    write_text(tmp_path / ".1.jpg", "")
    with pytest.raises(InputError) as error:
        open_folder(str(tmp_path))
    assert str(error.value) == (
        f"{tmp_path} has no images: expected {tmp_path}/IDENTITY/IMAGE, or {tmp_path}/IMAGE without labels, with one of .jpg, .jpeg, .png, "
        ".bmp, .gif"
    )


def test_images_alone_have_no_labels(tmp_path):
    """Each is an identity of its own, whatever folders without images there are."""
    for path in ("b.JPG", "a.png", "10.bmp", ".hidden.jpg", "notes.txt", "empty/notes.txt", "deep/er/1.jpg"):
        write_text(tmp_path / path, path)
    source = open_folder(str(tmp_path))
    assert source.labelled is False
    assert source.identity_names == source.paths == ["10.bmp", "a.png", "b.JPG"]
    assert source.identities.tolist() == [0, 1, 2]
    assert source.read([2, 0]) == [b"b.JPG", b"10.bmp"]
    splits = [
        train_and_test(open_folder(str(_many(tmp_path / "many"))), SplitConfig(split, 3)) for split in ("random", "identity_disjoint")
    ]
    for half, other in zip(*splits, strict=True):
        assert half.records.tolist() == other.records.tolist() and half.people == "unknown people"


def _many(folder):
    for number in range(23):
        write_text(folder / f"{number}.jpg", "")
    return folder


def test_images_beside_folders_of_people_are_ignored(tmp_path, caplog):
    for path in ("1.jpg", "2.jpg", "ann/1.jpg", "bob/1.jpg", "bob/2.jpg"):
        write_text(tmp_path / path, "")
    with caplog.at_level(logging.WARNING, "kd_tf"):
        source = open_folder(str(tmp_path))
    assert source.labelled is True
    assert source.paths == ["ann/1.jpg", "bob/1.jpg", "bob/2.jpg"]
    assert caplog.messages == [f"{tmp_path}: 2 images beside the 2 folders of people are ignored"]


def test_fingerprint_changes_with_the_files(tmp_path):
    """With the time, the size and the list."""
    write_people(tmp_path, {"ann": 2, "bob": 1})
    path = tmp_path / "bob" / "bob_0001.jpg"
    found = [open_folder(str(tmp_path)).fingerprint()]
    assert open_folder(str(tmp_path)).fingerprint() == found[0]
    os.utime(path, ns=(0, 0))
    found.append(open_folder(str(tmp_path)).fingerprint())
    write_text(path, "another")
    os.utime(path, ns=(0, 0))
    found.append(open_folder(str(tmp_path)).fingerprint())
    path.rename(tmp_path / "bob" / "bob_0002.jpg")
    found.append(open_folder(str(tmp_path)).fingerprint())
    assert len(set(found)) == 4


def test_the_fingerprint_is_that_of_a_copy(tmp_path):
    """Wherever it lies, as long as files keep their times; the same files moved to other people are not the same."""
    write_people(tmp_path / "one", {"ann": 2, "bob": 1})
    shutil.copytree(tmp_path / "one", tmp_path / "far" / "away")
    first = open_folder(f"{tmp_path}/one").fingerprint()
    assert open_folder(f"{tmp_path}/far/away").fingerprint() == first
    relabelled = FileSource("folder:x", f"{tmp_path}/one", open_folder(f"{tmp_path}/one").paths, ["ann", "bob", "bob"])
    assert relabelled.fingerprint() != first


def test_a_folder_whose_name_is_no_text(tmp_path):
    write_people(tmp_path, {"ann": 1, "zoe": 1})
    (tmp_path / "zoe").rename(tmp_path / FOREIGN_NAME)
    source = open_folder(str(tmp_path))
    assert source.identity_names == [FOREIGN_NAME, "ann"]
    assert source.read([0]) == [(tmp_path / FOREIGN_NAME / "zoe_0001.jpg").read_bytes()]
    first = source.fingerprint()
    (tmp_path / FOREIGN_NAME).rename(tmp_path / os.fsdecode(b"Jos\xe8"))
    assert open_folder(str(tmp_path)).fingerprint() != first
