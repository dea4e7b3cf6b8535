import numpy as np
import pytest
import tensorflow as tf

from kd_tf.losses.hidden import HIDDEN_REDUCTIONS, cosine_loss, hidden_loss


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


# Teacher (3, 4) and student (1, 0): differences 2 and 4. Directions (0.6, 0.8) and (1, 0): differences 0.4 and 0.8, cosine 0.6.
@pytest.mark.parametrize(
    ("reduction", "normalize", "expected"),
    [
        ("mean", False, (4 + 16) / 2),
        ("sum", False, 4 + 16),
        ("mean", True, (0.16 + 0.64) / 2),
        ("sum", True, 2 - 2 * 0.6),
    ],
)
def test_reductions_and_normalization_by_hand(reduction, normalize, expected):
    loss = hidden_loss([[3.0, 4.0]], [[1.0, 0.0]], reduction=reduction, normalize=normalize)
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("reduction", HIDDEN_REDUCTIONS)
@pytest.mark.parametrize("shape", [(6, 9), (3, 2, 4, 5)], ids=["vectors", "positions"])
def test_every_form_equals_numpy(shape, reduction, normalize):
    teacher, student = np.random.RandomState(3).normal(size=[2, *shape]).astype(np.float32)
    expected = []
    for target, hidden in zip(teacher.astype(np.float64), student.astype(np.float64), strict=True):
        distances = []
        for position in np.ndindex(shape[1:-1]):
            a, b = target[position], hidden[position]
            if normalize:
                a, b = a / np.sqrt(np.sum(a**2)), b / np.sqrt(np.sum(b**2))
            distances.append(np.sum((a - b) ** 2) / (shape[-1] if reduction == "mean" else 1))
        expected.append(sum(distances) / len(distances))
    loss = hidden_loss(teacher, student, reduction=reduction, normalize=normalize)
    assert loss.shape == shape[:1]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("reduction", "normalize", "expected"),
    [
        ("mean", False, ((4 + 16) / 2 + (25 + 1) / 2) / 2),
        ("sum", False, ((4 + 16) + (25 + 1)) / 2),
        ("mean", True, (0.8 / 2 + 2 / 2) / 2),
        ("sum", True, (0.8 + 2) / 2),
    ],
)
def test_positions_by_hand(reduction, normalize, expected):
    """Of 1 x 2 positions the first as above; the second has differences 5 and 1, and directions (0, 1) and (1, 0)."""
    teacher, student = [[[[3.0, 4.0], [0.0, 1.0]]]], [[[[1.0, 0.0], [5.0, 0.0]]]]
    np.testing.assert_allclose(hidden_loss(teacher, student, reduction=reduction, normalize=normalize), [expected], rtol=1e-6)


def test_normalized_layers_do_not_see_the_length():
    random = np.random.RandomState(4)
    teacher, student = random.normal(size=[2, 6, 9]).astype(np.float32)
    loss = hidden_loss(teacher, student, normalize=True)
    assert loss.numpy().min() > 0.01
    np.testing.assert_allclose(hidden_loss(100 * teacher, 0.01 * student, normalize=True), loss, rtol=1e-5)


@pytest.mark.parametrize("reduction", HIDDEN_REDUCTIONS)
def test_no_gradient_into_a_normalized_teacher(reduction):
    teacher, student = (tf.Variable(values) for values in np.random.RandomState(5).normal(size=[2, 3, 4]).astype(np.float32))
    with tf.GradientTape() as tape:
        loss = hidden_loss(teacher, student, reduction=reduction, normalize=True)
    into_teacher, into_student = tape.gradient(loss, [teacher, student])
    assert into_teacher is None
    # 2 - 2 cosine: the gradient is 2 (cosine * direction of the student - direction of the teacher) / length of the student.
    lengths = np.linalg.norm(student, axis=1, keepdims=True)
    a, b = teacher.numpy() / np.linalg.norm(teacher, axis=1, keepdims=True), student.numpy() / lengths
    expected = 2 * (np.sum(a * b, axis=1, keepdims=True) * b - a) / lengths / (4 if reduction == "mean" else 1)
    np.testing.assert_allclose(into_student, expected, atol=1e-6)


