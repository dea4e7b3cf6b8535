import numpy as np
import pytest
import tensorflow as tf

from kd_tf.distillers import AlignmentDistiller
from kd_tf.losses.classification import soft_target_loss
from kd_tf.losses.hidden import hidden_loss
from kd_tf.losses.landmarks import landmark_loss
from tests.distillers.logs import gradients, without_gradients
from tests.networks_for_tests import make_batch, make_network

WEIGHTS = np.array([2, 0, 1, 0, 0.5, 3, 0, 1], np.float32)


def _compiled(distiller):
    distiller.compile(optimizer=tf.keras.optimizers.SGD(0.05))
    return distiller


def _nrmse(true_landmarks, landmarks):
    """Per image, in percent."""
    values = []
    for true_points, points in zip(true_landmarks.astype(np.float64), np.asarray(landmarks, np.float64), strict=True):
        errors = [np.hypot(*(true_points[index] - points[index])) for index in range(5)]
        values.append(100 * sum(errors) / 5 / np.hypot(*(true_points[0] - true_points[1])))
    return np.array(values)


def test_loss_terms_and_measure_of_one_step():
    student, teacher = make_network(1), make_network(2, width=9)
    images, targets = make_batch(0)
    distiller = _compiled(AlignmentDistiller(student, teacher, alpha=0.25, beta=0.5))
    outputs, teacher_outputs = student(images), teacher(images)
    expected = {
        "landmarks": np.mean(landmark_loss(targets["landmarks"], outputs["landmarks"])),
        "soft": np.mean(soft_target_loss(teacher_outputs["logits"], outputs["logits"], temperature=3.0)),
        "hidden": np.mean(hidden_loss(teacher_outputs["hidden"], distiller.projection(outputs["hidden"]))),
        "nrmse": np.mean(_nrmse(targets["landmarks"], outputs["landmarks"])),
    }
    expected["loss"] = expected["landmarks"] + 0.25 * expected["soft"] + 0.5 * expected["hidden"]
    logs = distiller.fit(images, targets, batch_size=8, verbose=0).history
    assert without_gradients(logs) == pytest.approx(expected, rel=1e-5)
    assert gradients(logs).keys() == {"landmarks", "soft", "hidden"}


def test_the_teachers_landmarks_are_no_target():
    images, targets = make_batch(0)
    student, teacher = make_network(1), make_network(2)
    distiller = _compiled(AlignmentDistiller(student, teacher, alpha=0.5, beta=0.5))
    before = distiller.evaluate(images, targets, verbose=0)
    teacher.get_layer("coordinates").bias.assign(np.full(10, 100.0))
    assert distiller.evaluate(images, targets, verbose=0) == before


def test_nrmse_by_hand():
    true_landmarks = np.array([[[0.25, 0.5], [0.75, 0.5], [0.5, 0.6], [0.4, 0.8], [0.6, 0.8]]], np.float32)
    landmarks = true_landmarks.copy()
    landmarks[0, 2] += [0.03, 0.04]
    landmarks[0, 4] += [0.0, -0.1]
    # Errors 0.05 and 0.1 of five points: mean 0.03; eyes 0.5 apart: 6%.
    distiller = AlignmentDistiller(make_network(1))
    nrmse = distiller.measures({"landmarks": tf.constant(true_landmarks)}, {"landmarks": tf.constant(landmarks)})["nrmse"]
    np.testing.assert_allclose(nrmse, [6.0], rtol=1e-5)


def test_sample_weights_weigh_the_loss_of_each_image():
    student = make_network(1)
    images, targets = make_batch(0)
    landmarks = student(images)["landmarks"]
    losses = landmark_loss(targets["landmarks"], landmarks).numpy()
    logs = _compiled(AlignmentDistiller(student)).fit(images, targets, sample_weight=WEIGHTS, batch_size=8, verbose=0).history
    # The loss is the sum over the batch size, as in Keras; what is logged beside it are weighted means (the weights sum to 7.5).
    assert logs["loss"][0] == pytest.approx(np.sum(WEIGHTS * losses) / 8, rel=1e-5)
    assert logs["landmarks"][0] == pytest.approx(np.sum(WEIGHTS * losses) / 7.5, rel=1e-5)
    assert logs["nrmse"][0] == pytest.approx(np.sum(WEIGHTS * _nrmse(targets["landmarks"], landmarks)) / 7.5, rel=1e-5)


def test_targets_in_float64():
    images, targets = make_batch(0)
    distiller = _compiled(AlignmentDistiller(make_network(1)))
    expected = distiller.evaluate(images, targets, batch_size=8, verbose=0)
    targets["landmarks"] = targets["landmarks"].astype(np.float64)
    batches = tf.data.Dataset.from_tensor_slices((images, targets)).batch(8)
    assert distiller.evaluate(batches, verbose=0) == pytest.approx(expected, rel=1e-6)
