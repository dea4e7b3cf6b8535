import math

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.distillers import AlignmentDistiller, ClassificationDistiller, TeacherTargets, VerificationDistiller
from kd_tf.distillers.agreement import agreement, agreement_names
from tests.distillers.logs import without_gradients
from tests.networks_for_tests import make_batch, make_network

TEACHER = {"hidden": tf.constant([[3.0, 4.0], [1.0, 0.0]]), "logits": tf.constant([[0.0, 2.0, 1.0], [5.0, 0.0, 0.0]])}
STUDENT = {"hidden": tf.constant([[4.0, 3.0], [0.0, 2.0]]), "logits": tf.constant([[9.0, 0.0, 0.0], [0.3, 0.2, 0.1]])}


def values(**targets):
    found = agreement(TeacherTargets(**targets), TEACHER, STUDENT, None)
    assert tuple(found) == agreement_names(TeacherTargets(**targets))
    return {name: value.numpy().tolist() for name, value in found.items()}


def test_what_the_loss_compares_is_told():
    # (3 * 4 + 4 * 3) / (5 * 5), and a right angle; other identities, and the same.
    assert values(beta=1.0)["cosine_agreement"] == pytest.approx([0.96, 0.0])
    assert values(alpha=1.0) == values(logits_weight=1.0) == {"top1_agreement": [0, 100]}
    assert set(values(alpha=1.0, beta=1.0)) == {"cosine_agreement", "top1_agreement"}
    assert values(cosine_weight=1.0) == values(beta=1.0)
    assert values() == values(distance_weight=1.0, angle_weight=1.0) == {}


def test_the_student_is_projected_first():
    found = agreement(TeacherTargets(beta=1.0), TEACHER, STUDENT, lambda hidden: tf.reverse(hidden, [1]))
    np.testing.assert_allclose(found["cosine_agreement"], [1.0, 1.0], rtol=1e-6)


def test_of_hints_the_mean_over_the_positions():
    teacher_hidden = tf.constant([[[[1.0, 0.0]], [[0.0, 1.0]]]])
    hidden = tf.constant([[[[2.0, 0.0]], [[3.0, 3.0]]]], tf.bfloat16)
    found = agreement(TeacherTargets(beta=1.0), {"hidden": teacher_hidden}, {"hidden": hidden}, None)["cosine_agreement"]
    assert found.shape == [1] and found.dtype == tf.float32
    assert found.numpy()[0] == pytest.approx((1 + math.sqrt(0.5)) / 2)


IMAGES, LABELS = make_batch(0)


def evaluated(distiller_class, teacher, **options):
    """What an evaluation in batches of 3, 3 and 2 logs, and what was evaluated."""
    distiller = distiller_class(make_network(1), teacher, **options)
    distiller.compile(optimizer="sgd")
    return distiller.evaluate(IMAGES, LABELS, batch_size=3, verbose=0, return_dict=True), distiller


def test_an_evaluation_tells_of_all_images():
    teacher = make_network(2, width=9)
    logs, distiller = evaluated(ClassificationDistiller, teacher, alpha=1.0, beta=1.0)
    outputs, teacher_outputs = distiller.student(IMAGES), teacher(IMAGES)
    labels, teacher_labels = (np.argmax(each["logits"], axis=1) for each in (outputs, teacher_outputs))
    layers = distiller.projection(outputs["hidden"]).numpy(), teacher_outputs["hidden"].numpy()
    ours, theirs = (layer / np.linalg.norm(layer, axis=1, keepdims=True) for layer in layers)
    expected = {
        "cosine_agreement": np.mean(np.sum(ours * theirs, axis=1)),
        "top1_agreement": 100 * np.mean(labels == teacher_labels),
        "top1_of_teacher": 100 * np.mean(teacher_labels == LABELS["identity"]),
    }
    assert {name: logs[name] for name in expected} == pytest.approx(expected, rel=1e-5)


def test_a_teacher_that_is_its_own_student_agrees():
    logs, _ = evaluated(ClassificationDistiller, make_network(1), alpha=1.0)
    assert logs["top1_agreement"] == 100 and logs["top1_of_teacher"] == logs["top1"]


def test_logits_that_the_loss_does_not_compare_score_nothing():
    logs, _ = evaluated(ClassificationDistiller, make_network(2), beta=1.0)
    assert "top1_agreement" not in logs and "top1_of_teacher" not in logs


def test_the_teacher_of_an_embedding_is_scored_by_its_hidden_layer():
    logs, _ = evaluated(VerificationDistiller, make_network(1), alpha=1.0)
    assert logs["batch_rank1_of_teacher"] == logs["batch_rank1"] and logs["active_triplets_of_teacher"] == logs["active_triplets"]


def test_nothing_is_said_of_the_landmarks_of_a_teacher():
    logs, _ = evaluated(AlignmentDistiller, make_network(2), alpha=1.0)
    assert {name for name in logs if name.endswith("_of_teacher")} == set() and "top1_agreement" in logs


def test_training_steps_and_runs_without_a_teacher_tell_nothing():
    for options in ({}, {"teacher": make_network(2), "alpha": 1.0}):
        distiller = ClassificationDistiller(make_network(1), **options)
        distiller.compile(optimizer="sgd")
        trained = without_gradients(distiller.fit(IMAGES, LABELS, verbose=0).history)
        assert set(trained) == {"loss", "identity", "top1"} | ({"soft"} if options else set())
    logs, _ = evaluated(ClassificationDistiller, None)
    assert set(logs) == {"loss", "identity", "top1"}