def test_normalized_extremes_are_finite():
    student = tf.Variable([[1e4, -1e4], [0.0, 0.0], [1e-20, 0.0]])
    with tf.GradientTape() as tape:
        loss = hidden_loss(tf.constant([[-1e4, 1e4], [3.0, 4.0], [1.0, 0.0]]), student, reduction="sum", normalize=True)
    # Opposite directions: 2 + 2. A layer of zeros has no direction and stays 0: 1 - 0. So, nearly, does one of 1e-20.
    np.testing.assert_allclose(loss, [4.0, 1.0, 1.0], rtol=1e-6)
    assert np.isfinite(tape.gradient(loss, student)).all()


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_normalizes_in_float32(dtype):
    # The squares of 320 and 240 are beyond float16; both numbers are exact in both types.
    loss = hidden_loss(tf.constant([[320.0, 240.0]], dtype), tf.constant([[0.5, 0.0]], dtype), reduction="sum", normalize=True)
    assert loss.dtype == tf.float32
    # Cosine 0.8.
    np.testing.assert_allclose(loss, [0.4], rtol=1e-6)


def test_cosines_by_hand():
    # (3 * 4 + 4 * 3) / (5 * 5) = 0.96; opposite directions; a right angle; a layer of zeros.
    teacher, student = [[3.0, 4.0], [1.0, 0.0], [0.0, 2.0], [1.0, 1.0]], [[4.0, 3.0], [-9.0, 0.0], [5.0, 0.0], [0.0, 0.0]]
    np.testing.assert_allclose(cosine_loss(teacher, student), [0.04, 2.0, 1.0, 1.0], atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 9), (3, 2, 4, 5)], ids=["vectors", "positions"])
def test_the_cosine_loss_is_half_the_squared_distance_of_directions(shape):
    teacher, student = np.random.RandomState(6).normal(size=[2, *shape]).astype(np.float32)
    loss = cosine_loss(teacher, student)
    assert loss.shape == shape[:1] and loss.numpy().min() > 0.1
    np.testing.assert_allclose(loss, 0.5 * hidden_loss(teacher, student, reduction="sum", normalize=True), rtol=1e-5)


def test_gradient_of_the_cosine_loss():
    teacher, student = (tf.Variable(values) for values in np.random.RandomState(7).normal(size=[2, 3, 4]).astype(np.float32))
    with tf.GradientTape() as tape:
        loss = cosine_loss(teacher, student)
    into_teacher, into_student = tape.gradient(loss, [teacher, student])
    assert into_teacher is None
    lengths = np.linalg.norm(student, axis=1, keepdims=True)
    a, b = teacher.numpy() / np.linalg.norm(teacher, axis=1, keepdims=True), student.numpy() / lengths
    np.testing.assert_allclose(into_student, (np.sum(a * b, axis=1, keepdims=True) * b - a) / lengths, atol=1e-6)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_cosines_are_computed_in_float32(dtype):
    # The squares of 320 and 240 are beyond float16; both numbers are exact in both types.
    loss = cosine_loss(tf.constant([[320.0, 240.0]], dtype), tf.constant([[0.5, 0.0]], dtype))
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(loss, [0.2], rtol=1e-6)


def test_cosines_of_zeros_and_of_long_layers_have_finite_gradients():
    student = tf.Variable([[1e18, 0.0], [0.0, 0.0], [1e-20, 0.0]])
    with tf.GradientTape() as tape:
        loss = cosine_loss(tf.constant([[3.0, 4.0], [0.0, 0.0], [1.0, 0.0]]), student)
    np.testing.assert_allclose(loss, [0.4, 1.0, 1.0], rtol=1e-6)
    assert np.isfinite(tape.gradient(loss, student)).all()
