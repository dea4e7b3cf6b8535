"""ONNX files with the standard operators, made by tf2onnx."""

import logging

from kd_tf.errors import InputError
from kd_tf.export.served import ServedNetwork

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
    """Converts the batch signature of a portable `ServedNetwork`: from `images` to its answers by name."""
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    function = served.from_images
    model, _ = tf2onnx.convert.from_function(function, input_signature=function.input_signature, opset=OPERATOR_SET)
    return model.SerializeToString()
