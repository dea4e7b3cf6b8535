"""A teacher from elsewhere that runs within the step."""

import tensorflow as tf

from kd_tf.errors import InputError
from kd_tf.teachers.embedding.images import TEACHER_IMAGES
from kd_tf.teachers.embedding.teacher import EmbeddingTeacher, teacher_inputs


class LiveEmbeddingTeacher:
    """A teacher whose batches bring what it sees among their targets (`kd_tf.teachers.embedding.images`); see `Teacher`.

    Like any live teacher it is a plain object, which a model that holds it neither trains nor saves.

    Args:
      teacher: one that TensorFlow can run.

    Raises:
      InputError: it cannot.
    """

    def __init__(self, teacher: EmbeddingTeacher):
        if not teacher.function.in_tensorflow:
            raise InputError(f"{teacher.who} does not run in TensorFlow: store what it says with kd-cache, and give --teacher_cache")
        if teacher.function.shape[0] is not None:
            raise InputError(f"{teacher.who} takes {teacher.function.shape[0]} images at a time: store what it says with kd-cache")
        self._teacher = teacher
        # Here it fails with one line, within a step it would with many.
        self._width = teacher.probe()

    @property
    def digest(self) -> str:
        """Of its files and its view."""
        return self._teacher.digest

    def require(self, *keys: str) -> None:
        """Raises `InputError` where `logits` are asked for."""
        self._teacher.require(*keys)

    def width(self, key: str) -> int:
        """The last dimension of `hidden`."""
        return self._width

    def positions(self, key: str) -> tuple[int, ...]:
        """None: an embedding is a last layer."""
        return ()

    def __call__(self, images: tf.Tensor, targets: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """See `Teacher`; the student's images are not looked at."""
        seen = teacher_inputs(targets[TEACHER_IMAGES], self._teacher.view, self._teacher.function.dtype)
        rows = tf.stop_gradient(tf.cast(self._teacher.function(seen), tf.float32))
        return {"hidden": tf.ensure_shape(rows, [None, self._width])}
