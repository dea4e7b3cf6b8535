import numpy as np
import pytest
import tensorflow as tf

from kd_tf.losses.similarity import similarity_loss

IMAGES, WIDTH = 7, 5


def _unit(row):
    length = np.linalg.norm(row)
    return row / length if length else row


def _softmax(row):
    powers = np.exp(row - row.max())
    return powers / powers.sum()


def _reference(teacher, student):
    """By plain loops over the images, in float64."""
    known, found = np.asarray(teacher, np.float64), np.asarray(student, np.float64)
    mean, total = known.mean(axis=0), 0.0
    for image in range(len(known)):
        target, predicted = (
            _softmax(np.array([_unit(rows[image] - mean) @ _unit(other - mean) / 0.1 for other in known])) for rows in (known, found)
        )
        total += np.sum(target * np.log(target / predicted))
    return total / len(known)


def _random_layers(seed, images=IMAGES, mean=3.0):
    random = np.random.RandomState(seed)
    return tuple((mean + random.normal(size=[images, WIDTH])).astype(np.float32) for _ in range(2))


def _value_and_gradient(teacher, student):
    variable = tf.Variable(student)
    with tf.GradientTape() as tape:
        value = similarity_loss(tf.constant(teacher), variable)
    return float(value), tape.gradient(value, variable).numpy()


def test_by_hand():
    # Two images, 2 apart about their mean 5: each has cosines 1 and -1, which are 10 and -10, and p = 1 / (1 + exp(-20)). The student
    # sees both where the first is: half of its rows are right, and for the other p and 1 - p change places.
    loss = similarity_loss([[4.0], [6.0]], [[3.0], [4.5]])
    p = 1 / (1 + np.exp(-20.0))
    assert float(loss) == pytest.approx((2 * p - 1) * 20 / 2, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_equals_loops(seed):
    teacher, student = _random_layers(seed)
    expected = _reference(teacher, student)
    assert expected > 1
    assert float(similarity_loss(teacher, student)) == pytest.approx(expected, rel=1e-5)


def test_gradient_equals_finite_differences_of_the_loops():
    teacher, student = _random_layers(3)
    expected = np.zeros([IMAGES, WIDTH])
    for index in np.ndindex(*expected.shape):
        step = np.zeros_like(expected)
        step[index] = 1e-5
        expected[index] = (_reference(teacher, student + step) - _reference(teacher, student - step)) / 2e-5
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(_value_and_gradient(teacher, student)[1], expected, atol=1e-4)


def test_only_directions_from_the_mean_count():
    """Each image at another distance; a teacher elsewhere and of another scale."""
    teacher, student = _random_layers(4)
    mean = teacher.mean(axis=0)
    stretched = mean + np.linspace(0.5, 4, IMAGES, dtype=np.float32)[:, None] * (teacher - mean)
    assert float(similarity_loss(teacher, stretched)) == pytest.approx(0, abs=1e-5)
    value = float(similarity_loss(teacher, student))
    assert float(similarity_loss(100 * teacher + 7, 100 * student + 7)) == pytest.approx(value, rel=1e-3)


def test_where_the_mean_of_the_students_lies_counts():
    teacher, _ = _random_layers(5)
    loss = float(similarity_loss(teacher, teacher + 2))
    assert loss == pytest.approx(_reference(teacher, teacher + 2), rel=1e-5) and loss > 1


def test_half_precision_is_computed_in_float32():
    teacher, student = (rows.astype(np.float16) for rows in _random_layers(6))
    loss = similarity_loss(teacher, student)
    assert loss.dtype == tf.float32
    assert float(loss) == pytest.approx(_reference(teacher, student), rel=1e-3)


def test_no_gradient_into_the_teacher():
    teacher, student = (tf.Variable(layer) for layer in _random_layers(7))
    with tf.GradientTape() as tape:
        value = similarity_loss(teacher, student)
    into_teacher, into_student = tape.gradient(value, [teacher, student])
    assert into_teacher is None and np.abs(into_student).max() > 0.1


def test_one_image_is_like_itself_alone():
    value, gradient = _value_and_gradient(*_random_layers(8, images=1))
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros([1, WIDTH]))


def test_images_that_coincide():
    """All of the teacher's at one place: nothing can be told, and nothing is not finite."""
    _, student = _random_layers(9)
    value, gradient = _value_and_gradient(np.full([IMAGES, WIDTH], 2.0, np.float32), student)
    assert value == pytest.approx(0, abs=1e-6)
    np.testing.assert_array_equal(gradient, np.zeros([IMAGES, WIDTH]))
