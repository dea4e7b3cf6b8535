import numpy as np
import pytest

from kd_tf.evaluation.classification import top1_accuracy


def test_by_hand():
    # Three of four.
    assert top1_accuracy(np.array([3, 1, 2, 0]), np.array([3, 1, 2, 2])) == 75.0


def test_all_and_none():
    assert top1_accuracy(np.array([0, 1]), np.array([0, 1])) == 100.0
    assert top1_accuracy(np.array([1, 0]), np.array([0, 1])) == 0.0


def test_one_prediction_for_all():
    # One of three.
    assert top1_accuracy(np.int64(2), np.array([2, 0, 1])) == pytest.approx(100 / 3)
