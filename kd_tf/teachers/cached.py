"""A cached teacher: K_T comes with the batch, and its own head makes the logits."""

import numpy as np
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.teachers.cache.store import TEACHER_HIDDEN, TeacherCache

# Of the start of a tensor in TensorFlow, in bytes.
ALIGNMENT = 64


class CachedTeacher:
    """A teacher whose batches bring `teacher_hidden` `[batch, width]` among their targets (`TeacherCache.look_up`).

    Soft targets are exact over all identities: the head's product with K_T is computed in the step. Like a live teacher it is a plain
    object, which a model that holds it does not save.

    Args:
      cache: what was stored.
      outputs: which of `hidden` and `logits` are asked for; without `logits` the head is not read.
    """

    def __init__(self, cache: TeacherCache, outputs: tuple[str, ...] = ("hidden", "logits")):
        self._cache = cache
        head = cache.head() if "logits" in outputs else None
        self._head = None if head is None else [_variable(array) for array in head]

    @property
    def digest(self) -> str:
        """Of the weights of the teacher whose outputs these are."""
        return self._cache.manifest.teacher

    def require(self, *keys: str) -> None:
        """Raises `InputError` where the cache lacks an output."""
        if "logits" in keys and self._head is None:
            raise InputError(f"the teacher cache {self._cache.path} has no identity head, which soft targets and logits need; use --beta")

    def width(self, key: str) -> int:
        """The last dimension of `hidden` or `logits`."""
        return self._cache.manifest.width if key == "hidden" else int(self._head[0].shape[1])

    def positions(self, key: str) -> tuple[int, ...]:
        """None: K is a last hidden layer."""
        return ()

    @property
    def bytes_on_disk(self) -> int:
        """Of the cache."""
        return self._cache.bytes_on_disk

    def __call__(self, images: tf.Tensor, targets: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """See `Teacher`; the images are not looked at."""
        hidden = tf.cast(targets[TEACHER_HIDDEN], tf.float32)
        if self._head is None:
            return {"hidden": hidden}
        kernel, bias = self._head
        return {"hidden": hidden, "logits": tf.matmul(hidden, kernel) + bias}


def _variable(array: np.ndarray) -> tf.Variable:
    """A float32 variable; `tf.Variable(array)` would hold the array three times meanwhile.

    No constant, which would be copied to every replica in every step.
    """
    buffer = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    aligned = buffer[-buffer.ctypes.data % ALIGNMENT :][: array.nbytes].view(array.dtype).reshape(array.shape)
    aligned[...] = array
    return tf.Variable(tf.experimental.dlpack.from_dlpack(aligned.__dlpack__()), trainable=False)
