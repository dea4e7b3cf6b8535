import logging
import time
import types

import numpy as np
import pytest
import tensorflow as tf

from kd_tf.teachers.live import LiveTeacher
from kd_tf.training.ledger import CostLedger, report_costs
from tests.networks_for_tests import assert_same_bits, make_batch, make_network, snapshot
from tests.training.events import written

ONE_DEVICE = tf.distribute.get_strategy()
MAKING_SECONDS, STEP_SECONDS = 3, 10


@pytest.fixture
def set_times(monkeypatch):
    """Sets what `time.perf_counter` answers, one after the other."""

    def set_times(*times):
        clock = types.SimpleNamespace(perf_counter=iter(times).__next__)
        monkeypatch.setattr("kd_tf.training.callbacks.time", clock)
        monkeypatch.setattr("kd_tf.training.ledger.time", clock)

    return set_times


@pytest.fixture(autouse=True)
def no_accelerator(monkeypatch):
    memory = types.SimpleNamespace(getrusage=lambda who: types.SimpleNamespace(ru_maxrss=3 * 1024), RUSAGE_SELF=0)
    monkeypatch.setattr("kd_tf.training.ledger.resource", memory)
    monkeypatch.setattr("kd_tf.training.ledger._gpu_in_use", lambda: False)


def _after_three_steps(set_times, *later) -> CostLedger:
    """Of 8 images: 15 s of training, 2 s a step but for the first."""
    set_times(100, 110, 112, 114, 115, *later)
    ledger = CostLedger(batch_size=8)
    ledger.clock.on_train_begin()
    for step in range(3):
        ledger.clock.on_train_batch_end(step)
    ledger.clock.on_train_end()
    return ledger


def _make_batches(count: int, make=lambda number: number) -> tf.data.Dataset:
    def make_batch(number):
        made = tf.ensure_shape(tf.numpy_function(make, [number], tf.int64), [])
        return tf.fill([2, 1], tf.cast(made, tf.float32)), {"identity": tf.zeros([2])}

    return tf.data.Dataset.range(count).map(make_batch).apply(tf.data.experimental.assert_cardinality(count))


def test_what_a_run_costs(set_times):
    ledger = _after_three_steps(set_times, 115, 118.5, 119, 119.5, 120, 122)
    for what in ("evaluation", "checkpoint", "evaluation"):
        with ledger.timing(what):
            pass
    assert ledger.metrics() == {
        "seconds": 15.0,
        "images_per_second": 4.0,
        "input_wait_share": 0.0,
        # 3.5 + 2
        "evaluation_seconds": 5.5,
        "checkpoint_seconds": 0.5,
        "peak_memory_mib": 3.0,
    }


def test_before_the_first_step_there_are_no_shares():
    metrics = CostLedger(8).metrics()
    assert metrics == {"seconds": 0, "images_per_second": 0, "evaluation_seconds": 0, "checkpoint_seconds": 0, "peak_memory_mib": 3}


def test_time_counts_where_an_evaluation_fails(set_times):
    set_times(1, 4)
    ledger = CostLedger(8)
    with pytest.raises(KeyError), ledger.timing("evaluation"):
        raise KeyError
    assert ledger.metrics()["evaluation_seconds"] == 3


def test_waiting_is_from_the_question_to_the_answer(monkeypatch):
    """Four batches of three seconds each are waited for in a minute; what the steps take does not count."""
    now = np.zeros([])

    def make(number):
        now[...] += MAKING_SECONDS
        return number

    class Model(tf.keras.Model):
        def train_step(self, data):
            def step(images):
                now[...] += STEP_SECONDS
                return images

            return {"sum": tf.reduce_sum(tf.numpy_function(step, [data[0]], tf.float32))}

    monkeypatch.setattr("kd_tf.training.ledger._now", lambda: tf.numpy_function(lambda: now.copy(), [], tf.float64))
    ledger, model = CostLedger(batch_size=2), Model()
    batches = ledger.counting_waits(_make_batches(4, make))
    model.compile()
    model.fit(batches, verbose=0)
    assert now == 4 * (MAKING_SECONDS + STEP_SECONDS)
    ledger.clock.seconds = 60.0
    assert ledger.metrics()["input_wait_share"] == 100 * 4 * MAKING_SECONDS / 60


def test_a_slow_pipeline_is_waited_for():
    """One batch: later ones are made while the step is busy, however long a busy machine lets it be."""

    def make(number):
        time.sleep(0.2)
        return number

    ledger = CostLedger(batch_size=2)
    ledger.clock.seconds = 1.0
    list(ledger.counting_waits(_make_batches(1, make).prefetch(2)))
    assert ledger.metrics()["input_wait_share"] >= 20


