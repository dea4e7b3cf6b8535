"""Distills a student from a teacher for one task (arXiv 1709.02929, Eq 2, 4, 7 and 9).

    loss = the task's own + alpha * soft targets + beta * hidden layer

    kd-distill --teacher=runs/teacher --init=runs/pretrained --width_divisor=8 --epochs=12 --model_dir=runs/student ...
    kd-distill --task=alignment --teacher=runs/aligner --init=runs/student --alpha=0 --beta=1 --model_dir=runs/small_aligner ...

Data, network and training flags are those of kd-train. The teacher is a run directory or a Keras model whose output is a dict with
`logits` (for soft and logits) and `hidden` (for all others), or one from elsewhere that gives embeddings (docs/TEACHERS.md); it is never
changed. --targets=soft:1,hidden:0.5 says what the student is to match in one flag; which of it helps a task, kd-select-targets measures.
--init_rule refuses a start that is not what the paper's tables call by its name. The run directory is as that of kd-train.

    kd-distill --task=hint --targets=hidden --teacher=runs/teacher --epochs=4 --model_dir=runs/hint ...
    kd-distill --targets=soft --init=runs/hint --init_rule=fitnet --teacher=runs/teacher --epochs=12 --model_dir=runs/fitnet ...

--task=hint is the first phase of FitNets: the student up to a stage learns what the teacher says there.

    kd-distill --task=embedding --targets=hidden --teacher=runs/teacher --data=folder:photos --epochs=12 --model_dir=runs/student ...

--task=embedding needs no labels: the loss is the teacher's hidden layer alone, and PATH/IMAGE without folders of people will do. The
student answers in the teacher's space.
"""

import sys

from kd_tf.bin import application

# isort: split
from absl import flags

from kd_tf.flags import data_flags, distillation_flags, network_flags, run_flags, training_flags
from kd_tf.training.run import run as run_training

for module in (run_flags, distillation_flags, data_flags, network_flags, training_flags):
    flags.adopt_module_key_flags(module)


def main() -> None:
    """Distills the student that the flags describe."""
    run_training(run_flags.run_config_from_flags(distillation_flags.distillation_config_from_flags()), override=run_flags.OVERRIDE.value)


def run() -> None:
    """The console script."""
    application.run(main, sys.modules[__name__], required=("model_dir",))


if __name__ == "__main__":
    run()
