"""What a teacher from elsewhere computes: a Keras model, a SavedModel, an ONNX file or a function of Python.

Each is called with a batch of images as its `TeacherView` says, and answers with embeddings `[batch, width]`. In messages it is `who`, such
as `--teacher=PATH`.
"""

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np
import tensorflow as tf

from kd_tf.errors import InputError, first_line
from kd_tf.teachers.embedding.teacher_view import TeacherView

PYTHON = "python:"
_ANY = (None,) * 4
_OF_ONNX = {"tensor(float)": tf.float32, "tensor(float16)": tf.float16, "tensor(double)": tf.float64, "tensor(uint8)": tf.uint8}


class TeacherFunction(Protocol):
    """Images to embeddings.

    Attributes:
      files: what it was read from; another content is another teacher.
      part: which part of its files it is, where they hold several.
      in_tensorflow: whether TensorFlow can run it within a graph.
      dtype: of the images that it takes.
      shape: of a batch of them, as far as it says so; None stands for any size.
    """

    files: list[str]
    part: str
    in_tensorflow: bool
    dtype: tf.DType
    shape: tuple[int | None, ...]

    def __call__(self, images):
        """Embeddings `[batch, width]` of images: tensors where `in_tensorflow`, else arrays."""


class KerasFunction:
    """A Keras model in inference mode."""

    in_tensorflow, part, dtype = True, "", tf.float32

    def __init__(self, path: str, view: TeacherView, who: str):
        self.files = _files_below(path)
        try:
            self._model = tf.keras.models.load_model(path, compile=False)
        # A model of a user's own making may raise anything.
        except Exception as error:
            raise InputError(f"{who} cannot be read as a Keras model: {first_line(error)}") from error
        self.shape = _sizes(getattr(self._model, "input_shape", None))
        self._choose = lambda answers: _chosen(answers, view.output, who)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """See `TeacherFunction`."""
        return self._choose(self._model(images, training=False))


class SavedModelFunction:
    """A signature of a SavedModel that takes one tensor."""

    in_tensorflow, part = True, ""

    def __init__(self, path: str, view: TeacherView, who: str):
        self.files = _files_below(path)
        try:
            # A signature does not keep alive what it was loaded with.
            self._model = tf.saved_model.load(path)
        except Exception as error:
            raise InputError(f"{who} cannot be read as a SavedModel: {first_line(error)}") from error
        signatures = self._model.signatures
        if view.signature not in signatures:
            raise InputError(f"{who} lacks the signature {view.signature!r}; it has: {_listed(signatures)}")
        self._signature = signatures[view.signature]
        inputs = self._signature.structured_input_signature[1]
        if len(inputs) != 1:
            raise InputError(f"{who}: the signature {view.signature!r} takes {_listed(inputs)}; wanted is one tensor of images")
        ((self._input, spec),) = inputs.items()
        if not (spec.dtype.is_floating or spec.dtype.is_integer):
            raise InputError(f"{who}: the signature {view.signature!r} takes {spec.dtype.name}; wanted are pixels, as numbers")
        self.dtype, self.shape = spec.dtype, _sizes(spec.shape.as_list() if spec.shape.rank else None)
        self._choose = lambda answers: _chosen(answers, view.output, who)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """See `TeacherFunction`."""
        return self._choose(self._signature(**{self._input: images}))


class OnnxFunction:
    """An ONNX file that takes one tensor, by onnxruntime on the CPU."""

    in_tensorflow, part = False, ""

    def __init__(self, path: str, view: TeacherView, who: str):
        try:
            import onnx
            import onnxruntime
        except ImportError as error:
            raise InputError(f"{who} needs onnx and onnxruntime ({error}): pip install 'kd_tf[export]'") from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        # Its errors have no class in common.
        except Exception as error:
            raise InputError(f"{who} cannot be read as an ONNX file: {first_line(error)}") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            names = _listed(one.name for one in inputs)
            raise InputError(f"{who} takes {names}; wanted is one tensor of images")
        if inputs[0].type not in _OF_ONNX:
            raise InputError(f"{who} takes {inputs[0].type}; known: {', '.join(_OF_ONNX)}")
        graph = onnx.load(path, load_external_data=False).graph
        self.files = [path, *_external_weights(graph, os.path.dirname(path))]
        self.dtype, self.shape = _OF_ONNX[inputs[0].type], _sizes(inputs[0].shape)
        self._input = inputs[0].name
        self._choose = lambda answers: _chosen(answers, view.output, who)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """See `TeacherFunction`."""
        names = [one.name for one in self._session.get_outputs()]
        return self._choose(dict(zip(names, self._session.run(None, {self._input: images}), strict=True)))


