"""Tiny networks that keep the output contract, and batches for them."""

import numpy as np
import tensorflow as tf

IMAGE_SIZE = 8
IDENTITIES = 5


def make_network(
    seed: int, *, width: int = 6, identities: int = IDENTITIES, batch_norm: bool = False, l2: float = 0.0, without: tuple[str, ...] = ()
) -> tf.keras.Model:
    """Conv, Flatten, Dense and all four outputs but those in `without`; the same seed gives the same weights."""
    tf.keras.utils.set_random_seed(seed)
    images = tf.keras.Input([IMAGE_SIZE, IMAGE_SIZE, 3])
    x = tf.keras.layers.Conv2D(4, 3, activation="tanh", name="conv")(images)
    if batch_norm:
        x = tf.keras.layers.BatchNormalization(momentum=0.5, name="norm")(x)
    regularizer = tf.keras.regularizers.L2(l2) if l2 else None
    hidden = tf.keras.layers.Dense(width, activation="tanh", kernel_regularizer=regularizer, name="dense")(tf.keras.layers.Flatten()(x))
    coordinates = tf.keras.layers.Dense(10, name="coordinates")(hidden)
    outputs = {
        "hidden": hidden,
        "embedding": tf.keras.layers.UnitNormalization(name="embedding")(hidden),
        "logits": tf.keras.layers.Dense(identities, name="logits")(hidden),
        "landmarks": tf.keras.layers.Reshape((5, 2), name="landmarks")(coordinates),
    }
    return tf.keras.Model(images, {key: value for key, value in outputs.items() if key not in without}, name=f"tiny_{seed}")


def make_batch(seed: int, size: int = 8) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Images from 0 to 1 (larger ones saturate the tiny networks) and targets with two images an identity or more."""
    random = np.random.RandomState(seed)
    identities = random.permutation(np.arange(size) % min(4, size // 2)).astype(np.int32)
    landmarks = random.uniform(0.2, 0.8, [size, 5, 2]).astype(np.float32)
    images = random.uniform(size=[size, IMAGE_SIZE, IMAGE_SIZE, 3]).astype(np.float32)
    return images, {"identity": identities, "landmarks": landmarks}


def snapshot(*parts) -> list[np.ndarray]:
    """Copies of the values of variables, or of all variables of models and layers."""
    variables = [variable for part in parts for variable in (part.variables if hasattr(part, "variables") else [part])]
    return [variable.numpy().copy() for variable in variables]


def assert_same_bits(before: list[np.ndarray], after: list[np.ndarray]) -> None:
    """Fails unless all values are equal, bit for bit."""
    assert [value.tobytes() for value in before] == [value.tobytes() for value in after]
