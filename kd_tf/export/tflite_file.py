"""TFLite files with the operations that every TFLite runtime has."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated
from tensorflow.lite.python.convert import ConverterError
from tensorflow.lite.tools import flatbuffer_utils

from kd_tf.errors import InputError, first_line
from kd_tf.evaluation.programs import BATCH, SINGLE
from kd_tf.tensorflow_line import standard_error_kept

_OPERATIONS = {number: name for name, number in vars(schema_py_generated.BuiltinOperator).items() if not name.startswith("_")}
# What becomes int8: what a trunk is made of, and costs. The photograph, its view, the pooled hidden layer and the heads after it stay
# float32: 8 bits are too few for a place in a photograph, for a landmark, and for the nearest of many identities.
INT8_OPERATIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "PAD", "PADV2", "MAX_POOL_2D")


def tflite_file(saved_model: str, quantization: str, calibration: Sequence[np.ndarray] = ()) -> bytes:
    """Converts a SavedModel of a portable `ServedNetwork`.

    Args:
      saved_model: its folder.
      quantization: `none`; `float16`: the weights; `dynamic`: the weights as int8, what they are multiplied with as it comes;
        `int8`: weights and activations of `INT8_OPERATIONS`.
      calibration: uint8 `[height, width, 3]`, images whose activations say what 8 bits stand for (`int8`).

    Raises:
      InputError: the network has an operation that TFLite lacks.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=[BATCH, SINGLE])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    # The converter counts operations there.
    with standard_error_kept():
        try:
            found = _int8(saved_model, converter, calibration) if quantization == "int8" else converter.convert()
        except ConverterError as error:
            # Raised here, it would have all that printed too.
            found = error
    if isinstance(found, ConverterError):
        raise InputError(f"--format=tflite: the network has operations that TFLite lacks: {_unknown_operations(found)}") from found
    return _shared_weights(found)


def _unknown_operations(error: ConverterError) -> str:
    """Those that it names at its end, after all the places where it met them."""
    found = re.findall(r"(?:TF Select|Custom) ops: (.*)", str(error))
    return ", ".join(found) or first_line(error)


def _int8(saved_model: str, converter: tf.lite.TFLiteConverter, calibration: Sequence[np.ndarray]) -> bytes:
    def examples() -> Iterator[tuple[str, dict]]:
        for image in calibration:
            yield BATCH, {"images": image[np.newaxis]}
            yield SINGLE, {"image": image}

    converter.representative_dataset = examples
    kept = sorted(_operations(tflite_file(saved_model, "none")) - set(INT8_OPERATIONS))
    # The only part of the converter that can be told what to leave alone.
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=kept)
    debugger = tf.lite.experimental.QuantizationDebugger(converter=converter, debug_dataset=examples, debug_options=options)
    return debugger.get_nondebug_quantized_model()


def _operations(file: bytes) -> set[str]:
    """The names of the operations of a TFLite file."""
    return {operation_name(code) for code in flatbuffer_utils.convert_bytearray_to_object(bytearray(file)).operatorCodes}


def operation_name(code: schema_py_generated.OperatorCodeT) -> str:
    """TensorFlow's own function for this takes attributes that Python 3.13 gives to every class for names of operations."""
    # Early ones are in a field of 8 bits, the others in both.
    return _OPERATIONS[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _shared_weights(file: bytes) -> bytes:
    """The file with each of its arrays once: the converter writes quantized weights for each signature."""
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(file))
    first: dict[bytes, int] = {}
    places = {}
    for place, buffer in enumerate(model.buffers):
        content = b"" if buffer.data is None else bytes(buffer.data)
        places[place] = first.setdefault(content, place) if content else place
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = places[tensor.buffer]
    for place, same in places.items():
        if same != place:
            model.buffers[place].data = None
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
