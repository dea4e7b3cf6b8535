import pytest

from kd_tf.data.celeba import COORDINATES, open_celeba
from kd_tf.errors import InputError
from tests.data.celeba.files import HEADER, IDENTITY, LANDMARKS, NAMES, PARTITION, POINTS, rewrite, write_celeba, write_kaggle
from tests.data.mutations import read_mutations

ONE_COPY = "use the lists and the images of one copy of CelebA"
WHOLE = "an image and its identity, a whole number from 0"
PAGE = "this is an HTML page, not the data (an exceeded quota?): download it again"


@pytest.fixture(name="root")
def make_root(tmp_path):
    return write_celeba(tmp_path)


def _error(root):
    with pytest.raises(InputError) as error:
        open_celeba(str(root))
    return str(error.value).replace(str(root), "ROOT")


@pytest.mark.parametrize(
    ("stem", "old", "new", "message"),
    [
        (IDENTITY, "000004.jpg 10\n", "000004.jpg\n", " line 3: expected 2 columns (image, identity), found 1: '000004.jpg'"),
        (IDENTITY, "000004.jpg 10\n", "000004.jpg ten\n", " line 3: expected a number for identity, found 'ten'"),
        (IDENTITY, " 10\n", " -1\n", f" line 3: expected {WHOLE}, found '000004.jpg -1'"),
        (IDENTITY, " 10\n", " 1.5\n", f" line 3: expected {WHOLE}, found '000004.jpg 1.5'"),
        (
            IDENTITY,
            " 10\n",
            " 9999999999\n",
            f" line 3: expected {WHOLE}, found '000004.jpg 9999999999'",
        ),
        (IDENTITY, "000004.jpg", "000001.jpg", " line 3: '000001.jpg' is there twice, first in line 2"),
        (IDENTITY, "000002.jpg", "<html>", f" line 1: {PAGE}"),
        (PARTITION, "000004.jpg 2", "000004.jpg 3", " line 2: expected an image and its partition, 0, 1 or 2, found '000004.jpg 3'"),
        (PARTITION, "000004.jpg 2", "000004.jpg 2 2", " line 2: expected 2 columns (image, partition), found 3: '000004.jpg 2 2'"),
        (PARTITION, "000004.jpg 2", "000004.jpg x", " line 2: expected a number for partition, found 'x'"),
        (PARTITION, "000004.jpg 2", "000001.jpg 2", " line 5: '000001.jpg' is there twice, first in line 2"),
        (PARTITION, "000005.jpg 0", "<!DOCTYPE html>", f" line 1: {PAGE}"),
        (LANDMARKS, "5\n", "6\n", " announces 6 rows in its first line; it has 5: copy it again"),
        (LANDMARKS, "5\n", "<html>\n", f" line 1: {PAGE}"),
        (LANDMARKS, "000005.jpg", "000003.jpg", " line 5: '000003.jpg' is there twice, first in line 3"),
        (LANDMARKS, "66.5", "sixty", " line 5: expected a number for lefteye_x, found 'sixty'"),
        (LANDMARKS, "66.5", "nan", " line 5: expected a number for lefteye_x, found 'nan'"),
        (
            LANDMARKS,
            "66.5 ",
            "",
            f" line 5: expected 11 columns (image, {', '.join(COORDINATES)}), found 10: '000005.jpg 114 112 112 86 119 71 147 104 150'",
        ),
        (
            LANDMARKS,
            "66.5 114",
            "112 112",
            " line 5: expected an image and two eyes at two places, found '000005.jpg 112 112 112 112 86 119 71 147 104 150'",
        ),
        (
            LANDMARKS,
            "66.5 114",
            "1066.5 114",
            " line 5: expected an image and points in an image of 178 x 218 pixels, found"
            " '000005.jpg 1066.5 114 112 112 86 119 71 147 104 150'",
        ),
        (
            LANDMARKS,
            "lefteye_x lefteye_y righteye_x righteye_y",
            "righteye_x righteye_y lefteye_x lefteye_y",
            f": expected the columns {HEADER}, found 'righteye_x righteye_y lefteye_x lefteye_y {HEADER.split(maxsplit=4)[4]}'",
        ),
    ],
)
def test_malformed_lists(root, stem, old, new, message):
    rewrite(root, stem, lambda text: text.replace(old, new, 1))
    assert _error(root) == f"ROOT/{stem}.txt{message}"