class PythonFunction:
    """`python:MODULE:FUNCTION`, from uint8 images as the view says to embeddings; MODULE is a name, or the path of a `.py` file.

    What it reads besides its own file is not looked at: `files` has the file alone.
    """

    in_tensorflow, dtype, shape = False, tf.uint8, _ANY

    def __init__(self, path: str, view: TeacherView, who: str):
        file, self.part = python_place(path, who)
        self.files = [file]
        self._function = _imported(path, file, self.part, who)
        # A list may be one of rows.
        self._choose = lambda answers: answers if isinstance(answers, list) else _chosen(answers, view.output, who)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """See `TeacherFunction`."""
        return np.asarray(self._choose(self._function(images)))


def python_place(path: str, who: str) -> tuple[str, str]:
    """The file and the name of `python:MODULE:FUNCTION`.

    Raises:
      InputError: it is written otherwise, or there is no such module.
    """
    module, separator, function = path.removeprefix(PYTHON).rpartition(":")
    if not (separator and module and function.isidentifier()):
        raise InputError(f"{who} cannot be read; wanted is python:MODULE:FUNCTION, or python:FILE.py:FUNCTION")
    if module.endswith(".py"):
        file = os.path.abspath(os.path.expanduser(module))
        if not os.path.isfile(file):
            raise InputError(f"{who}: {file} does not exist")
        return file, function
    with _on_path(os.getcwd()):
        try:
            spec = importlib.util.find_spec(module)
        # It imports the packages that the module is in, which may raise anything.
        except Exception as error:
            raise InputError(f"{who}: the module {module} is not found: {first_line(error)}") from error
    if spec is None or not spec.origin or not os.path.isfile(spec.origin):
        raise InputError(f"{who}: the module {module} is not found, or has no file")
    return spec.origin, function


def _imported(path: str, file: str, function: str, who: str) -> Callable:
    """The function, from its module; modules that lie beside it can be imported too."""
    module = path.removeprefix(PYTHON).rpartition(":")[0]
    try:
        with _on_path(os.path.dirname(file) if module.endswith(".py") else os.getcwd()):
            found = _module_of_file(file) if module.endswith(".py") else importlib.import_module(module)
    # A module of a user's own making may raise anything, and a script parses its flags.
    except (Exception, SystemExit) as error:
        raise InputError(f"{who}: {file} cannot be imported: {type(error).__name__}: {first_line(error)}") from error
    if not callable(getattr(found, function, None)):
        raise InputError(f"{who}: {file} has no function {function}")
    return getattr(found, function)


def _module_of_file(file: str):
    name = f"_teacher_{os.path.splitext(os.path.basename(file))[0]}"
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    # Where its dataclasses look for it.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _on_path(folder: str) -> Iterator[None]:
    """Console scripts find modules beside themselves only; what a function imports when it is called is not found either."""
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _chosen(answers, output: str | None, who: str):
    """The embedding among a network's answers: the one that is named, or the only one."""
    named = answers if isinstance(answers, dict) else dict(enumerate(answers)) if isinstance(answers, list | tuple) else None
    if named is None:
        if output is not None:
            raise InputError(f"{who} has one answer, which has no name; its view says output {output!r}: leave it out")
        return answers
    if output is None and len(named) == 1:
        return next(iter(named.values()))
    by_text = {str(name): value for name, value in named.items()}
    if output not in by_text:
        declared = "names none of them: declare output" if output is None else f"says output {output!r}"
        raise InputError(f"{who} answers with {_listed(by_text)}; its view {declared}")
    return by_text[output]


def _sizes(shape) -> tuple[int | None, ...]:
    """The shape of a batch of images, as a library says it: sizes that are not known may be None, a name or -1."""
    if shape is None or len(shape) != len(_ANY):
        return _ANY
    return tuple(size if isinstance(size, int) and size > 0 else None for size in shape)


def _files_below(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)


def _external_weights(graph, folder: str) -> list[str]:
    """The files in the folder of an ONNX file that hold its large tensors; those of a small one are in itself."""
    names = {entry.value for tensor in graph.initializer for entry in tensor.external_data if entry.key == "location"}
    return sorted(os.path.join(folder, name) for name in names)


def _listed(names: Iterable) -> str:
    return ", ".join(sorted(map(str, names))) or "none"
