"""The logged gradient of each term at K against one made by hand: K is held fast, and only the heads run inside the tape."""

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.distillers import AlignmentDistiller, ClassificationDistiller, VerificationDistiller
from kd_tf.distillers.balance import BALANCE_STEPS, GRADIENT, GradientBalance
from kd_tf.losses.classification import identity_loss, logits_loss, soft_target_loss
from kd_tf.losses.hidden import cosine_loss, hidden_loss
from kd_tf.losses.landmarks import landmark_loss
from kd_tf.losses.relational import angle_loss, distance_loss
from kd_tf.losses.similarity import similarity_loss
from kd_tf.losses.triplets import triplet_loss_named
from kd_tf.training.strategy import precision_policy
from tests.distillers.logs import gradients
from tests.networks_for_tests import IMAGE_SIZE, assert_same_bits, make_batch, make_network, snapshot

SAMPLE_WEIGHTS = np.array([2, 0, 1, 0, 0.5, 3, 0, 1], np.float32)
TEACHER_TARGETS = {"alpha": 0.5, "logits_weight": 0.25, "beta": 2.0, "cosine_weight": 1.5}
RELATIONS = {"similarity_weight": 0.5, "distance_weight": 5.0, "angle_weight": 4.0}


def _compiled(distiller, learning_rate=0.05, **options):
    distiller.compile(optimizer=tf.keras.optimizers.SGD(learning_rate), **options)
    return distiller


def _fit(distiller, images, targets, **options):
    return distiller.fit(images, targets, batch_size=len(images), shuffle=False, verbose=0, **options).history


def _heads(student, hidden):
    """What the student makes of K."""
    return {
        "hidden": hidden,
        "embedding": student.get_layer("embedding")(hidden),
        "logits": student.get_layer("logits")(hidden),
        "landmarks": student.get_layer("landmarks")(student.get_layer("coordinates")(hidden)),
    }


def _norm_by_hand(student, images, loss):
    """The norm, over the batch and the width, of the gradient at K of `loss`, a function of the outputs."""
    hidden = tf.constant(student(images)["hidden"])
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        value = loss(_heads(student, hidden))
    return float(np.sqrt(np.sum(tape.gradient(value, hidden).numpy().astype(np.float64) ** 2)))


def _teacher_losses(distiller, teacher, images, weigh=tf.reduce_mean):
    """The terms of `TEACHER_TARGETS` with their weights."""
    known, project = teacher(images), distiller.projection or (lambda hidden: hidden)
    return {
        "soft": lambda outputs: 0.5 * weigh(soft_target_loss(known["logits"], outputs["logits"], temperature=3.0)),
        "logits": lambda outputs: 0.25 * weigh(logits_loss(known["logits"], outputs["logits"])),
        "hidden": lambda outputs: 2.0 * weigh(hidden_loss(known["hidden"], project(outputs["hidden"]))),
        "cosine": lambda outputs: 1.5 * weigh(cosine_loss(known["hidden"], project(outputs["hidden"]))),
    }


def _relations(distiller, teacher, images):
    """The terms of `RELATIONS` with their weights."""
    known, project = teacher(images)["hidden"], distiller.projection or (lambda hidden: hidden)
    return {
        "similarity": lambda outputs: 0.5 * similarity_loss(known, project(outputs["hidden"])),
        "distance": lambda outputs: 5.0 * distance_loss(known, outputs["hidden"]),
        "angle": lambda outputs: 4.0 * angle_loss(known, outputs["hidden"]),
    }


def _identity(targets, weight=1.0, weigh=tf.reduce_mean):
    return {"identity": lambda outputs: weight * weigh(identity_loss(targets["identity"], outputs["logits"]))}


def _landmarks(targets):
    return {"landmarks": lambda outputs: tf.reduce_mean(landmark_loss(targets["landmarks"], outputs["landmarks"]))}


def _triplet(targets, mining):
    loss = triplet_loss_named(mining)
    return {"triplet": lambda outputs: loss(tf.constant(targets["identity"]), outputs["embedding"], margin=0.3)}


@pytest.mark.parametrize(
    ("make", "options", "task_losses"),
    [
        (ClassificationDistiller, {}, _identity),
        (AlignmentDistiller, {}, _landmarks),
        (
            VerificationDistiller,
            {"margin": 0.3, "mining": "hard", "identity_weight": 0.75},
            lambda targets: _triplet(targets, "hard") | _identity(targets, 0.75),
        ),
        (VerificationDistiller, {"margin": 0.3, "mining": "semi_hard"}, lambda targets: _triplet(targets, "semi_hard")),
    ],
    ids=["classification", "alignment", "joint", "verification"],
)
def test_each_terms_gradient_equals_one_by_hand(make, options, task_losses):
    student, teacher = make_network(1), make_network(2, width=9)
    images, targets = make_batch(0)
    distiller = _compiled(make(student, teacher, **TEACHER_TARGETS, **RELATIONS, **options))
    losses = task_losses(targets) | _teacher_losses(distiller, teacher, images) | _relations(distiller, teacher, images)
    expected = {name: _norm_by_hand(student, images, loss) for name, loss in losses.items()}
    assert min(expected.values()) > 1e-3
    assert gradients(_fit(distiller, images, targets)) == pytest.approx(expected, rel=1e-4)


