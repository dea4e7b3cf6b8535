import math
import time

import numpy as np
import pytest

from kd_tf.errors import InputError
from kd_tf.evaluation.pairs import FoldScores, area_under_roc, fold_scores, pair_distances, pair_metrics, roc_curve, tar_at_far


def _accuracy(distances, same, threshold):
    right = sum((distance < threshold) == flag for distance, flag in zip(distances, same, strict=True))
    return 100 * right / len(distances)


def _candidates(distances):
    """A threshold at the lowest distance, one between each two neighbours, and one above all."""
    values = sorted(set(distances))
    return [values[0], *((low + high) / 2 for low, high in zip(values[:-1], values[1:], strict=True)), math.nextafter(values[-1], math.inf)]


def _reference(distances, same, folds):
    """The protocol by loops over every threshold."""
    distances, same, folds = list(distances), list(same), list(folds)
    accuracies, thresholds = [], []
    for fold in sorted(set(folds)):
        others = [place for place in range(len(folds)) if folds[place] != fold]
        own = [place for place in range(len(folds)) if folds[place] == fold]
        train = [distances[place] for place in others], [same[place] for place in others]
        best, threshold = -1.0, None
        for candidate in _candidates(train[0]):
            accuracy = _accuracy(*train, candidate)
            if accuracy > best:
                best, threshold = accuracy, candidate
        thresholds.append(threshold)
        accuracies.append(_accuracy([distances[place] for place in own], [same[place] for place in own], threshold))
    return accuracies, thresholds


def _assert_equals_reference(distances, same, folds):
    scores = fold_scores(distances, same, folds)
    accuracies, thresholds = _reference(distances, same, folds)
    np.testing.assert_allclose(scores.accuracies, accuracies, rtol=1e-12)
    np.testing.assert_allclose(scores.thresholds, thresholds, rtol=1e-12)
    return scores


def _pairs(seed, size=60, folds=5, decimals=15):
    random = np.random.default_rng(seed)
    same = random.random(size) < 0.5
    distances = np.where(same, random.normal(1.0, 0.5, size), random.normal(2.0, 0.5, size)).clip(0, 4).round(decimals)
    return distances, same, np.arange(size) * folds // size


def _unit(values):
    return values / np.linalg.norm(values, axis=1, keepdims=True)


FIRST = np.array([[1.0, 0.0], [3.0, 4.0], [2.0, 0.0], [0.0, 5.0]])
SECOND = np.array([[0.0, 2.0], [6.0, 8.0], [-7.0, 0.0], [1.0, 1.0]])


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        # At right angles, equal directions, opposite ones, 45 degrees: 2 - 2 cos.
        ("squared_l2", [2.0, 0.0, 4.0, 2 - math.sqrt(2)]),
        ("angular", [90.0, 0.0, 180.0, 45.0]),
        ("raw_squared_l2", [5.0, 25.0, 81.0, 17.0]),
    ],
)
def test_distances_by_hand(distance, expected):
    found = pair_distances(FIRST.astype(np.float32), SECOND.astype(np.float32), distance)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.dtype == np.float64


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_distances_of_directions_do_not_depend_on_lengths(scale):
    random = np.random.default_rng(0)
    first, second = random.normal(size=[2, 50, 16])
    cosines = np.sum(_unit(first) * _unit(second), axis=1)
    np.testing.assert_allclose(pair_distances(scale * first, second, "squared_l2"), 2 - 2 * cosines)
    np.testing.assert_allclose(pair_distances(first, scale * second, "angular"), np.degrees(np.arccos(cosines)))


def test_small_angles_are_exact():
    angles = np.array([1e-9, 1e-6, 1e-3])
    first, second = np.stack([np.ones(3), np.zeros(3)], axis=1), np.stack([np.cos(angles), np.sin(angles)], axis=1)
    np.testing.assert_allclose(pair_distances(first, second, "angular"), np.degrees(angles), rtol=1e-9)
    np.testing.assert_allclose(pair_distances(first, second, "squared_l2"), (2 * np.sin(angles / 2)) ** 2, rtol=1e-9)


