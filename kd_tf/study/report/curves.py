"""What shares of images and pairs the networks get right, over a threshold."""

import numpy as np

from kd_tf.evaluation.curves import ced_axes, roc_axes
from kd_tf.evaluation.image_pairs import ImagePairs
from kd_tf.evaluation.landmarks import FAILURE_PERCENT, ced_curve, normalized_errors
from kd_tf.evaluation.pairs import area_under_roc, roc_curve
from kd_tf.study.report.comparison import Comparison
from kd_tf.study.report.evidence import Evidence
from kd_tf.study.report.figures import finish, style
from kd_tf.study.report.parts import Content, Picture

# How many images of the worst network have a place in the figure of errors.
SHOWN_PERCENT = 90
TEXT = (
    "The teacher and its narrowest students on the test images, networks of the first finished seed. Landmarks: how many images have at "
    "most a given error. Pairs: of all pairs of test images, how many of one person are accepted when so many of different people are.",
)


def threshold_curves(evidence: Evidence) -> Content:
    """CED curves of alignment and ROC curves of verification."""
    figures = [_ced(evidence, comparison) for comparison in evidence.of_task("alignment")]
    figures += [_roc(evidence, comparison) for comparison in evidence.of_task("verification")]
    missing = (*evidence.missing("alignment"), *evidence.missing("verification"))
    return Content(text=TEXT if figures else (), figures=tuple(figures), missing=missing)


def _ced(evidence: Evidence, comparison: Comparison) -> Picture:
    errors = {label: normalized_errors(*evidence.answers(stage).landmarks_in_pixels()) for label, stage in comparison.narrowest.items()}
    limit = max(FAILURE_PERCENT, *(np.percentile(values, SHOWN_PERCENT, method="higher") for values in errors.values()))
    figure, axes = ced_axes(limit, "")
    for label, values in errors.items():
        axes.plot(*ced_curve(values, limit), label=f"{label}: {values.mean():.2f} %", **style(label, marker=False))
    caption = f"Landmark errors, with their mean; {comparison.stage_names}"
    return finish(figure, axes, "cumulative error distributions of landmarks", caption)


def _roc(evidence: Evidence, comparison: Comparison) -> Picture:
    pairs = ImagePairs.of(evidence.answers(next(iter(comparison.narrowest.values()))).identities)
    figure, axes = roc_axes(int(np.sum(~pairs.same)), "")
    for label, stage in comparison.narrowest.items():
        distances = pairs.distances(evidence.answers(stage).embedding)
        far, tar = roc_curve(distances, pairs.same)
        name = f"{label}: {area_under_roc(distances, pairs.same):.3f}"
        axes.plot(100 * far, 100 * tar, drawstyle="steps-post", label=name, **style(label, marker=False))
    caption = f"{comparison.title}, with the area under the curve (1 is perfect): {pairs.words}; {comparison.stage_names}"
    return finish(figure, axes, f"{comparison.title}: ROC curves", caption)
