"""A teacher cache of drawn numbers: what a step costs does not depend on what a teacher said."""

import types

import numpy as np
from worker import TEACHER_WIDTH


class DrawnCache:
    """As much of `kd_tf.teachers.cache.store.TeacherCache` as a `CachedTeacher` asks for, where batches bring their `teacher_hidden`."""

    def __init__(self, identities: int):
        self.path = "drawn"
        self.manifest = types.SimpleNamespace(width=TEACHER_WIDTH)
        self._identities = identities

    def head(self) -> tuple[np.ndarray, np.ndarray]:
        """Kernel and bias of the identity head."""
        kernel = np.random.default_rng(1).standard_normal([TEACHER_WIDTH, self._identities], np.float32)
        kernel *= 0.01
        return kernel, np.zeros([self._identities], np.float32)
