"""Optimizers and learning rates by name."""

import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.tensorflow_line import addons_optimizers
from kd_tf.training.config import TrainingConfig

OPTIMIZERS = ("sgd", "adam", "lamb")
SCHEDULES = ("constant", "step", "cosine")


def make_optimizer(config: TrainingConfig, steps: int) -> tf.keras.optimizers.Optimizer:
    """The optimizer of a run of `steps` updates.

    Raises:
      InputError: an unknown optimizer or schedule, or an optimizer of TensorFlow Addons where there is none.
    """
    rate = make_learning_rate(config, steps)
    weight_decay = config.weight_decay or None
    if config.optimizer == "sgd":
        return tf.keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=weight_decay)
    if config.optimizer == "adam":
        return tf.keras.optimizers.Adam(rate, weight_decay=weight_decay)
    if config.optimizer == "lamb":
        if config.precision == "mixed_float16":
            raise InputError("--optimizer=lamb does not scale its losses, which --precision=mixed_float16 needs: use mixed_bfloat16")
        return addons_optimizers("--optimizer=lamb").LAMB(rate, weight_decay=config.weight_decay)
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


def build_optimizer(optimizer: tf.keras.optimizers.Optimizer, variables: list[tf.Variable]) -> None:
    """Makes what the optimizer remembers of the variables. Keras' legacy optimizers, as TensorFlow Addons' are, have no `build`."""
    if hasattr(optimizer, "build"):
        optimizer.build(variables)
    else:
        optimizer._create_all_weights(variables)


def current_learning_rate(optimizer: tf.keras.optimizers.Optimizer) -> float:
    """That of the last update; a legacy optimizer gives its schedule where others give the value."""
    rate = optimizer.learning_rate
    return float(tf.convert_to_tensor(rate(optimizer.iterations - 1) if callable(rate) else rate))
