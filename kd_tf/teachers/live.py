"""A live teacher: a network that is only ever asked."""

import tensorflow as tf

from kd_tf.networks.face_network import output_shapes, output_width, require_outputs


class LiveTeacher:
    """A function from views to the teacher's K and logits.

    It runs in inference mode, lets no gradient through, and is a plain object: a model that holds one neither trains, saves nor
    checkpoints it.

    Args:
      network: keeps the output contract of `kd_tf.networks.face_network`; needs `hidden`, `logits` or both.
    """

    def __init__(self, network: tf.keras.Model):
        self._network = network

    def require(self, *keys: str) -> None:
        """Raises `InputError` where the network lacks an output."""
        require_outputs(self._network, keys, f"the teacher {self._network.name!r}")

    def width(self, key: str) -> int:
        """The last dimension of `hidden` or `logits`."""
        return output_width(self._network, key)

    def positions(self, key: str) -> tuple[int, ...]:
        """The dimensions between the batch and the width; none of `logits` and a last hidden layer."""
        return output_shapes(self._network)[key][1:-1]

    def __call__(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Images `[batch, height, width, 3]`, 0 to 255, to float32 `hidden` and `logits`, as far as the network has them."""
        outputs = self._network(images, training=False)
        return {key: tf.stop_gradient(tf.cast(outputs[key], tf.float32)) for key in ("hidden", "logits") if key in outputs}
