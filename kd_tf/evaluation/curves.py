"""Curves over a threshold: how many pairs or images pass it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

# With fewer negative pairs a logarithmic axis would show a handful of steps.
LOG_NEGATIVES = 200
LINE_COLOUR = "#1f5fa8"
GREY = "#808080"


def roc_figure(far: np.ndarray, tar: np.ndarray, negatives: int, title: str) -> Figure:
    """Accepted pairs of the same person over accepted pairs of different ones.

    Args:
      far: false accept rates, `[n]`, ascending shares.
      tar: true accept rates, `[n]`, shares.
      negatives: pairs of different people: below one of them there is nothing to see.
      title: one line.
    """
    figure, axes = roc_axes(negatives, title)
    axes.plot(100 * far, 100 * tar, color=LINE_COLOUR, drawstyle="steps-post", label="the model")
    axes.legend(loc="lower right", frameon=False)
    return figure


def roc_axes(negatives: int, title: str) -> tuple[Figure, Axes]:
    """What ROC curves in percent are drawn into, with the line of chance; arguments as in `roc_figure`."""
    logarithmic = negatives >= LOG_NEGATIVES
    start = 100 / negatives if logarithmic else 0.0
    figure, axes = curve_axes(
        title, "false accept rate: pairs of different people accepted, %", "true accept rate: pairs of one person accepted, %"
    )
    chance = np.geomspace(start, 100, 200) if logarithmic else np.array([0.0, 100.0])
    axes.plot(chance, chance, color=GREY, linestyle="--", linewidth=1, label="chance")
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set(xlim=(start, 100), ylim=(0, 101))
    return figure, axes


def ced_figure(thresholds: np.ndarray, shares: np.ndarray, title: str) -> Figure:
    """The cumulative error distribution: images whose error is at most each threshold; both in percent, `[n]`."""
    figure, axes = ced_axes(thresholds[-1], title)
    axes.plot(thresholds, shares, color=LINE_COLOUR)
    axes.fill_between(thresholds, shares, color=LINE_COLOUR, alpha=0.15, linewidth=0)
    return figure


def ced_axes(limit: float, title: str) -> tuple[Figure, Axes]:
    """What cumulative error distributions up to a limit are drawn into, both in percent."""
    figure, axes = curve_axes(title, "mean point error over the distance of the eyes, %", "images with at most this error, %")
    axes.set(xlim=(0, limit), ylim=(0, 101))
    return figure, axes


def curve_axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """An empty figure with a grid, and the names of its axes."""
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=11, parse_math=False)
    axes.set(xlabel=x, ylabel=y)
    axes.grid(color="#e0e0e0", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
