import numpy as np
import pytest
import tensorflow as tf

from kd_tf.losses.classification import identity_loss, logits_loss, soft_target_loss

TWO_DTYPES = [tf.float16, tf.bfloat16]


def _log_softmax(logits):
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _random_logits(seed):
    random = np.random.RandomState(seed)
    return random.normal(size=[7, 5]).astype(np.float32) * 4, random.normal(size=[7, 5]).astype(np.float32) * 4


def test_identity_loss_by_hand():
    # Softmax of (0, 0, 0) is 1/3 each: -ln(1/3) = ln 3. Softmax of (ln 2, 0, 0) is (2, 1, 1) / 4: -ln(2/4) = ln 2, -ln(1/4) = ln 4.
    logits = [[0.0, 0.0, 0.0], [np.log(2), 0.0, 0.0], [np.log(2), 0.0, 0.0]]
    np.testing.assert_allclose(identity_loss(tf.constant([1, 0, 2]), tf.constant(logits)), np.log([3, 2, 4]), rtol=1e-6)


def test_identity_loss_equals_numpy():
    logits, _ = _random_logits(0)
    identities = np.array([0, 1, 2, 3, 4, 0, 1])
    expected = -_log_softmax(logits)[np.arange(7), identities]
    np.testing.assert_allclose(identity_loss(identities, logits), expected, rtol=1e-5)


def test_identity_loss_of_extreme_logits():
    logits = tf.Variable([[1e4, -1e4], [1e4, -1e4]])
    with tf.GradientTape() as tape:
        loss = identity_loss(tf.constant([1, 0]), logits)
    # -ln softmax = 1e4 - (-1e4) for the wrong identity, 0 for the right one; the gradient is softmax - one_hot.
    np.testing.assert_array_equal(loss, [2e4, 0.0])
    np.testing.assert_array_equal(tape.gradient(loss, logits), [[1.0, -1.0], [0.0, 0.0]])


@pytest.mark.parametrize("dtype", TWO_DTYPES)
def test_identity_loss_computes_in_float32(dtype):
    logits = tf.cast(_random_logits(1)[0], dtype)
    identities = tf.constant([0, 1, 2, 3, 4, 0, 1])
    loss = identity_loss(identities, logits)
    assert loss.dtype == tf.float32
    np.testing.assert_array_equal(loss, identity_loss(identities, tf.cast(logits, tf.float32)))


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_soft_target_loss_by_hand(temperature):
    # Softened teacher (3/4, 1/4). Student (1/2, 1/2): ln 2. Student (1/4, 3/4): 3/4 ln 4 + 1/4 ln(4/3).
    teacher = temperature * np.log([[3.0, 1.0], [3.0, 1.0]])
    student = temperature * np.log([[1.0, 1.0], [1.0, 3.0]])
    expected = [np.log(2), 0.75 * np.log(4) + 0.25 * np.log(4 / 3)]
    np.testing.assert_allclose(soft_target_loss(teacher, student, temperature=temperature), expected, rtol=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0, 20.0])
def test_soft_target_loss_equals_numpy(temperature):
    teacher, student = _random_logits(2)
    expected = -np.sum(np.exp(_log_softmax(teacher / temperature)) * _log_softmax(student / temperature), axis=-1)
    np.testing.assert_allclose(soft_target_loss(teacher, student, temperature=temperature), expected, rtol=1e-5)


def test_identical_logits_give_the_teachers_entropy_and_no_gradient():
    logits, _ = _random_logits(3)
    student = tf.Variable(logits)
    with tf.GradientTape() as tape:
        loss = soft_target_loss(logits, student, temperature=3.0)
    log_p = _log_softmax(logits / 3)
    np.testing.assert_allclose(loss, -np.sum(np.exp(log_p) * log_p, axis=-1), rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(loss, student), np.zeros([7, 5]), atol=1e-7)


def test_soft_target_loss_of_extreme_logits():
    student = tf.Variable([[-1e4, 1e4], [1e4, -1e4]])
    with tf.GradientTape() as tape:
        loss = soft_target_loss(tf.constant([[1e4, -1e4], [1e4, -1e4]]), student, temperature=2.0)
    # The teacher is certain; (1e4 + 1e4) / 2 where the student is certain of the other. Gradient: (softmax - target) / 2.
    np.testing.assert_array_equal(loss, [1e4, 0.0])
    np.testing.assert_array_equal(tape.gradient(loss, student), [[-0.5, 0.5], [0.0, 0.0]])


