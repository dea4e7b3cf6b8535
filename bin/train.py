"""Trains a network on one task without a teacher: teachers, and students before their distillation.

    kd-train --data=synthetic --image_size=32 --network=resnet26 --width_divisor=2 --epochs=12 --model_dir=runs/teacher
    kd-train --task=alignment --data=lfw:DIR --min_images=10 --image_size=64 --init=runs/teacher --epochs=10 --model_dir=runs/aligner

The run directory holds flags.txt (`kd-train --flagfile=runs/teacher/flags.txt` runs it again), log.txt, checkpoints, TensorBoard's
events, student.keras (the network), saved_model/ and, when it is finished, metrics.json. The same command continues an interrupted run.
"""

import sys

from kd_tf.bin import application

# isort: split
from absl import flags

from kd_tf.flags import data_flags, network_flags, run_flags, training_flags
from kd_tf.training.config import DistillationConfig
from kd_tf.training.run import run as run_training

for module in (run_flags, data_flags, network_flags, training_flags):
    flags.adopt_module_key_flags(module)


def main() -> None:
    """Trains the network that the flags describe."""
    run_training(run_flags.run_config_from_flags(DistillationConfig()), override=run_flags.OVERRIDE.value)


def run() -> None:
    """The console script."""
    application.run(main, sys.modules[__name__], required=("model_dir",))


if __name__ == "__main__":
    run()
