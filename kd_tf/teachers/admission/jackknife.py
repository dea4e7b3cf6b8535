"""How exact a share of pairs is where pairs share people: it is worked out again without each person (Efron and Stein 1981).

A standard error over pairs would take them for independent, and noise would refuse good teachers.
"""

import numpy as np
from scipy import special

# How often noise alone may refuse a teacher, over all that is tried of it.
SIGNIFICANCE = 0.01


def areas_without_each(distances: np.ndarray, people: np.ndarray) -> np.ndarray:
    """The area under the ROC curve of the pairs that are left without each person.

    Args:
      distances: `[pairs]`.
      people: int `[pairs, 2]`, whose the images of each are; without any one person there must be pairs of both kinds.

    Returns:
      float64 `[people]`, 0 to 1, in ascending order of who is left out.
    """
    names, people = _numbered(people)
    same = people[:, 0] == people[:, 1]
    near, far, own, beside = distances[same], distances[~same], people[same, 0], people[~same]
    # The area is the share of couples, of a pair of one person and a pair of two, whose first is nearer.
    won_by_far = _numbers_below(near, far)
    lost = np.bincount(own, len(far) - _numbers_below(far, near), names)
    lost += sum(np.bincount(beside[:, side], won_by_far, names) for side in (0, 1))
    twice = np.array([_numbers_below(near[own == who], far[(beside == who).any(axis=1)]).sum() for who in range(names)])
    left = (len(near) - np.bincount(own, minlength=names)) * (len(far) - np.bincount(beside.ravel(), minlength=names))
    return (won_by_far.sum() - lost + twice) / left


def shares_without_each(right: np.ndarray, people: np.ndarray) -> np.ndarray:
    """The share of bool `[pairs]` that is true of those left without each person; otherwise like `areas_without_each`."""
    names, people = _numbered(people)
    other = people[:, 0] != people[:, 1]

    def of_each(values: np.ndarray) -> np.ndarray:
        return np.bincount(people[:, 0], values, names) + np.bincount(people[other, 1], values[other], names)

    return (right.sum() - of_each(right)) / (len(right) - of_each(np.ones(len(right))))


def jackknife_error(without_each: np.ndarray) -> float:
    """The standard error of a value that is this without each of `[people]`."""
    people = len(without_each)
    return float(np.sqrt((people - 1) / people * np.sum((without_each - without_each.mean()) ** 2)))


def errors_allowed(people: int, tried: int) -> float:
    """How many standard errors the best of `tried` values may lie above 0 by chance (Student's t, Bonferroni).

    Args:
      people: those with a pair of their own, who carry most of the variance where they are few.
      tried: how many values the best is of.
    """
    return float(special.stdtrit(people - 1, 1 - SIGNIFICANCE / max(tried, 1)))


def _numbered(people: np.ndarray) -> tuple[int, np.ndarray]:
    names, numbers = np.unique(people, return_inverse=True)
    return len(names), numbers.reshape(people.shape)


def _numbers_below(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """How many of the values are below each limit, float64 `[limits]`; a tie is half."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, limits, "left") + np.searchsorted(ordered, limits, "right")) / 2
