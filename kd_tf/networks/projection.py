"""The projection P of a student's hidden layer into its teacher's space, kept beside the network of a run that trained one."""

import io
import zipfile
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kd_tf.errors import InputError, first_line
from kd_tf.files import write_whole
from kd_tf.networks import heads
from kd_tf.networks.face_network import output_width

PROJECTION_FILE = "projection.npz"


class Projection(NamedTuple):
    """`P(K) = K kernel + bias`: float32 `[student width, teacher width]` and `[teacher width]`."""

    kernel: np.ndarray
    bias: np.ndarray


def projection_of(layer: tf.keras.layers.Dense) -> Projection:
    """The `projection` of a distiller in numbers."""
    return Projection(layer.kernel.numpy(), layer.bias.numpy())


def save_projection(layer: tf.keras.layers.Dense, path: str) -> None:
    """Writes the `projection` of a distiller as a `.npz` file of `kernel` and `bias` that is there whole or not at all.

    Raises:
      OSError: it cannot be written.
    """
    content = io.BytesIO()
    np.savez(content, **projection_of(layer)._asdict())
    write_whole(path, content.getvalue())


def load_projection(path: str) -> Projection:
    """Reads what `save_projection` wrote.

    Raises:
      InputError: it cannot be read, or is something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = Projection(*(np.asarray(file[name], np.float32) for name in Projection._fields))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read as a projection: {first_line(error)}") from error
    if found.kernel.ndim != 2 or found.bias.shape != found.kernel.shape[1:]:
        shapes = f"kernel {list(found.kernel.shape)} and bias {list(found.bias.shape)}"
        raise InputError(f"{path} is no projection: found {shapes}, wanted [student width, teacher width] and [teacher width]")
    return found


def project_network(network: tf.keras.Model, projection: Projection) -> tf.keras.Model:
    """A network from the same images to `hidden`, P(K) `[batch, teacher width]`, and `embedding`, the same as unit vectors.

    Raises:
      InputError: the projection is for another width of `hidden`.
    """
    width = output_width(network, "hidden")
    if projection.kernel.shape[0] != width:
        raise InputError(f"the projection takes a hidden layer of width {projection.kernel.shape[0]}, that of {network.name!r} has {width}")
    layer = tf.keras.layers.Dense(projection.kernel.shape[1], dtype="float32", name="hidden_projection")
    hidden = layer(network.output["hidden"])
    layer.set_weights(projection)
    return tf.keras.Model(network.input, {"hidden": hidden, "embedding": heads.embedding_head(hidden)}, name=f"{network.name}_projected")
