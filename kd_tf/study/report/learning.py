"""How the test score rose while the networks were trained."""

import os

import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator

from kd_tf.evaluation.curves import curve_axes
from kd_tf.study.report.comparison import METRIC_NAMES, Comparison
from kd_tf.study.report.evidence import Evidence
from kd_tf.study.report.figures import finish, style
from kd_tf.study.report.parts import Content, Picture
from kd_tf.study.selection import SCORES
from kd_tf.study.stages import Stage
from kd_tf.training.run_directory import RunDirectory

# On the way a verification network is scored batch by batch: an image looks for its nearest other one among few.
_ON_THE_WAY = {"verification": ("batch_rank1", "rank-1 within a test batch, %")}
TEXT = ("The teacher and its narrowest students, a line for each seed, from the first to the last time that the test images were scored.",)


def learning_curves(evidence: Evidence) -> Content:
    """The test score against the step, a figure for each comparison."""
    figures, missing = [], []
    for task in SCORES:
        missing += evidence.missing(task)
        for comparison in evidence.of_task(task):
            curves = {label: _curves(evidence, stage) for label, stage in comparison.narrowest.items()}
            if any(curves.values()):
                figures.append(_figure(comparison, curves))
            else:
                missing.append(f"{comparison.title}: its runs scored no test images on the way.")
    return Content(text=TEXT if figures else (), figures=tuple(figures), missing=tuple(missing))


def read_scores(directory: str, tag: str) -> dict[int, float]:
    """Value by step of a tag in TensorBoard's files; empty where it was never written."""
    if not os.path.isdir(directory):
        return {}
    events = EventAccumulator(directory, size_guidance={TENSORS: 0})
    events.Reload()
    if tag not in events.Tags()[TENSORS]:
        return {}
    return {event.step: float(tf.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)}


def _tag_and_name(task: str) -> tuple[str, str]:
    metric, _ = SCORES[task]
    return _ON_THE_WAY.get(task, (metric, METRIC_NAMES[metric]))


def _curves(evidence: Evidence, stage: Stage) -> list[dict[int, float]]:
    """Score by step of each finished seed that has any."""
    tag, _ = _tag_and_name(stage.task)
    runs = (evidence.results.runs[stage.name][seed] for seed in evidence.results.scores[stage.name])
    curves = (read_scores(RunDirectory(run.model_dir).tensorboard, f"test/{tag}") for run in runs)
    return [curve for curve in curves if curve]


def _figure(comparison: Comparison, curves: dict[str, list[dict[int, float]]]) -> Picture:
    figure, axes = curve_axes("", "step", _tag_and_name(comparison.task)[1])
    for label, seeds in curves.items():
        for number, curve in enumerate(seeds):
            steps = sorted(curve)
            options = {"label": label if number == 0 else None, "alpha": 0.8}
            axes.plot(steps, [curve[step] for step in steps], **style(label), **options)
    axes.set_xlim(left=0)
    return finish(figure, axes, f"{comparison.title}: test score against step", f"{comparison.title}: {comparison.stage_names}")
