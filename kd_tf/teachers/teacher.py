"""What a teacher is to a distiller: a function from views to K and logits."""

from typing import Protocol

import tensorflow as tf


class Teacher(Protocol):
    """Live (`live.py`) or cached (`cached.py`)."""

    @property
    def digest(self) -> str:
        """Of its weights."""

    def require(self, *keys: str) -> None:
        """Raises `InputError` where the teacher lacks an output: `hidden` or `logits`."""

    def width(self, key: str) -> int:
        """The last dimension of `hidden` or `logits`."""

    def positions(self, key: str) -> tuple[int, ...]:
        """The dimensions between the batch and the width; none of `logits` and a last hidden layer."""

    def __call__(self, images: tf.Tensor, targets: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """What the teacher says of a batch.

        Args:
          images: `[batch, height, width, 3]`, 0 to 255.
          targets: of the same batch.

        Returns:
          float32 `hidden` and `logits`, as far as it has them; no gradient passes.
        """
