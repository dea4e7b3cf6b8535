"""Photographs as part of the page, small enough for many of them, with marks that stay sharp."""

import base64
from collections.abc import Callable

import cv2
import numpy as np

from kd_tf.evaluation.mistakes import PREDICTED_COLOUR, TRUE_COLOUR
from kd_tf.study.report.figures import svg_uri
from kd_tf.study.report.parts import Picture

# Pixels of the longer side.
LARGEST = 112
# The width of what is drawn, whatever the picture has.
_WIDTH = 100.0
_Mark = Callable[[float, float], str]


def png_uri(picture: np.ndarray) -> str:
    """A picture, uint8 RGB `[height, width, 3]`, at most `LARGEST` high and wide."""
    shrink = LARGEST / max(picture.shape[:2])
    if shrink < 1:
        size = [max(1, round(side * shrink)) for side in picture.shape[1::-1]]
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return f"data:image/png;base64,{base64.b64encode(cv2.imencode('.png', picture[:, :, ::-1])[1]).decode()}"


def marked_uri(picture: np.ndarray, true_landmarks: np.ndarray, landmarks: np.ndarray) -> str:
    """A picture with a ring at each true landmark and a cross at each one that was found.

    Args:
      picture: uint8 RGB `[height, width, 3]`.
      true_landmarks: `[n, 2]`, fractions of the picture.
      landmarks: `[n, 2]`, likewise.
    """
    height = _WIDTH * picture.shape[0] / picture.shape[1]
    marks = [_marks(_ring, true_landmarks, height), _marks(_cross, landmarks, height)]
    return _drawing(height, f'<image href="{png_uri(picture)}" width="{_WIDTH}" height="{height:.2f}"/>{"".join(marks)}')


def make_legend() -> tuple[Picture, ...]:
    """What the marks of `marked_uri` mean."""
    names = ((_ring, "true landmarks"), (_cross, "landmarks found"))
    return tuple(Picture(_drawing(14, mark(7, 7), 14), "", caption) for mark, caption in names)


def _marks(mark: _Mark, points: np.ndarray, height: float) -> str:
    return "".join(mark(*point) for point in points * [_WIDTH, height])


def _ring(x: float, y: float) -> str:
    return _outlined(f'<circle cx="{x:.2f}" cy="{y:.2f}" r="3.4" fill="none"', TRUE_COLOUR)


def _cross(x: float, y: float) -> str:
    lines = " ".join(f"M{x - 2.4:.2f},{y - 2.4 * sign:.2f}L{x + 2.4:.2f},{y + 2.4 * sign:.2f}" for sign in (1, -1))
    return _outlined(f'<path d="{lines}"', PREDICTED_COLOUR)


def _outlined(shape: str, colour: str) -> str:
    """Seen before light and dark."""
    return f'{shape} stroke="black" stroke-width="2.2"/>{shape} stroke="{colour}" stroke-width="1.2"/>'


def _drawing(height: float, inside: str, width: float = _WIDTH) -> str:
    size = f'width="{2 * width:.0f}" height="{2 * height:.0f}" viewBox="0 0 {width} {height:.2f}"'
    return svg_uri(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{inside}</svg>'.encode())
