import io
import zipfile

import numpy as np
import pytest

from kd_tf.data.folder import open_folder
from kd_tf.data.split import Split
from kd_tf.errors import InputError
from kd_tf.evaluation.embeddings import StoredEmbeddings
from tests.evaluation.grey_pictures import grey_split
from tests.images import smooth_image, write_people

ROWS = np.array([[3.0, 4.0], [0.0, 2.0], [-1.0, 0.0], [5.0, 12.0]])
UNIT = np.array([[0.6, 0.8], [0, 1], [-1, 0], [5 / 13, 12 / 13]])
PATHS = ["ann/ann_0001.png", "ann/ann_0002.png", "bob/bob_0001.png", "bob/bob_0002.png"]


@pytest.fixture(name="source")
def make_source(tmp_path):
    return open_folder(str(write_people(tmp_path / "faces", {"ann": 2, "bob": 2}, ending=".png")))


def stored(tmp_path, **arrays):
    np.savez(tmp_path / "rows.npz", **arrays)
    return StoredEmbeddings(str(tmp_path / "rows.npz"))


def test_rows_in_the_order_of_the_data_set(tmp_path, source):
    model = stored(tmp_path, embeddings=ROWS)
    assert model.outputs == {"embedding": (4, 2), "hidden": (4, 2)}
    assert not model.knows_identities
    answers = model.answers(Split(source, np.array([1, 3])), ("embedding", "hidden"))
    np.testing.assert_allclose(answers.embedding, UNIT[[1, 3]], rtol=1e-6)
    np.testing.assert_array_equal(answers.hidden, ROWS[[1, 3]])
    np.testing.assert_array_equal(answers.identities, [0, 1])
    assert answers.identity_names == ["ann", "bob"]
    # bob's second: person 1, number 1.
    np.testing.assert_array_equal(answers.picture(1), smooth_image(101))


def test_as_many_rows_as_images(tmp_path, source):
    with pytest.raises(InputError, match="rows.npz has 3 rows and folder:.*faces 4 images: without an array 'names'"):
        stored(tmp_path, embeddings=ROWS[:3]).answers(Split(source, np.arange(2)), ("embedding",))


@pytest.mark.parametrize("kind", [str, bytes])
def test_rows_joined_by_name(tmp_path, source, kind):
    order = [2, 0, 3, 1]
    names = np.array([PATHS[place] if kind is str else PATHS[place].encode() for place in order] + [kind()])
    model = stored(tmp_path, embeddings=np.concatenate([ROWS[order], [[9, 9]]]), names=names)
    answers = model.answers(Split(source, np.array([0, 1, 3])), ("embedding", "hidden"))
    np.testing.assert_array_equal(answers.hidden, ROWS[[0, 1, 3]])
    np.testing.assert_allclose(answers.embedding, UNIT[[0, 1, 3]], rtol=1e-6)


def test_a_name_that_is_missing(tmp_path, source):
    model = stored(tmp_path, embeddings=ROWS[:2], names=np.array([PATHS[0], PATHS[2]]))
    np.testing.assert_array_equal(model.answers(Split(source, np.array([0, 2])), ("hidden",)).hidden, ROWS[:2])
    with pytest.raises(InputError, match="rows.npz lacks 2 of 3 images of folder:.*, first ann/ann_0002.png"):
        model.answers(Split(source, np.array([0, 1, 3])), ("hidden",))


def test_names_for_images_without(tmp_path):
    model = stored(tmp_path, embeddings=ROWS, names=np.array(PATHS))
    with pytest.raises(InputError, match="the images of grey have no names to join with 'names' of .*rows.npz: leave that array out"):
        model.answers(grey_split([1, 2, 3, 4], [0, 0, 1, 1]), ("hidden",))


