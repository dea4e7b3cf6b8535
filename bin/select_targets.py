"""Chooses the targets of a distillation by measurement: trains with no target, the soft one, the hidden one and both, over several seeds.

    kd-select-targets --task=alignment --teacher=runs/aligner --init=runs/student --epochs=2 --seeds=0,1,2 --model_dir=runs/selection ...

All flags are those of kd-distill; --epochs or --steps is the budget of each run, --alpha and --beta (1 where they are not given) are the
weights that are tried. Scored is a fifth of the training images that is held out: the test split is not looked at. Prints, and writes to
MODEL_DIR/selection.md, the table with mean and standard deviation, which terms help beyond the noise and which are dropped. The chosen
distillation is MODEL_DIR/winner.flags:

    kd-distill --flagfile=runs/selection/winner.flags --model_dir=runs/chosen

(kd-train, where no target helps: its first line says which). Finished runs are never run again: the same command continues.
"""

import dataclasses
import sys

from kd_tf.bin import application

# isort: split
from absl import flags

from kd_tf.distillers.terms import WEIGHTS
from kd_tf.flags import data_flags, distillation_flags, network_flags, run_flags, selection_flags, training_flags
from kd_tf.flags.numbers import whole_numbers
from kd_tf.study.selection import select_targets

NOT_HERE = {"targets", "seed", "validation", "override", *WEIGHTS.values()} - {"alpha", "beta"}
for module in (run_flags, distillation_flags, data_flags, network_flags, training_flags, selection_flags):
    for flag in flags.FLAGS.get_key_flags_for_module(module):
        if flag.name not in NOT_HERE:
            flags.declare_key_flag(flag.name)


def main() -> None:
    """Makes the choice that the flags describe."""
    distillation = distillation_flags.distillation_config_from_flags()
    if not distillation_flags.BETA.present:
        distillation = dataclasses.replace(distillation, beta=1.0)
    print(f"\n{select_targets(run_flags.run_config_from_flags(distillation), whole_numbers(selection_flags.SEEDS))}")


def run() -> None:
    """The console script."""
    application.run(main, sys.modules[__name__], required=("model_dir", "teacher"))


if __name__ == "__main__":
    run()