def test_sample_weights_weigh_the_gradients():
    student, teacher = make_network(1), make_network(2)
    images, targets = make_batch(0)
    distiller = _compiled(ClassificationDistiller(student, teacher, **TEACHER_TARGETS))

    def weigh(values):
        return tf.reduce_sum(SAMPLE_WEIGHTS * values) / 8

    losses = _identity(targets, weigh=weigh) | _teacher_losses(distiller, teacher, images, weigh)
    expected = {name: _norm_by_hand(student, images, loss) for name, loss in losses.items()}
    assert gradients(_fit(distiller, images, targets, sample_weight=SAMPLE_WEIGHTS)) == pytest.approx(expected, rel=1e-4)


def _norms_of_steps(learning_rate, epochs, steps, **options):
    """The logged norm of the identity's gradient after each epoch of some steps, and that of each of the batches by hand."""
    student = make_network(1)
    batches = [make_batch(seed) for seed in range(steps)]
    by_hand = [_norm_by_hand(student, images, _identity(targets)["identity"]) for images, targets in batches]
    images, identities = (
        np.concatenate(parts) for parts in zip(*((images, targets["identity"]) for images, targets in batches), strict=True)
    )
    distiller = _compiled(ClassificationDistiller(student), learning_rate, **options)
    history = distiller.fit(images, {"identity": identities}, batch_size=8, epochs=epochs, shuffle=False, verbose=0).history
    return history["identity_gradient"], by_hand


def test_only_every_so_many_steps_are_measured_and_logged_is_the_root_of_the_mean_square(monkeypatch):
    monkeypatch.setattr("kd_tf.distillers.balance.BALANCE_STEPS", 3)
    (logged,), by_hand = _norms_of_steps(learning_rate=0.0, epochs=1, steps=5)
    assert len({round(norm, 4) for norm in by_hand}) == 5
    # Steps 0 and 3 of 0 to 4.
    assert logged == pytest.approx(np.sqrt((by_hand[0] ** 2 + by_hand[3] ** 2) / 2), rel=1e-4)


def test_before_the_first_measurement_there_is_no_number(monkeypatch):
    monkeypatch.setattr("kd_tf.distillers.balance.BALANCE_STEPS", 3)
    # Epochs of two steps: 0 and 1, 2 and 3, 4 and 5.
    (first, second, third), by_hand = _norms_of_steps(learning_rate=0.0, epochs=3, steps=2)
    assert [first, second] == pytest.approx(by_hand, rel=1e-4)
    assert np.isnan(third)


def test_twenty_steps_lie_between_two_measurements_by_default():
    assert BALANCE_STEPS == 20
    logged, by_hand = _norms_of_steps(learning_rate=0.0, epochs=21, steps=1)
    assert [logged[0], logged[20]] == pytest.approx(by_hand * 2, rel=1e-4)
    assert np.isnan(logged[1:20]).all()


def test_eager_steps_measure_the_same(monkeypatch):
    monkeypatch.setattr("kd_tf.distillers.balance.BALANCE_STEPS", 3)
    (logged,), by_hand = _norms_of_steps(learning_rate=0.0, epochs=1, steps=2, run_eagerly=True)
    assert logged == pytest.approx(by_hand[0], rel=1e-4)


def test_two_devices_measure_the_gradient_of_the_global_batch(mirrored):
    """The replicas of a mirrored run see four images each; triplets and relations span them. (The other tasks: conformance_test.py.)"""
    images, targets = make_batch(0)
    with mirrored.scope():
        student, teacher = make_network(1), make_network(2)
        options = TEACHER_TARGETS | RELATIONS
        distiller = VerificationDistiller(student, teacher, margin=0.3, mining="hard", identity_weight=0.75, **options)
        _compiled(distiller)
    losses = _triplet(targets, "hard") | _identity(targets, 0.75) | _teacher_losses(distiller, teacher, images)
    losses |= _relations(distiller, teacher, images)
    expected = {name: _norm_by_hand(student, images, loss) for name, loss in losses.items()}
    assert gradients(_fit(distiller, images, targets)) == pytest.approx(expected, rel=1e-4)


def test_evaluation_measures_no_gradient():
    images, targets = make_batch(0)
    distiller = _compiled(ClassificationDistiller(make_network(1), make_network(2), **TEACHER_TARGETS))
    logs = distiller.evaluate(images, targets, verbose=0, return_dict=True)
    assert not any(name.endswith(GRADIENT) for name in logs)


