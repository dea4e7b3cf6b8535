"""The part of a network up to a stage: what FitNets' hints are taken from and trained in."""

import re

import tensorflow as tf

from kd_tf.errors import InputError


def stage_network(network: tf.keras.Model, stage: str) -> tf.keras.Model:
    """The network from its images to the output of a stage; layers are shared, and keep their paths (initialization.py).

    Args:
      network: functional.
      stage: `stage2` to `stage5` of this package's trunks, or the name of a layer.

    Returns:
      A model from images to a dict of `hidden`, float32 `[batch, height, width, channels]`.

    Raises:
      InputError: there is no such stage; the message names those that are there.
    """
    trunk = next((layer for layer in network.layers if layer.name == "trunk" and isinstance(layer, tf.keras.Model)), None)
    layer = _stage_layer(trunk or network, stage)
    features = tf.keras.Model((trunk or network).inputs, layer.output, name=(trunk or network).name)
    to_float32 = tf.keras.layers.Activation("linear", dtype="float32", name="hidden")
    if trunk is None:
        return tf.keras.Model(features.inputs, {"hidden": to_float32(features.output)}, name=network.name)
    images = tf.keras.Input(network.input_shape[1:], name="images")
    return tf.keras.Model(images, {"hidden": to_float32(features(images))}, name=network.name)


def _stage_layer(network: tf.keras.Model, stage: str) -> tf.keras.layers.Layer:
    """The layer of that name, or the last one of a stage."""
    named = [layer for layer in network.layers if layer.name == stage]
    of_stage = named or [layer for layer in network.layers if layer.name.startswith(f"{stage}_")]
    if not of_stage:
        stages = sorted({match[0] for layer in network.layers if (match := re.match(r"stage\d+(?=_)", layer.name))})
        known = ", ".join(stages) if stages else f"its layers, such as {', '.join(layer.name for layer in network.layers[1:4])}"
        raise InputError(f"--hint_stage={stage} is not in {network.name!r}, which has {known}")
    return of_stage[-1]