def test_identities_of_images_that_are_missing(root):
    for name in ("000001.jpg", "000004.jpg"):
        (root / "img_align_celeba" / name).unlink()
    expected = f"expected an image that is in ROOT/img_align_celeba (2 of 5 rows name others: {ONE_COPY}), found '000001.jpg 2880'"
    assert _error(root) == f"ROOT/identity_CelebA.txt line 2: {expected}"


@pytest.mark.parametrize("stem", [PARTITION, LANDMARKS])
def test_annotations_of_images_without_identity(root, stem):
    rewrite(root, IDENTITY, lambda text: text.replace("000001.jpg 2880\n", "").replace("000003.jpg 2880\n", ""))
    (root / f"{LANDMARKS if stem == PARTITION else PARTITION}.txt").unlink()
    line, row = (3, "000003.jpg 1") if stem == PARTITION else (3, f"000003.jpg {POINTS['000003.jpg']}")
    expected = f"expected an image that is in ROOT/identity_CelebA.txt (2 of 5 rows name others: {ONE_COPY}), found '{row}'"
    assert _error(root) == f"ROOT/{stem}.txt line {line}: {expected}"


def test_annotations_of_missing_images_without_identities(tmp_path):
    root = write_kaggle(tmp_path, "img_align_celeba")
    (root / "img_align_celeba" / "000004.jpg").unlink()
    expected = f"expected an image that is in ROOT/img_align_celeba (1 of 5 rows name others: {ONE_COPY}), found '000004.jpg"
    assert _error(root) == f"ROOT/{LANDMARKS}.csv line 6: {expected} {POINTS['000004.jpg']}'"


def test_an_image_without_partition(root):
    rewrite(root, PARTITION, lambda text: text.replace("000002.jpg 2\n", "").replace("000004.jpg 2\n", ""))
    expected = f"has no row of 000002.jpg; 2 of the 5 images of ROOT/identity_CelebA.txt have none: {ONE_COPY}"
    assert _error(root) == f"ROOT/list_eval_partition.txt {expected}"


def test_not_celeba(tmp_path):
    expected = "ROOT has no images of CelebA: expected ROOT/img_align_celeba/000001.jpg; unpack img_align_celeba.zip there"
    assert _error(tmp_path) == expected
    assert _error(tmp_path / "nowhere") == "ROOT is not a folder"
    write_celeba(tmp_path, places=("elsewhere",) * 3)
    lists = "neither identity_CelebA.txt nor list_landmarks_align_celeba.txt or .csv, nor have Anno/, Eval/, Img/: copy them there"
    assert _error(tmp_path) == f"ROOT has {lists}"


@pytest.mark.parametrize(
    ("stem", "ending"), [(IDENTITY, ".txt"), (PARTITION, ".txt"), (LANDMARKS, ".txt"), (PARTITION, ".csv"), (LANDMARKS, ".csv")]
)
def test_mutations(tmp_path, stem, ending):
    """Rows that are as they were must be read as they were, whatever stands around them."""
    root = write_celeba(tmp_path, newline="\r\n") if ending == ".txt" else write_kaggle(tmp_path)
    path = root / f"{stem}{ending}"
    lines = {line[:10].decode(): line for line in path.read_bytes().splitlines() if line.startswith(b"0")}
    intact = open_celeba(str(root))

    def check(source, unchanged):
        for index, name in enumerate(NAMES):
            if lines[name] in unchanged:
                found = source.paths.index(name)
                assert source.identity_names[source.identities[found]] == intact.identity_names[intact.identities[index]]
                assert source.official_test[found] == intact.official_test[index]
                assert source.landmarks[found].tolist() == intact.landmarks[index].tolist()

    read_mutations(path, lambda: open_celeba(str(root)), check)
