import numpy as np
import pytest
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.networks.resnet import make_resnet


def _trainable_parameters(trunk):
    return sum(int(np.prod(weight.shape)) for weight in trunk.trainable_weights)


@pytest.fixture(scope="module")
def eighth():
    return make_resnet("resnet50", width_divisor=8, image_size=33)


# The paper has 23.51M, 5.89M, 1.48M and 0.374M.
@pytest.mark.parametrize(
    ("divisor", "parameters", "width"), [(1, 23_508_032, 2048), (2, 5_892_640, 1024), (4, 1_480_976, 512), (8, 374_152, 256)]
)
def test_resnet50_parameters_and_width(divisor, parameters, width):
    trunk = make_resnet("resnet50", width_divisor=divisor, image_size=96)
    assert _trainable_parameters(trunk) == parameters
    assert trunk.output_shape == (None, width)
    # Without its own scale and shift the input normalization has nothing to train.
    assert not trunk.get_layer("input_norm").trainable_weights


def test_resnet26_has_two_blocks_a_stage():
    trunk = make_resnet("resnet26", width_divisor=8, image_size=96)
    blocks = [layer.name.removesuffix("_add") for layer in trunk.layers if layer.name.endswith("_add")]
    assert blocks == [f"stage{stage}_block{block}" for stage in (2, 3, 4, 5) for block in (1, 2)]


def test_first_layer_from_96_pixels():
    trunk = make_resnet("resnet26", width_divisor=8, image_size=96)
    assert trunk.get_layer("stem_conv").kernel.shape == (7, 7, 3, 8)
    # 96 / 2 (stem) / 2 (pooling), then halved in stages 3 to 5.
    assert [trunk.get_layer(f"stage{stage}_block2_add").output.shape[1] for stage in (2, 3, 4, 5)] == [24, 12, 6, 3]


def test_first_layer_under_96_pixels():
    trunk = make_resnet("resnet26", width_divisor=8, image_size=64)
    assert trunk.get_layer("stem_conv").kernel.shape == (3, 3, 3, 8)
    assert "stem_pool" not in {layer.name for layer in trunk.layers}
    assert [trunk.get_layer(f"stage{stage}_block2_add").output.shape[1] for stage in (2, 3, 4, 5)] == [32, 16, 8, 4]


def test_blocks_start_as_their_shortcut(eighth):
    names = [f"stage5_block{block}_relu3" for block in (1, 2, 3)]
    outputs = tf.keras.Model(eighth.input, [eighth.get_layer(name).output for name in names])
    first, second, third = outputs(np.random.RandomState(0).uniform(0, 255, [2, 33, 33, 3]).astype(np.float32), training=True)
    assert float(tf.math.reduce_std(first)) > 0.1
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, third)


def test_hidden_layer_is_the_mean_over_places(eighth):
    images = np.random.RandomState(1).uniform(0, 255, [2, 33, 33, 3]).astype(np.float32)
    outputs = tf.keras.Model(eighth.input, [eighth.get_layer("stage5_block3_relu3").output, eighth.output])
    last, hidden = outputs(images, training=True)
    # 33 to 17, 9, 5 and 3 places a side.
    assert last.shape == (2, 3, 3, 256)
    np.testing.assert_allclose(hidden, last.numpy().mean(axis=(1, 2)), rtol=1e-5)


def test_batch_norm_momentum():
    trunk = make_resnet("resnet26", width_divisor=8, image_size=16, batch_norm_momentum=0.75)
    images = np.full([2, 16, 16, 3], 100.0, np.float32)
    trunk(images, training=True)
    # 0.75 * 0 + 0.25 * 100 and 0.75 * 1 + 0.25 * 0.
    np.testing.assert_allclose(trunk.get_layer("input_norm").moving_mean, [25.0] * 3)
    np.testing.assert_allclose(trunk.get_layer("input_norm").moving_variance, [0.75] * 3)
    assert {layer.momentum for layer in trunk.layers if isinstance(layer, tf.keras.layers.BatchNormalization)} == {0.75}


def test_input_norm_divides_out_brightness_and_contrast():
    trunk = make_resnet("resnet26", width_divisor=8, image_size=16)
    images = np.random.RandomState(2).uniform(0, 100, [4, 16, 16, 3]).astype(np.float32)
    np.testing.assert_allclose(trunk(images, training=True), trunk(30 + 2 * images, training=True), atol=1e-3)


@pytest.mark.parametrize("divisor", [0, -2, 3, 128])
def test_bad_width_divisor(divisor):
    with pytest.raises(InputError, match=rf"--width_divisor={divisor} does not divide the stage widths \(64, 128, 256, 512\)"):
        make_resnet("resnet50", width_divisor=divisor)


def test_unknown_network():
    with pytest.raises(InputError, match="--network=vgg16 is unknown; known: resnet14, resnet26, resnet50"):
        make_resnet("vgg16")
