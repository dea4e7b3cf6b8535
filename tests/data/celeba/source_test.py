import numpy as np
import pytest

from kd_tf.data.celeba import open_celeba
from kd_tf.data.split import SplitConfig, train_and_test
from tests.data.celeba.files import HEADER, KAGGLE, LANDMARKS, LISTS, NAMES, PARTITION, POINTS, rewrite, write_celeba, write_kaggle
from tests.images import write_text


@pytest.fixture(name="root")
def make_root(tmp_path):
    return write_celeba(tmp_path)


def _assert_is_celeba(source, root, images):
    assert source.name == f"celeba:{root}"
    assert source.paths == NAMES
    # Sorted as text: 10, 2880, 2937, 5.
    assert source.identity_names == ["10", "2880", "2937", "5"]
    assert source.identities.tolist() == [1, 2, 1, 0, 3]
    _assert_is_annotated(source)
    assert source.read([3, 0]) == [b"picture 000004.jpg", b"picture 000001.jpg"]
    assert source.describe(2) == str(root / images / "000003.jpg")


def _assert_is_annotated(source):
    """Pixel 69 of 178 is at 69.5 / 178 = 0.39044943, 109 of 218 at 109.5 / 218 = 0.50229358; -3 of 218 is outside."""
    assert source.official_test.tolist() == [False, True, False, True, False]
    assert source.official_test.dtype == bool
    assert source.landmarks.dtype == np.float32
    assert source.landmarks.shape == (5, 5, 2)
    np.testing.assert_allclose(source.landmarks[0, 0], [0.39044943, 0.50229358], rtol=1e-6)
    np.testing.assert_allclose(source.landmarks[1, 0], [0.5 / 178, -2.5 / 218], rtol=1e-6)
    for name, points in zip(NAMES, source.landmarks, strict=True):
        np.testing.assert_allclose(points * [178, 218] - 0.5, np.array(POINTS[name].split(), float).reshape(5, 2), atol=1e-4)


@pytest.mark.parametrize(
    ("images", "places"),
    [
        ("Img/img_align_celeba", ("Anno", "Eval", "Anno")),
        ("img_align_celeba", ("Anno", "Eval", "Anno")),
        ("img_align_celeba", ("", "", "")),
        ("img_align_celeba/img_align_celeba", ("", "", "")),
        ("", ("", "", "")),
        ("Img", ("Img", "Img", "Img")),
    ],
)
def test_layouts(tmp_path, images, places):
    root = write_celeba(tmp_path, images, places, newline="\r\n")
    _assert_is_celeba(open_celeba(str(root)), root, images)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip(),
        lambda text: text.replace("\n", "\r\n") + "\r\n",
        lambda text: text.replace(" ", "    "),
        lambda text: text.replace(" ", "\t"),
        lambda text: text if text.startswith("5") else "image something\n" + text,
        lambda text: text.removeprefix(f"5\n{HEADER}\n"),
        lambda text: text.replace(HEADER, f"Image_Id {HEADER.upper()}"),
    ],
)
def test_copies(root, change):
    for stem in LISTS:
        rewrite(root, stem, change)
    _assert_is_celeba(open_celeba(str(root)), root, "img_align_celeba")


def test_listswrite_kaggle_with_identities(tmp_path):
    root = write_kaggle(write_celeba(tmp_path, "img_align_celeba/img_align_celeba"))
    for stem in KAGGLE:
        (root / f"{stem}.txt").unlink()
    _assert_is_celeba(open_celeba(str(root)), root, "img_align_celeba/img_align_celeba")


def test_the_copy_of_kaggle_has_no_labels(tmp_path):
    """All images are of one unknown person; hidden files and what is no image do not count."""
    root = write_kaggle(tmp_path)
    for name in ("._000001.jpg", "Thumbs.db"):
        write_text(root / "img_align_celeba" / "img_align_celeba" / name, "")
    source = open_celeba(str(root))
    assert source.paths == NAMES
    assert source.identity_names == ["unknown"]
    assert source.identities.tolist() == [0] * 5
    assert source.labelled is False and open_celeba(str(write_celeba(tmp_path / "official"))).labelled is True
    _assert_is_annotated(source)
    train, test = train_and_test(source, SplitConfig("official"))
    assert (train.records.tolist(), test.records.tolist()) == ([0, 2, 4], [1, 3])


def test_only_images_of_the_identity_file_are_records(root):
    write_text(root / "img_align_celeba" / "000000.jpg", "")
    _assert_is_celeba(open_celeba(str(root)), root, "img_align_celeba")


def test_pictures_beside_the_lists_do_not_count_where_there_is_a_folder(tmp_path):
    root = write_celeba(tmp_path, "Img/img_align_celeba")
    write_text(root / "overview.png", "")
    _assert_is_celeba(open_celeba(str(root)), root, "Img/img_align_celeba")


def test_without_partition_and_landmarks(root):
    for stem in (PARTITION, LANDMARKS):
        (root / f"{stem}.txt").unlink()
    source = open_celeba(str(root))
    assert source.official_test is None
    assert source.landmarks is None
    assert source.identities.tolist() == [1, 2, 1, 0, 3]


def test_an_image_without_landmarks(root):
    rewrite(root, LANDMARKS, lambda text: text.replace("5\n", "4\n", 1).replace(f"000003.jpg {POINTS['000003.jpg']}\n", ""))
    landmarks = open_celeba(str(root)).landmarks
    assert np.isnan(landmarks).all(axis=(1, 2)).tolist() == [False, False, True, False, False]
    assert np.isnan(landmarks).any(axis=(1, 2)).tolist() == [False, False, True, False, False]
