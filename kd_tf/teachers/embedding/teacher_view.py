"""How a teacher from elsewhere sees a face: what the file beside it declares."""

import dataclasses
import json
import os
from collections.abc import Sequence

import numpy as np

from kd_tf.data.aligned import TEMPLATE_LANDMARKS, align, unaligned
from kd_tf.data.source import Source
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError

CHANNEL_ORDERS = ("rgb", "bgr")
LAYOUTS = ("channels_last", "channels_first")
STANDARDIZED = "standardized"
# What is subtracted from pixels of 0 to 255, and what they are divided by then.
AS_THEY_ARE = "0..255"
SCALINGS = {AS_THEY_ARE: (0.0, 1.0), "0..1": (0.0, 255.0), "-1..1": (127.5, 127.5)}
_ENDING = ".view.json"


@dataclasses.dataclass(frozen=True)
class TeacherView:
    """What a teacher is shown of a record, and which of its answers is the embedding.

    The crop, flip and jitter of a training view are those that the student sees, at this size.

    Attributes:
      image_size: height and width of its images, in pixels.
      central_fraction: the share of the record's width and height that is used, around its centre; of that, room for random crops taken
        off, the teacher is shown 7/8.
      align: whether faces are aligned by their five landmarks first (kd_tf/data/aligned.py); those without landmarks are cut.
      template: with `align`, where these points lie in its images, five of (x, y) as fractions in CelebA's order; None: where most face
        networks have them.
      channel_order: `rgb` or `bgr`.
      scaling: one of `SCALINGS`; `standardized`: each image to mean 0 and variance 1.
      mean: in place of `scaling`, what is subtracted of red, green and blue (0 to 255).
      std: with `mean`, what they are divided by then.
      layout: `channels_last` (`[batch, height, width, 3]`) or `channels_first`.
      signature: of a SavedModel.
      output: which of several answers is the embedding.
      width: of the embedding, checked; None: whatever comes.
      accuracy: percent of labelled pairs that the teacher tells right, as its makers say; the admission test compares.

    Raises:
      InputError: a value that cannot be meant.
    """

    image_size: int
    central_fraction: float = 1.0
    align: bool = False
    template: Sequence[Sequence[float]] | None = None
    channel_order: str = "rgb"
    scaling: str = AS_THEY_ARE
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    layout: str = "channels_last"
    signature: str = "serving_default"
    output: str | None = None
    width: int | None = None
    accuracy: float | None = None

    def __post_init__(self):
        _require_choice("channel_order", self.channel_order, CHANNEL_ORDERS)
        _require_choice("scaling", self.scaling, (*SCALINGS, STANDARDIZED))
        _require_choice("layout", self.layout, LAYOUTS)
        if (self.mean is None) != (self.std is None):
            raise InputError("mean and std belong together: give both, for red, green and blue, or a scaling")
        if self.template is not None:
            object.__setattr__(self, "template", _points(self.template, self.align))
        for name in ("mean", "std"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _colours(name, getattr(self, name)))
        if self.std is not None and not all(self.std):
            raise InputError(f"std {list(self.std)} must not be 0")
        if self.mean is not None and 0 < np.abs(self.mean).max() <= 1:
            raise InputError(f"mean {list(self.mean)} is of colours from 0 to 1: wanted are mean and std of 0 to 255, 255 times as much")
        if self.width is not None and self.width < 1:
            raise InputError(f"width {self.width} must be at least 1")
        if self.accuracy is not None and not 50 <= self.accuracy <= 100:
            raise InputError(f"accuracy {self.accuracy} must be from 50 to 100, percent of labelled pairs")
        self._of(ViewConfig())

    def sees(self, source: Source, view: ViewConfig) -> tuple[Source, ViewConfig]:
        """The source and the view of it that this teacher sees where its student sees `view` of `source`.

        Raises:
          InputError: faces are to be aligned, and the source has no landmarks.
        """
        if self.align and unaligned(source).landmarks is None:
            raise InputError(f"{source.name} has no landmarks, by which the teacher's view aligns faces; declare a crop instead")
        template = TEMPLATE_LANDMARKS if self.template is None else np.array(self.template)
        return align(unaligned(source), self._of(view), template)

    def _of(self, view: ViewConfig) -> ViewConfig:
        return dataclasses.replace(view, image_size=self.image_size, central_fraction=self.central_fraction, align=self.align)

    def facts(self) -> dict:
        """The values that are given, of those that change what the teacher answers."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None and name not in ("width", "accuracy")}

    @property
    def shift_and_scale(self) -> tuple[np.ndarray, np.ndarray] | None:
        """What is subtracted of the colours and what they are divided by, float32 `[3]` each; None: each image by its own."""
        if self.mean is None and self.scaling == STANDARDIZED:
            return None
        shift, scale = SCALINGS[self.scaling] if self.mean is None else (self.mean, self.std)
        return np.broadcast_to(np.float32(shift), [3]), np.broadcast_to(np.float32(scale), [3])


def view_file(teacher: str) -> str:
    """Where the view of the teacher at this path is declared."""
    return teacher.rstrip(os.sep) + _ENDING


def read_teacher_view(file: str) -> TeacherView:
    """Reads a file such as `{"image_size": 150, "central_fraction": 0.6, "channel_order": "bgr"}`.

    Raises:
      InputError: it cannot be read, or declares something unknown or impossible.
    """
    try:
        with open(file, encoding="utf-8") as text:
            declared = json.load(text)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error
    fields = {field.name: field.type for field in dataclasses.fields(TeacherView)}
    if not isinstance(declared, dict) or "image_size" not in declared:
        raise InputError(f'{file} declares no image_size; wanted is such as {{"image_size": 112, "channel_order": "bgr"}}')
    for name, value in declared.items():
        if name not in fields:
            raise InputError(f"{file} declares {name!r}, which is unknown; known: {', '.join(fields)}")
        _require_type(file, name, value)
    if "scaling" in declared and "mean" in declared:
        raise InputError(f"{file} declares both scaling and mean: mean and std are of 0 to 255 and stand in place of a scaling")
    try:
        return TeacherView(**declared)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


_NUMBER = (int, float)
_TYPES = {"image_size": int, "central_fraction": _NUMBER, "align": bool, "width": int, "accuracy": _NUMBER} | dict.fromkeys(
    ("template", "mean", "std"), list
)


def _require_type(file: str, name: str, value) -> None:
    wanted = _TYPES.get(name, str)
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        names = {int: "a whole number", _NUMBER: "a number", bool: "true or false", list: "a list", str: "a text"}
        raise InputError(f"{file}: {name} is {json.dumps(value)}; wanted is {names[wanted]}")


def _require_choice(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InputError(f"{name} {value!r} is unknown; known: {', '.join(known)}")


def _colours(name: str, values) -> tuple[float, ...]:
    if len(values) != 3 or not _are_numbers(values):
        raise InputError(f"{name} {list(values)} must be three numbers, for red, green and blue")
    return tuple(map(float, values))


def _points(values, aligned: bool) -> tuple[tuple[float, ...], ...]:
    if not aligned:
        raise InputError("template has no effect without align")
    if len(values) != 5 or not all(isinstance(point, Sequence) and len(point) == 2 and _are_numbers(point) for point in values):
        raise InputError(
            f"template {list(values)} must be five points [x, y]: eyes, nose and mouth corners, image-left first, as fractions"
        )
    if len({tuple(point) for point in values}) < 5:
        raise InputError(f"template {list(values)} has two points at one place")
    return tuple(tuple(map(float, point)) for point in values)


def _are_numbers(values) -> bool:
    return all(isinstance(value, _NUMBER) and not isinstance(value, bool) and np.isfinite(value) for value in values)
