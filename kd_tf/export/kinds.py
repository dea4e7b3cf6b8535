"""What can be exported: formats, what TFLite files are quantized to, their files, and how far each may be from the network."""

import os
from typing import NamedTuple

from kd_tf.errors import InputError

FORMATS = ("savedmodel", "tflite", "onnx")
QUANTIZATIONS = ("none", "float16", "dynamic", "int8")
_SAVED_MODEL_PARTS = ("saved_model.pb", "fingerprint.pb", "variables", "assets")


class Kind(NamedTuple):
    """One exported file.

    Attributes:
      title: for people.
      format: one of `FORMATS`.
      quantization: one of `QUANTIZATIONS`.
      file: its name in the output folder; "" for the SavedModel, which is the folder itself.
      tolerance: how far its answers may be from the network's; see `kd_tf.export.check`.
    """

    title: str
    format: str
    quantization: str
    file: str
    tolerance: float

    def path(self, folder: str) -> str:
        """Where it is in the output folder."""
        return os.path.join(folder, self.file) if self.file else folder

    def exists(self, folder: str) -> bool:
        """Whether the output folder has it."""
        return os.path.exists(os.path.join(folder, self.file or _SAVED_MODEL_PARTS[0]))

    def size(self, folder: str) -> int:
        """Bytes of its files."""
        if self.file:
            return os.path.getsize(self.path(folder))
        return sum(_bytes(os.path.join(folder, part)) for part in _SAVED_MODEL_PARTS)


KINDS = (
    Kind("SavedModel float32", "savedmodel", "none", "", 1e-4),
    Kind("ONNX float32", "onnx", "none", "student.onnx", 1e-3),
    Kind("TFLite float32", "tflite", "none", "student.tflite", 1e-3),
    Kind("TFLite float16", "tflite", "float16", "student_float16.tflite", 0.02),
    Kind("TFLite dynamic", "tflite", "dynamic", "student_dynamic.tflite", 0.05),
    Kind("TFLite int8", "tflite", "int8", "student_int8.tflite", 0.15),
)


def chosen_kinds(formats: tuple[str, ...], quantizations: tuple[str, ...]) -> tuple[Kind, ...]:
    """What `--format` and `--quantize` ask for: SavedModel and ONNX are float32, TFLite has a file for each quantization.

    Raises:
      InputError: one is unknown, or there is nothing to quantize.
    """
    for flag, values, known in (("format", formats, FORMATS), ("quantize", quantizations, QUANTIZATIONS)):
        unknown = [value for value in values if value not in known]
        if unknown or not values:
            raise InputError(f"--{flag}={','.join(unknown or values)} is unknown; known: {', '.join(known)}")
    if quantizations != ("none",) and "tflite" not in formats:
        raise InputError(
            f"--quantize={','.join(quantizations)} is for --format=tflite, and --format={','.join(formats)} has none; "
            "SavedModel and ONNX files are float32"
        )
    return tuple(
        kind for kind in KINDS if kind.format in formats and (kind.quantization in quantizations if kind.format == "tflite" else True)
    )


def _bytes(path: str) -> int:
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)
