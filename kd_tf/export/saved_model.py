"""The student alone as a SavedModel that takes photographs."""

import tensorflow as tf

from kd_tf.data.views import ViewConfig
from kd_tf.evaluation.programs import BATCH, SINGLE
from kd_tf.export.folder import new_folder
from kd_tf.export.served import ServedNetwork


def write_saved_model(served: ServedNetwork, folder: str, *, encoded: bool = True) -> None:
    """Writes a SavedModel with the signatures `serving_default` (images of one size), `single_image` and, with `encoded`,
    `encoded_images` (files).
    """
    signatures = {BATCH: served.from_images, SINGLE: served.from_image}
    tf.saved_model.save(served, folder, signatures=signatures | ({"encoded_images": served.from_encoded_images} if encoded else {}))


def export_saved_model(network: tf.keras.Model, view: ViewConfig, path: str, *, overwrite: bool = False) -> None:
    """Writes the SavedModel of a network; it is there whole or not at all.

    Raises:
      InputError: `path` exists and `overwrite` is not set, it is no SavedModel, or it cannot be written.
    """
    with new_folder(path, overwrite=overwrite) as folder:
        write_saved_model(ServedNetwork(network, view), folder)
