"""How sure an accuracy of pairs is where pairs share people."""

import math

import numpy as np


def pairs_standard_error(right: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """The standard error of the share of pairs that are decided rightly, by the spread of the pairs themselves.

    A person who is hard to recognise spoils every pair that they are in, so pairs are no independent trials and the binomial error would
    promise too much. Any two pairs that share a person may err together here: the variance is the sum of the products of their deviations,
    each pair with itself too, over the square of the number of pairs (the dyadic cluster-robust variance: Fafchamps and Gubert 2007;
    Aronow, Samii and Assenova 2015). Such a sum may come out too low by chance, even below 0: it counts as no less than the binomial one.
    That the threshold was chosen on a sample too is not in it.

    Args:
      right: bool `[pairs]`, decided by a threshold that was not chosen on these pairs.
      first: int `[pairs]`, who is on the first image of each pair.
      second: int `[pairs]`, who is on the second.

    Returns:
      Percent.
    """
    deviations = right - np.mean(right)
    independent = np.sum(deviations**2)
    two = first != second
    people = np.bincount(first, deviations, minlength=1 + second.max())
    people += np.bincount(second[two], deviations[two], minlength=len(people))
    # Pairs of the same two people, so each of two people with itself too, were counted at both.
    _, couples = np.unique(np.sort([first[two], second[two]], axis=0), axis=1, return_inverse=True)
    dependent = np.sum(people**2) - np.sum(np.bincount(couples.ravel(), deviations[two]) ** 2)
    return 100 * math.sqrt(max(independent, dependent)) / len(right)
