"""The student alone as a SavedModel that takes photographs: the evaluation view is inside."""

import os
import shutil

import tensorflow as tf

from kd_tf.data.source import decode_image
from kd_tf.data.views import ViewConfig, evaluation_view, landmarks_in_image, make_canvas
from kd_tf.errors import InputError, first_line
from kd_tf.files import remove_folder
from kd_tf.networks.face_network import output_shapes
from kd_tf.networks.precision import in_float32
from kd_tf.networks.stored import load_network


class ServedNetwork(tf.Module):
    """A network behind the signatures of an exported model.

    Both return, as far as the network has them, float32 `embedding` `[batch, width]`, `probabilities` `[batch, identities]` and
    `landmarks` `[batch, 5, 2]`, as fractions of the given image's width and height.

    Args:
      network: keeps the output contract.
      view: how photographs become its inputs.
    """

    def __init__(self, network: tf.keras.Model, view: ViewConfig):
        super().__init__()
        network = in_float32(network)
        outputs = output_shapes(network)
        self.weights = network.weights
        self._view = view
        self._view_spec = tf.TensorSpec([view.image_size, view.image_size, 3], tf.float32)

        # A closure, since every layer of a tracked Keras model would be saved as functions of its own.
        @tf.function(input_signature=[tf.TensorSpec([None, *self._view_spec.shape], tf.float32)])
        def answer(views: tf.Tensor) -> dict[str, tf.Tensor]:
            found = network(views, training=False)
            served = {}
            if "embedding" in outputs:
                served["embedding"] = found["embedding"]
            if "logits" in outputs:
                served["probabilities"] = tf.nn.softmax(found["logits"])
            if "landmarks" in outputs:
                served["landmarks"] = landmarks_in_image(found["landmarks"], view)
            return served

        self._answer = answer

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")])
    def from_images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """uint8 RGB `[batch, height, width, 3]` of any one size."""
        return self._answer(tf.map_fn(self._see, images, fn_output_signature=self._view_spec))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="encoded_images")])
    def from_encoded_images(self, encoded_images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Bytes of JPEG, PNG, BMP or GIF files, `[batch]`, of sizes of their own."""
        return self._answer(
            tf.map_fn(lambda encoded: self._see(decode_image(encoded)), encoded_images, fn_output_signature=self._view_spec)
        )

    def _see(self, image: tf.Tensor) -> tf.Tensor:
        return evaluation_view(make_canvas(image, self._view), tf.zeros([5, 2]), self._view)[0]


def export_saved_model(network: tf.keras.Model, view: ViewConfig, path: str, *, overwrite: bool = False) -> None:
    """Writes a SavedModel with the signatures `serving_default` (images) and `encoded_images`; it is there whole or not at all.

    Raises:
      InputError: `path` exists and `overwrite` is not set, it is no SavedModel, or it cannot be written.
    """
    if os.path.exists(path) and not overwrite:
        raise InputError(f"{path} exists; give another --output or --overwrite")
    if os.path.exists(path) and not os.path.exists(os.path.join(path, "saved_model.pb")):
        raise InputError(f"{path} is not a SavedModel and will not be replaced; give another --output")
    served = ServedNetwork(network, view)
    signatures = {"serving_default": served.from_images, "encoded_images": served.from_encoded_images}
    partial = f"{path}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        tf.saved_model.save(served, partial, signatures=signatures)
        remove_folder(path)
        os.replace(partial, path)
    except (OSError, tf.errors.OpError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise InputError(f"{path} cannot be written: {first_line(error)}") from error


def export_stored_network(path: str, view: ViewConfig, output: str, *, overwrite: bool = False) -> None:
    """Exports the network of a run directory or Keras model; see `export_saved_model` and `load_network`."""
    export_saved_model(load_network(path, "model", image_size=view.image_size), view, output, overwrite=overwrite)