@pytest.mark.parametrize("dtype", TWO_DTYPES)
def test_soft_target_loss_computes_in_float32(dtype):
    teacher, student = (tf.cast(logits, dtype) for logits in _random_logits(4))
    loss = soft_target_loss(teacher, student, temperature=3.0)
    assert loss.dtype == tf.float32
    np.testing.assert_array_equal(loss, soft_target_loss(tf.cast(teacher, tf.float32), tf.cast(student, tf.float32), temperature=3.0))


@pytest.mark.parametrize("temperature", [2.0, 3.0])
def test_scaling_is_by_exactly_temperature_squared(temperature):
    teacher, student = _random_logits(5)
    plain = soft_target_loss(teacher, student, temperature=temperature).numpy()
    scaled = soft_target_loss(teacher, student, temperature=temperature, scale_by_temperature_squared=True).numpy()
    np.testing.assert_array_equal(scaled, plain * np.float32(temperature**2))


def test_no_gradient_flows_into_the_teacher():
    teacher, student = (tf.Variable(logits) for logits in _random_logits(6))
    with tf.GradientTape() as tape:
        loss = soft_target_loss(teacher, student, temperature=3.0)
    into_teacher, into_student = tape.gradient(loss, [teacher, student])
    assert into_teacher is None
    # d loss / d student = (softmax(student / 3) - softmax(teacher / 3)) / 3.
    expected = (np.exp(_log_softmax(student.numpy() / 3)) - np.exp(_log_softmax(teacher.numpy() / 3))) / 3
    np.testing.assert_allclose(into_student, expected, atol=1e-6)


def test_logits_loss_by_hand():
    # (1 + 4 + 0 + 1) / 4 = 1.5; (0 + 0 + 0 + 9) / 4 = 2.25: a mean over the identities, and no half.
    teacher = [[1.0, 2.0, 3.0, 0.0], [0.0, 5.0, 0.0, 1.0]]
    student = [[0.0, 0.0, 3.0, 1.0], [0.0, 5.0, 0.0, -2.0]]
    np.testing.assert_array_equal(logits_loss(teacher, student), [1.5, 2.25])


def test_logits_loss_equals_numpy():
    teacher, student = _random_logits(7)
    expected = np.mean((teacher.astype(np.float64) - student) ** 2, axis=-1)
    np.testing.assert_allclose(logits_loss(teacher, student), expected, rtol=1e-6)


def test_logits_loss_of_identical_logits_is_zero_and_that_of_shifted_ones_is_not():
    logits, _ = _random_logits(8)
    np.testing.assert_array_equal(logits_loss(logits, logits), np.zeros(7))
    # Shifted logits are the same prediction: softmax does not see it, the regression does.
    np.testing.assert_allclose(logits_loss(logits, logits + 2), np.full(7, 4.0), rtol=1e-5)


def test_logits_loss_of_extreme_logits():
    student = tf.Variable([[-1e4, 1e4], [1e4, -1e4]])
    with tf.GradientTape() as tape:
        loss = logits_loss(tf.constant([[1e4, -1e4], [1e4, -1e4]]), student)
    # (2e4^2 + 2e4^2) / 2; the gradient is 2 * (student - teacher) / 2.
    np.testing.assert_array_equal(loss, [4e8, 0.0])
    np.testing.assert_array_equal(tape.gradient(loss, student), [[-2e4, 2e4], [0.0, 0.0]])


@pytest.mark.parametrize("dtype", TWO_DTYPES)
def test_logits_loss_computes_in_float32(dtype):
    # 600^2 = 360,000 is beyond float16.
    teacher, student = tf.constant([[600.0, 1.0]], dtype), tf.constant([[0.0, 1.0]], dtype)
    loss = logits_loss(teacher, student)
    assert loss.dtype == tf.float32
    np.testing.assert_array_equal(loss, [float(tf.cast(teacher[0, 0], tf.float32)) ** 2 / 2])


def test_no_gradient_of_the_logits_loss_flows_into_the_teacher():
    teacher, student = (tf.Variable(logits) for logits in _random_logits(9))
    with tf.GradientTape() as tape:
        loss = logits_loss(teacher, student)
    into_teacher, into_student = tape.gradient(loss, [teacher, student])
    assert into_teacher is None
    np.testing.assert_allclose(into_student, 2 * (student.numpy() - teacher.numpy()) / 5, atol=1e-6)
