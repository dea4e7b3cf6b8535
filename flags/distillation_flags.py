"""The teacher and the terms of the loss that come from it."""

from absl import flags

from kd_tf.flags.paths import absolute_path
from kd_tf.training.config import DistillationConfig

TEACHER = flags.DEFINE_string("teacher", None, "The teacher: a run directory or a Keras model with the outputs that the terms need.")
ALPHA = flags.DEFINE_float("alpha", 1.0, "Weight of the soft targets.", lower_bound=0.0)
BETA = flags.DEFINE_float("beta", 0.0, "Weight of the hidden layer.", lower_bound=0.0)
TEMPERATURE = flags.DEFINE_float("temperature", 3.0, "tau: what logits are divided by for the soft targets.", lower_bound=0.001)
SCALE_BY_TEMPERATURE_SQUARED = flags.DEFINE_boolean(
    "scale_by_temperature_squared", False, "Multiply the soft term by tau^2; the paper does not."
)


def distillation_config_from_flags() -> DistillationConfig:
    """The teacher's part of the loss."""
    return DistillationConfig(
        teacher=absolute_path(TEACHER.value),
        alpha=ALPHA.value,
        beta=BETA.value,
        temperature=TEMPERATURE.value,
        scale_by_temperature_squared=SCALE_BY_TEMPERATURE_SQUARED.value,
    )
