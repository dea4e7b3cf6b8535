import numpy as np
import pytest
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.networks.face_network import NetworkConfig, make_face_network, output_shapes, output_width, require_outputs
from kd_tf.training.strategy import precision_policy
from tests.networks_for_tests import make_network

SMALL = NetworkConfig(network="resnet26", width_divisor=8)
MEAN_SHAPE = np.linspace(0.1, 0.9, 10).reshape(5, 2)


@pytest.fixture(scope="module")
def network():
    return make_face_network(SMALL, image_size=33, identities=7, landmarks=True, mean_shape=MEAN_SHAPE)


@pytest.fixture(scope="module")
def images():
    return np.random.RandomState(0).uniform(0, 255, [3, 33, 33, 3]).astype(np.float32)


def test_outputs_follow_from_the_hidden_layer(network, images):
    outputs = {key: value.numpy() for key, value in network(images, training=True).items()}
    assert outputs.keys() == {"hidden", "embedding", "logits", "landmarks"}
    hidden = outputs["hidden"]
    assert hidden.shape == (3, 256) and hidden.std() > 0.1
    np.testing.assert_allclose(outputs["embedding"], hidden / np.linalg.norm(hidden, axis=1, keepdims=True), atol=1e-6)
    kernel, bias = network.get_layer("logits").get_weights()
    np.testing.assert_allclose(outputs["logits"], hidden @ kernel + bias, atol=1e-4)
    kernel, bias = network.get_layer("landmark_coordinates").get_weights()
    np.testing.assert_allclose(outputs["landmarks"], (hidden @ kernel + bias).reshape(3, 5, 2), atol=1e-4)


def test_the_landmark_head_has_the_mean_shape(network):
    np.testing.assert_array_equal(network.get_layer("landmark_coordinates").bias, MEAN_SHAPE.reshape(-1).astype(np.float32))


def test_heads_are_made_where_asked_for():
    bare = make_face_network(SMALL, image_size=16)
    assert output_shapes(bare) == {"hidden": (None, 256), "embedding": (None, 256)}
    with_logits = make_face_network(SMALL, image_size=16, identities=3)
    assert output_shapes(with_logits) == output_shapes(bare) | {"logits": (None, 3)}


def test_outputs_are_float32_under_a_mixed_policy(images):
    with precision_policy("mixed_bfloat16"):
        mixed = make_face_network(SMALL, image_size=33, identities=7, landmarks=True)
    assert mixed.get_layer("trunk").get_layer("stem_conv").compute_dtype == "bfloat16"
    outputs = mixed(images, training=True)
    assert {value.dtype for value in outputs.values()} == {tf.float32}
    np.testing.assert_allclose(np.linalg.norm(outputs["embedding"], axis=1), 1, atol=1e-6)
    kernel, bias = mixed.get_layer("logits").get_weights()
    np.testing.assert_allclose(outputs["logits"], outputs["hidden"].numpy() @ kernel + bias, atol=1e-4)


def test_config_reaches_the_trunk():
    network = make_face_network(NetworkConfig("resnet26", width_divisor=8, batch_norm_momentum=0.6), image_size=16)
    assert network.get_layer("trunk").get_layer("input_norm").momentum == 0.6
    with pytest.raises(InputError, match="--width_divisor=3"):
        make_face_network(NetworkConfig(width_divisor=3), image_size=16)


def test_require_outputs():
    network = make_network(1, without=("landmarks",))
    require_outputs(network, ("hidden", "logits"), "the student")
    with pytest.raises(InputError, match=r"the student lacks the output 'landmarks' \(it has: embedding, hidden, logits\)"):
        require_outputs(network, ("hidden", "landmarks"), "the student")


def test_an_output_that_is_no_dict():
    plain = tf.keras.Sequential([tf.keras.Input([4]), tf.keras.layers.Dense(3)])
    assert output_shapes(plain) == {}
    with pytest.raises(InputError, match="'logits' .it has: none, its output is not a dict"):
        require_outputs(plain, ("logits",), "the teacher")


def test_a_subclassed_model_must_have_been_called():
    class Subclassed(tf.keras.Model):
        def __init__(self):
            super().__init__(name="subclassed")
            self.dense = tf.keras.layers.Dense(7)

        def call(self, images):
            hidden = tf.reduce_mean(images, axis=[1, 2])
            return {"hidden": hidden, "logits": self.dense(hidden)}

    network = Subclassed()
    with pytest.raises(InputError, match="the outputs of the model 'subclassed' are not known yet: call it once on a batch of images"):
        output_shapes(network)
    network(np.zeros([2, 8, 8, 3], np.float32))
    assert output_shapes(network) == {"hidden": (None, 3), "logits": (None, 7)}


def test_output_width():
    network = make_network(1, width=9, identities=4)
    assert (output_width(network, "hidden"), output_width(network, "logits")) == (9, 4)
