"""A live teacher: a network that is only ever asked."""

import tensorflow as tf

from kd_tf.networks.digest import weights_digest
from kd_tf.networks.face_network import output_shapes, output_width, require_outputs
from kd_tf.networks.precision import in_precision


class LiveTeacher:
    """A function from views to the teacher's K and logits.

    It runs in inference mode, lets no gradient through, and is a plain object: a model that holds one neither trains, saves nor
    checkpoints it.

    Args:
      network: keeps the output contract of `kd_tf.networks.face_network`; needs `hidden`, `logits` or both.
      precision: what it computes in, of `kd_tf.networks.precision.PRECISIONS`; None: what it was made in. Its weights, K and the logits
        stay float32, and float16 overflows above 65,504.

    Raises:
      InputError: see `in_precision`.
    """

    def __init__(self, network: tf.keras.Model, precision: str | None = None):
        self._network = network if precision is None else in_precision(network, precision, "teacher_precision")

    @property
    def digest(self) -> str:
        """Of its weights."""
        return weights_digest(self._network)

    def require(self, *keys: str) -> None:
        """Raises `InputError` where the network lacks an output."""
        require_outputs(self._network, keys, f"the teacher {self._network.name!r}")

    def width(self, key: str) -> int:
        """The last dimension of `hidden` or `logits`."""
        return output_width(self._network, key)

    def positions(self, key: str) -> tuple[int, ...]:
        """The dimensions between the batch and the width; none of `logits` and a last hidden layer."""
        return output_shapes(self._network)[key][1:-1]

    def __call__(self, images: tf.Tensor, targets: dict[str, tf.Tensor] | None = None) -> dict[str, tf.Tensor]:
        """See `Teacher`; the targets are not looked at."""
        outputs = self._network(images, training=False)
        return {key: tf.stop_gradient(tf.cast(outputs[key], tf.float32)) for key in ("hidden", "logits") if key in outputs}
