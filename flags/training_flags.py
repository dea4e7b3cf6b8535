"""How long and how a network is trained."""

from absl import flags

from kd_tf.flags.numbers import whole_numbers
from kd_tf.training.config import TrainingConfig
from kd_tf.training.optimizers import OPTIMIZERS, SCHEDULES
from kd_tf.training.strategy import PRECISIONS, STRATEGIES

EPOCHS = flags.DEFINE_float("epochs", None, "Passes over the training images. Give this or --steps.", lower_bound=0.0)
STEPS = flags.DEFINE_integer("steps", None, "Updates. Give this or --epochs.", lower_bound=1)
BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 64, "Images an update, on all replicas together (of all tasks but verification).", lower_bound=1
)
IDENTITIES_PER_BATCH = flags.DEFINE_integer("identities_per_batch", 16, "P: identities an update (verification).", lower_bound=2)
IMAGES_PER_IDENTITY = flags.DEFINE_integer("images_per_identity", 4, "K: images of each of them (verification).", lower_bound=2)
OPTIMIZER = flags.DEFINE_enum(
    "optimizer", "sgd", OPTIMIZERS, "sgd has a Nesterov momentum of 0.9; lamb needs TensorFlow Addons (Python 3.10 or 3.11)."
)
LEARNING_RATE = flags.DEFINE_float("learning_rate", 0.1, "The highest learning rate.", lower_bound=0.0)
LEARNING_RATE_SCHEDULE = flags.DEFINE_enum(
    "learning_rate_schedule",
    "cosine",
    SCHEDULES,
    "step: a tenth for the second half, as in the paper. cosine: to 0, after a warm-up over a tenth of the steps.",
)
WEIGHT_DECAY = flags.DEFINE_float("weight_decay", 0.0, "Of all trainable weights, decoupled from the gradient.", lower_bound=0.0)
PRECISION = flags.DEFINE_enum("precision", "float32", PRECISIONS, "What layers compute in; weights, heads and losses stay float32.")
STRATEGY = flags.DEFINE_enum(
    "strategy",
    "one",
    STRATEGIES,
    "one device, mirrored on all of this machine's, or multi_worker: on the machines that TF_CONFIG in the environment names.",
)
SYNC_BATCH_NORM = flags.DEFINE_boolean(
    "sync_batch_norm", True, "On several replicas take batch statistics from the global batch, as one device does; false: faster."
)
SEED = flags.DEFINE_integer("seed", 0, "Of weights, order and views.", lower_bound=0)
EVALUATIONS = flags.DEFINE_integer(
    "evaluations", 4, "How often the test split is scored, at equal distances; the last is at the end.", lower_bound=1
)
CHECKPOINT_STEPS = flags.DEFINE_integer(
    "checkpoint_steps", 1000, "Steps between two checkpoints; one is written at each evaluation and at SIGTERM too.", lower_bound=1
)
KEEP_CHECKPOINTS = flags.DEFINE_integer("keep_checkpoints", 2, "How many of the last are kept, beside the best.", lower_bound=1)
DETERMINISTIC = flags.DEFINE_boolean("deterministic", False, "The same bits whenever the run is repeated; slower.")
PROFILE_STEPS = flags.DEFINE_list(
    "profile_steps", None, "Profile the steps from the first to the last of these two, such as 20,30; TensorBoard shows what they took."
)


def training_config_from_flags() -> TrainingConfig:
    """The training of one run."""
    return TrainingConfig(
        epochs=EPOCHS.value,
        steps=STEPS.value,
        batch_size=BATCH_SIZE.value,
        identities_per_batch=IDENTITIES_PER_BATCH.value,
        images_per_identity=IMAGES_PER_IDENTITY.value,
        optimizer=OPTIMIZER.value,
        learning_rate=LEARNING_RATE.value,
        learning_rate_schedule=LEARNING_RATE_SCHEDULE.value,
        weight_decay=WEIGHT_DECAY.value,
        precision=PRECISION.value,
        strategy=STRATEGY.value,
        sync_batch_norm=SYNC_BATCH_NORM.value,
        seed=SEED.value,
        evaluations=EVALUATIONS.value,
        checkpoint_steps=CHECKPOINT_STEPS.value,
        keep_checkpoints=KEEP_CHECKPOINTS.value,
        deterministic=DETERMINISTIC.value,
        profile_steps=None if PROFILE_STEPS.value is None else tuple(whole_numbers(PROFILE_STEPS)),
    )
