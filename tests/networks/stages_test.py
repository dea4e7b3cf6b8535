import numpy as np
import pytest
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.networks.face_network import NetworkConfig, make_face_network, output_shapes
from kd_tf.networks.initialization import copy_weights, weights_by_path
from kd_tf.networks.stages import stage_network
from kd_tf.training.strategy import precision_policy
from tests.distillers.hint_networks import make_hint_network

SMALL = NetworkConfig("resnet26", width_divisor=8)


def _make(identities=3):
    return make_face_network(SMALL, image_size=16, identities=identities)


@pytest.fixture(scope="module")
def network():
    return _make()


@pytest.fixture(scope="module")
def images():
    return np.random.RandomState(0).uniform(0, 255, [2, 16, 16, 3]).astype(np.float32)


@pytest.mark.parametrize(
    ("stage", "last", "shape"),
    [
        ("stage2", "stage2_block2_relu3", (8, 8, 32)),
        ("stage3", "stage3_block2_relu3", (4, 4, 64)),
        ("stage4", "stage4_block2_relu3", (2, 2, 128)),
        ("stage5", "stage5_block2_relu3", (1, 1, 256)),
        ("stem_relu", "stem_relu", (8, 8, 8)),
    ],
)
def test_a_stage_ends_with_its_last_layer(network, images, stage, last, shape):
    part = stage_network(network, stage)
    assert output_shapes(part) == {"hidden": (None, *shape)}
    trunk = network.get_layer("trunk")
    expected = tf.keras.Model(trunk.inputs, trunk.get_layer(last).output)(images).numpy()
    assert expected.std() > 0.01
    np.testing.assert_array_equal(part(images)["hidden"], expected)


def test_the_last_stage_leads_to_the_hidden_layer(network, images):
    """K is its mean over the positions."""
    positions = stage_network(network, "stage5")(images)["hidden"].numpy()
    np.testing.assert_allclose(network(images)["hidden"], positions.mean(axis=(1, 2)), rtol=1e-5)


def test_layers_and_paths_are_those_of_the_network(network):
    part, whole = weights_by_path(stage_network(network, "stage3")), weights_by_path(network)
    assert list(part) == [path for path in whole if path.startswith(("trunk/input_norm", "trunk/stem", "trunk/stage2", "trunk/stage3"))]
    assert all(whole[path] is weight for path, weight in part.items())


def test_what_a_part_learned_starts_a_whole_network():
    source, target = stage_network(_make(), "stage3"), _make(identities=4)
    for weight in source.weights:
        weight.assign_add(tf.ones_like(weight))
    given, before = weights_by_path(source), {path: weight.numpy() for path, weight in weights_by_path(target).items()}
    report = copy_weights(source, target)
    assert report.copied == list(given) and report.unused == []
    assert set(report.skipped.values()) == {"not in the source"}
    assert report.skipped.keys() == before.keys() - given.keys()
    assert {path.split("_")[0] for path in report.skipped} == {"trunk/stage4", "trunk/stage5", "logits/kernel", "logits/bias"}
    for path, weight in weights_by_path(target).items():
        np.testing.assert_array_equal(weight, given[path] if path in given else before[path])


def test_a_stored_part_is_the_same_part(network, images, tmp_path):
    part = stage_network(network, "stage3")
    part.save(tmp_path / "part.keras")
    stored = tf.keras.models.load_model(tmp_path / "part.keras", compile=False)
    assert list(weights_by_path(stored)) == list(weights_by_path(part))
    np.testing.assert_array_equal(stored(images)["hidden"], part(images)["hidden"])


def test_a_part_in_half_precision_gives_float32(images):
    with precision_policy("mixed_bfloat16"):
        part = stage_network(_make(), "stage3")
    assert part.get_layer("trunk").get_layer("stem_conv").compute_dtype == "bfloat16"
    assert part(images)["hidden"].dtype == tf.float32


def test_any_layer_of_another_network_by_its_name():
    network = make_hint_network(1)
    pictures = np.random.RandomState(1).uniform(size=[2, 8, 8, 3]).astype(np.float32)
    part = stage_network(network, "shallow")
    assert part.name == "hint_1" and output_shapes(part) == {"hidden": (None, 3, 3, 4)}
    np.testing.assert_array_equal(part(pictures)["hidden"], network.get_layer("shallow")(pictures))
    assert part.get_layer("shallow") is network.get_layer("shallow")


def test_a_layers_own_name_comes_before_a_stages():
    """Keras names unnamed layers conv2d, conv2d_1 and on."""
    network = tf.keras.Sequential(
        [tf.keras.Input([8, 8, 3])] + [tf.keras.layers.Conv2D(n, 3, name=f"conv2d{s}") for n, s in ((4, ""), (5, "_1"))]
    )
    assert output_shapes(stage_network(network, "conv2d")) == {"hidden": (None, 6, 6, 4)}
    assert output_shapes(stage_network(network, "conv2d_1")) == {"hidden": (None, 4, 4, 5)}


@pytest.mark.parametrize("stage", ["stage1", "stage6", "stage", "pool_stage3", "logits"])
def test_an_unknown_stage_is_answered_with_those_that_are_there(network, stage):
    with pytest.raises(InputError) as error:
        stage_network(network, stage)
    assert str(error.value) == f"--hint_stage={stage} is not in 'trunk', which has stage2, stage3, stage4, stage5"


def test_an_unknown_layer_is_answered_with_some_that_are_there():
    with pytest.raises(InputError) as error:
        stage_network(make_hint_network(1), "stage3")
    assert str(error.value) == "--hint_stage=stage3 is not in 'hint_1', which has its layers, such as shallow, norm, deep"
