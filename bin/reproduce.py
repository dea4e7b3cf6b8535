r"""Runs the study of arXiv 1709.02929: teachers and students of classification, alignment and verification, the paper's five tables with
the controls that it lacks, and one report.

    kd-reproduce --scale=quick --model_dir=demo
    kd-reproduce --scale=small --seeds=0,1,2 --model_dir=study
    kd-reproduce --scale=small --data=lfw:DIR --only=table2,table3 --dry_run --model_dir=study_lfw
    kd-reproduce --scale=paper --data=casia_webface:DIR --landmark_data=celeba:DIR --large_data=ms_celeb_1m:DIR --pairs_data=lfw:DIR \
                 --jobs=8 --precision=mixed_bfloat16 --model_dir=study_paper

quick is the chain without its tables, in minutes on two cores. small has all tables, in an hour a seed on two cores. paper is the paper's
setting, for machines with accelerators; what it has no data for is left out.

The study directory gets runs/, teachers/ (what they say of the views that students see), pairs/, images/ (the data set, decoded once),
tables/ (Markdown, CSV and HTML), report.html, and seed0/ and so on with the runs by their names. A directory of runs/ is named by all that
decides what comes out of it. Finished jobs are never run again: the same command continues an interrupted study, more seeds or tables add
to it, and a changed setting runs what it reaches.
"""

import shlex
import sys

from kd_tf.bin import application

# isort: split
from absl import flags

from kd_tf.flags import data_flags, run_flags, study_flags, training_flags
from kd_tf.study.study import Study
from kd_tf.study.table import overview

KEY_FLAGS = (
    data_flags.DATA, data_flags.MIN_IMAGES, data_flags.EXCLUDE_IDENTITIES, data_flags.CLEAN_LIST, data_flags.INDEX_DIR,
    data_flags.IDENTITIES, data_flags.PICTURES, data_flags.PICTURE_SIZE, data_flags.DATA_SEED,
    run_flags.MODEL_DIR, training_flags.PRECISION, training_flags.STRATEGY,
)  # fmt: skip
flags.adopt_module_key_flags(study_flags)
for flag in KEY_FLAGS:
    flags.declare_key_flag(flag.name)


def main() -> None:
    """Runs the study that the flags name, or says what it would do."""
    study = Study(study_flags.study_config_from_flags(shlex.join(["kd-reproduce", *sys.argv[1:]])))
    if study_flags.DRY_RUN.value:
        print(study.plan())
        return
    print(f"\n{overview(study.run())}")


def run() -> None:
    """The console script."""
    application.run(main, sys.modules[__name__], required=("model_dir",))


if __name__ == "__main__":
    run()
