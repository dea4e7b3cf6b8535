"""ONNX files with the standard operators, made by tf2onnx."""

import logging
from typing import TYPE_CHECKING

from kd_tf.errors import InputError, first_line
from kd_tf.export.served import ServedNetwork

if TYPE_CHECKING:
    import onnx

# Of 2022: known to every runtime that is still in use, and to tf2onnx.
OPERATOR_SET = 17


def check_converter() -> None:
    """Raises `InputError` where a library that ONNX files need is not installed."""
    for library in ("tf2onnx", "onnx", "onnxruntime"):
        try:
            __import__(library)
        except ImportError as error:
            raise InputError(f"--format=onnx needs {library}, which is not installed: pip install 'kd_tf[export]'") from error


def onnx_file(served: ServedNetwork) -> bytes:
    """Converts the batch signature of a portable `ServedNetwork`: from `images` to its answers by name.

    Raises:
      InputError: the network has an operation that ONNX lacks.
    """
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    function = served.from_images
    try:
        model, _ = tf2onnx.convert.from_function(function, input_signature=function.input_signature, opset=OPERATOR_SET)
    # Its errors have no class in common.
    except Exception as error:
        raise InputError(f"--format=onnx: the network cannot become an ONNX file: {first_line(error)}") from error
    unknown = sorted(_unknown_operators(model.graph))
    if unknown:
        raise InputError(f"--format=onnx: the network has operations that ONNX lacks: {', '.join(unknown)}")
    return model.SerializeToString()


def _unknown_operators(graph: "onnx.GraphProto") -> set[str]:
    """Those that the converter left as TensorFlow calls them."""
    import onnx

    found = {node.op_type for node in graph.node if not onnx.defs.has(node.op_type, node.domain)}
    inner = (attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g"))
    return found.union(*map(_unknown_operators, inner))
