"""What a network scores against what it costs."""

import math
import statistics
from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, NullLocator

from kd_tf.evaluation.curves import curve_axes
from kd_tf.study.report.comparison import METRIC_NAMES, Comparison, scores_of
from kd_tf.study.report.evidence import Evidence
from kd_tf.study.report.figures import finish, style
from kd_tf.study.report.parts import Content, Picture
from kd_tf.study.selection import SCORES
from kd_tf.study.stages import Stage

# How much room there is beside the outermost points, as a factor, and between the lines at networks of one cost, as a share of the axis.
MARGIN = 2.0
SHIFT = 0.012
TEXT = (
    "A point is the mean over the seeds, a bar their standard deviation; points of one width stand a little apart. Multiply-adds are those "
    "of convolutions and dense layers for one image, with all heads of the network. Where a start was tried with several targets, the best "
    "of each width is shown. Dashed lines are controls that no teacher taught, or that start from such a network.",
)


def tradeoff(evidence: Evidence) -> Content:
    """Scores against parameters and against multiply-adds, a pair of figures for each comparison."""
    figures, missing = [], []
    for task in SCORES:
        missing += evidence.missing(task)
        for comparison in evidence.of_task(task):
            figures.append(_figure(evidence, comparison, "parameters", lambda stage: _parameters(evidence, stage)))
            figures.append(_figure(evidence, comparison, "multiply-adds for an image", evidence.multiply_adds))
    return Content(text=TEXT if figures else (), figures=tuple(figures), missing=tuple(missing))


def _parameters(evidence: Evidence, stage: Stage) -> float:
    return statistics.mean(scores_of(evidence.results, stage, "parameters").values())


def _figure(evidence: Evidence, comparison: Comparison, what: str, cost: Callable[[Stage], float]) -> Picture:
    figure, axes = curve_axes("", what, METRIC_NAMES[comparison.metric])
    costs = {stage: cost(stage) for stages in comparison.lines.values() for stage in stages}
    low, high = min(costs.values()) / MARGIN, max(costs.values()) * MARGIN
    for place, (label, stages) in enumerate(comparison.lines.items()):
        scores = [tuple(scores_of(evidence.results, stage, comparison.metric).values()) for stage in stages]
        means = [statistics.mean(values) for values in scores]
        spreads = [statistics.stdev(values) if len(values) > 1 else math.nan for values in scores]
        beside = (high / low) ** (SHIFT * place)
        axes.errorbar([costs[stage] * beside for stage in stages], means, spreads, capsize=3, label=label, **style(label))
    _name_costs(axes, costs)
    axes.set_xlim(low, high)
    title = f"{comparison.title}: {comparison.metric} against {what}"
    return finish(figure, axes, title, f"{comparison.title}, against {what}")


def _name_costs(axes: Axes, costs: dict[Stage, float]) -> None:
    """A logarithmic axis whose ticks are the widths that there are, with what they cost."""
    ticks = {stage.divisor: value for stage, value in costs.items()}
    names = [f"{EngFormatter(places=1, sep='')(value)}\n{'teacher' if divisor == 1 else f'/{divisor}'}" for divisor, value in ticks.items()]
    axes.set_xscale("log")
    axes.set_xticks(list(ticks.values()), names)
    axes.xaxis.set_minor_locator(NullLocator())
