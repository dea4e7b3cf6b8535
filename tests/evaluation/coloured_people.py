"""People of one colour each, and a run that tells them by it, so that scores can be worked out from the pictures alone."""

import cv2
import numpy as np
import tensorflow as tf

from kd_tf.data.sources import SourceConfig
from kd_tf.data.views import ViewConfig
from kd_tf.export.saved_model import export_saved_model
from kd_tf.networks.stored import save_network
from tests.images import write_image, write_text

VIEW = ViewConfig(image_size=16)
# In the order of the network's logits, which is not that of the alphabet.
COLOURS = {"cat": (40, 40, 200), "ann": (200, 40, 40), "dan": (200, 200, 40), "bob": (40, 200, 40)}
IMAGES = 10
# The network takes the last three pictures of each person for somebody else.
LOOKS_LIKE = {"ann": "bob", "bob": "dan", "cat": "ann", "dan": "cat"}


def nearest_colour_network():
    """Its logits are the closeness of the mean colour to each of `COLOURS`."""
    images = tf.keras.Input([16, 16, 3])
    mean = tf.keras.layers.GlobalAveragePooling2D()(images)
    logits = tf.keras.layers.Dense(4)
    outputs = {"logits": logits(mean), "embedding": tf.keras.layers.UnitNormalization()(tf.keras.layers.Rescaling(1, offset=-100.0)(mean))}
    network = tf.keras.Model(images, outputs)
    colours = np.array(list(COLOURS.values()), np.float32)
    # |x - c|^2 = |x|^2 - 2 x c + |c|^2.
    logits.set_weights([2 * colours.T / 1000, -(colours**2).sum(axis=1) / 1000])
    return network


def store_run(folder):
    """A run directory that knows four people."""
    folder.mkdir()
    network = nearest_colour_network()
    save_network(network, str(folder / "student.keras"))
    export_saved_model(network, VIEW, str(folder / "saved_model"))
    write_text(folder / "identities.txt", "".join(f"{name}\n" for name in COLOURS))
    return folder


def colour_of(name, number):
    shown = LOOKS_LIKE.get(name) if number >= IMAGES - 3 else name
    return COLOURS.get(shown, (120, 120, 120))


def write_photos(folder, *people):
    for name in people:
        for number in range(IMAGES):
            write_image(folder / name / f"{number}.png", np.full([20, 20, 3], colour_of(name, number), np.uint8))
    return SourceConfig(f"folder:{folder}")


def is_recognised(path):
    """Whether the colour that is nearest to the picture's is that of the person."""
    colour = cv2.imread(path)[0, 0, ::-1].astype(float)
    return min(COLOURS, key=lambda name: np.sum((colour - COLOURS[name]) ** 2)) == path.split("/")[-2]
