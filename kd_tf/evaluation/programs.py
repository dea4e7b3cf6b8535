"""Exported files, loaded: whatever runs them, photographs go in and answers come out.

The answers are, as far as the network has them, float32 `embedding` `[batch, width]`, `probabilities` `[batch, identities]` and `landmarks`
`[batch, 5, 2]`, in pixels of the given image (the centre of the first pixel is at 0, 0).
"""

import os
import warnings
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import tensorflow as tf

from kd_tf.errors import InputError, first_line
from kd_tf.teachers.embedding.teacher_view import view_file

BATCH, SINGLE = "serving_default", "single_image"
ENDINGS = (".tflite", ".onnx")


class Program(Protocol):
    """An exported model that answers images.

    Attributes:
      outputs: the shapes of its answers by name; what depends on the images is None or 1.
    """

    outputs: Mapping[str, tuple]

    def answer_batch(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The answers to images of one size, uint8 RGB `[batch, height, width, 3]`."""

    def answer_image(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """The answers to one image, uint8 RGB `[height, width, 3]`, without the dimension of the batch."""


def is_exported(path: str) -> bool:
    """Whether `path` is a file of `kd-export`, or its folder with a SavedModel, and not one that Keras can load."""
    if path.endswith(ENDINGS):
        return True
    return os.path.exists(os.path.join(path, "saved_model.pb")) and not os.path.exists(os.path.join(path, "keras_metadata.pb"))


def open_program(path: str, threads: int | None = None) -> Program:
    """Loads an exported model.

    Args:
      path: a `.tflite` or `.onnx` file, or the folder of a SavedModel.
      threads: how many compute; None: as many as its runtime likes. Those of a SavedModel are TensorFlow's own.

    Raises:
      InputError: it cannot be loaded, is not one of `kd-export`, or its runtime is not installed.
    """
    if path.endswith(ENDINGS) and not os.path.exists(path):
        raise InputError(f"--model={path} does not exist")
    if path.endswith(".tflite"):
        return TfliteProgram(path, threads)
    return OnnxProgram(path, threads) if path.endswith(".onnx") else SavedModelProgram(path)


class SavedModelProgram:
    """See `Program`."""

    def __init__(self, path: str):
        try:
            # A signature does not keep alive what it was loaded with.
            self._model = tf.saved_model.load(path)
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise InputError(f"--model={path} cannot be loaded: {first_line(error)}") from error
        # Models of earlier versions lack the second one; their landmarks are fractions.
        _require_signatures(path, self._model.signatures)
        self._batch, self._single = (self._model.signatures[name] for name in (BATCH, SINGLE))
        self.outputs = {key: tuple(spec.shape) for key, spec in self._batch.structured_outputs.items()}

    def answer_batch(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """See `Program`."""
        return _arrays(self._batch(images=tf.constant(images)))

    def answer_image(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """See `Program`."""
        return _arrays(self._single(image=tf.constant(image)))


class TfliteProgram:
    """See `Program`."""

    def __init__(self, path: str, threads: int | None = None):
        try:
            with warnings.catch_warnings():
                # Later versions of TensorFlow say that it will move to another package.
                warnings.simplefilter("ignore", UserWarning)
                self._interpreter = tf.lite.Interpreter(model_path=path, num_threads=threads)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"--model={path} cannot be loaded: {first_line(error)}") from error
        _require_signatures(path, self._interpreter.get_signature_list())
        self._batch, self._single = (self._interpreter.get_signature_runner(name) for name in (BATCH, SINGLE))
        self.outputs = {key: tuple(details["shape"]) for key, details in self._batch.get_output_details().items()}

    def answer_batch(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """See `Program`."""
        return self._batch(images=images)

    def answer_image(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """See `Program`."""
        return self._single(image=image)


class OnnxProgram:
    """See `Program`; a single image is a batch of one."""

    def __init__(self, path: str, threads: int | None = None):
        try:
            import onnxruntime
        except ImportError as error:
            raise InputError(f"--model={path} needs onnxruntime, which is not installed: pip install 'kd_tf[export]'") from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads or 0
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        # Its errors have no class in common.
        except Exception as error:
            raise InputError(f"--model={path} cannot be loaded: {first_line(error)}") from error
        found = [one.name for one in self._session.get_inputs()]
        if found != ["images"]:
            inputs = ", ".join(found)
            raise InputError(f"--model={path} is not of kd-export: its inputs are {inputs} instead of images; {_remedy(path)}")
        self.outputs = {one.name: tuple(one.shape) for one in self._session.get_outputs()}

    def answer_batch(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """See `Program`."""
        return dict(zip(self.outputs, self._session.run(None, {"images": images}), strict=True))

    def answer_image(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """See `Program`."""
        return {key: value[0] for key, value in self.answer_batch(image[np.newaxis]).items()}


def _require_signatures(path: str, found: Mapping) -> None:
    for name in (BATCH, SINGLE):
        if name not in found:
            has = ", ".join(sorted(found)) or "none"
            raise InputError(f"--model={path} lacks the signature {name!r} that kd-export writes (it has: {has}); {_remedy(path)}")


def _remedy(path: str) -> str:
    return f"export it again, or declare the view of a teacher from elsewhere in {view_file(path)}"


def _arrays(answers: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    return {key: value.numpy() for key, value in answers.items()}
