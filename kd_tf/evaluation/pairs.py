"""Scores of pairs: the ten folds of LFW, the ROC curve, and true accepts at a rate of false ones.

A pair is called the same person when its distance is below a threshold.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kd_tf.errors import InputError

DISTANCES = ("squared_l2", "angular", "raw_squared_l2")
MIN_FALSE_ACCEPTS = 10
FALSE_ACCEPT_RATES = (0.1, 0.01, 0.001, 0.0001)


class FoldScores(NamedTuple):
    """Per fold, `accuracies` in percent and the `thresholds` that the other folds chose; both float64 `[folds]`."""

    accuracies: np.ndarray
    thresholds: np.ndarray

    @property
    def accuracy(self) -> float:
        """The mean over the folds."""
        return float(self.accuracies.mean())

    @property
    def std(self) -> float:
        """The population standard deviation over the folds, what face codebases print."""
        return float(self.accuracies.std())

    @property
    def standard_error(self) -> float:
        """The standard error of the mean, which LFW's authors ask for: sample standard deviation over the root of the folds."""
        return float(self.accuracies.std(ddof=1) / math.sqrt(len(self.accuracies)))


def pair_distances(first: np.ndarray, second: np.ndarray, distance: str) -> np.ndarray:
    """The distance within each pair.

    Args:
      first: `[pairs, width]`, embeddings.
      second: `[pairs, width]`.
      distance: one of `DISTANCES`. `squared_l2`: squared, between the vectors over their lengths, 0 to 4; `angular`: the angle between
        them in degrees, 0 to 180; `raw_squared_l2`: squared, between the vectors as they are.

    Returns:
      float64 `[pairs]`.

    Raises:
      InputError: the distance is unknown, the shapes disagree, or an embedding is zero or not finite.
    """
    if distance not in DISTANCES:
        raise InputError(f"the distance {distance!r} is unknown; known: {', '.join(DISTANCES)}")
    if np.shape(first) != np.shape(second) or np.ndim(first) != 2:
        raise InputError(f"pairs need embeddings [pairs, width] twice, found {list(np.shape(first))} and {list(np.shape(second))}")
    first, second = (_checked_embeddings(*named) for named in (("first", first), ("second", second)))
    if distance == "raw_squared_l2":
        return np.sum((first - second) ** 2, axis=1)
    first, second = _unit(first), _unit(second)
    if distance == "squared_l2":
        return np.minimum(np.sum((first - second) ** 2, axis=1), 4.0)
    # Exact for small angles too, where the cosine is flat.
    return np.degrees(2 * np.arctan2(np.linalg.norm(first - second, axis=1), np.linalg.norm(first + second, axis=1)))


def fold_scores(distances: np.ndarray, same: np.ndarray, folds: np.ndarray, tested: np.ndarray | None = None) -> FoldScores:
    """Applies to each fold the threshold that is best on all other folds.

    Candidates are the lowest distance of the other folds (no pair is below it), the middle between each two neighbours, and
    the next number above the highest; any other threshold decides the other folds as one of these does. Of equally good
    ones the lowest is taken.

    Args:
      distances: `[pairs]`.
      same: bool `[pairs]`.
      folds: int `[pairs]`.
      tested: bool `[pairs]`, whole folds. Only these are scored, all with the threshold that is best on the others together; None: each
        fold in turn.

    Raises:
      InputError: fewer than two folds, no pair or all pairs tested, or arrays that do not fit together.
    """
    distances, same = _checked_pairs(distances, same)
    folds, names = np.asarray(folds), np.unique(folds)
    if len(folds) != len(distances) or len(names) < 2:
        raise InputError(f"a threshold is chosen on other folds: {len(distances)} pairs need two folds, found {len(names)} of {len(folds)}")
    if tested is not None and (np.all(tested) or not np.any(tested)):
        raise InputError(f"a threshold is chosen on other folds: {np.sum(tested)} of {len(folds)} pairs are tested")
    accuracies, thresholds = [], []
    for scored in (folds == name for name in (names if tested is None else np.unique(folds[tested]))):
        others = ~(scored if tested is None else tested)
        thresholds.append(_best_threshold(distances[others], same[others]))
        accuracies.append(100 * np.mean((distances[scored] < thresholds[-1]) == same[scored]))
    return FoldScores(np.array(accuracies), np.array(thresholds))


