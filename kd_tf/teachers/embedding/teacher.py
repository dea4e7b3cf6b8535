"""A teacher from elsewhere: a function from images to embeddings, and how it wants to see a face.

Such a teacher is whatever `python:` stands before, or beside which a file declares its view (`PATH.view.json`; docs/TEACHERS.md). Any
other is a network of this package's contract, which sees what its student sees.
"""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kd_tf.errors import InputError, first_line
from kd_tf.teachers.embedding.functions import (
    PYTHON,
    KerasFunction,
    OnnxFunction,
    PythonFunction,
    SavedModelFunction,
    TeacherFunction,
    python_place,
)
from kd_tf.teachers.embedding.teacher_view import AS_THEY_ARE, TeacherView, read_teacher_view, view_file

_BLOCK = 1 << 20


@dataclasses.dataclass(frozen=True, eq=False)
class EmbeddingTeacher:
    """Photographs of faces, as `view` wants them, to embeddings.

    Attributes:
      who: named in messages, such as `--teacher=PATH`.
      function: what computes the embeddings.
      view: how it sees a face.
    """

    who: str
    function: TeacherFunction
    view: TeacherView

    def __post_init__(self):
        if self.function.dtype.is_integer and (self.view.mean is not None or self.view.scaling != AS_THEY_ARE):
            raise InputError(f"{self.who} takes whole numbers of 0 to 255: its view can have no scaling {self.view.scaling!r}, mean or std")

    @property
    def digest(self) -> str:
        """Of its files and its view; what a function of Python reads besides its own file is not in it."""
        digest = hashlib.sha256(json.dumps([self.function.part, self.view.facts()], sort_keys=True).encode())
        for path in self.function.files:
            with open(path, "rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
        return digest.hexdigest()[:16]

    @functools.cached_property
    def width(self) -> int:
        """Of its embeddings; where its view does not say it is asked about a grey image, which a function may find no face in."""
        if self.view.width is not None:
            return self.view.width
        try:
            return self.probe()
        except InputError as error:
            raise InputError(f"{error} (asked about a grey image, since its view declares no width)") from error

    def probe(self) -> int:
        """The width of its answer to a grey image; errors are those of `embed`."""
        side = self.view.image_size
        return self.embed(np.full([1, side, side, 3], 127.0, np.float32)).shape[1]

    def require(self, *keys: str) -> None:
        """Raises `InputError` where `logits` are asked for."""
        if "logits" in keys:
            raise InputError(f"{self.who} gives embeddings alone, and soft targets and logits need identities: give --targets=hidden")

    def predict(self, batches: tf.data.Dataset, verbose: int = 0) -> np.ndarray:
        """The embeddings of batches `(images, targets)` of `kd_tf.data.pipeline`, float32 `[records, width]`."""
        return np.concatenate([self.embed(images.numpy()) for images, _ in batches])

    def seen_as(self, **changes) -> "EmbeddingTeacher":
        """The same function under another view."""
        return dataclasses.replace(self, view=dataclasses.replace(self.view, **changes))

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Embeddings of images.

        Args:
          images: RGB `[batch, image_size, image_size, 3]` of the view's size, 0 to 255.

        Returns:
          float32 `[batch, width]`.

        Raises:
          InputError: the function fails, or answers with another shape than one row an image or another width than declared.
        """
        inputs = teacher_inputs(tf.constant(images, tf.float32), self.view, self.function.dtype)
        self._check_inputs(inputs.shape)
        try:
            rows = self._answers(inputs if self.function.in_tensorflow else inputs.numpy())
        except InputError:
            raise
        # Others' code may raise anything, and end the program.
        except (Exception, SystemExit) as error:
            raise InputError(f"{self.who} fails on images {list(inputs.shape)}: {type(error).__name__}: {first_line(error)}") from error
        self._check_answers(rows, len(images))
        return rows.astype(np.float32)

    def check_rows(self, rows: np.ndarray, names: Sequence[str]) -> None:
        """Raises `InputError` where a row of `[images, width]` is not finite or zero, with the name of the first such image."""
        finite = np.isfinite(rows)
        wrong = np.flatnonzero(~finite.all(axis=1) | ~rows.any(axis=1))
        if len(wrong):
            first, width = wrong[0], rows.shape[1]
            broken = width - int(finite[first].sum())
            what = f"{broken} of {width} values that are not finite" if broken else f"{width} zeros"
            also = f", and likewise to {len(wrong) - 1} of {len(rows) - 1} other images" if len(wrong) > 1 else ""
            remedy = "check scaling, mean and std of its view, and its output"
            raise InputError(f"{self.who} answers with {what} to {names[first]}{also}: {remedy}")

    def _answers(self, inputs: tf.Tensor | np.ndarray) -> np.ndarray:
        """Of all inputs, as many at a time as the function takes; the last are repeated to fill their number."""
        size = self.function.shape[0]
        if size in (None, len(inputs)):
            return np.asarray(self.function(inputs))
        take = tf.gather if self.function.in_tensorflow else np.take
        places = np.minimum(np.arange(-(-len(inputs) // size) * size), len(inputs) - 1)
        parts = [np.asarray(self.function(take(inputs, part, axis=0))) for part in places.reshape(-1, size)]
        return np.concatenate(parts)[: len(inputs)]

    def _check_inputs(self, given: Sequence[int]) -> None:
        takes = self.function.shape
        if any(size not in (None, ours) for size, ours in zip(takes[1:], given[1:], strict=True)):
            shapes = [[size or "any" for size in shape] for shape in (takes[1:], given[1:])]
            raise InputError(f"{self.who} takes images {shapes[0]}, and its view gives {shapes[1]}: check its image_size and layout")

    def _check_answers(self, rows: np.ndarray, images: int) -> None:
        found, wanted = list(rows.shape), [images, self.view.width or "width"]
        if len(found) != 2 or found[0] != images or found[1] != (self.view.width or found[1]) or not found[1]:
            raise InputError(f"{self.who} answers to {images} images with {found}; wanted is {wanted}")
        # NumPy does not know that bfloat16 is a number.
        if rows.dtype.kind not in "fiu" and rows.dtype != tf.bfloat16.as_numpy_dtype:
            raise InputError(f"{self.who} answers with {rows.dtype}; wanted are numbers")


def teacher_inputs(images: tf.Tensor, view: TeacherView, dtype: tf.DType = tf.float32) -> tf.Tensor:
    """RGB images `[batch, height, width, 3]`, float32 0 to 255, as the teacher's function takes them, in its `dtype`."""
    known = view.shift_and_scale
    images = tf.image.per_image_standardization(images) if known is None else (images - known[0]) / known[1]
    if view.channel_order == "bgr":
        images = tf.reverse(images, [-1])
    if view.layout == "channels_first":
        images = tf.transpose(images, [0, 3, 1, 2])
    return tf.saturate_cast(tf.round(images) if dtype.is_integer else images, dtype)


def is_embedding_teacher(path: str | None) -> bool:
    """Whether `--teacher` names a teacher from elsewhere."""
    if not path or path.startswith(PYTHON):
        return bool(path)
    return has_view(path) or path.endswith(".onnx") or (os.path.exists(os.path.join(path, "saved_model.pb")) and not _by_keras(path))


def has_view(path: str) -> bool:
    """Whether it is declared how the teacher at this path sees a face, which tells it from a student that was exported."""
    return path.startswith(PYTHON) or os.path.isfile(view_file(path))


def _by_keras(path: str) -> bool:
    """Whether a file or folder is one that Keras wrote, as far as the package reads such."""
    return os.path.isfile(path) or os.path.exists(os.path.join(path, "keras_metadata.pb"))


def open_embedding_teacher(path: str, flag: str = "teacher") -> EmbeddingTeacher:
    """Opens a teacher from elsewhere.

    Args:
      path: `python:MODULE:FUNCTION`, a `.keras` or `.onnx` file, or the folder of a SavedModel.
      flag: named in messages.

    Raises:
      InputError: it, or the file with its view, cannot be read.
    """
    who, view = f"--{flag}={path}", declared_view(path, flag)
    if not path.startswith(PYTHON) and not os.path.exists(path):
        raise InputError(f"{who} does not exist, but its view {view_file(path)} does")
    kind = _kind_of_function(path, view)
    if kind is not SavedModelFunction and _names_a_signature(view):
        raise InputError(f"{who} is no SavedModel: its view can have no signature {view.signature!r}")
    return EmbeddingTeacher(who, kind(path, view, who), view)


def _kind_of_function(path: str, view: TeacherView) -> type[TeacherFunction]:
    if path.startswith(PYTHON):
        return PythonFunction
    if path.endswith(".onnx"):
        return OnnxFunction
    # Keras asks for no signature of what it wrote.
    return KerasFunction if _by_keras(path) and not (os.path.isdir(path) and _names_a_signature(view)) else SavedModelFunction


def _names_a_signature(view: TeacherView) -> bool:
    return view.signature != TeacherView.signature


def declared_view(path: str, flag: str = "teacher") -> TeacherView:
    """How the teacher from elsewhere at this path sees a face, without opening it; arguments and errors as above."""
    who = f"--{flag}={path}"
    file = _declared_in(path, who)
    if not os.path.isfile(file):
        if not path.startswith(PYTHON) and not os.path.exists(path):
            raise InputError(f"{who} does not exist")
        example = '{"image_size": 112, "channel_order": "rgb"}'
        raise InputError(f"{who} needs its view in {file}, such as {example} (docs/TEACHERS.md)")
    return read_teacher_view(file)


def _declared_in(path: str, who: str) -> str:
    """That of a function of Python lies beside its module: `MODULE.FUNCTION.view.json`."""
    if not path.startswith(PYTHON):
        return view_file(path)
    module, function = python_place(path, who)
    return view_file(f"{os.path.splitext(module)[0]}.{function}")
