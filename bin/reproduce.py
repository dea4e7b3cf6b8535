"""Runs the paper's chain on one data set: teachers and students of classification, alignment and verification, and their table.

    kd-reproduce --scale=quick --model_dir=demo
    kd-reproduce --scale=quick --data=lfw:DIR --model_dir=demo_lfw

quick is a chain that two cores train in minutes. The study directory gets one run directory a stage, images/ (the data set, decoded
once), baselines.json and tables/. Finished stages are never run again: the same command continues an interrupted study.
"""

import sys

from kd_tf.bin import application

# isort: split
from absl import flags

from kd_tf.flags import data_flags, run_flags, training_flags
from kd_tf.flags.paths import absolute_path
from kd_tf.study.recipe import quick_recipe
from kd_tf.study.study import run_study

SCALE = flags.DEFINE_enum("scale", "quick", ["quick"], "How long the study takes.")
KEY_FLAGS = (
    data_flags.DATA, data_flags.MIN_IMAGES, data_flags.IDENTITIES, data_flags.PICTURES, data_flags.PICTURE_SIZE, data_flags.DATA_SEED,
    run_flags.MODEL_DIR, training_flags.PRECISION, training_flags.STRATEGY, training_flags.SEED,
)  # fmt: skip
for flag in KEY_FLAGS:
    flags.declare_key_flag(flag.name)


def main() -> None:
    """Runs the study that the flags name."""
    table = run_study(
        quick_recipe(data_flags.source_config_from_flags()),
        absolute_path(run_flags.MODEL_DIR.value),
        seed=training_flags.SEED.value,
        precision=training_flags.PRECISION.value,
        strategy=training_flags.STRATEGY.value,
    )
    print(f"\n{table}")


def run() -> None:
    """The console script."""
    application.run(main, sys.modules[__name__], required=("model_dir",))


if __name__ == "__main__":
    run()
