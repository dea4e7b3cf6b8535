import os

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.networks.projection import Projection, load_projection, project_network, save_projection
from tests.networks_for_tests import make_batch, make_network


@pytest.fixture(name="layer")
def make_layer():
    """From the width of the tiny networks, 6, to 9."""
    layer = tf.keras.layers.Dense(9)
    layer.build([None, 6])
    random = np.random.RandomState(0)
    layer.set_weights([random.normal(size=[6, 9]), random.normal(size=9)])
    return layer


def test_comes_back_as_it_was_written(layer, tmp_path):
    save_projection(layer, str(tmp_path / "projection.npz"))
    found = load_projection(str(tmp_path / "projection.npz"))
    np.testing.assert_array_equal(found.kernel, layer.kernel)
    np.testing.assert_array_equal(found.bias, layer.bias)
    assert os.listdir(tmp_path) == ["projection.npz"]


def test_a_folder_that_is_none_leaves_nothing(layer, tmp_path):
    with pytest.raises(OSError):
        save_projection(layer, str(tmp_path / "nowhere" / "projection.npz"))
    assert os.listdir(tmp_path) == []


def test_a_projected_network_answers_with_p_of_k(layer):
    network, (images, _) = make_network(1), make_batch(0)
    projected = project_network(network, Projection(*layer.get_weights()))(images)
    expected = network(images)["hidden"].numpy().astype(np.float64) @ layer.kernel.numpy() + layer.bias.numpy()
    assert set(projected) == {"hidden", "embedding"}
    np.testing.assert_allclose(projected["hidden"], expected, atol=1e-5)
    np.testing.assert_allclose(projected["embedding"], expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)


def test_another_width_is_refused(layer):
    with pytest.raises(InputError, match="the projection takes a hidden layer of width 6, that of 'tiny_1' has 5"):
        project_network(make_network(1, width=5), Projection(*layer.get_weights()))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"kernel": np.zeros([6, 9])}, "cannot be read as a projection: .*bias"),
        ({"kernel": np.zeros([6, 9]), "bias": np.zeros(6)}, r"is no projection: found kernel \[6, 9\] and bias \[6\], wanted \[student"),
        ({"kernel": np.zeros(9), "bias": np.zeros(9)}, r"is no projection: found kernel \[9\] and bias \[9\]"),
        ({"kernel": np.array([{}], object), "bias": np.zeros(9)}, "cannot be read as a projection: "),
    ],
)
def test_files_that_are_something_else(tmp_path, arrays, message):
    path = str(tmp_path / "projection.npz")
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=message):
        load_projection(path)


def test_half_a_file(layer, tmp_path):
    path = tmp_path / "projection.npz"
    save_projection(layer, str(path))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="cannot be read as a projection: "):
        load_projection(str(path))
