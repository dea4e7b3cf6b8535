"""A cached teacher: K_T comes with the batch, and its own head makes the logits."""

import numpy as np
import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.teachers.cache.store import TEACHER_HIDDEN, TeacherCache

BLOCK_IDENTITIES = 16_384


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
        self._blocks = [] if head is None else _blocks(*head)

    def require(self, *keys: str) -> None:
        """Raises `InputError` where the cache lacks an output."""
        if "logits" in keys and not self._blocks:
            raise InputError(f"the teacher cache {self._cache.path} has no identity head, which soft targets and logits need; use --beta")

    def width(self, key: str) -> int:
        """The last dimension of `hidden` or `logits`."""
        return self._cache.manifest.width if key == "hidden" else sum(bias.shape[0] for _, bias in self._blocks)

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
        if not self._blocks:
            return {"hidden": hidden}
        return {"hidden": hidden, "logits": tf.concat([tf.matmul(hidden, kernel) + bias for kernel, bias in self._blocks], axis=1)}


def _blocks(kernel: np.ndarray, bias: np.ndarray) -> list[tuple[tf.Variable, tf.Variable]]:
    """The head of some identities each: while TensorFlow takes an array from NumPy it holds three of them.

    Variables, since constants of this size would be copied to every replica in every step.
    """
    starts = range(0, len(bias), BLOCK_IDENTITIES)
    parts = [(kernel[:, start : start + BLOCK_IDENTITIES], bias[start : start + BLOCK_IDENTITIES]) for start in starts]
    return [tuple(tf.Variable(array, trainable=False, dtype=tf.float32) for array in part) for part in parts]
