"""Every distiller computes the same on two devices as on one: weights, logged means and evaluation, for the same global batches."""

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.distillers import AlignmentDistiller, ClassificationDistiller, EmbeddingDistiller, HintDistiller, VerificationDistiller
from kd_tf.distillers.agreement import AGREEMENT, OF_TEACHER
from kd_tf.distillers.balance import GRADIENT
from kd_tf.networks.stages import stage_network
from tests.distillers.hint_networks import make_hint_network
from tests.networks_for_tests import assert_same_bits, make_batch, make_network, snapshot

BATCH_SIZE = 12
STEPS = 3
DISTILLERS = {
    "classification": (ClassificationDistiller, {"logits_weight": 0.25}),
    "alignment": (AlignmentDistiller, {"hidden_reduction": "sum", "normalize_hidden": True}),
    "verification_semi_hard": (VerificationDistiller, {"mining": "semi_hard"}),
    "verification_hard": (VerificationDistiller, {"mining": "hard"}),
    "verification_all": (VerificationDistiller, {"mining": "all"}),
    "joint": (VerificationDistiller, {"mining": "semi_hard", "identity_weight": 1.0}),
    "relations": (AlignmentDistiller, {"cosine_weight": 0.5, "similarity_weight": 0.5, "distance_weight": 2.0, "angle_weight": 2.0}),
    "embedding": (EmbeddingDistiller, {"normalize_hidden": True}),
    "hint": (HintDistiller, {}),
}


@pytest.fixture(autouse=True)
def _every_step_measures_its_gradients(monkeypatch):
    """As the steps on several replicas do anyway."""
    monkeypatch.setattr("kd_tf.distillers.balance.BALANCE_STEPS", 1)


def _batches(size, batch_size):
    return tf.data.Dataset.from_tensor_slices(make_batch(0, size=size)).batch(batch_size)


def _make_student(make):
    student = make_hint_network(1, l2=0.01) if make is HintDistiller else make_network(1, batch_norm=True, l2=0.01)
    # A frozen normalization is in inference mode: batch statistics would be those of each replica.
    student.get_layer("norm").trainable = False
    return stage_network(student, "norm") if make is HintDistiller else student


def _make_teacher(make):
    """Wider than the student, so that there is a projection."""
    return stage_network(make_hint_network(2, channels=7), "norm") if make is HintDistiller else make_network(2, width=9, batch_norm=True)


def outcome(strategy, make, options, *, sample_weight=None):
    """The weights after three steps, the logged values of each, and the values of an evaluation with unequal batches."""
    with strategy.scope():
        student, teacher = _make_student(make), _make_teacher(make)
        tf.keras.utils.set_random_seed(3)
        distiller = make(student, teacher, alpha=0.0 if issubclass(make, EmbeddingDistiller) else 0.5, beta=0.5, **options)
        distiller.compile(optimizer=tf.keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True))
    before = snapshot(teacher)
    data = make_batch(0, size=BATCH_SIZE) + (() if sample_weight is None else (sample_weight,))
    batches = tf.data.Dataset.from_tensor_slices(data).batch(BATCH_SIZE)
    history = distiller.fit(batches, epochs=STEPS, verbose=0).history
    # 23 images in batches of 9, 9 and 5: each is divided unequally.
    scores = distiller.evaluate(_batches(23, 9), verbose=0, return_dict=True)
    assert_same_bits(before, snapshot(teacher))
    return snapshot(distiller.student, distiller.projection), history, scores


def assert_same(one, other):
    (one_weights, one_history, one_scores), (other_weights, other_history, other_scores) = one, other
    assert one_history.keys() == other_history.keys() and one_scores.keys() == other_scores.keys()
    told = {name for name in one_scores if not name.endswith((AGREEMENT, OF_TEACHER))}
    assert told == {name for name in one_history if not name.endswith(GRADIENT)} < one_history.keys() and told < one_scores.keys()
    for name, values in one_history.items():
        assert np.isfinite(values).all()
        np.testing.assert_allclose(other_history[name], values, rtol=1e-4 if name.endswith(GRADIENT) else 1e-5, err_msg=name)
    for name, value in one_scores.items():
        np.testing.assert_allclose(other_scores[name], value, rtol=1e-5, err_msg=name)
    for value, other_value in zip(one_weights, other_weights, strict=True):
        np.testing.assert_allclose(other_value, value, atol=1e-5)


def _assert_moved(make, weights):
    start = snapshot(_make_student(make))
    # Of the projection there is nothing to compare with.
    assert sum(np.abs(before - after).max() > 1e-4 for before, after in zip(start, weights, strict=False)) >= 2


@pytest.mark.parametrize("name", DISTILLERS)
def test_two_devices_compute_as_one(name, mirrored):
    make, options = DISTILLERS[name]
    one = outcome(tf.distribute.get_strategy(), make, options)
    _assert_moved(make, one[0])
    assert_same(one, outcome(mirrored, make, options))


@pytest.mark.parametrize("name", ["classification", "alignment", "hint"])
def test_two_devices_weigh_samples_as_one(name, mirrored):
    make, options = DISTILLERS[name]
    # All that the first device gets of the batch is weightless but one image.
    weights = np.array([0, 0, 0, 2, 0, 0, 1, 1, 0.5, 3, 1, 0], np.float32)
    one = outcome(tf.distribute.get_strategy(), make, options, sample_weight=weights)
    assert_same(one, outcome(mirrored, make, options, sample_weight=weights))


@pytest.mark.parametrize("make", [ClassificationDistiller, VerificationDistiller])
def test_a_batch_smaller_than_the_devices(make, mirrored):
    scores = []
    for strategy in (tf.distribute.get_strategy(), mirrored):
        with strategy.scope():
            distiller = make(make_network(1))
            distiller.compile()
        # Batches of 4 and 1.
        scores.append(distiller.evaluate(_batches(5, 4), verbose=0, return_dict=True))
    assert scores[1] == pytest.approx(scores[0], rel=1e-5)
