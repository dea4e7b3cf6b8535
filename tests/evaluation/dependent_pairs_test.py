import math

import numpy as np
import pytest

from kd_tf.evaluation.dependent_pairs import pairs_standard_error

ANN, BOB, CAT, DAN = range(4)


def _binomial(right):
    share = np.mean(right)
    return 100 * math.sqrt(share * (1 - share) / len(right))


def _reference(right, first, second):
    """Every pair with every other one."""
    deviations = np.array(right) - np.mean(right)
    people = [{one, other} for one, other in zip(first, second, strict=True)]
    count = range(len(right))
    together = sum(deviations[i] * deviations[j] for i in count for j in count if people[i] & people[j])
    return 100 * math.sqrt(max(together, np.sum(deviations**2))) / len(right)


def test_pairs_that_err_together_by_hand():
    right = np.array([False, False, True, True])
    first, second = np.array([ANN, ANN, CAT, DAN]), np.array([ANN, BOB, CAT, DAN])
    # Deviations of a half: four squares of 1/4, and twice 1/4 for the two pairs that share Ann; the root of 1.5, over 4 pairs.
    assert pairs_standard_error(right, first, second) == pytest.approx(25 * math.sqrt(1.5))
    assert _binomial(right) == 25.0


def test_pairs_of_the_same_two_people_are_counted_once():
    right = np.array([False, False, True, True])
    first, second = np.array([ANN, BOB, CAT, DAN]), np.array([BOB, ANN, CAT, DAN])
    # As above: that the first two pairs share both of their people does not make them more than equal.
    assert pairs_standard_error(right, first, second) == pytest.approx(25 * math.sqrt(1.5))


def test_no_less_than_of_independent_pairs():
    right = np.array([True, False, True, False])
    first, second = np.array([ANN, ANN, CAT, CAT]), np.array([ANN, BOB, CAT, DAN])
    # Four squares of 1/4, less twice 1/4 for Ann's pairs and Cat's.
    assert pairs_standard_error(right, first, second) == pytest.approx(_binomial(right)) == 25.0


def test_people_who_share_nothing():
    right = np.random.default_rng(0).random(50) < 0.8
    assert pairs_standard_error(right, np.arange(50), np.arange(50)) == pytest.approx(_binomial(right))
    assert pairs_standard_error(right, np.arange(50), np.arange(50) + 50) == pytest.approx(_binomial(right))


@pytest.mark.parametrize("seed", range(5))
def test_random_pairs_equal_loops(seed):
    random = np.random.default_rng(seed)
    hard = random.random(30) < 0.3
    first, second = random.integers(0, 30, [2, 200])
    right = random.random(200) < np.where(hard[first] | hard[second], 0.5, 0.95)
    error = pairs_standard_error(right, first, second)
    assert error == pytest.approx(_reference(right, first, second))
    assert error > 1.2 * _binomial(right)


def test_all_are_right():
    assert pairs_standard_error(np.ones(4, bool), np.arange(4), np.arange(4)[::-1]) == 0.0


def test_the_spread_over_samples_is_what_it_says():
    """Of 400 draws of people, a third of whom are hard to tell from anyone, and of their pairs."""
    random = np.random.default_rng(0)
    shares, errors, binomial = [], [], []
    for _ in range(400):
        hard = random.random(60) < 0.33
        first, second = random.integers(0, 60, [2, 300])
        right = random.random(300) < np.where(hard[first] | hard[second], 0.5, 1.0)
        shares.append(100 * np.mean(right))
        errors.append(pairs_standard_error(right, first, second))
        binomial.append(_binomial(right))
    assert np.mean(errors) == pytest.approx(np.std(shares), rel=0.15)
    assert np.mean(binomial) < 0.85 * np.std(shares)