def _half_precision_network(seed):
    """A convolution in float16, and K and the heads in float32, as the package's own networks have them."""
    tf.keras.utils.set_random_seed(seed)
    images = tf.keras.Input([IMAGE_SIZE, IMAGE_SIZE, 3])
    x = tf.keras.layers.Flatten()(tf.keras.layers.Conv2D(4, 3, strides=3, activation="tanh", name="conv")(images))
    hidden = tf.keras.layers.Activation("linear", dtype="float32", name="hidden")(x)
    return tf.keras.Model(images, {"hidden": hidden, "logits": tf.keras.layers.Dense(5, dtype="float32", name="logits")(hidden)})


def test_loss_scaling_does_not_scale_the_logged_gradient():
    images, targets = make_batch(0)
    with precision_policy("mixed_float16"):
        student, teacher = _half_precision_network(1), _half_precision_network(2)
        distiller = _compiled(ClassificationDistiller(student, teacher, alpha=0.5))
    assert student.get_layer("conv").compute_dtype == "float16"
    assert float(distiller.optimizer.initial_scale) == 2**15
    hidden = tf.constant(student(images)["hidden"])
    known = teacher(images)["logits"]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(hidden)
        logits = student.get_layer("logits")(hidden)
        identity = tf.reduce_mean(identity_loss(targets["identity"], logits))
        soft = 0.5 * tf.reduce_mean(soft_target_loss(known, logits, temperature=3.0))
    expected = {"identity": float(tf.norm(tape.gradient(identity, hidden))), "soft": float(tf.norm(tape.gradient(soft, hidden)))}
    assert gradients(_fit(distiller, images, targets)) == pytest.approx(expected, rel=1e-3)


def _two_branches():
    """K and the logits that follow from it, beside landmarks that follow from the images alone."""
    images = tf.keras.Input([IMAGE_SIZE, IMAGE_SIZE, 3])
    pixels = tf.keras.layers.Flatten()(images)
    hidden = tf.keras.layers.Dense(6, activation="tanh", name="k")(pixels)
    landmarks = tf.keras.layers.Reshape((5, 2))(tf.keras.layers.Dense(10)(pixels))
    return tf.keras.Model(images, {"hidden": hidden, "logits": tf.keras.layers.Dense(5)(hidden), "landmarks": landmarks})


def test_a_term_that_does_not_reach_the_hidden_layer_has_no_gradient_there():
    tf.keras.utils.set_random_seed(1)
    logged = gradients(_fit(_compiled(AlignmentDistiller(_two_branches(), make_network(2), alpha=0.5)), *make_batch(0)))
    assert logged["landmarks"] == 0.0
    assert logged["soft"] > 1e-3


def test_a_student_without_a_hidden_layer_trains_and_logs_no_gradient():
    student = make_network(1, without=("hidden", "embedding"))
    before = student.get_layer("conv").kernel.numpy()
    history = _fit(_compiled(ClassificationDistiller(student, make_network(2), alpha=0.5)), *make_batch(0))
    assert history.keys() == {"loss", "identity", "soft", "top1"}
    assert np.abs(student.get_layer("conv").kernel - before).max() > 1e-4


def _trained(make, **options):
    tf.keras.utils.set_random_seed(3)
    student = make_network(1, batch_norm=True, l2=0.01)
    distiller = make(student, make_network(2, width=9), **TEACHER_TARGETS, **RELATIONS, **options)
    distiller.compile(optimizer=tf.keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True))
    history = _fit(distiller, *make_batch(0), epochs=3)
    return snapshot(student, distiller.projection, distiller.optimizer), history


@pytest.mark.parametrize(
    ("make", "options"), [(AlignmentDistiller, {}), (VerificationDistiller, {"identity_weight": 1.0})], ids=["alignment", "joint"]
)
def test_measuring_changes_no_bit_of_what_is_trained(monkeypatch, make, options):
    monkeypatch.setattr("kd_tf.distillers.balance.BALANCE_STEPS", 1)
    measured, history = _trained(make, **options)
    assert np.isfinite(history["soft_gradient"]).all() and np.isfinite(history["angle_gradient"]).all()
    monkeypatch.setattr(GradientBalance, "update", lambda *_, **__: None)
    unmeasured, history = _trained(make, **options)
    assert np.isnan(history["soft_gradient"]).all()
    assert_same_bits(measured, unmeasured)


def test_two_replicas_measure_in_mixed_precision_too(mirrored):
    """Their variables are others then, which cannot be compared with numbers as they are."""
    images, targets = make_batch(0)
    with precision_policy("mixed_bfloat16"), mirrored.scope():
        distiller = _compiled(ClassificationDistiller(make_network(1), make_network(2), alpha=1.0))
    history = distiller.fit(tf.data.Dataset.from_tensors((images, targets)).unbatch().batch(8), verbose=0).history
    assert all(np.isfinite(history[f"{name}{GRADIENT}"]).all() and history[f"{name}{GRADIENT}"][0] > 0 for name in ("identity", "soft"))
