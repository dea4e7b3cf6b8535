import cv2
import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.folder import open_folder
from kd_tf.data.source import decode_image, read_records
from tests.images import smooth_image, write_image, write_people


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
