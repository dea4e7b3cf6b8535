import pytest

from kd_tf.data.sources import SourceConfig, open_source
from kd_tf.errors import InputError
from tests.images import write_people, write_text


def refusal(data):
    with pytest.raises(InputError) as error:
        open_source(SourceConfig(data))
    return str(error.value)


def test_synthetic():
    source = open_source(SourceConfig("synthetic", identities=3, pictures=2, picture_size=32, data_seed=9))
    assert source.name == "synthetic (3 identities x 2 pictures of 32 pixels, seed 9)"
    assert source.identities.tolist() == [0, 0, 1, 1, 2, 2]


def test_folder(tmp_path):
    write_people(tmp_path, {"ann": 1, "bob": 2})
    source = open_source(SourceConfig(f"folder:{tmp_path}", min_images=2))
    assert source.name == f"folder:{tmp_path}"
    assert source.identity_names == ["bob"]


def test_lfw(tmp_path):
    write_people(tmp_path / "lfw-deepfunneled", {"ann": 1, "bob": 2})
    source = open_source(SourceConfig(f"lfw:{tmp_path}", min_images=2))
    assert source.name == f"lfw:{tmp_path}"
    assert source.identity_names == ["bob"]


def test_a_path_may_hold_a_colon(tmp_path):
    write_people(tmp_path / "a:b", {"ann": 1})
    assert len(open_source(SourceConfig(f"folder:{tmp_path}/a:b"))) == 1


@pytest.mark.parametrize("data", ["celeba:photos", "synthetic:photos", ""])
def test_unknown_name(data):
    assert refusal(data) == f"--data={data} is unknown; known: synthetic, folder:PATH, lfw:PATH"


@pytest.mark.parametrize("name", ["folder", "lfw"])
def test_no_path(name):
    assert refusal(name) == f"--data={name} lacks the path: --data={name}:PATH"


def test_missing_folder(tmp_path):
    assert refusal(f"lfw:{tmp_path}/nowhere") == f"--data=lfw:{tmp_path}/nowhere: {tmp_path}/nowhere is not a folder"


def test_a_file_is_not_a_folder(tmp_path):
    path = write_text(tmp_path / "photos.zip", "")
    assert refusal(f"folder:{path}") == f"--data=folder:{path}: {path} is not a folder"
