import itertools

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.losses import relational
from kd_tf.losses.relational import angle_loss, distance_loss

LOSSES = [distance_loss, angle_loss]
IMAGES, WIDTH, TEACHER_WIDTH = 9, 4, 6


def _huber(x):
    return x * x / 2 if abs(x) <= 1 else abs(x) - 0.5


def _relative_distances(points):
    distances = {(i, j): np.linalg.norm(points[i] - points[j]) for i, j in itertools.permutations(range(len(points)), 2)}
    mean = sum(distances.values()) / len(distances)
    return {pair: distance / mean if mean else 0.0 for pair, distance in distances.items()}


def _cosines(points):
    def direction(a, b):
        length = np.linalg.norm(a - b)
        return (a - b) / length if length else np.zeros_like(a)

    triplets = itertools.permutations(range(len(points)), 3)
    return {(i, j, k): direction(points[i], points[j]) @ direction(points[k], points[j]) for i, j, k in triplets}


def _reference(loss, teacher, student):
    """By plain loops over pairs and triplets, in float64."""
    relations = _relative_distances if loss is distance_loss else _cosines
    known, found = (relations(np.asarray(points, np.float64)) for points in (teacher, student))
    return sum(_huber(known[members] - found[members]) for members in known) / len(known)


def _value_and_gradient(loss, teacher, student):
    variable = tf.Variable(student)
    with tf.GradientTape() as tape:
        value = loss(tf.constant(teacher), variable)
    return float(value), tape.gradient(value, variable).numpy()


def _random_layers(seed, images=IMAGES):
    random = np.random.RandomState(seed)
    return random.normal(size=[images, TEACHER_WIDTH]).astype(np.float32), random.normal(size=[images, WIDTH]).astype(np.float32)


def test_distances_by_hand():
    # 1, 3 and 2 with mean 2: 0.5, 1.5, 1. 1, 2 and 1 with mean 4/3: 0.75, 1.5, 0.75. Twice a difference of 1/4, in three pairs.
    loss = distance_loss([[0.0], [1.0], [3.0]], [[0.0], [1.0], [2.0]])
    assert float(loss) == pytest.approx(2 * (1 / 4) ** 2 / 2 / 3, rel=1e-6)


def test_distances_that_differ_by_more_than_their_mean_by_hand():
    # One of four images is elsewhere, another one for each network: of its three pairs the relative distance is 2, of others 0. Of six
    # pairs four differ by 2, which is beyond 1: 2 - 1/2.
    loss = distance_loss([[0.0], [0.0], [0.0], [5.0]], [[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [0.0, 0.0]])
    assert float(loss) == pytest.approx(4 * 1.5 / 6, rel=1e-6)


def test_angles_by_hand():
    # A right angle and two of 45 degrees against three of 60: cosines 0, 0.7071, 0.7071 against 0.5.
    teacher, student = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [2.0, 0.0], [1.0, np.sqrt(3.0)]]
    expected = (0.5**2 / 2 + 2 * (np.sqrt(0.5) - 0.5) ** 2 / 2) / 3
    assert float(angle_loss(teacher, student)) == pytest.approx(expected, rel=1e-5)


