import pytest

from kd_tf.errors import InputError
from kd_tf.training.config import TrainingConfig
from kd_tf.training.optimizers import make_learning_rate, make_optimizer


def config(**values) -> TrainingConfig:
    return TrainingConfig(steps=100, **values)


def test_step_is_a_tenth_for_the_second_half():
    rate = make_learning_rate(config(learning_rate=0.1, learning_rate_schedule="step"), 100)
    assert [pytest.approx(float(rate(step))) for step in (0, 50, 51, 99)] == [0.1, 0.1, 0.01, 0.01]


def test_cosine_warms_up_over_a_tenth_and_ends_at_zero():
    rate = make_learning_rate(config(learning_rate=0.2), 100)
    # Warm-up: from 0.02 to 0.2 over 10 steps; then 0.2 * (1 + cos(pi * (step - 10) / 90)) / 2.
    assert [float(rate(step)) for step in (0, 5, 10, 55, 100)] == pytest.approx([0.02, 0.11, 0.2, 0.1, 0.0], abs=1e-6)


def test_sgd_is_nesterov_with_the_papers_momentum():
    optimizer = make_optimizer(config(weight_decay=0.001), 100)
    assert (optimizer.nesterov, optimizer.momentum, optimizer.weight_decay) == (True, 0.9, 0.001)


def test_unknown_schedules_are_refused():
    with pytest.raises(InputError, match="--learning_rate_schedule=linear is unknown; known: constant, step, cosine"):
        make_optimizer(config(learning_rate_schedule="linear"), 100)