def test_distances_stay_in_their_range():
    first = np.random.default_rng(1).normal(size=[1000, 7])
    np.testing.assert_array_equal(pair_distances(first, 3 * first, "angular") < 1e-5, True)
    assert pair_distances(first, -3 * first, "squared_l2").max() <= 4.0
    assert pair_distances(first, -3 * first, "angular").max() <= 180.0


@pytest.mark.parametrize("distance", ["squared_l2", "angular", "raw_squared_l2"])
@pytest.mark.parametrize(
    ("side", "value", "message"),
    [(0, 0.0, "the first embedding of pair 2 is zero"), (1, 0.0, "the second embedding of pair 2 is zero")]
    + [
        (side, value, f"the {name} embedding of pair 2 is not finite")
        for side, name in enumerate(("first", "second"))
        for value in (np.nan, np.inf)
    ],
)
def test_embeddings_without_distance(distance, side, value, message):
    embeddings = [FIRST.copy(), SECOND.copy()]
    embeddings[side][2] = value
    with pytest.raises(InputError) as error:
        pair_distances(*embeddings, distance)
    assert str(error.value) == f"{message}: it has no distance to others"


def test_other_distances_and_shapes():
    with pytest.raises(InputError, match="the distance 'cosine' is unknown; known: squared_l2, angular, raw_squared_l2"):
        pair_distances(FIRST, SECOND, "cosine")
    with pytest.raises(InputError, match=r"pairs need embeddings \[pairs, width\] twice, found \[4, 2\] and \[3, 2\]"):
        pair_distances(FIRST, SECOND[:3], "angular")


def test_folds_by_hand():
    distances = np.array([0.125, 0.5, 1.0, 0.25, 0.375, 0.75])
    same = np.array([True, False, False, True, True, False])
    folds = np.array([0, 0, 0, 1, 1, 1])
    # Fold 1 is parted between 0.375 and 0.75: of fold 0, 0.125 and 1 are right, and 0.5 is not. Fold 0 is parted between 0.125 and 0.5: of
    # fold 1, 0.25 and 0.75 are right, and 0.375 is not.
    scores = fold_scores(distances, same, folds)
    np.testing.assert_allclose(scores.thresholds, [0.5625, 0.3125])
    np.testing.assert_allclose(scores.accuracies, [200 / 3, 200 / 3])


# Folds 0 and 1 are parted between 0.25 and 0.5, folds 2 and 3 between 0.4375 and 0.75.
HELD_OUT = (
    np.array([0.125, 0.5, 0.25, 1.0, 0.3125, 0.75, 0.4375, 0.75]),
    np.array([True, False] * 4),
    np.arange(8) // 2,
    np.arange(8) >= 4,
)


def test_held_out_folds_by_hand():
    # One threshold for both: of fold 3, 0.75 is right and 0.4375 is not, though 0.59375 would be right for all.
    scores = fold_scores(*HELD_OUT)
    assert scores.thresholds.tolist() == [0.375, 0.375]
    assert scores.accuracies.tolist() == [100.0, 50.0]
    # In turn, fold 2 is scored by what folds 0, 1 and 3 choose, between 0.4375 and 0.5.
    assert fold_scores(*HELD_OUT[:3]).thresholds[2] == 0.46875


def test_held_out_folds_have_no_part_in_the_threshold():
    distances, same, folds, tested = HELD_OUT
    chosen = fold_scores(*HELD_OUT).thresholds
    np.testing.assert_array_equal(fold_scores(np.where(tested, 9.0, distances), same ^ tested, folds, tested).thresholds, chosen)


