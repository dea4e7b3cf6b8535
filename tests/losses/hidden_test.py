import numpy as np
import pytest
import tensorflow as tf

from kd_tf.losses.hidden import hidden_loss


def test_by_hand():
    # (1 + 4 + 0 + 9) / 4 = 3.5; (0 + 0 + 0 + 4) / 4 = 1.
    teacher = [[1.0, 2.0, 3.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    student = [[0.0, 0.0, 3.0, 3.0], [0.0, 0.0, 0.0, -1.0]]
    np.testing.assert_array_equal(hidden_loss(teacher, student), [3.5, 1.0])


def test_equals_numpy():
    random = np.random.RandomState(0)
    teacher, student = random.normal(size=[2, 6, 9]).astype(np.float32)
    np.testing.assert_allclose(hidden_loss(teacher, student), np.mean((teacher.astype(np.float64) - student) ** 2, axis=1), rtol=1e-6)


def test_identical_layers_give_zero():
    hidden = np.random.RandomState(1).normal(size=[3, 4])
    np.testing.assert_array_equal(hidden_loss(hidden, hidden), [0.0, 0.0, 0.0])


def test_gradient_reaches_the_student_only():
    teacher, student = tf.Variable([[1.0, 2.0]]), tf.Variable([[3.0, 1.0]])
    with tf.GradientTape() as tape:
        loss = hidden_loss(teacher, student)
    into_teacher, into_student = tape.gradient(loss, [teacher, student])
    assert into_teacher is None
    # 2 * (student - teacher) / 2.
    np.testing.assert_array_equal(into_student, [[2.0, -1.0]])


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_computes_in_float32(dtype):
    # 600^2 = 360,000 is beyond float16.
    loss = hidden_loss(tf.constant([[1e4, 600.0]], dtype), tf.constant([[1e4, 0.0]], dtype))
    assert loss.dtype == tf.float32
    expected = float(tf.cast(tf.constant(600.0, dtype), tf.float32)) ** 2 / 2
    np.testing.assert_array_equal(loss, [expected])


def test_extreme_layers_are_finite():
    student = tf.Variable([[1e4, -1e4]])
    with tf.GradientTape() as tape:
        loss = hidden_loss(tf.constant([[-1e4, 1e4]]), student)
    np.testing.assert_allclose(loss, [4e8])
    np.testing.assert_allclose(tape.gradient(loss, student), [[2e4, -2e4]])
