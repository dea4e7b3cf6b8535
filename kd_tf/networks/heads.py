"""Heads from the hidden layer K `[batch, width]` to what a task needs. All compute in float32, whatever the trunk does."""

import numpy as np
import tensorflow as tf

LANDMARKS = 5
# Where the landmarks of an average centred face are: fractions of the crop's width and height.
TYPICAL_LANDMARKS = np.array([[0.4, 0.42], [0.6, 0.42], [0.5, 0.52], [0.42, 0.62], [0.58, 0.62]], np.float32)


def identity_head(hidden, identities: int):
    """Logits `[batch, identities]`."""
    layer = tf.keras.layers.Dense(
        identities, kernel_initializer=tf.keras.initializers.RandomNormal(stddev=0.01), dtype="float32", name="logits"
    )
    return layer(hidden)


def landmark_head(hidden, mean_shape: np.ndarray | None = None):
    """Landmarks `[batch, 5, 2]`, fractions of the crop's width and height.

    Starts at `mean_shape` `[5, 2]`: from a zero bias the first thousand steps would only look for it, and a zero kernel
    would pass no gradient to the trunk.
    """
    shape = TYPICAL_LANDMARKS if mean_shape is None else np.asarray(mean_shape, np.float32)
    layer = tf.keras.layers.Dense(
        2 * LANDMARKS,
        kernel_initializer=tf.keras.initializers.RandomNormal(stddev=0.01),
        bias_initializer=tf.keras.initializers.Constant(shape.reshape(-1).tolist()),
        dtype="float32",
        name="landmark_coordinates",
    )
    return tf.keras.layers.Reshape((LANDMARKS, 2), dtype="float32", name="landmarks")(layer(hidden))


def embedding_head(hidden):
    """L2-normalised K `[batch, width]`."""
    return tf.keras.layers.UnitNormalization(dtype="float32", name="embedding")(hidden)
