"""A network behind the signatures of an exported model: the evaluation view is inside, landmarks are in pixels of the given image."""

import tensorflow as tf

from kd_tf.data.source import decode_image
from kd_tf.data.views import ViewConfig, evaluation_view, landmarks_in_image, make_canvas
from kd_tf.export.portable_view import portable_views
from kd_tf.networks.face_network import output_shapes
from kd_tf.networks.precision import in_float32


class ServedNetwork(tf.Module):
    """What an exported model does.

    All return, as far as the network has them, float32 `embedding` `[batch, width]`, `probabilities` `[batch, identities]` and `landmarks`
    `[batch, 5, 2]`: x and y in pixels of the given image, where the centre of the first pixel is at 0, 0.

    Args:
      network: keeps the output contract.
      view: how photographs become its inputs.
      portable: whether the view is made of operations that every runtime has, or bit by bit as in training.
    """

    def __init__(self, network: tf.keras.Model, view: ViewConfig, *, portable: bool = False):
        super().__init__()
        network = in_float32(network)
        outputs = output_shapes(network)
        self.weights = network.weights
        self._view = view
        self._portable = portable
        self._view_spec = tf.TensorSpec([view.image_size, view.image_size, 3], tf.float32)
        sizes_spec = tf.TensorSpec([None, 2], tf.float32)

        # A closure, since every layer of a tracked Keras model would be saved as functions of its own.
        @tf.function(input_signature=[tf.TensorSpec([None, *self._view_spec.shape], tf.float32), sizes_spec])
        def answer(views: tf.Tensor, sizes: tf.Tensor) -> dict[str, tf.Tensor]:
            found = network(views, training=False)
            served = {}
            if "embedding" in outputs:
                served["embedding"] = found["embedding"]
            if "logits" in outputs:
                served["probabilities"] = tf.nn.softmax(found["logits"])
            if "landmarks" in outputs:
                served["landmarks"] = landmarks_in_image(found["landmarks"], view) * sizes[:, tf.newaxis] - 0.5
            return served

        self._answer = answer

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")])
    def from_images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """uint8 RGB `[batch, height, width, 3]` of any one size."""
        if self._portable:
            views = portable_views(images, self._view)
        else:
            views = tf.map_fn(self._see, images, fn_output_signature=self._view_spec)
        return self._answer(views, _width_and_height(tf.shape(images)[1:3])[tf.newaxis])

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.uint8, name="image")])
    def from_image(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """uint8 RGB `[height, width, 3]` of any size; the answers are without the dimension of the batch."""
        return {key: value[0] for key, value in self.from_images(image[tf.newaxis]).items()}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="encoded_images")])
    def from_encoded_images(self, encoded_images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Bytes of JPEG, PNG, BMP or GIF files, `[batch]`, of sizes of their own; not where it is portable."""

        def see(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            image = decode_image(encoded)
            return self._see(image), _width_and_height(tf.shape(image)[:2])

        return self._answer(*tf.map_fn(see, encoded_images, fn_output_signature=(self._view_spec, tf.TensorSpec([2], tf.float32))))

    def _see(self, image: tf.Tensor) -> tf.Tensor:
        return evaluation_view(make_canvas(image, self._view), tf.zeros([5, 2]), self._view)[0]


def _width_and_height(size: tf.Tensor) -> tf.Tensor:
    """From height and width, int32 `[2]`."""
    return tf.cast(tf.stack([size[1], size[0]]), tf.float32)
