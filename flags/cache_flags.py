"""What is stored of a teacher, and where."""

import dataclasses

from absl import flags

from kd_tf.errors import InputError
from kd_tf.flags import data_flags, distillation_flags, training_flags
from kd_tf.flags.paths import absolute_path, absolute_teacher
from kd_tf.teachers.cache.manifest import CACHE_DTYPES
from kd_tf.training.admitting import AdmissionConfig
from kd_tf.training.caching import CacheConfig, ImportConfig

OUTPUT = flags.DEFINE_string("output", None, "The directory of the cache; new, or of the same cache, which is then filled up.")
CACHE_DTYPE = flags.DEFINE_enum("cache_dtype", "float16", CACHE_DTYPES, "What the hidden layer is stored as.")
WORKER = flags.DEFINE_string("worker", "0/1", "Which of how many processes that share the work this one is: 0/4 to 3/4.")
ADMIT = flags.DEFINE_boolean(
    "admit",
    None,
    "Try a teacher from elsewhere and store nothing: is it shown faces as it was trained to? Absent: it is tried before a cache is begun; "
    "false: it is not.",
)
ADMIT_PAIRS = flags.DEFINE_integer("admit_pairs", 200, "Pairs of one person, and as many of two, that it is tried on.", lower_bound=10)
IMPORT = flags.DEFINE_string("import", None, "Store the embeddings of this .npz file, made elsewhere of clean images.")


def cache_config_from_flags() -> CacheConfig:
    """The cache; data flags that are not given are those of the teacher's run.

    Raises:
      InputError: --worker cannot be read.
    """
    teacher = absolute_teacher(distillation_flags.TEACHER.value)
    index, separator, workers = WORKER.value.partition("/")
    if not (separator and index.isdecimal() and workers.isdecimal()):
        raise InputError(f"--worker={WORKER.value} cannot be read; wanted is INDEX/COUNT, such as 0/4")
    view = data_flags.view_config_from_flags(teacher)
    return CacheConfig(
        teacher=teacher,
        output=absolute_path(OUTPUT.value),
        source=data_flags.source_config_from_flags(teacher),
        view=dataclasses.replace(view, seed=training_flags.SEED.value, views=data_flags.VIEWS.value),
        split=data_flags.split_config_from_flags(teacher),
        skip_broken=data_flags.SKIP_BROKEN.value,
        image_cache=absolute_path(data_flags.IMAGE_CACHE.value),
        dtype=CACHE_DTYPE.value,
        batch_size=training_flags.BATCH_SIZE.value,
        precision=training_flags.PRECISION.value,
        strategy=training_flags.STRATEGY.value,
        worker=(int(index), int(workers)),
        admit_pairs=None if ADMIT.value is False else ADMIT_PAIRS.value,
    )


def admission_config_from_flags() -> AdmissionConfig:
    """The admission test alone; data flags as above."""
    teacher = absolute_teacher(distillation_flags.TEACHER.value)
    return AdmissionConfig(
        teacher=teacher,
        source=data_flags.source_config_from_flags(teacher),
        view=data_flags.view_config_from_flags(teacher),
        split=data_flags.split_config_from_flags(teacher),
        pairs=ADMIT_PAIRS.value,
        seed=training_flags.SEED.value,
        batch_size=training_flags.BATCH_SIZE.value,
        skip_broken=data_flags.SKIP_BROKEN.value,
    )


def import_config_from_flags() -> ImportConfig:
    """The embeddings that are imported."""
    return ImportConfig(
        file=absolute_path(IMPORT.value),
        output=absolute_path(OUTPUT.value),
        source=data_flags.source_config_from_flags(),
        dtype=CACHE_DTYPE.value,
    )