@pytest.mark.parametrize(("identities", "names"), [([7, 3, 7, 7], ["3", "7"]), (["b", "a", "b", "b"], ["a", "b"])])
def test_its_own_identities(tmp_path, identities, names):
    model = stored(tmp_path, embeddings=ROWS, identities=np.array(identities))
    assert model.knows_identities
    answers = model.own_answers()
    np.testing.assert_array_equal(answers.identities, [1, 0, 1, 1])
    assert answers.identity_names == names
    np.testing.assert_allclose(answers.embedding, UNIT, rtol=1e-6)
    assert answers.picture is None


def test_nothing_to_flip(tmp_path, source):
    model = stored(tmp_path, embeddings=ROWS, identities=np.arange(4))
    for answers in (lambda: model.answers(Split(source, np.arange(4)), ("embedding",), flip=True), lambda: model.own_answers(flip=True)):
        with pytest.raises(InputError, match="--flip has no images to flip: .*rows.npz holds embeddings"):
            answers()


def bad_row(value):
    rows = ROWS.copy()
    rows[2] = value
    return rows


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"vectors": ROWS, "names": np.array(PATHS)}, r"lacks the array 'embeddings' \(it has: vectors, names\)"),
        ({"embeddings": ROWS[0]}, r"must be numbers of shape \[n, width\], it is float64 \[2\]"),
        ({"embeddings": ROWS[:0]}, r"must be numbers of shape \[n, width\], it is float64 \[0, 2\]"),
        ({"embeddings": np.array([["a"]])}, r"must be numbers of shape \[n, width\], it is <U1 \[1, 1\]"),
        ({"embeddings": bad_row([0, np.nan])}, r"'embeddings' row 2 is not finite \(1 of 4 rows\)"),
        ({"embeddings": bad_row([1e60, 0])}, "'embeddings' row 2 is not finite"),
        ({"embeddings": bad_row([0, 0])}, "'embeddings' row 2 is all 0 and has no direction"),
        ({"embeddings": ROWS, "names": np.array(PATHS[:3])}, r"'names' must be of shape \[4\], as there are rows; it is \[3\]"),
        ({"embeddings": ROWS, "identities": np.eye(4, dtype=int)}, r"'identities' must be of shape \[4\].* it is \[4, 4\]"),
        ({"embeddings": ROWS, "names": np.arange(4)}, "'names' must be text, it is int64"),
        ({"embeddings": ROWS, "identities": np.arange(4.0)}, "'identities' must be text or whole numbers, it is float64"),
        ({"embeddings": ROWS, "names": np.array(["a", "b", "c", "b"])}, "'names' has b 2 times"),
        ({"embeddings": ROWS, "names": np.array(PATHS, object)}, "cannot be read as .npz: Object arrays cannot be loaded"),
    ],
)
def test_arrays_that_cannot_be_used(tmp_path, arrays, message):
    with pytest.raises(InputError, match=f"--model=.*rows.npz.*{message}"):
        stored(tmp_path, **arrays)


def npy_bytes():
    file = io.BytesIO()
    np.save(file, ROWS)
    return file.getvalue()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"<html>", npy_bytes(), b"\x80\x04N."])
def test_files_that_are_something_else(tmp_path, content):
    (tmp_path / "rows.npz").write_bytes(content)
    with pytest.raises(InputError, match="--model=.*rows.npz cannot be read as .npz"):
        StoredEmbeddings(str(tmp_path / "rows.npz"))


def test_a_damaged_member(tmp_path):
    np.savez_compressed(tmp_path / "rows.npz", embeddings=np.random.default_rng(0).normal(size=[100, 8]))
    content = bytearray((tmp_path / "rows.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "rows.npz") as file:
        start = file.getinfo("embeddings.npy").header_offset + 100
    content[start : start + 1000] = bytes(1000)
    (tmp_path / "rows.npz").write_bytes(content)
    with pytest.raises(InputError, match="--model=.*rows.npz cannot be read as .npz"):
        StoredEmbeddings(str(tmp_path / "rows.npz"))


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="--model=.*rows.npz does not exist"):
        StoredEmbeddings(str(tmp_path / "rows.npz"))
