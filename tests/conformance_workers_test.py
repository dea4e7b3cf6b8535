"""Every distiller computes the same in two worker processes as in one."""

import pickle

import pytest
import tensorflow as tf

from tests.conformance_test import DISTILLERS, assert_same, outcome
from tests.workers import run_workers


@pytest.mark.slow
def test_two_workers_compute_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr("kd_tf.distillers.balance.BALANCE_STEPS", 1)
    run_workers("tests.conformance_worker", tmp_path)
    workers = [pickle.loads((tmp_path / f"{index}.pickle").read_bytes()) for index in range(2)]
    for name, (make, options) in DISTILLERS.items():
        alone = outcome(tf.distribute.get_strategy(), make, options)
        for worker in workers:
            assert_same(alone, worker[name])
