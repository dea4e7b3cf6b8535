import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.dataset import open_data
from kd_tf.errors import InputError
from kd_tf.networks.stored import load_network
from kd_tf.training.batches import plan_batches
from kd_tf.training.run import run
from kd_tf.training.workers import Worker, this_worker
from tests.runs import SOURCE, VIEW, small_run
from tests.training.processes import end, start, wait_for_checkpoint
from tests.workers import environments, run_workers

# Longer than TensorFlow takes to miss the heartbeat of a worker (docs/RELIABILITY.md).
SECONDS_UNTIL_NOTICED = 60


def make_config(task, folder, strategy):
    """Four steps of eight images; both test batches are scored on the way."""
    return small_run(os.path.join(folder, f"{task}_{strategy}"), task=task, training={"strategy": strategy})


def test_two_workers_train_what_one_trains_and_each_reads_its_own(tmp_path):
    run_workers("tests.training.run_worker", "classification", tmp_path)
    alone = run(make_config("classification", tmp_path, "one"))
    chief, other = (json.loads((tmp_path / f"{index}.json").read_text()) for index in range(2))
    assert chief["metrics"] == other["metrics"]
    assert chief["metrics"]["top1"] == pytest.approx(alone["top1"], abs=0.1)
    one, two = (
        load_network(make_config("classification", tmp_path, strategy).model_dir, "model", image_size=16)
        for strategy in ("one", "multi_worker")
    )
    for weight, other_weight in zip(one.weights, two.weights, strict=True):
        # The moving variance of one device is N / (N - 1) of the variance, and N here at least 8.
        tolerance = {"rtol": 0.15, "atol": 1e-4} if "moving_variance" in weight.name else {"rtol": 1e-4, "atol": 1e-5}
        np.testing.assert_allclose(other_weight, weight, err_msg=weight.name, **tolerance)
    assert own_records(chief["read"]) == own_records_of(0) and own_records(other["read"]) == own_records_of(1)


def own_records(read) -> list[int]:
    """The training records among those that were read, sorted."""
    train = set(open_data(SOURCE, VIEW).train.records.tolist())
    return sorted(record for record in read if record in train)


def own_records_of(worker) -> list[int]:
    """The first or the second half of each of four batches of eight; the chief shows its part of the first one in TensorBoard too."""
    data = open_data(SOURCE, VIEW)
    order = plan_batches(make_config("classification", "", "one"), data, 1).order
    positions = [8 * step + 4 * worker + place for step in [0] * (worker == 0) + [0, 1, 2, 3] for place in range(4)]
    return sorted(int(data.train.records[int(order(tf.constant(position, tf.int64))[0])]) for position in positions)


@pytest.mark.slow
def test_a_dead_worker_is_noticed_and_both_continue(tmp_path):
    flags = ("--strategy=multi_worker", "--steps=16", "--checkpoint_steps=2")
    workers = [start(tmp_path / "run", *flags, env=env) for env in environments()]
    wait_for_checkpoint(tmp_path / "run", workers[0])
    workers[1].kill()
    begun = time.monotonic()
    status, line = end(workers[0])
    assert time.monotonic() - begun < SECONDS_UNTIL_NOTICED
    assert status == 1
    assert line.startswith("train.py: worker 0 of 2 has lost another one; start all of them again: they continue from the last checkpoint")
    workers[1].communicate()
    workers = [start(tmp_path / "run", *flags, env=env) for env in environments()]
    assert [end(worker)[0] for worker in workers] == [0, 0]
    log = (tmp_path / "run" / "log.txt").read_text()
    assert log.count("continuing from ") == 1
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["steps"] == 16


@pytest.mark.slow
def test_sigterm_to_one_worker_stops_all_after_the_same_step(tmp_path):
    flags = ("--strategy=multi_worker", "--steps=100000", "--checkpoint_steps=2")
    workers = [start(tmp_path / "run", *flags, env=env) for env in environments()]
    wait_for_checkpoint(tmp_path / "run", workers[0])
    workers[1].send_signal(signal.SIGTERM)
    (chief_status, chief_line), (status, line) = (end(worker) for worker in workers)
    assert status == chief_status == 128 + signal.SIGTERM
    assert line.split("after step")[1] == chief_line.split("after step")[1]


def test_workers_of_different_commands_are_told_so(tmp_path):
    flags = ("--strategy=multi_worker", "--steps=4")
    workers = [start(tmp_path / "run", *flags, f"--seed={seed}", env=env) for seed, env in enumerate(environments())]
    for status, line in (end(worker) for worker in workers):
        assert status == 2
        assert line.startswith("train.py: the workers disagree on flags: ") and "start all with the same command" in line
    assert not os.path.exists(tmp_path / "run")


@pytest.mark.parametrize(
    ("config", "worker"),
    [
        ({"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}, Worker(1, 2)),
        ({"cluster": {"chief": ["c:1"], "worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}, Worker(2, 3)),
        ({"cluster": {"chief": ["c:1"], "worker": ["a:1"]}, "task": {"type": "chief", "index": "0"}}, Worker(0, 2)),
    ],
)
def test_which_worker_this_is(monkeypatch, config, worker):
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert this_worker("multi_worker") == worker
    assert this_worker("mirrored") == Worker(0, 1)


@pytest.mark.parametrize(
    "text",
    ["worker", "[]", "{}", '{"cluster": {"worker": ["a:1"]}}', '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
     '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}'],
)  # fmt: skip
def test_a_configuration_that_cannot_be_read(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="TF_CONFIG=.* cannot be read: it must name a cluster of workers and which task of it this is"):
        this_worker("multi_worker")


def test_without_a_configuration(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(InputError, match="--strategy=multi_worker needs TF_CONFIG in the environment"):
        this_worker("multi_worker")


def test_a_process_that_has_computed_already(monkeypatch):
    code = (
        "import tensorflow as tf; tf.zeros([]); from kd_tf.training.strategy import get_strategy; from kd_tf.errors import InputError\n"
        "try: get_strategy('multi_worker')\n"
        "except InputError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environments(1)[0], capture_output=True, text=True)
    assert done.stdout.startswith("--strategy=multi_worker: Collective ops must be configured at program startup")
