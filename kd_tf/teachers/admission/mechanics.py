"""Whether a teacher behaves as a function from an image to an embedding."""

from typing import NamedTuple

import numpy as np

from kd_tf.teachers.admission.answers import Refused, asked, require_distances
from kd_tf.teachers.embedding.teacher import EmbeddingTeacher

# Answers that differ by less, as a share of their length, are the same: half precision and sums in another order do as much.
TOLERANCE = 1e-3


class Mechanics(NamedTuple):
    """What was seen of a teacher's answers.

    Attributes:
      images: how many it was asked about.
      width: of an answer.
      difference: by how much an answer changed at most when it was asked again, or about that image alone, as a share of its length.
      norms: the lengths of the answers: mean, least and greatest.
    """

    images: int
    width: int
    difference: float
    norms: tuple[float, float, float]

    @property
    def words(self) -> str:
        """A sentence."""
        mean, least, greatest = self.norms
        unit = max(abs(least - 1), abs(greatest - 1)) < TOLERANCE
        lengths = "unit vectors" if unit else f"of length {mean:.4g} on average, from {least:.4g} to {greatest:.4g}"
        return (
            f"{self.images} images: answers of width {self.width}, {lengths}; "
            f"asked again, and about each image alone, they differ by {self.difference:.1e} of their length at most."
        )


def check_mechanics(teacher: EmbeddingTeacher, images: np.ndarray, names: list[str]) -> Mechanics:
    """Asks about some images, again, and about each alone.

    Args:
      teacher: is asked.
      images: as `EmbeddingTeacher.embed` takes them.
      names: what each is called in messages.

    Raises:
      Refused: it answers in another shape, with what is not finite, otherwise when asked again or alone, or always alike.
    """
    rows = asked(teacher, images)
    require_distances(teacher, rows, names)
    again = _differences(rows, asked(teacher, images))
    _require_alike(again, names, f"{teacher.who} answers otherwise when asked again about the same {len(images)} images", _DROPOUT)
    alone = _differences(rows, np.concatenate([asked(teacher, images[place : place + 1]) for place in range(len(images))]))
    _require_alike(alone, names, f"{teacher.who} answers otherwise about an image alone than in a batch of {len(images)}", _BATCH_NORM)
    _require_different(teacher, rows)
    norms = np.linalg.norm(rows, axis=1)
    difference = float(max(again.max(), alone.max()))
    return Mechanics(len(images), rows.shape[1], difference, (float(norms.mean()), float(norms.min()), float(norms.max())))


_DROPOUT = "it must be in inference mode, without dropout or noise"
_BATCH_NORM = "it must be in inference mode, with the moving statistics of batch normalization"


def _differences(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """As shares of the rows' lengths, float64 `[images]`."""
    rows, others = (np.asarray(each, np.float64) for each in (rows, others))
    return np.linalg.norm(rows - others, axis=1) / np.linalg.norm(rows, axis=1)


def _require_alike(differences: np.ndarray, names: list[str], fault: str, remedy: str) -> None:
    # What is not a number is no less.
    wrong = np.flatnonzero(~(differences <= TOLERANCE))
    if len(wrong):
        first = wrong[0]
        raise Refused(f"{fault}: by {differences[first]:.2g} of its length to {names[first]} (allowed: {TOLERANCE:g}); {remedy}")


def _require_different(teacher: EmbeddingTeacher, rows: np.ndarray) -> None:
    spread = float(_differences(rows, np.broadcast_to(rows[0], rows.shape)).max())
    if len(rows) > 1 and spread <= TOLERANCE:
        raise Refused(
            f"{teacher.who} answers alike to {len(rows)} different images: by {spread:.1e} of their length at most "
            f"(wanted: above {TOLERANCE:g}); check scaling, layout and output of its view"
        )
