import os
import pathlib

import numpy as np
import pytest

from kd_tf.data.lfw import open_lfw
from kd_tf.errors import InputError
from tests.images import write_people, write_text

LFW = os.environ.get("KD_TF_LFW", str(pathlib.Path(__file__).parents[3] / "shared" / "data" / "lfw"))
COLUMNS = [f"{point}_{axis}" for point in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right") for axis in "xy"]
HEADER = ",".join(["image", "confidence", *COLUMNS]) + "\n"
POINTS = "99.5,112,149.5,111.5,124.5,137,104.5,162,144.5,162"


@pytest.fixture(name="root")
def make_root(tmp_path):
    write_people(tmp_path / "lfw-deepfunneled", {"Ann_Lee": 2, "Bob_Ray": 2})
    return tmp_path


def annotate(root, *rows):
    return write_text(root / "landmarks.csv", HEADER + "".join(f"{row}\n" for row in rows))


def test_people_are_identities(root):
    source = open_lfw(str(root))
    assert source.name == f"lfw:{root}"
    assert source.identity_names == ["Ann_Lee", "Bob_Ray"]
    assert source.identities.tolist() == [0, 0, 1, 1]
    assert source.describe(3) == f"{root}/lfw-deepfunneled/Bob_Ray/Bob_Ray_0002.jpg"
    assert source.landmarks is None


def test_landmarks_are_fractions_of_pixel_centres(root):
    """Pixel 99.5 of 250 is at (99.5 + 0.5) / 250 = 0.4."""
    annotate(root, f"Bob_Ray/Bob_Ray_0001.jpg,0.95,{POINTS}")
    landmarks = open_lfw(str(root)).landmarks
    expected = [[0.4, 0.45], [0.6, 0.448], [0.5, 0.55], [0.42, 0.65], [0.58, 0.65]]
    np.testing.assert_allclose(landmarks[2], expected, rtol=1e-6)
    assert landmarks.dtype == np.float32


def test_unsure_and_missing_rows_are_unknown(root):
    """Ann's first is just below the threshold and her second on it; Bob has no rows, and one row is of nobody."""
    rows = [f"Ann_Lee/Ann_Lee_0001.jpg,0.8999,{POINTS}", f"Ann_Lee/Ann_Lee_0002.jpg,0.9,{POINTS}", "", f"Cat/Cat_0001.jpg,1,{POINTS}"]
    annotate(root, *rows)
    assert np.isnan(open_lfw(str(root)).landmarks).all(axis=(1, 2)).tolist() == [True, False, True, True]
    assert np.isnan(open_lfw(str(root)).landmarks).any(axis=(1, 2)).tolist() == [True, False, True, True]


@pytest.mark.parametrize("row", ["a.jpg,0.9,1,2,3", "a.jpg,0.9,1,2,3,4,5,6,7,8,9,10,11", "a.jpg,sure,1,2,3,4,5,6,7,8,9,10", "a.jpg"])
def test_malformed_row(root, row):
    path = annotate(root, f"Ann_Lee/Ann_Lee_0001.jpg,0.95,{POINTS}", row)
    with pytest.raises(InputError) as error:
        open_lfw(str(root))
    assert str(error.value) == f"{path} line 3: expected image, confidence and ten numbers, found {row!r}"


def test_eyes_at_one_place(root):
    path = annotate(root, "Ann_Lee/Ann_Lee_0001.jpg,0.95,1,2,1,2,3,4,5,6,7,8")
    with pytest.raises(InputError) as error:
        open_lfw(str(root))
    assert str(error.value) == f"{path} line 2: both eyes of Ann_Lee/Ann_Lee_0001.jpg are at one place"


def test_not_lfw(tmp_path):
    with pytest.raises(InputError) as error:
        open_lfw(str(tmp_path))
    assert str(error.value) == f"{tmp_path} is not LFW: it has no folder lfw-deepfunneled/"


def test_no_images(tmp_path):
    (tmp_path / "lfw-deepfunneled" / "Ann_Lee").mkdir(parents=True)
    with pytest.raises(InputError) as error:
        open_lfw(str(tmp_path))
    root = f"{tmp_path}/lfw-deepfunneled"
    assert str(error.value) == f"{root} has no images: expected {root}/NAME/NAME_0001.jpg"


def test_no_person_has_enough_images(root):
    with pytest.raises(InputError) as error:
        open_lfw(str(root), min_images=10)
    assert str(error.value) == f"{root}: no identity has --min_images=10 images; the most is 2"


@pytest.mark.skipif(not os.path.isdir(LFW), reason="no LFW: set KD_TF_LFW to the folder that holds lfw-deepfunneled/")
def test_people_with_ten_images_in_the_real_lfw():
    source = open_lfw(LFW, min_images=10)
    assert len(source.identity_names) == 134
    assert len(source) == 3229
    assert np.bincount(source.identities).min() == 10
