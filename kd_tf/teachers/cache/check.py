"""Whether a cache holds what a run asks of it."""

import numpy as np

from kd_tf.data.dataset import FaceData
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.teachers.cache.manifest import records_digest, view_facts
from kd_tf.teachers.cache.store import TeacherCache

# What chooses training views; the evaluation view is the same under all.
_OF_TRAINING_VIEWS = ("jitter", "seed")


def check_cache(cache: TeacherCache, data: FaceData, view: ViewConfig, *, teacher: str | None = None) -> int:
    """Compares a cache with a run, and counts what is there; which images it must have, `check_records` says.

    Args:
      cache: what was stored.
      data: what the run reads.
      view: how the run sees it.
      teacher: digest of the weights of the teacher that the run names, if it names one.

    Returns:
      Under how many training views the run shows its images: `view.views`, or as many as the cache has.

    Raises:
      InputError: it is of another teacher, data set or views, or was not filled.
    """
    views = cache.manifest.views if view.views is None else view.views
    if views > cache.manifest.views:
        raise InputError(f"--views={views}, but {_named(cache)} has {cache.manifest.views}{_clean_only(cache)}")
    if teacher not in (None, cache.manifest.teacher):
        raise InputError(
            f"{_named(cache)} is of a teacher with the weights {cache.manifest.teacher}; those of --teacher are {teacher}: "
            "it, or how it sees faces, is another"
        )
    digest = records_digest(data.train.source, cache.manifest.view)
    if digest != cache.manifest.data:
        raise InputError(
            f"{_named(cache)} is of the records {cache.manifest.data} ({cache.manifest.data_name}); "
            f"those of this run are {digest} ({data.train.source.name})"
        )
    _check_views(cache, view, views)
    filled, wanted = cache.coverage()
    if filled < wanted:
        raise InputError(
            f"{_named(cache)} is not filled: {filled} of {wanted} outputs are there ({100 * filled / wanted:.1f}%); run kd-cache again"
        )
    return views


def check_records(cache: TeacherCache, data: FaceData) -> None:
    """Raises `InputError` where images of a run, whose views are those of the cache, are not in it."""
    training = cache.records if data.view.views else cache.evaluation_records
    for what, needed, there in (("training", data.train.records, training), ("test", data.test.records, cache.evaluation_records)):
        missing = np.setdiff1d(needed, there)
        if len(missing):
            raise InputError(
                f"{_named(cache)} lacks {len(missing)} of the {len(needed)} {what} images, the first being "
                f"{data.train.source.describe(int(missing[0]))}; was it filled with another --split?"
            )


def _check_views(cache: TeacherCache, view: ViewConfig, views: int) -> None:
    found, wanted = cache.manifest.view, view_facts(view)
    for name in found or ():
        if found[name] != wanted.get(name) and (views or name not in _OF_TRAINING_VIEWS):
            raise InputError(f"{_named(cache)} is of views with {name} {found[name]}; this run has {name} {wanted.get(name)}")


def _named(cache: TeacherCache) -> str:
    return f"--teacher_cache={cache.path}"


def _clean_only(cache: TeacherCache) -> str:
    return "" if cache.manifest.views else ": only the evaluation view (--views=0) was stored"
