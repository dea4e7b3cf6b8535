"""Exports a run's student as a SavedModel that takes photographs, without its teacher.

    kd-export --model=runs/student --output=student_saved_model

Signatures: `serving_default` takes `images`, uint8 RGB [batch, height, width, 3]; `encoded_images` takes `encoded_images`, bytes of JPEG,
PNG, BMP or GIF files, [batch]. Both return, as far as the network has them, `embedding` [batch, width], `probabilities`
[batch, identities] and `landmarks` [batch, 5, 2], as fractions of the given image's width and height.
--image_size, --central_fraction and --align are the run's own where they are not given; the model of a run with --align takes aligned faces
(kd_tf.data.aligned.align_face).
"""

import sys

from kd_tf.bin import application

# isort: split
from absl import flags

from kd_tf.data.aligned import view_of_faces
from kd_tf.export.saved_model import export_stored_network
from kd_tf.flags import data_flags
from kd_tf.flags.paths import absolute_path

MODEL = flags.DEFINE_string("model", None, "A run directory or a Keras model.")
OUTPUT = flags.DEFINE_string("output", None, "The folder of the SavedModel.")
OVERWRITE = flags.DEFINE_boolean("overwrite", False, "Replace what is at --output.")
for flag in (data_flags.IMAGE_SIZE, data_flags.CENTRAL_FRACTION, data_flags.ALIGN):
    flags.declare_key_flag(flag.name)


def main() -> None:
    """Exports the model that the flags name."""
    output = absolute_path(OUTPUT.value)
    model = absolute_path(MODEL.value)
    export_stored_network(model, view_of_faces(data_flags.view_config_from_flags(model)), output, overwrite=OVERWRITE.value)
    print(f"written: {output}")


def run() -> None:
    """The console script."""
    application.run(main, sys.modules[__name__], required=("model", "output"))


if __name__ == "__main__":
    run()
