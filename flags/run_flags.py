"""What a run is for, what it starts from and where it goes."""

from absl import flags

from kd_tf.flags import data_flags, network_flags, training_flags
from kd_tf.flags.paths import absolute_path
from kd_tf.losses.triplets import TRIPLET_LOSSES
from kd_tf.training.config import TASKS, DistillationConfig, RunConfig, VerificationConfig
from kd_tf.training.init_rules import INIT_RULES, SCRATCH

TASK = flags.DEFINE_enum(
    "task",
    "classification",
    TASKS,
    "What is trained. embedding (kd-distill): the teacher's hidden layer alone, without labels, with --targets=hidden. hint: likewise a "
    "middle stage.",
)
MODEL_DIR = flags.DEFINE_string("model_dir", None, "The run directory; new, or of the same run, which then continues.")
OVERRIDE = flags.DEFINE_boolean("override", False, "Continue a run with other flags, or other data, than it was begun with.")
INIT = flags.DEFINE_string("init", None, "A run directory or Keras model to start from. Absent: from scratch.")
INIT_RULE = flags.DEFINE_enum(
    "init_rule",
    None,
    [SCRATCH, *INIT_RULES],
    "Refuse an --init that is not what the paper's tables call by this name. Absent: whatever fits is copied.",
)
HINT_STAGE = flags.DEFINE_string("hint_stage", None, "The stage whose output --task=hint learns: stage2 to stage5. Absent: stage3.")
MARGIN = flags.DEFINE_float(
    "margin", 0.4, "lambda of the triplet loss, in squared distances of unit vectors (verification).", lower_bound=0.0
)
TRIPLET_MINING = flags.DEFINE_enum("triplet_mining", "semi_hard", sorted(TRIPLET_LOSSES), "Which triplets of a batch count (verification).")
IDENTITY_WEIGHT = flags.DEFINE_float(
    "identity_weight", 0.0, "Weight of the identity term of the joint loss (verification).", lower_bound=0.0
)


def run_config_from_flags(distillation: DistillationConfig) -> RunConfig:
    """The run that the flags describe."""
    return RunConfig(
        task=TASK.value,
        model_dir=absolute_path(MODEL_DIR.value),
        training=training_flags.training_config_from_flags(),
        source=data_flags.source_config_from_flags(),
        view=data_flags.view_config_from_flags(),
        network=network_flags.network_config_from_flags(),
        distillation=distillation,
        verification=VerificationConfig(margin=MARGIN.value, triplet_mining=TRIPLET_MINING.value, identity_weight=IDENTITY_WEIGHT.value),
        init=absolute_path(INIT.value),
        init_rule=INIT_RULE.value,
        hint_stage=HINT_STAGE.value,
        split=data_flags.split_config_from_flags(),
        skip_broken=data_flags.SKIP_BROKEN.value,
        image_cache=absolute_path(data_flags.IMAGE_CACHE.value),
    )
