"""Every distiller computes the same in two worker processes as in one."""

import pickle

import pytest
import tensorflow as tf

from tests.conformance_test import DISTILLERS, assert_same, outcome
from tests.workers import run_workers

# Those whose losses are of pairs and triplets of the whole batch, wherever its images lie.
OF_THE_WHOLE_BATCH = ["joint", "relations"]


@pytest.mark.parametrize("names", [OF_THE_WHOLE_BATCH, pytest.param(list(DISTILLERS), marks=pytest.mark.slow)])
def test_two_workers_compute_as_one(tmp_path, monkeypatch, names):
    monkeypatch.setattr("kd_tf.distillers.balance.BALANCE_STEPS", 1)
    run_workers("tests.conformance_worker", tmp_path, *names)
    workers = [pickle.loads((tmp_path / f"{index}.pickle").read_bytes()) for index in range(2)]
    for name in names:
        alone = outcome(tf.distribute.get_strategy(), *DISTILLERS[name])
        for worker in workers:
            assert_same(alone, worker[name])