def test_opposite_angles_by_hand():
    # On a line the cosine is -1 at the image between the others and 1 at those: twice they differ by 2, which is beyond 1: 2 - 1/2.
    loss = angle_loss([[0.0], [1.0], [2.0]], [[1.0, 0.0], [0.0, 0.0], [2.0, 0.0]])
    assert float(loss) == pytest.approx(2 * 1.5 / 3, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss", LOSSES)
def test_equals_loops(loss, seed):
    teacher, student = _random_layers(seed)
    expected = _reference(loss, teacher, student)
    assert expected > 0.01
    assert float(loss(teacher, student)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_equals_finite_differences_of_the_loops(loss):
    teacher, student = _random_layers(3, images=6)
    expected = np.zeros([6, WIDTH])
    for index in np.ndindex(*expected.shape):
        step = np.zeros_like(expected)
        step[index] = 1e-5
        expected[index] = (_reference(loss, teacher, student + step) - _reference(loss, teacher, student - step)) / 2e-5
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(_value_and_gradient(loss, teacher, student)[1], expected, atol=1e-6)


@pytest.mark.parametrize("vertices", [1, 4, 9])
def test_blocks_of_vertices_change_nothing(monkeypatch, vertices):
    """Nine images in blocks of 1, of 4 (the last of 1) and at once, and in a graph."""
    teacher, student = _random_layers(4)
    value, gradient = _value_and_gradient(angle_loss, teacher, student)
    monkeypatch.setattr(relational, "_BLOCK", vertices * IMAGES**2)

    @tf.function(input_signature=[tf.TensorSpec([None, TEACHER_WIDTH]), tf.TensorSpec([None, WIDTH])])
    def traced(teacher, student):
        with tf.GradientTape() as tape:
            tape.watch(student)
            # Twice the loss, so that the gradient from above counts.
            loss = 2 * angle_loss(teacher, student)
        return loss, tape.gradient(loss, student)

    twice, twice_gradient = traced(teacher, student)
    assert float(twice) == pytest.approx(2 * value, rel=1e-6)
    np.testing.assert_allclose(twice_gradient, 2 * gradient, atol=1e-7)


@pytest.mark.parametrize("loss", LOSSES)
def test_only_relations_count(loss):
    """Another scale, origin and rotation, in a wider space."""
    teacher, student = _random_layers(5)
    rotation = np.linalg.qr(np.random.RandomState(6).normal(size=[TEACHER_WIDTH + 2] * 2))[0][:TEACHER_WIDTH]
    moved = (7 * teacher @ rotation + 3).astype(np.float32)
    assert float(loss(teacher, moved)) < 1e-10
    assert float(loss(moved, student)) == pytest.approx(float(loss(teacher, student)), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_no_gradient_into_the_teacher(loss):
    teacher, student = (tf.Variable(layer) for layer in _random_layers(7))
    with tf.GradientTape() as tape:
        value = loss(teacher, student)
    into_teacher, into_student = tape.gradient(value, [teacher, student])
    assert into_teacher is None and np.abs(into_student).max() > 1e-4


@pytest.mark.parametrize(("loss", "images"), [(distance_loss, 1), (angle_loss, 1), (angle_loss, 2)])
def test_batches_without_pairs_or_triplets_give_zero(loss, images):
    value, gradient = _value_and_gradient(loss, *_random_layers(8, images))
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros([images, WIDTH]))


def _coincident(layer):
    """The fourth image is the first, and the last three are one."""
    return layer[[0, 1, 2, 0, 4, 5, 6, 6, 6]]


@pytest.mark.parametrize("offset", [0.0, 1000.0], ids=["near_the_origin", "far_away"])
@pytest.mark.parametrize("where", ["student", "teacher", "both"])
@pytest.mark.parametrize("loss", LOSSES)
def test_images_that_coincide(loss, where, offset):
    teacher, student = (layer + np.float32(offset) for layer in _random_layers(9))
    teacher = teacher if where == "student" else _coincident(teacher)
    student = student if where == "teacher" else _coincident(student)
    value, gradient = _value_and_gradient(loss, teacher, student)
    assert value == pytest.approx(_reference(loss, teacher, student), rel=1e-5)
    assert np.isfinite(gradient).all() and 1e-3 < np.abs(gradient).max() < 1
    if where == "both":
        np.testing.assert_allclose(gradient[6:], np.repeat(gradient[6:7], 3, axis=0), atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_student_that_says_the_same_of_all_images_has_no_gradient(loss):
    teacher, _ = _random_layers(10)
    student = np.full([IMAGES, WIDTH], 0.1, np.float32)
    value, gradient = _value_and_gradient(loss, teacher, student)
    assert value == pytest.approx(_reference(loss, teacher, student), rel=1e-5)
    np.testing.assert_array_equal(gradient, np.zeros_like(student))


@pytest.mark.parametrize("scale", [1e-15, 1e15])
@pytest.mark.parametrize("loss", LOSSES)
def test_extreme_layers(loss, scale):
    teacher, student = _random_layers(11)
    value, gradient = _value_and_gradient(loss, teacher, student * np.float32(scale))
    plain_value, plain_gradient = _value_and_gradient(loss, teacher, student)
    assert value == pytest.approx(plain_value, rel=1e-5)
    np.testing.assert_allclose(gradient * scale, plain_gradient, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_layer_that_is_no_number_gives_none(loss):
    teacher, student = _random_layers(12)
    student[3, 0] = np.nan
    assert np.isnan(loss(teacher, student))


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
@pytest.mark.parametrize("loss", LOSSES)
def test_computes_in_float32(loss, dtype):
    # Squares of 300 are beyond float16.
    teacher, student = (tf.cast(300 * layer, dtype) for layer in _random_layers(13))
    value = loss(teacher, student)
    assert value.dtype == tf.float32
    assert float(value) == float(loss(tf.cast(teacher, tf.float32), tf.cast(student, tf.float32))) > 0.01


def _resident(kind):
    """Mebibytes of this process: `VmRSS` now, `VmHWM` at most since the last reset."""
    with open("/proc/self/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(kind)) / 1024


@pytest.mark.parametrize("loss", LOSSES)
def test_512_images_need_little_memory(loss):
    """All angles of 512 images are 512 MiB of float32, all differences of their hidden layers 256 MiB."""
    teacher, student = (np.random.RandomState(seed).normal(size=[512, 256]).astype(np.float32) for seed in range(2))

    @tf.function
    def gradient(teacher, student):
        return tf.gradients(loss(teacher, student), student)

    compiled = gradient.get_concrete_function(tf.constant(teacher), tf.constant(student))
    with open("/proc/self/clear_refs", "w", encoding="utf-8") as peak:
        peak.write("5")
    before = _resident("VmRSS")
    assert np.abs(compiled(tf.constant(teacher), tf.constant(student))[0]).max() > 0
    assert _resident("VmHWM") - before < 60
