import cv2
import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.folder import open_folder
from kd_tf.data.source import decode_image, read_records, verify_images
from kd_tf.errors import InputError
from tests.images import smooth_image, write_image, write_people, write_text


def test_good_images_pass(tmp_path):
    """A PNG under the name of a JPEG is still an image."""
    write_people(tmp_path, {"ann": 2}, ending=".png")
    write_people(tmp_path, {"bob": 1})
    (tmp_path / "ann" / "ann_0001.png").rename(tmp_path / "ann" / "ann_0001.jpg")
    verify_images(open_folder(str(tmp_path)))


def test_truncated_jpeg_is_refused(tmp_path):
    write_people(tmp_path, {"ann": 3})
    path = tmp_path / "ann" / "ann_0002.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError) as error:
        verify_images(open_folder(str(tmp_path)))
    assert str(error.value).startswith(f"{path} is not an image that can be decoded: ")


def test_text_is_refused(tmp_path):
    path = write_text(write_people(tmp_path, {"ann": 3}) / "ann" / "ann_0002.jpg", "not an image")
    with pytest.raises(InputError) as error:
        verify_images(open_folder(str(tmp_path)))
    assert str(error.value).startswith(f"{path} is not an image that can be decoded: ")


def test_unreadable_file_is_refused(tmp_path):
    """Removed between listing and reading."""
    source = open_folder(str(write_people(tmp_path, {"ann": 2})))
    path = tmp_path / "ann" / "ann_0002.jpg"
    path.unlink()
    with pytest.raises(InputError) as error:
        verify_images(source)
    assert str(error.value) == f"{path} is not an image that can be decoded: [Errno 2] No such file or directory: '{path}'"


def test_only_the_given_records_are_verified(tmp_path):
    write_text(write_people(tmp_path, {"ann": 3}) / "ann" / "ann_0002.jpg", "not an image")
    verify_images(open_folder(str(tmp_path)), np.array([0, 2]))


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_grey_images_become_rgb(tmp_path, ending):
    grey = np.full([20, 30], 77, np.uint8)
    write_image(tmp_path / f"grey{ending}", grey)
    decoded = decode_image((tmp_path / f"grey{ending}").read_bytes()).numpy()
    np.testing.assert_array_equal(decoded, np.full([20, 30, 3], 77))


@pytest.mark.parametrize("ending", [".png", ".bmp"])
def test_lossless_images_come_back(tmp_path, ending):
    image = smooth_image(1, height=20, width=30)
    write_image(tmp_path / f"image{ending}", image)
    np.testing.assert_array_equal(decode_image((tmp_path / f"image{ending}").read_bytes()), image)


def test_transparency_is_dropped():
    image = np.dstack([smooth_image(1), np.full([40, 40], 7, np.uint8)])
    encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA))[1].tobytes()
    np.testing.assert_array_equal(decode_image(encoded), image[:, :, :3])


def test_read_records_inside_a_dataset(tmp_path):
    source = open_folder(str(write_people(tmp_path, {"ann": 3})))
    batches = tf.data.Dataset.from_tensors(tf.constant([2, 0], tf.int64)).map(lambda records: read_records(source, records))
    assert next(batches.as_numpy_iterator()).tolist() == source.read([2, 0])
