"""Sheets of pictures with captions, for a person to look at."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kd_tf.files import write_whole

# Inches.
CELL = 1.7
LINE = 0.15
GAP = 0.12
GROUP_GAP = 0.45
MARGIN = 0.3
HEAD = 0.45
DOTS_PER_INCH = 110
JPEG_QUALITY = 85
CAPTION_SIZE = 7.5
CAPTION_LETTERS = 28


class Cell(NamedTuple):
    """One picture.

    Attributes:
      picture: uint8 RGB `[height, width, 3]`.
      caption: one line or more; long lines are cut.
      marks: pairs of points `[n, 2]`, fractions of the picture, and their colour.
    """

    picture: np.ndarray
    caption: str
    marks: tuple[tuple[np.ndarray, str], ...] = ()


def sheet(title: str, groups: Sequence[Sequence[Cell]], *, columns: int, headings: Sequence[str] = ()) -> Figure:
    """Groups of cells in rows; the cells of a group stand close together.

    Args:
      title: one line.
      groups: of as many cells each, row by row; an empty one leaves its place free.
      columns: groups in a row.
      headings: one for each column, or none.
    """
    size = max((len(group) for group in groups), default=1)
    lines = max((cell.caption.count("\n") + 1 for group in groups for cell in group), default=1)
    rows = max(-(-len(groups) // columns), 1)
    group_width, row_height = size * (CELL + GAP) - GAP, CELL + LINE * (lines + 0.5) + GAP
    head = HEAD * (2 if headings else 1)
    width = 2 * MARGIN + columns * (group_width + GROUP_GAP) - GROUP_GAP
    figure = _blank(width, head + rows * row_height)
    _title(figure, title)
    for place, group in enumerate(groups):
        row, column = divmod(place, columns)
        for number, cell in enumerate(group):
            left = MARGIN + column * (group_width + GROUP_GAP) + number * (CELL + GAP)
            _show(_axes(figure, left, head + row * row_height), cell)
    for column, heading in enumerate(headings):
        middle = MARGIN + column * (group_width + GROUP_GAP) + group_width / 2
        _text(figure, middle, HEAD + 0.05, heading, fontsize=10)
    return figure


def shortened(text: str, letters: int = CAPTION_LETTERS) -> str:
    """A text that is cut, with dots before its last eight letters, where it is too long for its place."""
    return text if len(text) <= letters else f"{text[: letters - 9]}\u2026{text[-8:]}"


def write_figure(path: str, figure: Figure) -> None:
    """Writes a PNG that is there whole or not at all."""
    encoded = io.BytesIO()
    figure.savefig(encoded, format="png", dpi=DOTS_PER_INCH)
    write_whole(path, encoded.getvalue())


def figure_pixels(figure: Figure, dots_per_inch: int = DOTS_PER_INCH) -> np.ndarray:
    """A figure as a picture, uint8 RGB `[height, width, 3]`."""
    figure.set_dpi(dots_per_inch)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3]


def jpeg_bytes(picture: np.ndarray) -> bytes:
    """A picture, uint8 RGB `[height, width, 3]`, in about a quarter of the bytes that a PNG of photographs takes."""
    return cv2.imencode(".jpg", np.ascontiguousarray(picture[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _blank(width: float, height: float) -> Figure:
    return Figure(figsize=(max(width, 6.0), height), facecolor="white")


def _title(figure: Figure, title: str) -> None:
    _text(figure, figure.get_figwidth() / 2, HEAD / 2, title, fontsize=11)


def _text(figure: Figure, x: float, y: float, text: str, *, fontsize: float) -> None:
    width, height = figure.get_size_inches()
    figure.text(x / width, 1 - y / height, text, fontsize=fontsize, ha="center", va="center", parse_math=False)


def _axes(figure: Figure, left: float, top: float) -> Axes:
    width, height = figure.get_size_inches()
    return figure.add_axes((left / width, 1 - (top + CELL) / height, CELL / width, CELL / height))


def _show(axes: Axes, cell: Cell) -> None:
    height, width = cell.picture.shape[:2]
    axes.imshow(cell.picture, extent=(0, width, height, 0), interpolation="bilinear")
    for points, colour in cell.marks:
        axes.scatter(points[:, 0] * width, points[:, 1] * height, s=16, c=colour, edgecolors="black", linewidths=0.5)
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    # Captions of a row at one height, whatever the pictures' shapes.
    axes.set_anchor("S")
    # A name of bytes that are no letters cannot be drawn.
    drawable = cell.caption.encode(errors="replace").decode()
    caption = "\n".join(shortened(line) for line in drawable.split("\n"))
    axes.annotate(
        caption, (0.5, 0), (0, -3), xycoords="axes fraction", textcoords="offset points",
        ha="center", va="top", fontsize=CAPTION_SIZE, parse_math=False,
    )  # fmt: skip