@pytest.mark.parametrize("seed", range(3))
def test_all_scores_are_of_the_held_out_folds(seed):
    distances, same, folds = _pairs(seed, size=3000, folds=10)
    tested = np.isin(folds, [2, 7, 9])
    of_others = distances[~tested], same[~tested]
    threshold = max(_candidates(of_others[0]), key=lambda candidate: np.mean((of_others[0] < candidate) == of_others[1]))
    accuracies = [_accuracy(distances[folds == fold], same[folds == fold], threshold) for fold in (2, 7, 9)]
    scored = distances[tested], same[tested]
    assert pair_metrics(distances, same, folds, tested) == {
        "lfw_accuracy": pytest.approx(np.mean(accuracies)),
        "lfw_std": pytest.approx(np.std(accuracies)),
        "lfw_standard_error": pytest.approx(np.std(accuracies, ddof=1) / math.sqrt(3)),
        "threshold": pytest.approx(threshold),
        "roc_area": area_under_roc(*scored),
        "pairs": 900,
        "folds": 3,
        "tar_at_far_0.1": tar_at_far(*scored)[0][0.1],
    }


def test_one_fold_has_no_spread():
    distances, same, folds, _ = HELD_OUT
    metrics = pair_metrics(distances, same, folds, folds == 3)
    assert (metrics["lfw_accuracy"], metrics["threshold"], metrics["folds"]) == (50.0, 0.40625, 1)
    assert not {"lfw_std", "lfw_standard_error"} & set(metrics)


@pytest.mark.parametrize("tested", [0, 8])
def test_none_or_all_pairs_held_out(tested):
    with pytest.raises(InputError, match=f"^a threshold is chosen on other folds: {tested} of 8 pairs are tested$"):
        fold_scores(*HELD_OUT[:3], np.arange(8) < tested)


def test_spreads_by_hand():
    # Mean 92, deviations -2, -2, 4: squares sum to 24.
    scores = FoldScores(np.array([90.0, 90.0, 96.0]), np.zeros(3))
    assert scores.accuracy == pytest.approx(92.0)
    assert scores.std == pytest.approx(math.sqrt(24 / 3))
    assert scores.standard_error == pytest.approx(math.sqrt(24 / 2) / math.sqrt(3))


@pytest.mark.parametrize("decimals", [0, 1, 15])
@pytest.mark.parametrize("seed", range(10))
def test_random_pairs_equal_loops(seed, decimals):
    # With no or one decimal most distances are shared.
    distances, same, folds = _pairs(seed, folds=2 + seed % 9, decimals=decimals)
    scores = _assert_equals_reference(distances, same, folds)
    assert 50 < scores.accuracy < 100


def test_the_order_of_pairs_and_the_numbers_of_folds_do_not_matter():
    distances, same, folds = _pairs(0)
    order = np.random.default_rng(0).permutation(len(folds))
    shuffled = fold_scores(distances[order], same[order], 10 * folds[order] - 7)
    np.testing.assert_array_equal(shuffled, fold_scores(distances, same, folds))


def test_of_equally_good_thresholds_the_lowest():
    # On the other fold, 1.5 and 3.5 are right for three of four.
    distances, same = np.array([1.0, 2.0, 3.0, 4.0, 1.7, 9.0]), np.array([True, False, True, False, True, False])
    scores = fold_scores(distances, same, np.array([0, 0, 0, 0, 1, 1]))
    assert scores.thresholds[1] == 1.5
    assert scores.accuracies[1] == 50.0


