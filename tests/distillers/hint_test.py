import numpy as np
import pytest
import tensorflow as tf

from kd_tf.distillers import HintDistiller
from kd_tf.errors import InputError
from kd_tf.networks.initialization import weights_by_path
from kd_tf.networks.stages import stage_network
from tests.distillers.hint_networks import make_hint_network
from tests.distillers.logs import gradients
from tests.networks_for_tests import assert_same_bits, make_batch, make_network, snapshot

LEARNING_RATE = 0.05


def _distiller(student, teacher, **options):
    """Between the stages `norm` of both."""
    distiller = HintDistiller(stage_network(student, "norm"), stage_network(teacher, "norm"), **options)
    distiller.compile(optimizer=tf.keras.optimizers.SGD(LEARNING_RATE))
    return distiller


def _stage_in_numpy(network, images):
    """Convolution of stride 2, tanh and the normalization at inference, `[batch, 3, 3, channels]`."""
    weights = {path: weight.numpy().astype(np.float64) for path, weight in weights_by_path(network).items()}
    windows = np.stack([[images[:, y : y + 3, x : x + 3] for x in (0, 2, 4)] for y in (0, 2, 4)])
    convolved = np.tanh(np.einsum("yxbijc,ijco->byxo", windows, weights["shallow/kernel"]) + weights["shallow/bias"])
    scale = weights["norm/gamma"] / np.sqrt(weights["norm/moving_variance"] + 1e-3)
    return (convolved - weights["norm/moving_mean"]) * scale + weights["norm/beta"]


def test_the_loss_is_the_distance_of_the_projected_positions():
    student, teacher = make_hint_network(1, channels=4), make_hint_network(2, channels=7)
    teacher.get_layer("norm").moving_mean.assign(np.linspace(-0.5, 0.5, 7))
    images, targets = make_batch(0)
    distiller = _distiller(student, teacher, beta=0.5)
    # A 1x1 convolution: at every position the same matrix from 4 to 7 channels.
    kernel, bias = distiller.projection.kernel.numpy(), distiller.projection.bias.numpy()
    assert kernel.shape == (4, 7)
    projected = np.einsum("byxi,io->byxo", _stage_in_numpy(student, images), kernel) + bias
    expected = np.mean((projected - _stage_in_numpy(teacher, images)) ** 2)
    logs = distiller.evaluate(images, targets, batch_size=3, verbose=0, return_dict=True)
    assert logs.keys() == {"loss", "hidden", "cosine_agreement"}
    assert [logs["loss"], logs["hidden"]] == pytest.approx([0.5 * expected, expected], rel=1e-4)


@pytest.mark.parametrize(("options", "factor"), [({"hidden_reduction": "sum"}, 4), ({}, 1)])
def test_stages_of_equal_channels_are_compared_as_they_are(options, factor):
    student, teacher = make_hint_network(1), make_hint_network(2)
    images, targets = make_batch(0)
    distiller = _distiller(student, teacher, beta=1.0, **options)
    assert distiller.projection is None
    expected = factor * np.mean((_stage_in_numpy(student, images) - _stage_in_numpy(teacher, images)) ** 2)
    assert distiller.evaluate(images, targets, verbose=0, return_dict=True)["hidden"] == pytest.approx(expected, rel=1e-4)


def test_trains_the_shallow_part_and_the_projection_alone():
    student, teacher = make_hint_network(1), make_hint_network(2, channels=7)
    distiller = _distiller(student, teacher, beta=1.0)
    trained = {id(variable) for variable in distiller.student_variables()}
    shallow = [*student.get_layer("shallow").trainable_variables, *student.get_layer("norm").trainable_variables]
    assert trained == {id(variable) for variable in [*shallow, *distiller.projection.trainable_variables]}
    rest = snapshot(student.get_layer("deep"), student.get_layer("logits"), teacher)
    before = snapshot(*shallow, distiller.projection, student.get_layer("norm").moving_mean)
    images, targets = make_batch(0)
    history = distiller.fit(images, targets, epochs=3, batch_size=8, verbose=0).history
    assert history["hidden"][2] < history["hidden"][0] == history["loss"][0]
    for was, now in zip(before, snapshot(*shallow, distiller.projection, student.get_layer("norm").moving_mean), strict=True):
        assert np.abs(now - was).max() > 1e-6
    assert_same_bits(rest, snapshot(student.get_layer("deep"), student.get_layer("logits"), teacher))


def test_the_logged_gradient_is_that_of_the_mean_over_batch_positions_and_channels():
    student, teacher = make_hint_network(1), make_hint_network(2)
    images, targets = make_batch(0)
    distiller = _distiller(student, teacher, beta=0.5)
    # In training the student's batch statistics count.
    hidden = distiller.student(images, training=True)["hidden"].numpy()
    # d/dK of 0.5 * mean (K - K_T)^2 is (K - K_T) / (8 * 3 * 3 * 4).
    expected = np.linalg.norm(hidden - _stage_in_numpy(teacher, images)) / 288
    logged = gradients(distiller.fit(images, targets, batch_size=8, verbose=0).history)
    assert logged == pytest.approx({"hidden": expected}, rel=1e-4)


def test_other_positions_than_the_teachers_are_refused():
    student, teacher = stage_network(make_hint_network(1, stride=1), "norm"), stage_network(make_hint_network(2), "norm")
    with pytest.raises(InputError) as error:
        HintDistiller(student, teacher, beta=1.0)
    message = "the student's layer has (6, 6) positions and the teacher's (3, 3): take stages of one size"
    assert str(error.value) == message
    with pytest.raises(InputError, match=r"the student's layer has \(6, 6\) positions and the teacher's \(\): take stages of one size"):
        HintDistiller(student, make_network(2), beta=1.0)


@pytest.mark.parametrize("weight", ["similarity_weight", "distance_weight", "angle_weight"])
def test_relations_between_layers_with_positions_are_refused(weight):
    student, teacher = (stage_network(make_hint_network(seed), "norm") for seed in (1, 2))
    with pytest.raises(InputError) as error:
        HintDistiller(student, teacher, beta=1.0, **{weight: 0.5})
    found = "the student's layer has (3, 3) positions and the teacher's (3, 3)"
    assert str(error.value) == f"{found}: --{weight}=0.5 compares whole images; use --{weight}=0"


def test_a_hint_without_weight_is_refused():
    student, teacher = (stage_network(make_hint_network(seed), "norm") for seed in (1, 2))
    with pytest.raises(InputError, match="^the teacher's hidden layer is all that a hint learns: .*; the loss has nothing$"):
        HintDistiller(student, teacher)


def test_a_hint_without_a_teacher_is_refused():
    with pytest.raises(InputError, match="--beta=1.0 needs a teacher"):
        HintDistiller(stage_network(make_hint_network(1), "norm"), beta=1.0)
