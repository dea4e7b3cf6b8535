"""Curves as SVG that is part of the page, readable at the width of a phone."""

import base64
import io

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kd_tf.study.report.comparison import LABELS
from kd_tf.study.report.parts import Picture

# Inches: at 100% as wide as a phone's page.
SIZE = (4.2, 3.7)
_COLOURS = ("#222222", "#d55e00", "#0072b2", "#009e73", "#56b4e9", "#cc79a7", "#d55e00", "#0072b2", "#009e73")
_MARKERS = ("D", "s", "o", "^", "v", "P", "s", "o", "^")
# Letters as outlines: the same on every machine. No chance in the file.
_SVG = {"svg.fonttype": "path", "svg.hashsalt": "kd_tf"}
# Points of 1/72 inch: corners nearer than this to a line are not seen, and a curve may have a million.
_UNSEEN = 0.5


def style(label: str, *, marker: bool = True) -> dict:
    """How the line of one of `LABELS` is drawn, in every figure alike; without a teacher dashed."""
    place = LABELS.index(label)
    line = {"color": _COLOURS[place], "linestyle": "--" if label.startswith("W_S0") else "-", "linewidth": 1.4}
    return line | ({"marker": _MARKERS[place], "markersize": 5} if marker else {})


def finish(figure: Figure, axes: Axes, alt: str, caption: str) -> Picture:
    """The figure as a picture of the page, with a legend under it.

    Args:
      figure: what is drawn.
      axes: its only axes.
      alt: what it shows, in a line.
      caption: stands under it.
    """
    figure.set_size_inches(SIZE)
    axes.tick_params(labelsize=8)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(size=9, text=axis.label.get_text().replace(": ", ":\n"))
    for line in axes.lines:
        line.get_path().simplify_threshold = _UNSEEN
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    encoded = io.BytesIO()
    with matplotlib.rc_context(_SVG):
        figure.savefig(encoded, format="svg", metadata={"Date": None})
    return Picture(svg_uri(encoded.getvalue()), alt, caption)


def svg_uri(svg: bytes) -> str:
    """A file as part of the page, where no style of the page reaches it."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
