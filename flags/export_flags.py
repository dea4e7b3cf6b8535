"""What is exported, and where to."""

from absl import flags

from kd_tf.errors import InputError
from kd_tf.export.config import ExportConfig
from kd_tf.export.folder import holds_export
from kd_tf.export.kinds import FORMATS, QUANTIZATIONS
from kd_tf.flags import data_flags, distillation_flags
from kd_tf.flags.paths import absolute_path, absolute_teacher
from kd_tf.training.run_directory import flags_of_model

MODEL = flags.DEFINE_string("model", None, "A run directory or a Keras model.")
OUTPUT = flags.DEFINE_string("output", None, "The folder of the exported files.")
OVERWRITE = flags.DEFINE_boolean("overwrite", False, "Replace the export at --output.")
FORMAT = flags.DEFINE_list("format", ["savedmodel"], f"What is written, several with commas: {', '.join(FORMATS)}.")
QUANTIZE = flags.DEFINE_list("quantize", ["none"], f"A TFLite file for each of these: {', '.join(QUANTIZATIONS)}.")
CALIBRATION_IMAGES = flags.DEFINE_integer(
    "calibration_images", 200, "Training images that --quantize=int8 is calibrated on.", lower_bound=1
)
COMPARE = flags.DEFINE_boolean(
    "compare", False, "Score and time each file of --output, which is exported first where it is not there, and write OUTPUT/comparison.md."
)
flags.declare_key_flag(distillation_flags.TEACHER.name)


def is_exported_already() -> bool:
    """Whether --compare is all that is asked for: --output is there, and no flag says what to write anew."""
    return COMPARE.value and holds_export(absolute_path(OUTPUT.value)) and not (OVERWRITE.value or FORMAT.present or QUANTIZE.present)


def teacher_from_flags() -> str | None:
    """What stands beside the student in its table: --teacher, or the teacher that the run names; None without a table, or of --teacher=.

    Raises:
      InputError: --teacher without --compare.
    """
    if not COMPARE.value:
        if distillation_flags.TEACHER.value:
            raise InputError(f"--teacher={distillation_flags.TEACHER.value} has no effect without --compare")
        return None
    recorded = flags_of_model(absolute_path(MODEL.value)).get("teacher")
    return absolute_teacher(distillation_flags.TEACHER.value if distillation_flags.TEACHER.present else recorded)


def export_config_from_flags() -> ExportConfig:
    """The export; data flags that are not given are those of the run that is exported.

    Raises:
      InputError: --calibration_images without --quantize=int8.
    """
    if CALIBRATION_IMAGES.present and "int8" not in QUANTIZE.value:
        raise InputError(f"--calibration_images={CALIBRATION_IMAGES.value} has no effect without --quantize=int8")
    model = absolute_path(MODEL.value)
    return ExportConfig(
        model=model,
        output=absolute_path(OUTPUT.value),
        source=data_flags.source_config_from_flags(model),
        view=data_flags.view_config_from_flags(model),
        split=data_flags.split_config_from_flags(model),
        formats=tuple(FORMAT.value),
        quantizations=tuple(QUANTIZE.value),
        calibration_images=CALIBRATION_IMAGES.value,
        skip_broken=data_flags.skip_broken_from_flags(model),
        task=flags_of_model(model).get("task"),
        overwrite=OVERWRITE.value,
    )
