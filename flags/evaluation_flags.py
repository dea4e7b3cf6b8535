"""What is scored, how, and where the results go."""

from absl import flags

from kd_tf.data.split import SplitConfig
from kd_tf.evaluation.evaluate import ALL_PROTOCOLS, EvaluationConfig
from kd_tf.evaluation.models import PIXELS
from kd_tf.evaluation.pairs import DISTANCES
from kd_tf.evaluation.verification import PAIR_PROTOCOLS
from kd_tf.flags import data_flags, distillation_flags
from kd_tf.flags.paths import absolute_path, absolute_teacher

MODEL = flags.DEFINE_string(
    "model",
    None,
    "A run directory, a Keras model, an exported SavedModel, .tflite or .onnx file, a .npz file of embeddings, or a teacher from elsewhere "
    "(docs/TEACHERS.md). pixels: no network, the images themselves as one would see them (a run of that name is ./pixels).",
)
PROTOCOL = flags.DEFINE_enum("protocol", "classification", ALL_PROTOCOLS, "What is scored.")
OUTPUT = flags.DEFINE_string("output", None, "A folder for metrics.json and pictures. Absent: the scores are only printed.")
FLIP = flags.DEFINE_boolean("flip", False, "Add the embedding of the flipped image to each image's own (retrieval, lfw, bin).")
DISTANCE = flags.DEFINE_enum("distance", None, DISTANCES, "What the threshold is for (lfw, bin). Absent: squared_l2.")
CROSS = flags.DEFINE_boolean(
    "cross", False, "Compare the projected embeddings of a distilled student with those of its teacher (retrieval, lfw, bin)."
)


def evaluation_config_from_flags() -> EvaluationConfig:
    """The evaluation; data flags that are not given are those of the run that is scored."""
    model = PIXELS if MODEL.value == PIXELS else absolute_teacher(MODEL.value)
    run = None if model == PIXELS else model
    # Pairs need all of their images, whatever the run could do without, and are of no split; the folds of a pack are not those of people.
    on_pairs = PROTOCOL.value in PAIR_PROTOCOLS
    return EvaluationConfig(
        model=model,
        protocol=PROTOCOL.value,
        source=data_flags.source_config_from_flags(run),
        view=data_flags.view_config_from_flags(run),
        split=SplitConfig() if on_pairs else data_flags.split_config_from_flags(run),
        image_cache=absolute_path(data_flags.IMAGE_CACHE.value),
        skip_broken=data_flags.skip_broken_from_flags(None if on_pairs else run),
        flip=FLIP.value,
        distance=DISTANCE.value,
        cross=CROSS.value,
        teacher=absolute_teacher(distillation_flags.TEACHER.value),
        test_folds=data_flags.test_folds_from_flags(run if PROTOCOL.value == "lfw" else None) if on_pairs else None,
    )
