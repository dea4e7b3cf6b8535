import os
import pathlib

import numpy as np
import pytest

from kd_tf.data.lfw import open_lfw, read_lfw_pairs, read_people_folds
from kd_tf.data.split import SplitConfig, train_and_test
from kd_tf.data.subset import keep_identities
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


@pytest.mark.skipif(not os.path.isdir(LFW), reason="no LFW: set KD_TF_LFW to the folder that holds lfw-deepfunneled/")
def test_people_with_ten_images_in_the_real_lfw():
    source = keep_identities(open_lfw(LFW), min_images=10)
    assert len(source.identity_names) == 134
    assert len(source) == 3229
    assert np.bincount(source.identities).min() == 10


PAIRS = "2\t1\nAnn_Lee\t1\t2\nBob_Ray\t2\tAnn_Lee\t1\nBob_Ray\t2\t1\nAnn_Lee\t2\tBob_Ray\t1\n"
# Records: 0 and 1 are Ann's, 2 and 3 Bob's.
PAIRED_RECORDS = ([0, 3, 3, 1], [1, 0, 2, 2], [True, False, True, False], [0, 0, 1, 1])


def _read_pairs(root, data):
    (root / "pairs.txt").write_bytes(data)
    return read_lfw_pairs(str(root), open_lfw(str(root)))


def _pairs_error(root, text):
    with pytest.raises(InputError) as error:
        _read_pairs(root, text.encode())
    return str(error.value)


@pytest.mark.parametrize(
    "data",
    [
        PAIRS.encode(),
        PAIRS.replace("\t", "  ").encode(),
        PAIRS.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + PAIRS.encode(),
        PAIRS.rstrip().encode(),
        (PAIRS.replace("Bob_Ray\t2\t1", "\nBob_Ray\t0002\t1") + "\n \n").encode(),
    ],
)
def test_pairs(root, data):
    pairs = _read_pairs(root, data)
    assert tuple(part.tolist() for part in pairs) == PAIRED_RECORDS
    assert [part.dtype for part in pairs] == [np.int64, np.int64, bool, np.int64]


def test_several_pairs_in_a_fold(root):
    matched, mismatched = "Ann_Lee 1 2\nBob_Ray 1 2\n", "Ann_Lee 1 Bob_Ray 1\nAnn_Lee 2 Bob_Ray 2\n"
    pairs = _read_pairs(root, ("3 2\n" + (matched + mismatched) * 3).encode())
    assert pairs.same.tolist() == [True, True, False, False] * 3
    assert pairs.folds.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert pairs.first.tolist() == [0, 2, 0, 1] * 3
    assert pairs.second.tolist() == [1, 3, 2, 3] * 3


def test_pairs_of_other_image_files(tmp_path):
    write_people(tmp_path / "lfw-deepfunneled", {"Ann_Lee": 2, "Bob_Ray": 2}, ending=".png")
    assert tuple(part.tolist() for part in _read_pairs(tmp_path, PAIRS.encode())) == PAIRED_RECORDS


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("2\t1\n", "2\n", 1, "expected the numbers of folds and of pairs, found 1 columns: '2'"),
        ("2\t1\n", "two\t1\n", 1, "expected a number from 1, found 'two'"),
        ("2\t1\n", "2\t0\n", 1, "expected a number from 1, found '0'"),
        ("Ann_Lee\t1\t2", "Ann_Lee\t1", 2, "expected NAME NUMBER NUMBER, a pair of one person, found 2 columns: 'Ann_Lee 1'"),
        (
            "Bob_Ray\t2\tAnn_Lee\t1",
            "Bob_Ray\t2\t1",
            3,
            "expected NAME NUMBER NAME NUMBER, a pair of two people, found 3 columns: 'Bob_Ray 2 1'",
        ),
        ("Bob_Ray\t2\t1", "Bob_Ray\tx\t1", 4, "expected a number from 1, found 'x'"),
        ("Bob_Ray\t2\t1", "Bob_Ray\t-2\t1", 4, "expected a number from 1, found '-2'"),
        ("Bob_Ray\t2\t1", "Bob_Ray\t1e0\t1", 4, "expected a number from 1, found '1e0'"),
        ("Bob_Ray\t2\t1", "Bob_Ray\t" + "9" * 5000 + "\t1", 4, f"expected a number from 1, found '{'9' * 80}'"),
    ],
)
def test_malformed_pairs(root, old, new, line, message):
    assert _pairs_error(root, PAIRS.replace(old, new)) == f"{root}/pairs.txt line {line}: {message}"


@pytest.mark.parametrize(("old", "new"), [("Bob_Ray\t2\t1", "Bob_Ray\t2\t3"), ("Bob_Ray\t2\t1", "Cat_Fox\t3\t1")])
def test_pairs_of_images_that_are_missing(root, old, new):
    image = "Bob_Ray/Bob_Ray_0003.jpg" if new.startswith("Bob") else "Cat_Fox/Cat_Fox_0003.jpg"
    expected = f"{root}/pairs.txt line 4: {image} is not among the 4 images of lfw:{root}"
    assert _pairs_error(root, PAIRS.replace(old, new)) == expected


@pytest.mark.parametrize(("text", "lines"), [(PAIRS + "Ann_Lee\t1\t2\n", 5), (PAIRS[:-20], 3), ("2 1\n", 0)])
def test_more_or_fewer_pairs_than_announced(root, text, lines):
    expected = f"announces 2 folds of 1 pairs of one person and 1 of two, 4 lines; it has {lines}: copy it again"
    assert _pairs_error(root, text) == f"{root}/pairs.txt {expected}"


