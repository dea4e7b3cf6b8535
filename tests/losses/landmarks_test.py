import numpy as np
import pytest
import tensorflow as tf

from kd_tf.losses.landmarks import landmark_loss


def test_by_hand():
    true_landmarks = np.zeros([2, 5, 2], np.float32)
    landmarks = np.zeros([2, 5, 2], np.float32)
    landmarks[0, 0], landmarks[0, 4] = (0.5, 0.0), (-0.25, 1.0)
    landmarks[1, 2] = (0.0, 0.125)
    # 0.25 + 0.0625 + 1 = 1.3125, a sum and no mean; 0.125^2 = 0.015625.
    np.testing.assert_array_equal(landmark_loss(true_landmarks, landmarks), [1.3125, 0.015625])


def test_equals_numpy():
    true_landmarks, landmarks = np.random.RandomState(0).uniform(size=[2, 7, 5, 2]).astype(np.float32)
    expected = np.sum((true_landmarks.astype(np.float64) - landmarks) ** 2, axis=(1, 2))
    np.testing.assert_allclose(landmark_loss(true_landmarks, landmarks), expected, rtol=1e-6)


def test_identical_landmarks_give_zero():
    landmarks = np.random.RandomState(1).uniform(size=[3, 5, 2])
    np.testing.assert_array_equal(landmark_loss(landmarks, landmarks), [0.0, 0.0, 0.0])


def test_gradient_and_extreme_landmarks():
    landmarks = tf.Variable(np.full([1, 5, 2], 1e4, np.float32))
    with tf.GradientTape() as tape:
        loss = landmark_loss(tf.fill([1, 5, 2], -1e4), landmarks)
    # Ten times (2e4)^2; the gradient is twice the difference.
    np.testing.assert_allclose(loss, [4e9])
    np.testing.assert_allclose(tape.gradient(loss, landmarks), np.full([1, 5, 2], 4e4))


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_computes_in_float32(dtype):
    true_landmarks, landmarks = (tf.cast(values, dtype) for values in np.random.RandomState(2).uniform(size=[2, 4, 5, 2]))
    loss = landmark_loss(true_landmarks, landmarks)
    assert loss.dtype == tf.float32
    np.testing.assert_array_equal(loss, landmark_loss(tf.cast(true_landmarks, tf.float32), tf.cast(landmarks, tf.float32)))
