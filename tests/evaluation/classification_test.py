import numpy as np
import pytest

from kd_tf.errors import InputError
from kd_tf.evaluation.classification import top1_accuracy, topk_accuracy


def test_by_hand():
    # Three of four.
    assert top1_accuracy(np.array([3, 1, 2, 0]), np.array([3, 1, 2, 2])) == 75.0


def test_all_and_none():
    assert top1_accuracy(np.array([0, 1]), np.array([0, 1])) == 100.0
    assert top1_accuracy(np.array([1, 0]), np.array([0, 1])) == 0.0


def test_one_prediction_for_all():
    # One of three.
    assert top1_accuracy(np.int64(2), np.array([2, 0, 1])) == pytest.approx(100 / 3)


@pytest.mark.parametrize(("k", "expected"), [(1, 20.0), (2, 40.0), (3, 40.0), (4, 80.0), (5, 100.0), (100, 100.0)])
def test_top_k_by_hand(k, expected):
    assert topk_accuracy(np.array([4, 0, 3, 1, 3]), k) == expected


def test_top_1_is_top_k_of_one():
    probabilities = np.random.default_rng(0).permuted(np.tile(np.arange(7.0), [30, 1]), axis=1)
    identities = np.arange(30) % 7
    ranks = (probabilities > probabilities[np.arange(30), identities][:, np.newaxis]).sum(axis=1)
    assert 0 < topk_accuracy(ranks, 1) == top1_accuracy(probabilities.argmax(axis=1), identities) < 100


@pytest.mark.parametrize(
    ("ranks", "k", "message"),
    [
        ([0, 1], 0, "found k=0 and 2 ranks, the lowest 0"),
        ([3, -1], 1, "found k=1 and 2 ranks, the lowest -1"),
        ([], 5, "found k=5 and 0 ranks"),
    ],
)
def test_top_k_of_nothing(ranks, k, message):
    with pytest.raises(InputError) as error:
        topk_accuracy(np.array(ranks), k)
    assert str(error.value) == f"top-k needs k of 1 or more and ranks from 0, {message}"
