import pytest
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.tensorflow_line import HAS_ADDONS
from kd_tf.training.config import TrainingConfig
from kd_tf.training.optimizers import current_learning_rate, make_learning_rate, make_optimizer

with_addons = pytest.mark.skipif(not HAS_ADDONS, reason="this Python has no TensorFlow Addons")


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


@pytest.mark.parametrize("name", ["sgd", pytest.param("lamb", marks=with_addons)])
def test_the_current_learning_rate_is_that_of_the_last_update(name):
    variable = tf.Variable([1.0])
    optimizer = make_optimizer(config(optimizer=name, learning_rate=0.1, learning_rate_schedule="step"), 2)
    rates = []
    for _ in range(3):
        optimizer.apply_gradients([(tf.constant([1.0]), variable)])
        rates.append(current_learning_rate(optimizer))
    assert rates == pytest.approx([0.1, 0.1, 0.01])


@with_addons
def test_lamb_scales_no_losses():
    with pytest.raises(InputError, match="--optimizer=lamb does not scale its losses, which --precision=mixed_float16 needs"):
        make_optimizer(config(optimizer="lamb", precision="mixed_float16"), 100)
