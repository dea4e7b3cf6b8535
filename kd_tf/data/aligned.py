"""Faces turned, scaled and moved so that their five points lie where a template has them, as embedding networks like them."""

import dataclasses
import hashlib
import logging
from collections.abc import Iterable

import cv2
import numpy as np

from kd_tf.data.source import DerivedSource, Source, decode_image
from kd_tf.data.synthetic.source import encode_bmp
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError

# Where the points of an aligned face of 112x112 pixels are, from the centre of the first pixel: the template of most face networks.
TEMPLATE_SIZE = 112
TEMPLATE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
TEMPLATE_LANDMARKS = ((TEMPLATE + 0.5) / TEMPLATE_SIZE).astype(np.float32)
_LOGGER = logging.getLogger(__name__)


def similarity(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The turn, scale and shift that bring points nearest to targets, in the least squares sense (Umeyama 1991, without reflection).

    Args:
      points: `[n, 2]`.
      targets: `[n, 2]`.

    Returns:
      `[2, 3]`, to be multiplied with `(x, y, 1)`.
    """
    # Turning and scaling the plane is a product of complex numbers.
    points, targets = points @ [1, 1j], targets @ [1, 1j]
    centred = points - points.mean()
    turn = np.sum(centred.conj() * targets) / np.sum(np.abs(centred) ** 2)
    shift = targets.mean() - turn * points.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def align_face(image: np.ndarray, landmarks: np.ndarray, view: ViewConfig, template: np.ndarray = TEMPLATE_LANDMARKS) -> np.ndarray:
    """The aligned face, as a run with `--align` sees it.

    Args:
      image: uint8 `[height, width, 3]`.
      landmarks: `[5, 2]`, fractions of the image's width and height.
      view: for its sizes.
      template: `[5, 2]`, where the points of an aligned face lie, as fractions.

    Returns:
      uint8 `[canvas_size, canvas_size, 3]`: the template fills the middle `image_size` pixels; what is outside the image is black.
    """
    margin = (view.canvas_size - view.image_size) // 2
    targets = template.astype(np.float64) * view.image_size + margin - 0.5
    size = np.array(image.shape[1::-1])
    scale = np.linalg.norm(similarity(landmarks * size, targets)[:, 0])
    if scale < 1:
        # Shrunk with averaging first: the warp below looks at four pixels only.
        size = np.maximum(np.round(size * scale).astype(int), 1)
        image = cv2.resize(image, size.tolist(), interpolation=cv2.INTER_AREA)
    matrix = similarity(landmarks * size - 0.5, targets)
    return cv2.warpAffine(image, matrix, (view.canvas_size, view.canvas_size), flags=cv2.INTER_LINEAR)


class AlignedSource(DerivedSource):
    """A source whose images are the aligned faces of another's; those without landmarks stay as they are.

    Args:
      source: has landmarks.
      view: for its sizes.
      template: see `align_face`.

    Attributes:
      whole: the source of the images as they are.

    Raises:
      InputError: the source has no landmarks.
    """

    def __init__(self, source: Source, view: ViewConfig, template: np.ndarray = TEMPLATE_LANDMARKS):
        if source.landmarks is None:
            raise InputError(f"{source.name} has no landmarks, which --align needs")
        super().__init__(source)
        self.whole = source
        self.landmarks = None
        self.aspect_ratio = 1.0
        self._view = view
        self._template = template
        self._known = np.isfinite(source.landmarks).all(axis=(1, 2))
        if not self._known.all():
            _LOGGER.warning("%s: %d of %d images have no landmarks and are not aligned", self.name, np.sum(~self._known), len(self))

    def read(self, indices: Iterable[int]) -> list[bytes]:
        """See `Source.read`; aligned faces are BMP."""
        indices = list(indices)
        return [self._face(index, encoded) for index, encoded in zip(indices, self._source.read(indices), strict=True)]

    def fingerprint(self) -> str:
        """The source's, with the size, the landmarks and a template that is not the usual one."""
        landmarks = hashlib.sha256(np.ascontiguousarray(self._source.landmarks).tobytes()).hexdigest()
        template = "" if self._template is TEMPLATE_LANDMARKS else f" to {self._template.tolist()}"
        return f"{self._source.fingerprint()} aligned at {self._view.image_size} by {landmarks}{template}"

    def _face(self, index: int, encoded: bytes) -> bytes:
        # Not by OpenCV, which would turn images that say so of themselves, but not their landmarks.
        image = decode_image(encoded).numpy()
        if self._known[index]:
            return encode_bmp(align_face(image, self._source.landmarks[index], self._view, self._template))
        margins = [round(side * (1 - self._view.central_fraction) / 2) for side in image.shape[:2]]
        return encode_bmp(image[margins[0] : image.shape[0] - margins[0], margins[1] : image.shape[1] - margins[1]])


def unaligned(source: Source) -> Source:
    """What `align` was given."""
    return source.whole if isinstance(source, AlignedSource) else source


def align(source: Source, view: ViewConfig, template: np.ndarray = TEMPLATE_LANDMARKS) -> tuple[Source, ViewConfig]:
    """The source and the view under which it is read: aligned to the template where the view says so, else as they are."""
    if not view.align:
        return source, view
    return AlignedSource(source, view, template), view_of_faces(view)


def view_of_faces(view: ViewConfig) -> ViewConfig:
    """The view under which aligned faces are read, by networks and exported models; other views as they are."""
    return dataclasses.replace(view, align=False, central_fraction=1.0) if view.align else view
