"""A network made again, layer by layer, with the same weights."""

from collections.abc import Callable

import tensorflow as tf

from kd_tf.networks.resnet import batch_norm_precision

ConfigOf = Callable[[tf.keras.layers.Layer, tf.keras.layers.Layer], dict]


def is_functional(network: tf.keras.Model) -> bool:
    """Whether it can be rebuilt: it is a functional model, and so are all models inside it."""
    inside = (layer for layer in network.layers if isinstance(layer, tf.keras.Model))
    return bool(getattr(network, "inputs", None)) and all(is_functional(layer) for layer in inside)


def rebuild(network: tf.keras.Model, config_of: ConfigOf) -> tf.keras.Model:
    """A network of the same layers and weights, under the distribution strategy of the caller.

    Args:
      network: functional; it is not changed.
      config_of: gives the configuration of a layer, as `Layer.get_config` does. Its second argument is the layer of `network` that the
        first is inside of, or the first itself.
    """
    clone = _without_weights(network, config_of)
    clone.set_weights(network.get_weights())
    for layer in clone.submodules:
        if is_adapted(layer):
            layer.finalize_state()
    return clone


def with_synchronized_batch_norms(network: tf.keras.Model) -> tf.keras.Model:
    """Its batch norms take their statistics from the global batch, so that several replicas compute what one does.

    They compute in float32: variances come as differences of means of squares.
    """
    return rebuild(network, lambda layer, _: _config_with(layer, synchronized=True, dtype="float32"))


def has_synchronized_batch_norms(network: tf.keras.Model) -> bool:
    """Whether some of its batch norms take their statistics from the global batch."""
    return any(getattr(layer, "synchronized", False) for layer in network.submodules)


def without_synchronized_batch_norms(network: tf.keras.Model, precision: str) -> tf.keras.Model:
    """As one device has it: alone, with the fast kernel, and with batch norms that compute in `precision` where they are wide enough."""

    def config_of(layer, _):
        if not isinstance(layer, tf.keras.layers.BatchNormalization):
            return layer.get_config()
        return _config_with(layer, synchronized=False, dtype=batch_norm_precision(layer.moving_mean.shape[0], precision))

    return rebuild(network, config_of)


def is_adapted(layer: tf.Module) -> bool:
    """Whether it is one of Keras' preprocessing layers, whose weights have the precision that they compute in."""
    return hasattr(layer, "adapt")


def _config_with(layer: tf.keras.layers.Layer, **options) -> dict:
    """The configuration of a layer, and of a batch norm with other options."""
    return layer.get_config() | (options if isinstance(layer, tf.keras.layers.BatchNormalization) else {})


def _without_weights(network: tf.keras.Model, config_of: ConfigOf, outermost: tf.keras.layers.Layer | None = None) -> tf.keras.Model:
    def clone_layer(layer):
        if isinstance(layer, tf.keras.Model):
            return _without_weights(layer, config_of, outermost or layer)
        return type(layer).from_config(config_of(layer, outermost or layer))

    return tf.keras.models.clone_model(network, clone_function=clone_layer)
