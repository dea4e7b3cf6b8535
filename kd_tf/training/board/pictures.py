"""What TensorBoard shows of a run beside its scalars: images that it is trained on, and its answers to the test images at the end."""

import logging
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from tensorboard.plugins.image.metadata import create_summary_metadata

from kd_tf.data.split import Split
from kd_tf.errors import InputError
from kd_tf.evaluation.answers import Answers
from kd_tf.evaluation.mistakes import PROTOCOL_FIGURES, TRUE_COLOUR, pair_figures
from kd_tf.evaluation.pictures import Cell, figure_pixels, jpeg_bytes, sheet

_LOGGER = logging.getLogger(__name__)
SHOWN = 16
DOTS_PER_INCH = 80
CURVES = ("ced", "roc")


def write_batch(batches: tf.data.Dataset, split: Split) -> None:
    """The first images, after crop, flip and jitter, with their landmarks where those are known.

    Args:
      batches: from the first step on.
      split: what they are made of.
    """
    images, targets = next(iter(batches))
    names = split.identity_names
    landmarks = targets["landmarks"].numpy() if "landmarks" in targets else [None] * len(images)
    cells = [
        [Cell(np.round(image).astype(np.uint8), names[identity], () if points is None else ((points, TRUE_COLOUR),))]
        for image, identity, points in zip(images.numpy()[:SHOWN], targets["identity"].numpy(), landmarks, strict=False)
    ]
    _write("input/batch", sheet("The first training images, as the network sees them", cells, columns=4), 0)


def write_answers(answers: Answers, protocols: tuple[str, ...], step: int) -> None:
    """Curves, and what is wrong or hardest; what cannot be drawn costs a warning and never the run."""
    figures = [PROTOCOL_FIGURES[protocol] for protocol in protocols] + [pair_figures] * ("retrieval" in protocols)
    for make in figures:
        for name, figure in _drawn(make, answers).items():
            _write(f"{'curves' if name in CURVES else 'mistakes'}/{name}", figure, step)


def _drawn(make: Callable[[Answers], dict[str, Figure]], answers: Answers) -> dict[str, Figure]:
    try:
        return make(answers)
    except InputError as error:
        _LOGGER.warning("TensorBoard lacks some pictures: %s", error)
        return {}


def _write(tag: str, figure: Figure, step: int) -> None:
    """As `tf.summary.image` does, which would make it a PNG."""
    pixels = figure_pixels(figure, DOTS_PER_INCH)
    height, width, _ = pixels.shape
    image = tf.constant([str(width).encode(), str(height).encode(), jpeg_bytes(pixels)])
    tf.summary.write(tag, image, step=step, metadata=create_summary_metadata(display_name=None, description=None))
