"""Optimizers and learning rates by name."""

import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.training.config import TrainingConfig

OPTIMIZERS = ("sgd", "adam")
SCHEDULES = ("constant", "step", "cosine")


def make_optimizer(config: TrainingConfig, steps: int) -> tf.keras.optimizers.Optimizer:
    """The optimizer of a run of `steps` updates.

    Raises:
      InputError: an unknown optimizer or schedule.
    """
    rate = make_learning_rate(config, steps)
    weight_decay = config.weight_decay or None
    if config.optimizer == "sgd":
        return tf.keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=weight_decay)
    if config.optimizer == "adam":
        return tf.keras.optimizers.Adam(rate, weight_decay=weight_decay)
    raise InputError(f"--optimizer={config.optimizer} is unknown; known: {', '.join(OPTIMIZERS)}")


def make_learning_rate(config: TrainingConfig, steps: int) -> float | tf.keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate over a run of `steps` updates; see `TrainingConfig.learning_rate_schedule`."""
    schedules = tf.keras.optimizers.schedules
    if config.learning_rate_schedule == "constant":
        return config.learning_rate
    if config.learning_rate_schedule == "step":
        return schedules.PiecewiseConstantDecay([steps // 2], [config.learning_rate, config.learning_rate / 10])
    if config.learning_rate_schedule == "cosine":
        warmup = steps // 10
        return schedules.CosineDecay(
            config.learning_rate / 10, max(1, steps - warmup), warmup_target=config.learning_rate, warmup_steps=warmup
        )
    raise InputError(f"--learning_rate_schedule={config.learning_rate_schedule} is unknown; known: {', '.join(SCHEDULES)}")