def test_pairs_that_are_no_text(root):
    assert _pairs_error(root, "") == f"{root}/pairs.txt ends where it should have the numbers of folds and of pairs"
    with pytest.raises(InputError, match=f"{root}/pairs.txt cannot be read as text: 'utf-8' codec can't decode byte 0xff"):
        _read_pairs(root, b"\xff\xd8\xff")
    (root / "pairs.txt").unlink()
    with pytest.raises(InputError) as error:
        read_lfw_pairs(str(root), open_lfw(str(root)))
    assert str(error.value) == f"{root}/pairs.txt is missing: it comes with LFW"


PEOPLE = "2\n2\nBob_Ray\t2\nCat_Fox\t1\n1\nAnn_Lee\t2\n"


@pytest.mark.parametrize("text", [PEOPLE, PEOPLE.replace("\t", " "), PEOPLE.replace("\n", "\r\n"), "\ufeff" + PEOPLE, PEOPLE.rstrip()])
def test_folds_of_people(root, text):
    (root / "people.txt").write_bytes(text.encode())
    assert read_people_folds(str(root)) == {"Bob_Ray": 0, "Cat_Fox": 0, "Ann_Lee": 1}
    assert open_lfw(str(root)).official_test.tolist() == [True, True, False, False]
    assert open_lfw(str(root)).official_test.dtype == bool
    assert open_lfw(str(root)).folds.tolist() == [1, 1, 0, 0]


def test_the_last_fold_may_have_no_images(root):
    write_text(root / "people.txt", "3\n1\nBob_Ray 2\n1\nAnn_Lee 2\n1\nCat_Fox 1\n")
    assert open_lfw(str(root)).official_test.tolist() == [False] * 4
    with pytest.raises(InputError, match="^--test_folds=3: lfw:.* has nobody in fold 3; there are folds 1, 2$"):
        train_and_test(open_lfw(str(root)), SplitConfig("official", test_folds=(3,)))


def test_people_of_named_folds_are_for_testing(root):
    write_text(root / "people.txt", PEOPLE)
    train, test = train_and_test(open_lfw(str(root)), SplitConfig("official", test_folds=(1,)))
    assert ({train.source.paths[record][:7] for record in train.records}, len(train)) == ({"Ann_Lee"}, 2)
    assert ({test.source.paths[record][:7] for record in test.records}, len(test)) == ({"Bob_Ray"}, 2)


def test_without_folds_of_people(root):
    assert open_lfw(str(root)).official_test is None and open_lfw(str(root)).folds is None
    with pytest.raises(InputError) as error:
        read_people_folds(str(root))
    assert str(error.value) == f"{root}/people.txt is missing: it comes with LFW"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", " ends where it should have the number of folds"),
        ("2 3\n", " line 1: expected the number of folds, found 2 columns: '2 3'"),
        ("x\n", " line 1: expected a number from 1, found 'x'"),
        ("2\nBob_Ray 2\n", " line 2: expected the number of people in fold 1 of 2, found 2 columns: 'Bob_Ray 2'"),
        ("1\n2\nBob_Ray 2\n", " ends where it should have NAME IMAGES, person 2 of 2 in fold 1 of 1"),
        ("2\n1\nBob_Ray 2\n", " ends where it should have the number of people in fold 2 of 2"),
        ("2\n2\nBob_Ray 2\n1\nAnn_Lee 2\n", " line 4: expected NAME IMAGES, person 2 of 2 in fold 1 of 2, found 1 columns: '1'"),
        ("1\n1\nBob_Ray two\n", " line 3: expected a number from 1, found 'two'"),
        ("1\n1\nBob_Ray 2\nAnn_Lee 2\n", " line 4: expected the end after 1 folds, found 'Ann_Lee 2'"),
        ("2\n1\nBob_Ray 2\n1\nBob_Ray 2\n", " line 5: Bob_Ray is in fold 1 already"),
        ("1\n1\nBob_Ray 2\n", " lacks Ann_Lee, who has images in ROOT/lfw-deepfunneled: use the file and the images of one copy of LFW"),
    ],
)
def test_malformed_folds_of_people(root, text, message):
    write_text(root / "people.txt", text)
    with pytest.raises(InputError) as error:
        open_lfw(str(root))
    assert str(error.value) == f"{root}/people.txt" + message.replace("ROOT", str(root))


@pytest.mark.skipif(not os.path.isdir(LFW), reason="no LFW: set KD_TF_LFW to the folder that holds lfw-deepfunneled/")
def test_folds_of_the_real_lfw():
    folds = read_people_folds(LFW)
    source = open_lfw(LFW)
    pairs = read_lfw_pairs(LFW, source)
    last = max(folds.values())
    assert np.bincount(pairs.folds).tolist() == [600] * (last + 1)
    assert np.bincount(pairs.folds, pairs.same).tolist() == [300] * (last + 1)
    people = [source.identity_names[identity] for identity in source.identities]
    for first, second, same, fold in zip(*pairs, strict=True):
        assert (people[first] == people[second]) == same
        assert folds[people[first]] == folds[people[second]] == fold
    assert source.official_test.tolist() == [folds[name] == last for name in people]
    train, test = train_and_test(source, SplitConfig("official", test_folds=(last, last + 1)))
    assert {folds[people[record]] for record in test.records} == {last - 1, last}
    assert {folds[people[record]] for record in train.records} == set(range(last - 1))
