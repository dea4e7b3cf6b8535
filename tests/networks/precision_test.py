import numpy as np
import pytest
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.networks.face_network import NetworkConfig, make_face_network
from kd_tf.networks.precision import in_float32, in_precision
from kd_tf.networks.stages import stage_network
from kd_tf.training.strategy import precision_policy
from tests.networks_for_tests import assert_same_bits, make_batch, make_network, snapshot

IMAGES = np.random.RandomState(0).uniform(0, 255, [2, 16, 16, 3]).astype(np.float32)
# Of the largest value of an output. bfloat16 keeps 8 bits and float16 11; the trunk of 26 layers adds up a few of their errors.
TOLERANCES = {"bfloat16": 0.04, "float16": 0.005}


class _Subclassed(tf.keras.Model):
    def call(self, images):
        return images


def _face_network(policy="float32"):
    with precision_policy(policy):
        network = make_face_network(NetworkConfig("resnet26", width_divisor=8), image_size=16, identities=3, landmarks=True)
    trunk = network.get_layer("trunk")
    trunk.get_layer("input_norm").moving_mean.assign([120.0, 125.0, 130.0])
    trunk.get_layer("input_norm").moving_variance.assign([5000.0, 5500.0, 6000.0])
    trunk.get_layer("stem_norm").moving_mean.assign(np.linspace(-1, 1, 8))
    return network


def _precisions(network) -> dict[str, str]:
    """By layer, those of models inside included."""
    layers = [layer for layer in network.submodules if isinstance(layer, tf.keras.layers.Layer) and not isinstance(layer, tf.keras.Model)]
    return {layer.name: layer.compute_dtype for layer in layers if not isinstance(layer, tf.keras.layers.InputLayer)}


def _assert_close(outputs, expected, tolerance):
    assert outputs.keys() == expected.keys()
    for key, value in expected.items():
        assert outputs[key].dtype == tf.float32
        np.testing.assert_allclose(outputs[key], value, rtol=0, atol=tolerance * np.abs(value).max())
        assert not np.array_equal(outputs[key], value)


@pytest.mark.parametrize("make_float32", [in_float32, lambda network: in_precision(network, "float32")])
def test_float32_removes_the_mixed_policy(make_float32):
    mixed = _face_network("mixed_bfloat16")
    plain = make_float32(mixed)
    assert set(_precisions(plain).values()) == {"float32"}
    assert_same_bits(snapshot(mixed), snapshot(plain))
    _assert_close(plain(IMAGES), mixed(IMAGES), TOLERANCES["bfloat16"])


@pytest.mark.parametrize("make_float32", [in_float32, lambda network: in_precision(network, "float32")])
def test_what_is_in_float32_stays_itself(make_float32):
    for network in (make_network(3, batch_norm=True), _Subclassed()):
        assert make_float32(network) is network


@pytest.mark.parametrize(("saved", "precision"), [("float32", "bfloat16"), ("float32", "float16"), ("mixed_float16", "mixed_bfloat16")])
def test_the_trunk_is_lowered_and_the_heads_are_not(saved, precision):
    network = _face_network(saved)
    before = snapshot(network)
    lowered = in_precision(network, precision)
    kind = precision.removeprefix("mixed_")
    heads = {"hidden", "embedding", "logits", "landmark_coordinates", "landmarks"}
    assert _precisions(lowered) == {name: "float32" if name in heads else kind for name in _precisions(network)}
    assert {weight.dtype for weight in lowered.weights} == {tf.float32}
    assert_same_bits(before, snapshot(lowered))
    assert_same_bits(before, snapshot(network))
    _assert_close(lowered(IMAGES), in_float32(network)(IMAGES), TOLERANCES[kind])


def test_a_stage_is_lowered():
    stage = stage_network(_face_network(), "stage2")
    lowered = in_precision(stage, "bfloat16")
    assert {name for name, kind in _precisions(lowered).items() if kind == "float32"} == {"hidden"}
    _assert_close(lowered(IMAGES), stage(IMAGES), TOLERANCES["bfloat16"])


def test_of_a_plain_model_the_layers_before_hidden_are_lowered():
    network = make_network(1, batch_norm=True)
    lowered = in_precision(network, "bfloat16")
    flatten = next(layer.name for layer in network.layers if isinstance(layer, tf.keras.layers.Flatten))
    assert {name for name, kind in _precisions(lowered).items() if kind == "bfloat16"} == {"conv", "norm", flatten}
    images, _ = make_batch(0)
    _assert_close(lowered(images), network(images), TOLERANCES["bfloat16"])


def test_without_hidden_the_layers_before_the_outputs_are_lowered():
    lowered = in_precision(make_network(1, without=("hidden", "embedding", "landmarks")), "float16")
    assert [name for name, kind in _precisions(lowered).items() if kind == "float32"] == ["logits"]


def test_a_model_that_makes_hidden_is_lowered_and_adapted_layers_are_not():
    """They compute with what they derive from their weights, which would be bfloat16 too."""
    adapted = tf.keras.layers.Normalization(name="adapted")
    adapted.adapt(IMAGES)
    conv = tf.keras.layers.Conv2D(4, 3, activation="relu", name="conv")
    inner = tf.keras.Sequential([tf.keras.Input([16, 16, 3]), adapted, conv, tf.keras.layers.GlobalAveragePooling2D(name="mean")])
    images = tf.keras.Input([16, 16, 3])
    hidden = inner(images)
    network = tf.keras.Model(images, {"hidden": hidden, "logits": tf.keras.layers.Dense(3, name="logits")(hidden)})
    lowered = in_precision(network, "bfloat16")
    assert _precisions(lowered) == {"adapted": "float32", "conv": "bfloat16", "mean": "bfloat16", "logits": "float32"}
    assert_same_bits(snapshot(network), snapshot(lowered))
    # K of a model is what that model computes in.
    outputs = {key: tf.cast(value, tf.float32) for key, value in lowered(IMAGES).items()}
    _assert_close(outputs, network(IMAGES), TOLERANCES["bfloat16"])


def _around(make_hidden) -> tf.keras.Model:
    images = tf.keras.Input([16, 16, 3])
    return tf.keras.Model(images, {"hidden": tf.keras.layers.GlobalAveragePooling2D()(make_hidden(images))}, name="own")


@pytest.mark.parametrize("network", [_Subclassed(name="own"), _around(_Subclassed())], ids=["subclassed", "a subclassed one inside"])
def test_a_model_that_is_not_functional(network):
    assert in_float32(network) is network
    with pytest.raises(InputError) as error:
        in_precision(network, "bfloat16", "teacher_precision")
    assert str(error.value) == "--teacher_precision=bfloat16 needs a functional Keras model, which 'own' is not; leave the flag out"


class _InFloat32Alone(tf.keras.layers.Layer):
    def call(self, images):
        return images + tf.ones([3])


def test_a_layer_that_cannot_compute_so():
    network = _around(_InFloat32Alone())
    with pytest.raises(InputError, match="^--precision=mixed_float16: the layers of 'own' cannot compute so: .*_in_float32_alone"):
        in_precision(network, "mixed_float16")


def test_an_unknown_precision():
    with pytest.raises(InputError, match="^--teacher_precision=float8 is unknown; known: float32, bfloat16, float16$"):
        in_precision(make_network(1), "float8", "teacher_precision")
