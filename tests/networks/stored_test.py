import re

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.networks.stored import load_network, save_network
from tests.networks_for_tests import make_batch, make_network


@pytest.fixture
def stored(tmp_path):
    network = make_network(1, batch_norm=True)
    network.get_layer("norm").moving_mean.assign([0.1, 0.2, 0.3, 0.4])
    save_network(network, str(tmp_path / "student.keras"))
    return network, tmp_path


def _assert_same_outputs(network, other):
    images, _ = make_batch(0)
    expected, outputs = network(images), other(images)
    assert outputs.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(outputs[key], value)


@pytest.mark.parametrize("name", ["", "student.keras"], ids=["directory", "file"])
def test_a_saved_network_comes_back(stored, name):
    network, folder = stored
    _assert_same_outputs(network, load_network(str(folder / name), "teacher", image_size=8))
    assert [path.name for path in folder.iterdir()] == ["student.keras"]


def test_a_saved_model_of_keras_comes_back(stored):
    network, folder = stored
    network.save(str(folder / "saved_model"), save_format="tf")
    _assert_same_outputs(network, load_network(str(folder / "saved_model"), "teacher", image_size=8))


def test_saving_replaces_the_file_before(stored):
    _, folder = stored
    other = make_network(2)
    save_network(other, str(folder / "student.keras"))
    _assert_same_outputs(other, load_network(str(folder), "teacher", image_size=8))


def test_a_network_for_any_size_loads(tmp_path):
    images = tf.keras.Input([None, None, 3])
    network = tf.keras.Model(images, {"hidden": tf.keras.layers.GlobalAveragePooling2D()(images)})
    save_network(network, str(tmp_path / "any.keras"))
    _assert_same_outputs(network, load_network(str(tmp_path / "any.keras"), "teacher", image_size=77))


def test_wrong_image_size(stored):
    _, folder = stored
    message = f"--teacher={folder} takes images of 8x8 pixels, but --image_size=16"
    with pytest.raises(InputError, match=re.escape(message)):
        load_network(str(folder), "teacher", image_size=16)


def test_missing_path(tmp_path):
    with pytest.raises(InputError, match=re.escape(f"--init_from={tmp_path}/none does not exist")):
        load_network(f"{tmp_path}/none", "init_from", image_size=8)


def test_a_directory_without_a_network(tmp_path):
    message = f"--model={tmp_path} is not a finished run (no student.keras) and not a Keras model"
    with pytest.raises(InputError, match=re.escape(message)):
        load_network(str(tmp_path), "model", image_size=8)


def test_a_text_file(tmp_path):
    (tmp_path / "text.keras").write_text("not a network\n")
    with pytest.raises(InputError, match=re.escape(f"--model={tmp_path}/text.keras cannot be read as a Keras model: ")):
        load_network(str(tmp_path / "text.keras"), "model", image_size=8)


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
def test_a_damaged_file(stored, damage):
    _, folder = stored
    content = (folder / "student.keras").read_bytes()
    middle = len(content) // 2
    damaged = content[:middle] if damage == "cut" else content[: middle - 500] + b"\0" * 1000 + content[middle + 500 :]
    (folder / "student.keras").write_bytes(damaged)
    with pytest.raises(InputError, match="cannot be read as a Keras model: "):
        load_network(str(folder), "model", image_size=8)
