import pytest

from kd_tf.data.casia_webface import open_casia_webface
from kd_tf.errors import InputError
from tests.data.mutations import read_mutations
from tests.images import write_people, write_text

IMAGES = ["0000045/001.jpg", "0000045/002.JPG", "0000099/001.jpeg", "0000099/010.jpg", "1203001/001.png", "1203001/002.bmp"]
OTHERS = ["0000045/Thumbs.db", "0000045/._001.jpg", "0000099/.DS_Store", "0000100/Thumbs.db", ".git/001.jpg", ".DS_Store", "readme.txt"]
CLEAN = "1203001/001.png 2\n0000045/002.JPG 0\n0000045/001.jpg 0\n"
CLEANED = ["0000045/001.jpg", "0000045/002.JPG", "1203001/001.png"]


@pytest.fixture(name="root")
def make_root(tmp_path):
    return _fill(tmp_path, "CASIA-WebFace")


def _fill(path, folder):
    for image in IMAGES + OTHERS:
        write_text(path / folder / image, f"picture {image}")
    return path


@pytest.mark.parametrize("folder", ["CASIA-WebFace", "CASIA-maxpy-clean", ""])
def test_labels_are_ranks_of_sorted_folders(tmp_path, folder):
    root = _fill(tmp_path, folder)
    source = open_casia_webface(str(root))
    assert source.name == f"casia_webface:{root}"
    assert source.paths == IMAGES
    assert source.identity_names == ["0000045", "0000099", "1203001"]
    assert source.identities.tolist() == [0, 0, 1, 1, 2, 2]
    assert source.read([4, 1]) == [b"picture 1203001/001.png", b"picture 0000045/002.JPG"]
    assert source.describe(3) == str(root / folder / "0000099" / "010.jpg")
    assert source.landmarks is None
    assert source.official_test is None


def test_real_images(tmp_path):
    write_people(tmp_path / "CASIA-WebFace", {"0000045": 2, "0000099": 1})
    expected = (tmp_path / "CASIA-WebFace" / "0000099" / "0000099_0001.jpg").read_bytes()
    assert open_casia_webface(str(tmp_path)).read([2]) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        CLEAN,
        CLEAN.rstrip(),
        "\ufeff" + CLEAN,
        CLEAN.replace("\n", "\r\n"),
        CLEAN.replace("/", "\\"),
        CLEAN.replace(" ", "\t"),
        "image label\n" + CLEAN,
        "".join(f"CASIA-WebFace/{line}\n" for line in CLEAN.splitlines()),
        "".join(f"E:\\faces\\CASIA-maxpy-clean\\{line}\n" for line in CLEAN.replace("/", "\\").splitlines()),
    ],
)
def test_clean_list(root, text):
    """Folder 0000099 has no image left, so 1203001 is the second identity; the list's own labels are from before."""
    (root / "clean.txt").write_bytes(text.encode())
    source = open_casia_webface(str(root), clean_list=f"{root}/clean.txt")
    assert source.paths == CLEANED
    assert source.identity_names == ["0000045", "1203001"]
    assert source.identities.tolist() == [0, 0, 1]
    assert source.read([2]) == [b"picture 1203001/001.png"]


def test_the_list_changes_the_fingerprint(root):
    write_text(root / "clean.txt", CLEAN)
    assert open_casia_webface(str(root), clean_list=f"{root}/clean.txt").fingerprint() != open_casia_webface(str(root)).fingerprint()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            CLEAN + "0000099/001.jpeg 1\n0000045/003.jpg 0\n0000046/001.jpg 3\n",
            "line 5: expected an image that is in ROOT/CASIA-WebFace (2 of 6 rows name others: use the list that was made for these"
            " images), found '0000045/003.jpg 0'",
        ),
        (
            "001.jpg 0\n",
            "line 1: expected an image that is in ROOT/CASIA-WebFace (1 of 1 rows name others: use the list that was made for these"
            " images), found '001.jpg 0'",
        ),
        (
            CLEAN.replace("001.jpg 0", "001.jpg 7"),
            "line 3: 0000045/001.jpg has the label 7; line 2 has 0 for that folder: one folder is one person",
        ),
        (CLEAN + "CASIA-WebFace\\0000045\\001.jpg 0\n", "line 4: '0000045/001.jpg' is there twice, first in line 3"),
        (CLEAN + "0000099/001.jpeg\n", "line 4: expected 2 columns (image, label), found 1: '0000099/001.jpeg'"),
        (CLEAN + "0000099/001.jpeg one\n", "line 4: expected a number for label, found 'one'"),
        ("<!DOCTYPE html>", "line 1: this is an HTML page, not the data (an exceeded quota?): download it again"),
        ("", "is empty: expected rows of image, label"),
    ],
)
def test_malformed_clean_lists(root, text, message):
    path = write_text(root / "clean.txt", text)
    with pytest.raises(InputError) as error:
        open_casia_webface(str(root), clean_list=str(path))
    assert str(error.value) == f"{path} {message}".replace("ROOT", str(root))


def test_no_clean_list(root):
    with pytest.raises(InputError) as error:
        open_casia_webface(str(root), clean_list=f"{root}/clean.txt")
    assert str(error.value) == f"{root}/clean.txt cannot be read: No such file or directory"


def test_no_images(tmp_path):
    write_text(tmp_path / "CASIA-WebFace" / "0000045" / "Thumbs.db", "")
    with pytest.raises(InputError) as error:
        open_casia_webface(str(tmp_path))
    assert str(error.value) == f"{tmp_path} has no images of CASIA-WebFace: expected {tmp_path}/CASIA-WebFace/0000045/001.jpg"
    with pytest.raises(InputError) as error:
        open_casia_webface(f"{tmp_path}/nowhere")
    assert str(error.value) == f"{tmp_path}/nowhere is not a folder"


def test_mutations_of_the_clean_list(root):
    lines = {image: f"{image} {IMAGES.index(image) // 2}".encode() for image in reversed(IMAGES)}
    (root / "clean.txt").write_bytes(b"".join(line + b"\r\n" for line in lines.values()))

    def check(source, unchanged):
        assert source.paths == [image for image in IMAGES if image in source.paths]
        for image, line in lines.items():
            assert image in source.paths or line not in unchanged
        names = [source.identity_names[identity] for identity in source.identities]
        assert names == [image.split("/")[0] for image in source.paths]

    read_mutations(root / "clean.txt", lambda: open_casia_webface(str(root), clean_list=f"{root}/clean.txt"), check)
