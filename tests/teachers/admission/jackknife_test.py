import numpy as np
import pytest

from kd_tf.evaluation.pairs import area_under_roc
from kd_tf.teachers.admission.jackknife import areas_without_each, errors_allowed, jackknife_error, shares_without_each


def test_by_hand():
    """Pairs of one: A at 1, B at 3. Of two: A and B at 2, A and C at 4, B and C at 3.

    Without A: B's 3 against 3, a tie, 1/2. Without B: 1 against 4, 1. Without C: 1 and 3 against 2, 1/2.
    """
    people = np.array([[7, 7], [8, 8], [7, 8], [9, 7], [8, 9]])
    areas = areas_without_each(np.array([1.0, 3, 2, 4, 3]), people)
    np.testing.assert_allclose(areas, [0.5, 1, 0.5], rtol=1e-12)
    # Right are the first three. Without A: 1 of 2. Without B: 1 of 2. Without C: all three.
    np.testing.assert_allclose(shares_without_each(np.array([True, True, True, False, False]), people), [0.5, 0.5, 1], rtol=1e-12)
    # The mean is 2/3, the squares 1/36 + 1/9 + 1/36 = 1/6, times 2/3.
    assert jackknife_error(areas) == pytest.approx((1 / 9) ** 0.5)


@pytest.mark.parametrize("seed", range(3))
def test_against_brute_force(seed):
    random = np.random.default_rng(seed)
    own = np.repeat(random.integers(0, 12, [40, 1]), 2, axis=1)
    beside = np.stack([random.integers(0, 12, 60), random.integers(12, 20, 60)], axis=1)
    people = random.permutation(np.concatenate([own, beside]))
    same = people[:, 0] == people[:, 1]
    # Whole numbers, so that there are ties.
    distances, right = random.integers(0, 15, 100).astype(float), random.random(100) < 0.7
    left = [(people != who).all(axis=1) for who in np.unique(people)]
    areas = [area_under_roc(distances[kept], same[kept]) for kept in left]
    np.testing.assert_allclose(areas_without_each(distances, people), areas, rtol=1e-12)
    np.testing.assert_allclose(shares_without_each(right, people), [right[kept].mean() for kept in left], rtol=1e-12)
    # (n - 1) / n times the sum of squares is (n - 1) times the population variance.
    assert jackknife_error(np.array(areas)) == pytest.approx(np.sqrt((len(areas) - 1) * np.var(areas)), rel=1e-12)


def test_that_of_a_mean_is_its_standard_error():
    """Each person alone in one pair: the jackknife of a share is the root of p (1 - p) / (n - 1)."""
    right = np.array([True] * 30 + [False] * 10)
    people = np.repeat(np.arange(40)[:, np.newaxis], 2, axis=1)
    assert jackknife_error(shares_without_each(right, people)) == pytest.approx(np.sqrt(0.75 * 0.25 / 39), rel=1e-12)


def test_errors_allowed():
    """Student's t: 31.82 at 1 degree and 1%, 4.541 at 3, and at 10 degrees and 0.1% (ten tried) 4.144."""
    assert errors_allowed(2, 1) == pytest.approx(31.82, abs=0.01)
    assert errors_allowed(4, 1) == pytest.approx(4.541, abs=0.001)
    assert errors_allowed(11, 10) == pytest.approx(4.144, abs=0.001)
