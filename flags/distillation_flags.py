"""The teacher and the terms of the loss that come from it."""

from absl import flags

from kd_tf.errors import InputError
from kd_tf.flags.paths import absolute_path, absolute_teacher
from kd_tf.losses.hidden import HIDDEN_REDUCTIONS
from kd_tf.networks.precision import PRECISIONS
from kd_tf.training.config import DistillationConfig

TEACHER = flags.DEFINE_string(
    "teacher",
    None,
    "The teacher: a run directory, a Keras model with the outputs that the terms need, or one from elsewhere: a SavedModel, a Keras or "
    "ONNX file with its view beside it, or python:MODULE:FUNCTION (docs/TEACHERS.md).",
)
TEACHER_CACHE = flags.DEFINE_string(
    "teacher_cache",
    None,
    "The directory of the teacher's stored outputs (kd-cache), in place of --teacher; with both, the cache must be that teacher's.",
)
TEACHER_PRECISION = flags.DEFINE_enum(
    "teacher_precision",
    None,
    PRECISIONS,
    "What the teacher's layers compute in; its weights, hidden layer and heads stay float32. Absent: what it was saved in.",
)
ALPHA = flags.DEFINE_float("alpha", 1.0, "Weight of the soft targets.", lower_bound=0.0)
BETA = flags.DEFINE_float("beta", 0.0, "Weight of the hidden layer.", lower_bound=0.0)
LOGITS_WEIGHT = flags.DEFINE_float("logits_weight", 0.0, "Weight of the regression of the teacher's logits.", lower_bound=0.0)
COSINE_WEIGHT = flags.DEFINE_float("cosine_weight", 0.0, "Weight of the direction of the hidden layer.", lower_bound=0.0)
SIMILARITY_WEIGHT = flags.DEFINE_float(
    "similarity_weight", 0.0, "Weight of the similarities to the teacher's embeddings of a batch.", lower_bound=0.0
)
DISTANCE_WEIGHT = flags.DEFINE_float("distance_weight", 0.0, "Weight of the distances between the images of a batch.", lower_bound=0.0)
ANGLE_WEIGHT = flags.DEFINE_float("angle_weight", 0.0, "Weight of the angles between the images of a batch.", lower_bound=0.0)
TARGETS = flags.DEFINE_list(
    "targets",
    None,
    "In place of --alpha, --beta and the other weights: the terms that take part, of soft, logits, hidden, cosine, "
    "similarity, distance and angle, each with :WEIGHT (1 where it has none), such as soft,hidden:0.5.",
)
TEMPERATURE = flags.DEFINE_float("temperature", 3.0, "tau: what logits are divided by for the soft targets.", lower_bound=0.001)
SCALE_BY_TEMPERATURE_SQUARED = flags.DEFINE_boolean(
    "scale_by_temperature_squared", False, "Multiply the soft term by tau^2; the paper does not."
)
HIDDEN_REDUCTION = flags.DEFINE_enum(
    "hidden_reduction", "mean", HIDDEN_REDUCTIONS, "Over the width of the hidden layer; the paper has the sum."
)
NORMALIZE_HIDDEN = flags.DEFINE_boolean("normalize_hidden", False, "Compare the directions of the hidden layers: L2-normalise both first.")

_WEIGHTS = {
    "soft": ALPHA,
    "hidden": BETA,
    "logits": LOGITS_WEIGHT,
    "cosine": COSINE_WEIGHT,
    "similarity": SIMILARITY_WEIGHT,
    "distance": DISTANCE_WEIGHT,
    "angle": ANGLE_WEIGHT,
}


def distillation_config_from_flags() -> DistillationConfig:
    """The teacher's part of the loss.

    Raises:
      InputError: --targets cannot be read, or says what another flag says too.
    """
    return DistillationConfig(
        teacher=absolute_teacher(TEACHER.value),
        teacher_cache=absolute_path(TEACHER_CACHE.value),
        teacher_precision=TEACHER_PRECISION.value,
        **_weights(),
        temperature=TEMPERATURE.value,
        scale_by_temperature_squared=SCALE_BY_TEMPERATURE_SQUARED.value,
        hidden_reduction=HIDDEN_REDUCTION.value,
        normalize_hidden=NORMALIZE_HIDDEN.value,
    )


def _weights() -> dict[str, float]:
    if TARGETS.value is None:
        return {flag.name: flag.value for flag in _WEIGHTS.values()}
    twice = [flag.name for flag in _WEIGHTS.values() if flag.present]
    if twice:
        raise InputError(f"--targets={','.join(TARGETS.value)} sets all weights: leave out --{twice[0]}")
    weights = {flag.name: 0.0 for flag in _WEIGHTS.values()}
    for target in TARGETS.value:
        name, _, weight = target.partition(":")
        if [other.partition(":")[0] for other in TARGETS.value].count(name) > 1:
            raise InputError(f"--targets={','.join(TARGETS.value)} names {name} twice")
        if name not in _WEIGHTS:
            raise InputError(f"--targets={','.join(TARGETS.value)}: {name!r} is unknown; known: {', '.join(_WEIGHTS)}")
        try:
            weights[_WEIGHTS[name].name] = float(weight or 1)
        except ValueError as error:
            raise InputError(f"--targets={','.join(TARGETS.value)}: the weight of {name}, {weight!r}, is no number") from error
    return weights
