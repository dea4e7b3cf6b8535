"""Tiny networks of two convolutions, for hints."""

import tensorflow as tf

from tests.networks_for_tests import IDENTITIES, IMAGE_SIZE


def make_hint_network(seed: int, *, channels: int = 4, stride: int = 2, l2: float = 0.0) -> tf.keras.Model:
    """Convolution `shallow` (with a normalization), convolution `deep`, and logits; the same seed gives the same weights."""
    tf.keras.utils.set_random_seed(seed)
    regularizer = tf.keras.regularizers.L2(l2) if l2 else None
    images = tf.keras.Input([IMAGE_SIZE, IMAGE_SIZE, 3])
    x = tf.keras.layers.Conv2D(channels, 3, stride, activation="tanh", kernel_regularizer=regularizer, name="shallow")(images)
    x = tf.keras.layers.BatchNormalization(momentum=0.5, name="norm")(x)
    hidden = tf.keras.layers.Flatten(name="hidden")(tf.keras.layers.Conv2D(2, 2, activation="tanh", name="deep")(x))
    logits = tf.keras.layers.Dense(IDENTITIES, name="logits")(hidden)
    return tf.keras.Model(images, {"hidden": hidden, "logits": logits}, name=f"hint_{seed}")
