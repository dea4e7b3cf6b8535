import numpy as np
import pytest
import tensorflow as tf

from kd_tf.distillers import ClassificationDistiller
from kd_tf.losses.classification import identity_loss, soft_target_loss
from kd_tf.losses.hidden import hidden_loss
from tests.distillers.logs import gradients, without_gradients
from tests.networks_for_tests import make_batch, make_network, snapshot

WEIGHTS = np.array([2, 0, 1, 0, 0.5, 3, 0, 1], np.float32)


def _compiled(distiller):
    distiller.compile(optimizer=tf.keras.optimizers.SGD(0.05))
    return distiller


def test_loss_terms_and_measure_of_one_step():
    student, teacher = make_network(1), make_network(2, width=9)
    images, targets = make_batch(0)
    distiller = _compiled(ClassificationDistiller(student, teacher, alpha=0.5, beta=0.25, temperature=2.0))
    outputs, teacher_outputs = student(images), teacher(images)
    expected = {
        "identity": np.mean(identity_loss(targets["identity"], outputs["logits"])),
        "soft": np.mean(soft_target_loss(teacher_outputs["logits"], outputs["logits"], temperature=2.0)),
        "hidden": np.mean(hidden_loss(teacher_outputs["hidden"], distiller.projection(outputs["hidden"]))),
        "top1": 100 * np.mean(np.argmax(outputs["logits"], axis=1) == targets["identity"]),
    }
    expected["loss"] = expected["identity"] + 0.5 * expected["soft"] + 0.25 * expected["hidden"]
    logs = distiller.fit(images, targets, batch_size=8, verbose=0).history
    assert without_gradients(logs) == pytest.approx(expected, rel=1e-5)
    assert gradients(logs).keys() == {"identity", "soft", "hidden"}


@pytest.mark.parametrize(("shift", "top1"), [(0, 100.0), (1, 0.0)])
def test_top1_of_known_answers(shift, top1):
    student = make_network(1)
    images, targets = make_batch(0)
    targets["identity"] = (np.argmax(student(images)["logits"], axis=1) + shift) % 5
    logs = _compiled(ClassificationDistiller(student)).evaluate(images, targets, verbose=0, return_dict=True)
    assert logs["top1"] == top1


def test_sample_weights_weigh_the_loss_of_each_image():
    student, teacher = make_network(1), make_network(2)
    images, targets = make_batch(0)
    outputs, teacher_outputs = student(images), teacher(images)
    identity = identity_loss(targets["identity"], outputs["logits"]).numpy()
    soft = soft_target_loss(teacher_outputs["logits"], outputs["logits"], temperature=3.0).numpy()
    distiller = _compiled(ClassificationDistiller(student, teacher, alpha=0.5))
    logs = distiller.fit(images, targets, sample_weight=WEIGHTS, batch_size=8, verbose=0).history
    # The loss is the sum over the batch size, as in Keras; each term is logged as a weighted mean (the weights sum to 7.5).
    assert logs["loss"][0] == pytest.approx(np.sum(WEIGHTS * (identity + 0.5 * soft)) / 8, rel=1e-5)
    assert logs["identity"][0] == pytest.approx(np.sum(WEIGHTS * identity) / 7.5, rel=1e-5)
    assert logs["soft"][0] == pytest.approx(np.sum(WEIGHTS * soft) / 7.5, rel=1e-5)


def test_whole_sample_weights_train_as_repeated_images():
    images, targets = make_batch(0, size=4)
    weighted, repeated = make_network(1), make_network(1)
    # Weights (2, 0, 1, 1) of four images are images (0, 0, 2, 3).
    _compiled(ClassificationDistiller(weighted)).fit(images, targets, sample_weight=np.array([2.0, 0, 1, 1]), batch_size=4, verbose=0)
    chosen = [0, 0, 2, 3]
    _compiled(ClassificationDistiller(repeated)).fit(images[chosen], {"identity": targets["identity"][chosen]}, batch_size=4, verbose=0)
    for now, expected in zip(snapshot(weighted), snapshot(repeated), strict=True):
        np.testing.assert_allclose(now, expected, atol=1e-6)
