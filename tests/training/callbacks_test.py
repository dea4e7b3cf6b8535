import logging
import math
import types

import pytest
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.training.callbacks import LOG_STEPS, Progress, StepClock, TermLogger
from tests.training.events import written

NAN = float("nan")


class _Model:
    """What `TermLogger` needs of one."""

    def __init__(self):
        self.optimizer = types.SimpleNamespace(learning_rate=tf.Variable(0.25))
        self.resets = 0

    def reset_metrics(self):
        self.resets += 1


@pytest.fixture(name="logger")
def make_logger(tmp_path):
    logger = TermLogger(str(tmp_path), first_step=5)
    logger.set_model(_Model())
    return logger


def _train(logger, steps, **logs):
    for _ in range(steps):
        logger.on_train_batch_end(0, {"loss": 2.0, "identity": 1.5, "soft": 0.5} | logs)


def test_gradients_have_tags_of_their_own_and_none_that_is_no_number(logger, tmp_path):
    _train(logger, LOG_STEPS, identity_gradient=0.75, soft_gradient=NAN)
    _train(logger, LOG_STEPS, identity_gradient=NAN, soft_gradient=0.125)
    logger.on_test_end({"loss": 3.0, "top1": 40.0})
    # Beginning with step 6 and ending with 25, those that ten divides.
    assert written(tmp_path) == {
        "gradient/identity": {10: 0.75},
        "gradient/soft": {20: 0.125},
        "train/loss": {10: 2.0, 20: 2.0},
        "train/identity": {10: 1.5, 20: 1.5},
        "train/soft": {10: 0.5, 20: 0.5},
        "train/learning_rate": {10: 0.25, 20: 0.25},
        "test/loss": {25: 3.0},
        "test/top1": {25: 40.0},
    }


def test_agreement_has_a_group_and_a_known_teacher_a_score_beside_the_students(tmp_path):
    logger = TermLogger(str(tmp_path), first_step=7, teacher_scores={"top1": 90.0, "nrmse": 4.0, "seconds": 1.0})
    logger.on_test_end({"nrmse": 6.0, "cosine_agreement": 0.5})
    # What the evaluation says itself counts.
    logger._step = 8
    logger.on_test_end({"top1": 40.0, "top1_of_teacher": 80.0, "top1_agreement": 50.0})
    assert written(tmp_path) == {
        "test/nrmse": {7: 6.0},
        "test/nrmse_of_teacher": {7: 4.0},
        "agreement/cosine": {7: 0.5},
        "test/top1": {8: 40.0},
        "test/top1_of_teacher": {8: 80.0},
        "agreement/top1": {8: 50.0},
    }


def test_an_evaluation_loses_nothing_that_was_not_written(tmp_path):
    logger = TermLogger(str(tmp_path), first_step=5, evaluation_steps=(7, 10))
    logger.set_model(_Model())
    _train(logger, 2, loss=4.0, soft_gradient=0.5)
    _train(logger, 3)
    found = written(tmp_path)
    # Steps 6 and 7; then 8 to 10, the last of which is written anyway.
    assert found["train/loss"] == {7: 4.0, 10: 2.0} and found["gradient/soft"] == {7: 0.5}
    assert logger.model.resets == 2


def test_metrics_start_again_after_each_entry(logger):
    _train(logger, 4)
    assert logger.model.resets == 0
    _train(logger, LOG_STEPS + 1)
    assert logger.model.resets == 2


@pytest.mark.parametrize("loss", [NAN, math.inf])
def test_a_loss_that_is_no_number_names_the_terms_and_no_gradient(logger, loss):
    with pytest.raises(InputError) as error:
        _train(logger, 1, loss=loss, soft=NAN, soft_gradient=NAN)
    message = f"step 6: the loss is no number any more (loss {loss:g}, soft nan); a lower --learning_rate may help"
    assert str(error.value) == message


def test_a_gradient_that_was_not_measured_stops_nothing(logger):
    _train(logger, 1, soft_gradient=NAN)
    assert logger._step == 6


def test_progress_shows_no_gradients(monkeypatch, caplog):
    monkeypatch.setattr("kd_tf.training.callbacks.SECONDS_BETWEEN_LINES", -1)
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    with caplog.at_level(logging.INFO, logger="kd_tf"):
        Progress("alignment", steps=8, first_step=3).on_train_batch_end(0, {"loss": 0.5, "soft": 0.25, "soft_gradient": NAN})
    (line,) = caplog.messages
    assert line.startswith("alignment step 4 of 8, ") and line.endswith(" s left: loss 0.5, soft 0.25")


def test_the_clock_leaves_out_the_first_step_of_each_fit(monkeypatch):
    """5 + 3 s of training; three steps took 1, 0.5 and 0.5 s."""
    times = iter([10, 13, 14, 14.5, 15, 20, 22, 22.5, 23])
    monkeypatch.setattr("kd_tf.training.callbacks.time", types.SimpleNamespace(perf_counter=times.__next__))
    clock = StepClock()
    assert clock.steps_per_second == 0
    for steps in (3, 2):
        clock.on_train_begin()
        for step in range(steps):
            clock.on_train_batch_end(step)
        clock.on_train_end()
    assert (clock.seconds, clock.steps_per_second) == (8, 1.5)