def test_embeddings_that_are_all_equal():
    distances, same = pair_distances(np.ones([40, 8]), np.ones([40, 8]), "squared_l2"), np.arange(40) % 4 == 0
    scores = _assert_equals_reference(distances, same, np.arange(40) // 4)
    # All are called different, which three of four are.
    assert scores.accuracies.tolist() == [75.0] * 10
    scores = _assert_equals_reference(distances, ~same, np.arange(40) // 4)
    # All are called the same.
    assert scores.accuracies.tolist() == [75.0] * 10
    assert area_under_roc(distances, same) == 0.5


def test_perfect_separation():
    distances, same = np.append(np.linspace(0, 1, 20), np.linspace(2, 4, 20)), np.arange(40) < 20
    order = np.random.default_rng(0).permutation(40)
    scores = _assert_equals_reference(distances[order], same[order], np.arange(40) // 4)
    assert (scores.accuracy, scores.std, scores.standard_error) == (100.0, 0.0, 0.0)
    assert area_under_roc(distances, same) == 1.0
    assert area_under_roc(distances, ~same) == 0.0


def test_folds_of_one_kind():
    # Fold 0 has only one person's pairs, fold 1 only different people's: each teaches to call everything as it is itself.
    distances = np.array([1.0, 2.0, 3.0, 2.0, 3.0, 4.0])
    scores = _assert_equals_reference(distances, np.array([True] * 3 + [False] * 3), np.array([0, 0, 0, 1, 1, 1]))
    # Below 2 nothing was accepted: of 1, 2, 3 only 1 is. Up to 3 all was: of 2, 3, 4 only 4 is not.
    np.testing.assert_allclose(scores.accuracies, [100 / 3, 100 / 3])


@pytest.mark.parametrize("low", [0.0, 1.0, 3.9999])
def test_neighbours_without_a_number_between(low):
    high = np.nextafter(low, np.inf)
    distances, same = np.array([low, high] * 2), np.array([True, False] * 2)
    assert fold_scores(distances, same, np.array([0, 0, 1, 1])).accuracies.tolist() == [100.0, 100.0]


@pytest.mark.parametrize("folds", [[0] * 60, [0] * 30 + [1] * 29])
def test_folds_that_do_not_suffice(folds):
    distances, same, _ = _pairs(0)
    with pytest.raises(InputError, match=rf"60 pairs need two folds, found \d of {len(folds)}"):
        fold_scores(distances, same, np.array(folds))


def test_many_pairs_take_no_time():
    # A threshold for each of 100,000 distances, one by one, would be 10 ** 10 comparisons a fold.
    distances, same, folds = _pairs(0, size=100_000, folds=10)
    started = time.monotonic()
    scores = fold_scores(distances, same, folds)
    assert time.monotonic() - started < 20
    # Normal distributions parted halfway, one deviation from each mean.
    assert scores.accuracy == pytest.approx(84.13, abs=0.5)
    assert scores.thresholds == pytest.approx([1.5] * 10, abs=0.1)


def test_the_roc_curve_by_hand():
    distances, same = np.array([0.1, 0.2, 0.2, 0.3, 0.4]), np.array([True, True, False, False, True])
    # 0.1: one of three. 0.2: one of two and one of three, in one step.
    false_rates, true_rates = roc_curve(distances, same)
    np.testing.assert_allclose(false_rates, [0, 0, 1 / 2, 1, 1])
    np.testing.assert_allclose(true_rates, [0, 1 / 3, 2 / 3, 2 / 3, 1])
    # Of six couples the same pair is nearer in three, 0.2 and 0.2 are half.
    assert area_under_roc(distances, same) == pytest.approx(3.5 / 6)


@pytest.mark.parametrize("decimals", [0, 1, 15])
@pytest.mark.parametrize("seed", range(5))
def test_the_roc_curve_equals_counts(seed, decimals):
    distances, same, _ = _pairs(seed, decimals=decimals)
    false_rates, true_rates = roc_curve(distances, same)
    values = [-1.0, *sorted(set(distances))]
    np.testing.assert_allclose(false_rates, [np.mean(distances[~same] <= value) for value in values])
    np.testing.assert_allclose(true_rates, [np.mean(distances[same] <= value) for value in values])
    couples = distances[same][:, np.newaxis], distances[~same]
    assert area_under_roc(distances, same) == pytest.approx(np.mean((couples[0] < couples[1]) + 0.5 * (couples[0] == couples[1])))


def _best_rate(distances, same, rate):
    """By a loop over all thresholds."""
    rates = [(np.mean(distances[~same] < threshold), 100 * np.mean(distances[same] < threshold)) for threshold in _candidates(distances)]
    return max(true for false, true in rates if false <= rate)


@pytest.mark.parametrize("decimals", [1, 15])
@pytest.mark.parametrize("seed", range(3))
def test_true_accepts_equal_a_search(seed, decimals):
    distances, same, _ = _pairs(seed, size=2400, decimals=decimals)
    negatives = int(np.sum(~same))
    found, sentences = tar_at_far(distances, same)
    assert found == {rate: pytest.approx(_best_rate(distances, same, rate)) for rate in (0.1, 0.01)}
    assert 0 < found[0.01] < found[0.1] < 100
    assert sentences == [
        f"TAR at FAR 0.001 needs 10,000 negative pairs; there are {negatives:,}",
        f"TAR at FAR 0.0001 needs 100,000 negative pairs; there are {negatives:,}",
    ]


@pytest.mark.parametrize("rate", [0.1, 0.01, 0.001, 0.0001, 0.03, 0.7])
def test_ten_false_accepts_are_enough_and_nine_are_not(rate):
    needed = math.ceil(round(10 / rate, 6))
    for negatives in (needed, needed - 1):
        # The negatives are at 1, 2, 3 ...; positives lie between them: as many are accepted as negatives are.
        distances = np.concatenate([np.arange(negatives) + 1.0, np.arange(20) + 1.5])
        found, sentences = tar_at_far(distances, np.arange(len(distances)) >= negatives, (rate,))
        accepted = int(rate * negatives + 1e-9)
        # The threshold may go up to the next negative.
        assert found == ({rate: 5.0 * min(accepted, 20)} if negatives == needed else {})
        assert len(sentences) == (negatives != needed)


def test_a_rate_between_ties():
    # All ten negatives are at one distance, with one of the positives: below it, half of the positives.
    distances, same = np.array([1.0, 2.0] + [2.0] * 100), np.array([True, True] + [False] * 100)
    assert tar_at_far(distances, same, (0.1, 1.0)) == ({0.1: 50.0, 1.0: 100.0}, [])


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.5])
def test_rates_that_are_none(rate):
    distances, same, _ = _pairs(0)
    with pytest.raises(InputError, match=f"a false accept rate is above 0 and at most 1, found {rate:g}"):
        tar_at_far(distances, same, (rate,))


def test_metrics():
    distances, same, folds = _pairs(3, size=3000, folds=10)
    scores, rates = fold_scores(distances, same, folds), tar_at_far(distances, same)[0]
    metrics = pair_metrics(distances, same, folds)
    assert metrics == {
        "lfw_accuracy": scores.accuracy,
        "lfw_std": scores.std,
        "lfw_standard_error": scores.standard_error,
        "threshold": np.mean(scores.thresholds),
        "roc_area": area_under_roc(distances, same),
        "pairs": 3000,
        "folds": 10,
        "tar_at_far_0.1": rates[0.1],
        "tar_at_far_0.01": rates[0.01],
    }
    assert {type(value) for value in metrics.values()} == {float}


def test_pairs_of_one_kind():
    for same, count in ((np.ones(6, bool), 6), (np.zeros(6, bool), 0)):
        with pytest.raises(InputError, match=f"accept rates need pairs of both kinds; {count} of 6 pairs are of one person"):
            roc_curve(np.arange(6), same)


@pytest.mark.parametrize("score", [roc_curve, lambda distances, same: fold_scores(distances, same, np.arange(len(distances)))])
def test_distances_that_are_none(score):
    with pytest.raises(InputError, match="the distance of pair 2 is nan"):
        score([0, 1, np.nan, 2], [True, False, True, False])
    with pytest.raises(InputError, match=r"pairs need as many flags as distances, at least one; found \[3\] and \[4\]"):
        score([0, 1, 2, 3], [True, False, True])
    with pytest.raises(InputError, match=r"at least one; found \[0\] and \[0\]"):
        score([], [])
