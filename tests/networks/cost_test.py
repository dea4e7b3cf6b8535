import pytest
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.networks.cost import multiply_adds
from kd_tf.networks.face_network import NetworkConfig, make_face_network
from kd_tf.networks.resnet import make_resnet

layers = tf.keras.layers


def test_each_weight_counts_at_each_place():
    images = tf.keras.Input([8, 6, 3])
    x = layers.Conv2D(5, (3, 1), strides=2, padding="same")(images)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
    x = layers.Conv2D(4, 1, groups=2)(x)
    x = layers.Dense(7)(layers.Flatten()(x))
    # 4 x 3 places of 3 x 1 x 3 x 5 weights; 2 x 1 places of 3 x 3 x 5 x 2; 2 places of 2 groups of 5 x 2; 2 x 4 inputs of 7 units.
    assert multiply_adds(tf.keras.Model(images, x)) == 12 * 45 + 2 * 90 + 2 * 20 + 56


def test_models_inside_count_as_often_as_they_are_used():
    inside = tf.keras.Sequential([layers.Dense(4, input_shape=[4])])
    vector = tf.keras.Input([4])
    network = tf.keras.Model(vector, {"once": layers.Dense(3)(vector), "twice": inside(inside(vector))})
    assert multiply_adds(network) == 4 * 3 + 2 * 4 * 4


def test_a_dense_layer_over_places_counts_at_each():
    images = tf.keras.Input([5, 2, 3])
    assert multiply_adds(tf.keras.Model(images, layers.Dense(4)(images))) == 5 * 2 * 3 * 4


def test_resnet50():
    # He et al. 2015, Table 1: 3.8e9. A block's first layer has the stride, so the places of a stage are those of its output.
    stem = 112**2 * 7 * 7 * 3 * 64
    total = stem
    for blocks, width, before, side in ((3, 64, 64, 56), (4, 128, 256, 28), (6, 256, 512, 14), (3, 512, 1024, 7)):
        first = before * width + 9 * width * width + width * 4 * width + before * 4 * width
        other = 4 * width * width + 9 * width * width + width * 4 * width
        total += side**2 * (first + (blocks - 1) * other)
    assert multiply_adds(make_resnet("resnet50")) == total == 3_855_925_248


def test_heads_count_too():
    config = NetworkConfig("resnet14", 8)
    trunk = multiply_adds(make_resnet("resnet14", width_divisor=8, image_size=32))
    network = make_face_network(config, image_size=32, identities=10, landmarks=True)
    assert multiply_adds(network) == trunk + 256 * (10 + 10)


def test_the_size_must_be_known():
    images = tf.keras.Input([None, None, 3])
    with pytest.raises(InputError, match=r"depend on the size of its input, which is \[None, None, 3\]"):
        multiply_adds(tf.keras.Model(images, layers.Conv2D(1, 1)(images)))
