"""Networks that compute in another precision than they were saved in."""

import tensorflow as tf

from kd_tf.errors import InputError, first_line
from kd_tf.networks.rebuilt import is_adapted, is_functional, rebuild

PRECISIONS = ("float32", "bfloat16", "float16")


def in_float32(network: tf.keras.Model) -> tf.keras.Model:
    """A network with the same weights and no layer in mixed precision; other models than functional ones come back as they are."""
    return in_precision(network, "float32") if is_functional(network) else network


def in_precision(network: tf.keras.Model, precision: str, flag: str = "precision") -> tf.keras.Model:
    """A network with the same weights that computes in `precision`, or `network` itself where it does so already; weights stay float32.

    Below float32, the layer that makes `hidden` and the heads after it stay float32, as they do in training. A network without `hidden`
    keeps the layers that make its outputs.

    Args:
      network: functional, unless it computes in float32 and is to stay so; it is not changed.
      precision: one of `PRECISIONS`, or the name of their policy in Keras (`mixed_bfloat16`).
      flag: named in messages.

    Raises:
      InputError: an unknown precision, a model that is not functional, or one with a layer that cannot compute so.
    """
    kind = precision.removeprefix("mixed_")
    if kind not in PRECISIONS:
        raise InputError(f"--{flag}={precision} is unknown; known: {', '.join(PRECISIONS)}")
    if kind == "float32" and not _is_mixed(network):
        return network
    if not is_functional(network):
        raise InputError(f"--{flag}={precision} needs a functional Keras model, which {network.name!r} is not; leave the flag out")
    lowered = set() if kind == "float32" else _layers_before_hidden(network)
    try:
        return rebuild(network, lambda layer, outermost: _with_policy(layer, f"mixed_{kind}" if outermost in lowered else "float32"))
    except (ValueError, TypeError, NotImplementedError, tf.errors.OpError) as error:
        raise InputError(f"--{flag}={precision}: the layers of {network.name!r} cannot compute so: {first_line(error)}") from error


def _is_mixed(network: tf.keras.Model) -> bool:
    layers = [layer for layer in network.submodules if isinstance(layer, tf.keras.layers.Layer)]
    return any(layer.compute_dtype in ("bfloat16", "float16") for layer in layers)


def _layers_before_hidden(network: tf.keras.Model) -> set[tf.keras.layers.Layer]:
    """What `hidden` is made from; a model that makes it belongs to it, a single layer does not."""
    end = network.output["hidden"] if isinstance(network.output, dict) and "hidden" in network.output else network.output
    last = {tensor.node.layer for tensor in tf.nest.flatten(end)}
    layers = tf.keras.Model(network.inputs, end).layers
    return {layer for layer in layers if layer not in last or isinstance(layer, tf.keras.Model)}


def _with_policy(layer: tf.keras.layers.Layer, policy: str) -> dict:
    return _replaced(layer.get_config(), "float32" if is_adapted(layer) else policy)


def _replaced(config, policy: str):
    """A layer's configuration and those of the layers inside it; integer types stay."""
    if isinstance(config, dict):
        return {key: policy if key == "dtype" and _is_policy(value) else _replaced(value, policy) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [_replaced(item, policy) for item in config]
    return config


def _is_policy(dtype) -> bool:
    return dtype == "float32" or (isinstance(dtype, dict) and dtype.get("class_name") == "Policy")
