import numpy as np
import pytest
import tensorflow as tf

from kd_tf.networks.face_network import NetworkConfig, make_face_network
from kd_tf.networks.rebuilt import has_synchronized_batch_norms, with_synchronized_batch_norms, without_synchronized_batch_norms
from kd_tf.training.strategy import precision_policy


def batch_norms(network):
    return [layer for layer in network.submodules if isinstance(layer, tf.keras.layers.BatchNormalization)]


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_synchronized_and_back_a_network_is_what_it_was(precision):
    with precision_policy(precision):
        network = make_face_network(NetworkConfig("resnet14", 8), image_size=16, identities=3)
    synchronized = with_synchronized_batch_norms(network)
    assert has_synchronized_batch_norms(synchronized) and not has_synchronized_batch_norms(network)
    assert {layer.compute_dtype for layer in batch_norms(synchronized)} == {"float32"}
    alone = without_synchronized_batch_norms(synchronized, precision)
    assert alone.get_config() == network.get_config()
    wide = precision.removeprefix("mixed_")
    for layer in batch_norms(alone):
        assert layer.compute_dtype == ("float32" if layer.moving_mean.shape[0] < 16 else wide)
    images = np.random.default_rng(0).uniform(0, 255, [2, 16, 16, 3]).astype(np.float32)
    np.testing.assert_array_equal(alone(images)["logits"], network(images)["logits"])
