"""A cached teacher over a head that was drawn: what a step costs does not depend on what a teacher said."""

import tempfile

import numpy as np
from worker import TEACHER_WIDTH

from kd_tf.teachers.cache.manifest import Manifest
from kd_tf.teachers.cache.store import begin_cache
from kd_tf.teachers.cached import CachedTeacher


def make_cached_teacher(identities: int) -> CachedTeacher:
    """A teacher whose batches bring `teacher_hidden` `[batch, 2048]`."""
    kernel = np.random.default_rng(0).normal(scale=0.01, size=[TEACHER_WIDTH, identities]).astype(np.float32)
    manifest = Manifest(
        teacher="drawn", data="drawn", data_name="drawn", view=None, views=0, width=TEACHER_WIDTH, dtype="float16", part_rows=1
    )
    no_records = np.zeros([0], np.int64)
    with tempfile.TemporaryDirectory() as directory:
        return CachedTeacher(begin_cache(directory, manifest, no_records, no_records, (kernel, np.zeros([identities])), None))
