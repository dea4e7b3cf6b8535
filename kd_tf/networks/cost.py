"""What a network costs to run."""

import math

import tensorflow as tf

from kd_tf.errors import InputError


def trained_parameters(network: tf.keras.Model) -> int:
    """How many numbers training changes."""
    return sum(variable.shape.num_elements() for variable in network.trainable_variables)


def multiply_adds(network: tf.keras.Model) -> int:
    """How many multiplications with a weight, each with its addition, the convolutions and dense layers need for one image.

    Half of what is called floating point operations. They are counted in the network's graph, so a layer counts each time that it is used,
    in models and functions inside the network too. Normalization, activation and pooling count nothing.

    Args:
      network: of one input `[batch, ...]`.

    Raises:
      InputError: its input has a size that is not fixed.
    """
    shape = network.input_shape[1:]
    if None in shape:
        raise InputError(f"the multiply-adds of {network.name!r} depend on the size of its input, which is {list(shape)}: fix it")
    call = tf.function(lambda images: network(images, training=False))
    return _of_graph(call.get_concrete_function(tf.TensorSpec([1, *shape], network.inputs[0].dtype)).graph)


def _of_graph(graph: tf.Graph) -> int:
    total = 0
    for operation in graph.get_operations():
        if operation.type in _COUNTED:
            total += _COUNTED[operation.type](operation)
        elif operation.type in _CALLS:
            # Keras compiles convolutions in groups by themselves.
            total += _of_graph(graph._get_function(operation.get_attr("f").name).graph)
    return total


def _of_convolution(operation: tf.Operation) -> int:
    """Each weight once at each place of the output; a kernel has only the channels of its own group."""
    channels = operation.get_attr("data_format").decode().index("C")
    # A function may have been made for any batch.
    places = [size or 1 for axis, size in enumerate(operation.outputs[0].shape) if axis != channels]
    return math.prod(places) * math.prod(operation.inputs[1].shape)


def _of_product(operation: tf.Operation) -> int:
    rows = operation.outputs[0].shape[0] or 1
    return rows * math.prod(operation.inputs[1].shape)


_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_COUNTED = {"Conv2D": _of_convolution, "DepthwiseConv2dNative": _of_convolution, "MatMul": _of_product}
