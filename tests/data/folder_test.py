import os
import shutil

import numpy as np
import pytest

from kd_tf.data.folder import open_folder
from kd_tf.data.source import FileSource
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
    """Images right below the path have no identity."""
    write_text(tmp_path / "1.jpg", "")
    with pytest.raises(InputError) as error:
        open_folder(str(tmp_path))
    assert str(error.value) == f"{tmp_path} has no images: expected {tmp_path}/IDENTITY/IMAGE with one of .jpg, .jpeg, .png, .bmp, .gif"


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