def roc_curve(distances: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true accept rates of all thresholds, from (0, 0) to (1, 1), one step for each distinct distance.

    Raises:
      InputError: pairs of one kind only.
    """
    distances, same = _checked_pairs(distances, same)
    if same.all() or not same.any():
        raise InputError(f"accept rates need pairs of both kinds; {same.sum()} of {len(same)} pairs are of one person")
    values, places = np.unique(distances, return_inverse=True)
    false, true = (np.cumsum(np.bincount(places[kind], minlength=len(values))) for kind in (~same, same))
    return np.append(0, false) / false[-1], np.append(0, true) / true[-1]


def area_under_roc(distances: np.ndarray, same: np.ndarray) -> float:
    """The share, 0 to 1, of (same, different) couples of pairs in which the same person's is nearer; a tie is half."""
    false_rates, true_rates = roc_curve(distances, same)
    return float(np.sum(np.diff(false_rates) * (true_rates[1:] + true_rates[:-1]) / 2))


def tar_at_far(
    distances: np.ndarray, same: np.ndarray, rates: Sequence[float] = FALSE_ACCEPT_RATES
) -> tuple[dict[float, float], list[str]]:
    """The highest true accept rate, over all pairs together, whose false accept rate does not exceed each of `rates`.

    A rate is reported where it lets at least `MIN_FALSE_ACCEPTS` negative pairs through. The threshold rests on that many pairs:
    with ten the false accept rate is known to about a third of itself (1 / sqrt(10)), with one it may as well be 0 or twice as much.

    Returns:
      Percent by rate, for the rates that the pairs suffice for, and a sentence for each of the others.

    Raises:
      InputError: a rate outside (0, 1], or pairs of one kind only.
    """
    false_rates, true_rates = roc_curve(distances, same)
    negatives = int(np.sum(~np.asarray(same, bool)))
    found, sentences = {}, []
    for rate in rates:
        if not 0 < rate <= 1:
            raise InputError(f"a false accept rate is above 0 and at most 1, found {rate:g}")
        needed = math.ceil(MIN_FALSE_ACCEPTS / rate - 1e-9)
        if negatives >= needed:
            found[rate] = 100 * float(true_rates[np.searchsorted(false_rates, rate, side="right") - 1])
        else:
            sentences.append(f"TAR at FAR {rate:g} needs {needed:,} negative pairs; there are {negatives:,}")
    return found, sentences


def pair_metrics(distances: np.ndarray, same: np.ndarray, folds: np.ndarray, tested: np.ndarray | None = None) -> dict[str, float]:
    """All of the above by name.

    Args:
      distances: `[pairs]`.
      same: bool `[pairs]`.
      folds: int `[pairs]`.
      tested: the pairs that are scored; see `fold_scores`.

    Returns:
      `lfw_accuracy` and, of several folds, `lfw_std` and `lfw_standard_error` (percent), `threshold` (mean over the folds), `roc_area` (0
      to 1), `pairs`, `folds`, and `tar_at_far_0.01` (percent) and the like for the rates that the pairs suffice for.
    """
    scores = fold_scores(distances, same, folds, tested)
    if tested is not None:
        distances, same = distances[tested], same[tested]
    rates, _ = tar_at_far(distances, same)
    metrics = {"lfw_accuracy": scores.accuracy}
    if len(scores.accuracies) > 1:
        metrics |= {"lfw_std": scores.std, "lfw_standard_error": scores.standard_error}
    metrics |= {
        "threshold": float(scores.thresholds.mean()),
        "roc_area": area_under_roc(distances, same),
        "pairs": float(len(distances)),
        "folds": float(len(scores.accuracies)),
    }
    return metrics | {f"tar_at_far_{rate:g}": share for rate, share in rates.items()}


def _best_threshold(distances: np.ndarray, same: np.ndarray) -> float:
    values, places = np.unique(distances, return_inverse=True)
    gained = np.bincount(places, weights=np.where(same, 1, -1))
    accepted = int(np.append(0, np.cumsum(gained)).argmax())
    if accepted == 0:
        return values[0]
    if accepted == len(values):
        return np.nextafter(values[-1], np.inf)
    below, above = values[accepted - 1 : accepted + 1]
    middle = below + (above - below) / 2
    # There may be no number between two neighbours.
    return middle if middle > below else above


def _checked_embeddings(name: str, embeddings: np.ndarray) -> np.ndarray:
    embeddings = np.asarray(embeddings, np.float64)
    finite = np.isfinite(embeddings).all(axis=1)
    wrong = np.flatnonzero(~finite | ~embeddings.any(axis=1))
    if len(wrong):
        row = wrong[0]
        raise InputError(f"the {name} embedding of pair {row} is {'zero' if finite[row] else 'not finite'}: it has no distance to others")
    return embeddings


def _unit(embeddings: np.ndarray) -> np.ndarray:
    # Squares of very large and very small numbers are none.
    scaled = embeddings / np.abs(embeddings).max(axis=1, keepdims=True)
    return scaled / np.linalg.norm(scaled, axis=1, keepdims=True)


def _checked_pairs(distances: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distances, same = np.asarray(distances, np.float64), np.asarray(same, bool)
    if distances.ndim != 1 or distances.shape != same.shape or not len(distances):
        raise InputError(f"pairs need as many flags as distances, at least one; found {list(same.shape)} and {list(distances.shape)}")
    wrong = np.flatnonzero(~np.isfinite(distances))
    if len(wrong):
        raise InputError(f"the distance of pair {wrong[0]} is {distances[wrong[0]]}")
    return distances, same
