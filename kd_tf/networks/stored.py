"""Networks on disk: run directories and Keras files."""

import os
import zipfile

import tensorflow as tf

from kd_tf.errors import InputError, first_line
from kd_tf.files import PARTIAL, place
from kd_tf.tensorflow_line import make_portable

STUDENT_FILE = "student.keras"


def load_network(path: str, flag: str, *, image_size: int) -> tf.keras.Model:
    """Loads the network of a run directory, or of a Keras file or folder.

    Args:
      path: a run directory with `student.keras`, a `.keras` file, or a SavedModel that Keras wrote.
      flag: named in messages.
      image_size: what it will be fed.

    Raises:
      InputError: there is no network, it cannot be read, or it takes images of another size.
    """
    file = os.path.join(path, STUDENT_FILE) if os.path.isdir(path) else path
    if os.path.isdir(path) and not os.path.exists(file):
        if not os.path.exists(os.path.join(path, "keras_metadata.pb")):
            raise InputError(f"--{flag}={path} is not a finished run (no {STUDENT_FILE}) and not a Keras model")
        file = path
    if not os.path.exists(file):
        raise InputError(f"--{flag}={path} does not exist")
    try:
        network = tf.keras.models.load_model(file, compile=False)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile, tf.errors.OpError) as error:
        raise InputError(f"--{flag}={file} cannot be read as a Keras model: {first_line(error)}") from error
    shape = getattr(network, "input_shape", None)
    if isinstance(shape, tuple) and any(side not in (None, image_size) for side in shape[1:3]):
        raise InputError(f"--{flag}={path} takes images of {shape[1]}x{shape[2]} pixels, but --image_size={image_size}")
    if isinstance(shape, tuple) and shape[-1] not in (None, 3):
        raise InputError(f"--{flag}={path} takes images of {shape[-1]} channels; RGB has 3")
    return network


def save_network(network: tf.keras.Model, path: str) -> None:
    """Writes a `.keras` file that is there whole or not at all, and that both lines of TensorFlow read."""
    partial = f"{path}{PARTIAL}.keras"
    network.save(partial)
    make_portable(partial)
    place(partial, path)
