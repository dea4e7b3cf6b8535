import numpy as np
import pytest
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.networks.stages import stage_network
from kd_tf.teachers.live import LiveTeacher
from kd_tf.training.strategy import precision_policy
from tests.networks_for_tests import assert_same_bits, make_batch, make_network, snapshot


def test_uses_the_moving_statistics_and_does_not_change_them():
    network = make_network(1, batch_norm=True)
    network.get_layer("norm").moving_mean.assign([0.5, -0.5, 0.25, 0.0])
    network.get_layer("norm").moving_variance.assign([4.0, 1.0, 0.25, 9.0])
    before = snapshot(network)
    images, _ = make_batch(0)
    outputs = LiveTeacher(network)(images)
    assert_same_bits(before, snapshot(network))
    convolved = network.get_layer("conv")(images).numpy()
    normed = (convolved - [0.5, -0.5, 0.25, 0.0]) / np.sqrt(np.array([4.0, 1.0, 0.25, 9.0]) + 1e-3)
    kernel, bias = network.get_layer("dense").get_weights()
    np.testing.assert_allclose(outputs["hidden"], np.tanh(normed.reshape(len(images), -1) @ kernel + bias), atol=1e-5)


def test_answers_hidden_and_logits_as_far_as_there_are_any():
    images, _ = make_batch(0)
    network = make_network(1)
    outputs = LiveTeacher(network)(images)
    assert outputs.keys() == {"hidden", "logits"}
    np.testing.assert_array_equal(outputs["logits"], network(images)["logits"])
    assert LiveTeacher(make_network(1, without=("logits",)))(images).keys() == {"hidden"}


def test_outputs_are_float32():
    with precision_policy("mixed_bfloat16"):
        network = make_network(1)
    images, _ = make_batch(0)
    outputs, expected = LiveTeacher(network)(images), network(images)
    for key, value in outputs.items():
        assert value.dtype == tf.float32 and expected[key].dtype == tf.bfloat16
        np.testing.assert_array_equal(value, tf.cast(expected[key], tf.float32))


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.01), ("float16", 0.001)])
def test_a_lower_precision_gives_nearly_the_same(precision, tolerance):
    """Outputs are around 1; of the layers before K only the convolution and its normalization compute in 8 and 11 bits."""
    network = make_network(1, batch_norm=True)
    network.get_layer("norm").moving_mean.assign([0.5, -0.5, 0.25, 0.0])
    before = snapshot(network)
    teacher, images = LiveTeacher(network, precision), make_batch(0)[0]
    outputs = teacher(images)
    assert outputs.keys() == {"hidden", "logits"}
    for key, value in outputs.items():
        assert value.dtype == tf.float32
        np.testing.assert_allclose(value, network(images)[key], rtol=0, atol=tolerance)
        assert not np.array_equal(value, network(images)[key])
    assert_same_bits(before, snapshot(network))
    assert_same_bits(before, snapshot(teacher._network))


def test_a_precision_that_a_model_cannot_have_names_the_flag():
    class Subclassed(tf.keras.Model):
        pass

    with pytest.raises(InputError, match="^--teacher_precision=bfloat16 needs a functional Keras model, which 'own' is not"):
        LiveTeacher(Subclassed(name="own"), "bfloat16")


@pytest.mark.parametrize("precision", [None, "bfloat16"])
def test_lets_no_gradient_through(precision):
    network = make_network(1)
    images = tf.constant(make_batch(0)[0])
    teacher = LiveTeacher(network, precision)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = teacher(images)
        total = tf.reduce_sum(outputs["logits"]) + tf.reduce_sum(outputs["hidden"])
    assert tape.gradient(total, [images, *teacher._network.trainable_variables]) == [None] * 9


def test_a_model_that_holds_one_does_not_track_it():
    class Holder(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.teacher = LiveTeacher(make_network(1))

    assert Holder().variables == [] and Holder().layers == []


def test_width():
    teacher = LiveTeacher(make_network(1, width=9, identities=4))
    assert (teacher.width("hidden"), teacher.width("logits")) == (9, 4)


def test_positions():
    teacher = LiveTeacher(stage_network(make_network(1), "conv"))
    assert (teacher.positions("hidden"), teacher.width("hidden")) == ((6, 6), 4)
    assert LiveTeacher(make_network(1)).positions("hidden") == LiveTeacher(make_network(1)).positions("logits") == ()


def test_missing_outputs():
    teacher = LiveTeacher(make_network(1, without=("logits", "landmarks")))
    teacher.require("hidden")
    with pytest.raises(InputError, match=r"the teacher 'tiny_1' lacks the output 'logits' \(it has: embedding, hidden\)"):
        teacher.require("logits", "hidden")
