import numpy as np
import pytest

from kd_tf.evaluation.landmarks import landmark_scores, normalized_errors

FACE = np.array([[30.0, 40.0], [70.0, 40.0], [50.0, 60.0], [35.0, 80.0], [65.0, 80.0]])


def _moved(*offsets):
    return FACE + np.array(offsets)


def test_errors_by_hand():
    # Eyes 40 apart. Nose off by (3, 4): 5 / 5 points = 1, 2.5%. All off by 8 down: 20%.
    true_landmarks = np.stack([FACE, FACE, FACE])
    landmarks = np.stack([FACE, _moved((0, 0), (0, 0), (3, 4), (0, 0), (0, 0)), FACE + [0, 8]])
    np.testing.assert_allclose(normalized_errors(true_landmarks, landmarks), [0.0, 2.5, 20.0])


def test_the_unit_is_the_distance_of_the_true_eyes():
    # True eyes (6, 8) apart: 10. The right eye is off by 10 of five points: 2, 20%.
    true_landmarks = np.array([[[0.0, 0.0], [6.0, 8.0], [5.0, 5.0], [5.0, 5.0], [5.0, 5.0]]])
    landmarks = true_landmarks.copy()
    landmarks[0, 1] = [16.0, 8.0]
    np.testing.assert_allclose(normalized_errors(true_landmarks, landmarks), [20.0])


def test_scores_by_hand():
    # Errors 0, 2.5, 20 and exactly 10 (all off by 4 of 40), which is no failure.
    true_landmarks = np.stack([FACE] * 4)
    landmarks = np.stack([FACE, _moved((0, 0), (0, 0), (3, 4), (0, 0), (0, 0)), FACE + [0, 8], FACE + [4, 0]])
    assert landmark_scores(true_landmarks, landmarks) == {"nrmse": pytest.approx(8.125), "failure_rate": 25.0}


def test_the_unit_of_the_points_does_not_matter():
    random = np.random.RandomState(0)
    landmarks = FACE + random.normal(size=[6, 5, 2])
    true_landmarks = FACE + random.normal(size=[6, 5, 2])
    np.testing.assert_allclose(normalized_errors(true_landmarks / 100, landmarks / 100), normalized_errors(true_landmarks, landmarks))


def test_eyes_at_one_place():
    true_landmarks = np.stack([FACE, FACE, FACE])
    true_landmarks[1, 1] = true_landmarks[1, 0]
    with pytest.raises(ValueError, match="image 1 has both eyes at one place"):
        landmark_scores(true_landmarks, true_landmarks)
