"""Fills a teacher cache: the teacher's hidden layer for each image under each view, so that kd-distill needs no teacher any more.

    kd-cache --teacher=runs/teacher --views=8 --output=caches/teacher
    kd-distill --teacher_cache=caches/teacher --init=runs/pretrained --width_divisor=8 --epochs=12 --model_dir=runs/student ...

--views=V stores V crops, flips and jitters of each training image; epoch e of training sees view e mod V. Test images are stored in the
middle crop in which they are scored; --views=0 stores all images so. Data flags that are not given are those of the teacher's run; these,
--seed and --image_size must be those of the runs that will use the cache, which refuse any other. docs/CACHE.md describes the files.

    kd-cache --teacher=faces.onnx --views=8 --data=lfw:LFW --output=caches/faces
    kd-cache --teacher=python:faces.py:embed ...

A teacher from elsewhere, a SavedModel, a Keras or ONNX file or a function of Python, sees the same crops and flips at the size and in the
way that a file beside it declares; docs/TEACHERS.md describes it. Before its cache is begun it is tried: whether another way to show it
faces tells people better, on pairs of labelled photographs. --admit does that and no more, --noadmit leaves it out.

A process that was killed is continued by the same command. Several processes share the work with --worker=0/4 to --worker=3/4, on one
machine or on several that see the same directory; with --strategy=multi_worker TF_CONFIG says which one this is. Prints how much is there,
its size and images a second.

    kd-cache --import=embeddings.npz --data=... --output=caches/other

takes embeddings of clean images that were made elsewhere: an array embeddings [n, width], names [n] (the images' paths in the data set;
without it, one row an image in its order), and, for soft targets, kernel [width, identities] and bias [identities]. Students then see
clean images only (--views=0).
"""

import sys
from collections.abc import Iterable

from kd_tf.bin import application

# isort: split
from absl import flags

from kd_tf.errors import InputError
from kd_tf.flags import cache_flags, data_flags, distillation_flags, training_flags
from kd_tf.teachers.embedding.teacher import is_embedding_teacher
from kd_tf.training.admitting import require_admitted, try_teacher
from kd_tf.training.caching import cache_teacher, import_teacher

TEACHER_FLAGS = (
    distillation_flags.TEACHER, data_flags.SKIP_BROKEN, data_flags.SPLIT, data_flags.SPLIT_SEED, data_flags.VALIDATION,
    data_flags.TEST_FOLDS, data_flags.IMAGE_CACHE, data_flags.IMAGE_SIZE, data_flags.CENTRAL_FRACTION, data_flags.ALIGN, data_flags.VIEWS,
    data_flags.JITTER,
    training_flags.BATCH_SIZE, training_flags.PRECISION, training_flags.STRATEGY, training_flags.SEED, cache_flags.WORKER,
)  # fmt: skip
STORING_FLAGS = (
    cache_flags.OUTPUT, cache_flags.CACHE_DTYPE, cache_flags.WORKER, data_flags.IMAGE_CACHE, data_flags.IMAGE_SIZE,
    data_flags.CENTRAL_FRACTION, data_flags.ALIGN, data_flags.VIEWS, data_flags.JITTER, training_flags.PRECISION, training_flags.STRATEGY,
)  # fmt: skip
for flag in (*data_flags.SOURCE_FLAGS, *TEACHER_FLAGS):
    flags.declare_key_flag(flag.name)
flags.adopt_module_key_flags(cache_flags)


def main() -> None:
    """Fills or imports the cache that the flags describe, or tries the teacher."""
    if cache_flags.ADMIT.value:
        _admit()
        return
    if not cache_flags.OUTPUT.value:
        raise InputError("give --output=DIR, the directory of the cache")
    report = _import() if cache_flags.IMPORT.value else _fill()
    share = 100 * report["filled"] / report["wanted"]
    print(f"{report['filled']} of {report['wanted']} outputs are there ({share:.1f}%), {report['bytes'] / 2**20:.1f} MiB")
    print(f"use it: kd-distill --teacher_cache={cache_flags.OUTPUT.value}")


def _admit() -> None:
    _require_teacher()
    _refuse_given((*STORING_FLAGS, cache_flags.IMPORT), "--admit, which stores nothing")
    admission = try_teacher(cache_flags.admission_config_from_flags())
    print(admission.report())
    require_admitted(admission)


def _fill() -> dict:
    _require_teacher()
    if not is_embedding_teacher(distillation_flags.TEACHER.value):
        _refuse_given((cache_flags.ADMIT, cache_flags.ADMIT_PAIRS), "a teacher that is a run or a network of this package")
    if cache_flags.ADMIT.present:
        # That is --noadmit.
        _refuse_given((cache_flags.ADMIT_PAIRS,), "--noadmit")
    report = cache_teacher(cache_flags.cache_config_from_flags())
    print(f"{report['outputs']} outputs computed, {report['images_per_second']} images/s")
    return report


def _import() -> dict:
    _refuse_given((*TEACHER_FLAGS, cache_flags.ADMIT, cache_flags.ADMIT_PAIRS), "--import, whose outputs are made already")
    return import_teacher(cache_flags.import_config_from_flags())


def _require_teacher() -> None:
    if not distillation_flags.TEACHER.value:
        raise InputError("give --teacher=RUN, or --import=FILE.npz")


def _refuse_given(flags_without_effect: Iterable[flags.FlagHolder], where: str) -> None:
    given = [f"no{flag.name}" if flag.value is False else flag.name for flag in flags_without_effect if flag.present]
    if given:
        raise InputError(f"--{given[0]} has no effect with {where}")


def run() -> None:
    """The console script."""
    application.run(main, sys.modules[__name__])


if __name__ == "__main__":
    run()