def test_nothing_is_asked_for_ahead_of_the_step():
    """TensorFlow would put a prefetch behind it, and then the time is that of a thread that always waits."""
    made = []
    batches = CostLedger(2).counting_waits(_make_batches(4, lambda number: made.append(number) or number))
    batch = next(iter(batches))
    time.sleep(0.2)
    assert len(made) == 1
    assert batch[0].numpy().tolist() == [[0], [0]]


def test_the_batches_stay_the_same():
    batches = _make_batches(3)
    counted = CostLedger(2).counting_waits(batches)
    assert counted.cardinality() == 3
    assert counted.element_spec == batches.element_spec
    assert [float(images[0, 0]) for images, _ in counted] == [0, 1, 2]


def test_the_share_of_a_live_teacher_is_the_median_of_three(set_times):
    """After one call that compiles 1, 0.5 and 3 s; a step has 2."""
    ledger = _after_three_steps(set_times, 200, 209, 210, 211, 220, 220.5, 230, 233)
    network = make_network(1, batch_norm=True)
    before = snapshot(network)
    ledger.add_teacher(LiveTeacher(network), tf.data.Dataset.from_tensors(make_batch(0)), ONE_DEVICE)
    assert ledger.metrics()["teacher_share"] == 50
    assert "teacher_cache_mib" not in ledger.metrics()
    assert_same_bits(before, snapshot(network))


def test_each_replica_asks_for_its_part(set_times):
    asked = []

    class Teacher:
        def __call__(self, images, targets):
            asked.append((images.shape[0], targets["identity"].numpy().tolist()))
            return {"hidden": tf.identity(images)}

    replicas = types.SimpleNamespace(
        num_replicas_in_sync=2, run=lambda step, args: (step(*args), step(*args)), experimental_local_results=lambda results: results
    )
    ledger = _after_three_steps(set_times, *range(8))
    images, targets = make_batch(0)
    tf.config.run_functions_eagerly(True)
    try:
        ledger.add_teacher(Teacher(), tf.data.Dataset.from_tensors((images, targets)), replicas)
    finally:
        tf.config.run_functions_eagerly(False)
    # Two replicas, one call to compile and three that count.
    assert asked == [(4, targets["identity"][:4].tolist())] * 8


def test_a_teacher_without_a_step_to_compare_with_is_not_asked():
    ledger = CostLedger(8)
    ledger.add_teacher(LiveTeacher(make_network(1)), None, ONE_DEVICE)
    assert "teacher_share" not in ledger.metrics()


def test_a_cached_teacher_has_a_size_and_is_not_asked(set_times):
    ledger = _after_three_steps(set_times)
    ledger.add_teacher(types.SimpleNamespace(bytes_on_disk=5 * 2**19), None, ONE_DEVICE)
    assert ledger.metrics()["teacher_cache_mib"] == 2.5
    assert "teacher_share" not in ledger.metrics()


def test_the_peak_of_an_accelerator_is_that_of_the_run(monkeypatch):
    reset = []
    monkeypatch.setattr("kd_tf.training.ledger._gpu_in_use", lambda: True)
    monkeypatch.setattr(tf.config.experimental, "reset_memory_stats", reset.append)
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", {"GPU:0": {"current": 1, "peak": 7 * 2**20}}.get)
    ledger = CostLedger(8)
    assert reset == ["GPU:0"]
    assert ledger.metrics()["gpu_peak_memory_mib"] == 7


def test_the_report_is_a_line_and_scalars(tmp_path, caplog):
    metrics = {
        "top1": 80.0,
        "seconds": 15.0,
        "images_per_second": 4.0,
        "teacher_share": 50.0,
        "input_wait_share": 20.0,
        "evaluation_seconds": 5.5,
        "checkpoint_seconds": 0.5,
        "peak_memory_mib": 3.0,
        "gpu_peak_memory_mib": 7.0,
        "teacher_cache_mib": 2.5,
    }
    with caplog.at_level(logging.INFO, logger="kd_tf"):
        report_costs(metrics, str(tmp_path), step=9)
    assert caplog.messages == [
        "cost: 4.0 images/s, teacher 50.0 % of a step, waiting for input 20.0 % of the training time, evaluation 5.5 s, checkpoints 0.5 s, "
        "peak memory 3.0 MiB, peak memory of the GPU 7.0 MiB, teacher cache 2.5 MiB"
    ]
    left_out = {"top1", "seconds", "images_per_second", "input_wait_share"}
    assert written(tmp_path) == {f"cost/{name}": {9: value} for name, value in metrics.items() if name not in left_out}
