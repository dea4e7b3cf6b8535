"""Exports a run's student, without its teacher, as files that take photographs and need no kd_tf.

    kd-export --model=runs/student --output=student
    kd-export --model=runs/student --output=student --format=savedmodel,tflite,onnx --quantize=none,float16,dynamic,int8 --compare

OUTPUT is a folder:

    saved_model.pb, variables/   --format=savedmodel: OUTPUT itself is the SavedModel
    student.onnx                 --format=onnx
    student.tflite               --format=tflite; --quantize=float16, dynamic and int8 have files of their own, such as student_int8.tflite
    labels.txt                   the identities in the order of the probabilities, a line each, as the run recorded them
    model_card.md                data and its licence, teacher, scores, limits, and how far each file is from the network
    comparison.md, .json         --compare: score, megabytes and milliseconds an image of each file, beside the teacher's

Photographs are uint8 RGB of any size; the evaluation view is inside. Signatures:

    serving_default   images [batch, height, width, 3]
    single_image      image [height, width, 3]; what it returns is without [batch]. ONNX has no signatures: give a batch of one.
    encoded_images    encoded_images [batch], bytes of JPEG, PNG, BMP or GIF files; in the SavedModel alone

All return, as far as the network has them, embedding [batch, width], probabilities [batch, identities] and landmarks [batch, 5, 2], x and y
in pixels of the given image (the centre of its first pixel is at 0, 0).

Each file is loaded again and compared with the network on test images before OUTPUT is there; a difference over its tolerance is an error.
int8 is calibrated on --calibration_images training images, as the model sees them. SavedModel and ONNX are always float32. Data flags that
are not given are the run's own; the model of a run with --align takes aligned faces (kd_tf.data.aligned.align_face).

--compare takes the files that lie in OUTPUT already where neither --format, --quantize nor --overwrite is given, so that they can be timed
on another machine. --teacher is the run's own where it is not given; --teacher= leaves it out. docs/EXPORT.md says more.
"""

import sys

from kd_tf.bin import application

# isort: split
from absl import flags

from kd_tf.export.compare import compare, load_teacher
from kd_tf.export.export import export
from kd_tf.flags import data_flags, distillation_flags, export_flags

flags.adopt_module_key_flags(export_flags)
for flag in (
    *data_flags.SOURCE_FLAGS,
    data_flags.SKIP_BROKEN,
    data_flags.SPLIT,
    data_flags.SPLIT_SEED,
    data_flags.VALIDATION,
    data_flags.TEST_FOLDS,
    data_flags.IMAGE_SIZE,
    data_flags.CENTRAL_FRACTION,
    data_flags.ALIGN,
):
    flags.declare_key_flag(flag.name)


def main() -> None:
    """Exports and compares the model that the flags name."""
    config = export_flags.export_config_from_flags()
    teacher = export_flags.teacher_from_flags()
    if teacher:
        # Before anything is written.
        load_teacher(config, teacher, given=distillation_flags.TEACHER.present)
    if not export_flags.is_exported_already():
        export(config)
        print(f"written: {config.output}")
    if export_flags.COMPARE.value:
        print(compare(config, teacher), end="")


def run() -> None:
    """The console script."""
    application.run(main, sys.modules[__name__], required=("model", "output"))


if __name__ == "__main__":
    run()
