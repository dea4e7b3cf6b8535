"""What a study is of and how it is run."""

from absl import flags

from kd_tf.data.sources import SourceConfig
from kd_tf.errors import InputError
from kd_tf.flags import data_flags, run_flags, training_flags
from kd_tf.flags.numbers import whole_numbers
from kd_tf.flags.paths import absolute_path
from kd_tf.study.jobs import Machine
from kd_tf.study.scales import PAIRS, SCALES, make_scale
from kd_tf.study.stages import FACES, LANDMARKS, LARGE
from kd_tf.study.study import StudyConfig

SCALE = flags.DEFINE_enum("scale", "quick", SCALES, "How long the study takes, and how much of it there is.")
SEEDS = flags.DEFINE_list("seeds", ["0"], "Of weights, order and views; all stages are run with each, and tables tell the spread.")
ONLY = flags.DEFINE_list("only", [], "Run only what these tables need, such as table1,table3.")
JOBS = flags.DEFINE_integer("jobs", 1, "How many jobs run at once; each has a GPU, or its share of the cores.", lower_bound=1)
DRY_RUN = flags.DEFINE_boolean("dry_run", False, "Print what would be done and how long it would take here, and do nothing.")
LANDMARK_DATA = flags.DEFINE_string("landmark_data", None, "The data set of alignment, where it is not --data (--scale=paper).")
LARGE_DATA = flags.DEFINE_string("large_data", None, "A larger data set for the second half of Table 2 (--scale=paper).")
PAIRS_DATA = flags.DEFINE_string("pairs_data", None, "The pairs of Table 2: lfw:PATH.")
_ROLES = {LANDMARKS: LANDMARK_DATA, LARGE: LARGE_DATA, PAIRS: PAIRS_DATA}


def study_config_from_flags(command: str) -> StudyConfig:
    """The study that the flags describe; `command` is the one that was given."""
    data = {FACES: data_flags.source_config_from_flags()}
    for role, flag in _ROLES.items():
        if flag.value:
            name, _, path = flag.value.partition(":")
            data[role] = SourceConfig(f"{name}:{absolute_path(path)}" if path else name)
    if PAIRS in data and not data[PAIRS].data.startswith("lfw:"):
        raise InputError(f"--pairs_data={PAIRS_DATA.value} must be lfw:PATH")
    return StudyConfig(
        scale=make_scale(SCALE.value, data),
        directory=absolute_path(run_flags.MODEL_DIR.value),
        seeds=tuple(whole_numbers(SEEDS)),
        only=tuple(ONLY.value),
        machine=Machine(training_flags.PRECISION.value, training_flags.STRATEGY.value),
        processes=JOBS.value,
        command=command,
    )
