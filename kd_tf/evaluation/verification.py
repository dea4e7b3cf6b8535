"""Same person or not: what a model scores on given pairs of images, and the pairs that are hardest for it."""

import logging
import os

import numpy as np
from matplotlib.figure import Figure

from kd_tf.data.lfw import open_lfw, read_lfw_pairs
from kd_tf.data.pairs import Pairs
from kd_tf.data.source import Source
from kd_tf.data.split import Split
from kd_tf.data.verification_pack import open_pack
from kd_tf.errors import InputError
from kd_tf.evaluation.answers import Answers
from kd_tf.evaluation.curves import roc_figure
from kd_tf.evaluation.dependent_pairs import pairs_standard_error
from kd_tf.evaluation.pairs import pair_distances, pair_metrics, roc_curve, tar_at_far
from kd_tf.evaluation.pictures import Cell, sheet
from kd_tf.training.run_directory import flags_of_model

PAIR_PROTOCOLS = {"lfw": "PATH", "bin": "FILE"}
SHOWN = 6
_LOGGER = logging.getLogger(__name__)


def open_pairs(protocol: str, data: str) -> tuple[Source, Pairs]:
    """The images and pairs of one of `PAIR_PROTOCOLS`: `data` is `lfw:PATH`, always with all people, or `bin:FILE`.

    Raises:
      InputError: `data` is something else, or cannot be read.
    """
    name, _, path = data.partition(":")
    if name != protocol or not path:
        raise InputError(f"--protocol={protocol} scores --data={protocol}:{PAIR_PROTOCOLS[protocol]}, found --data={data}")
    if protocol == "bin":
        return open_pack(path)
    source = open_lfw(path)
    return source, read_lfw_pairs(path, source)


def warn_of_shared_people(model: str, pairs: Pairs, test_folds: tuple[int, ...] | None) -> None:
    """Logs a warning where the run `model`, or that around it, was trained on people of LFW whom its pairs take for strangers.

    Args:
      model: what is scored.
      pairs: of LFW.
      test_folds: those that are scored, from 1; None: all.
    """
    recorded = flags_of_model(model)
    trained_on, held_out = recorded.get("data", ""), set()
    if recorded.get("split") == "official":
        held_out = set(recorded.get("test_folds", str(1 + pairs.folds.max())).split(","))
    if trained_on.startswith("lfw:") and not (test_folds and held_out.issuperset(map(str, test_folds))):
        _LOGGER.warning("%s was trained on %s: it may know people of these pairs, and scores higher than on strangers", model, trained_on)


def pair_split(source: Source, pairs: Pairs) -> Split:
    """The images that pairs need."""
    return Split(source, pairs.images)


class ScoredPairs:
    """Pairs with the distances that a model sees between them.

    Args:
      answers: to the images of `pair_split`, with `embedding`, or `hidden` for the distance between raw vectors.
      split: what they are answers to.
      pairs: as they were opened.
      distance: one of `kd_tf.evaluation.pairs.DISTANCES`.
      tested: bool `[pairs]`, those of the folds that are scored, all others choose the threshold; None: each fold is, by all others.

    Attributes:
      scores: of `pair_metrics`, and with `tested` `lfw_pairs_standard_error`, since so few folds say little of the spread.
    """

    def __init__(self, answers: Answers, split: Split, pairs: Pairs, distance: str, tested: np.ndarray | None = None):
        self._answers = answers
        self._split = split
        first, second = (np.searchsorted(split.records, records) for records in (pairs.first, pairs.second))
        distances = pair_distances(answers.rows[first], answers.searched.rows[second], distance)
        metrics = pair_metrics(distances, pairs.same, pairs.folds, tested)
        scored = slice(None) if tested is None else tested
        self._first, self._second, self._same, self._distances = first[scored], second[scored], pairs.same[scored], distances[scored]
        if tested is not None:
            metrics["lfw_pairs_standard_error"] = self._standard_error(metrics["threshold"])
        self.scores = metrics | {key: int(metrics[key]) for key in ("pairs", "folds")}

    def log_missing_rates(self) -> None:
        """Logs which true accept rates the pairs do not suffice for."""
        for sentence in tar_at_far(self._distances, self._same)[1]:
            _LOGGER.info("%s", sentence)

    def figures(self) -> dict[str, Figure]:
        """`roc`, the ROC curve, and `hardest_pairs`, the worst errors of either kind."""
        error = self.scores["lfw_pairs_standard_error" if "lfw_pairs_standard_error" in self.scores else "lfw_standard_error"]
        accuracy = f"accuracy {self.scores['lfw_accuracy']:.2f} % \u00b1 {error:.2f} (standard error)"
        title = f"{accuracy}, {len(self._same):,} pairs in {self.scores['folds']} folds"
        roc = roc_figure(*roc_curve(self._distances, self._same), int(np.sum(~self._same)), title)
        return {"roc": roc, "hardest_pairs": self._hardest_pairs()}

    def _standard_error(self, threshold: float) -> float:
        people = self._split.identities
        return pairs_standard_error((self._distances < threshold) == self._same, people[self._first], people[self._second])

    def _hardest_pairs(self) -> Figure:
        threshold = self.scores["threshold"]
        accepted = self._distances < threshold
        rejected = self._ordered(self._same & ~accepted, -self._distances)
        taken = self._ordered(~self._same & accepted, self._distances)
        groups = []
        for row in range(min(SHOWN, max(len(rejected), len(taken)))):
            groups += [self._cells(places[row]) if row < len(places) else [] for places in (rejected, taken)]
        headings = f"{len(rejected)} pairs of one person, rejected", f"{len(taken)} pairs of two people, accepted"
        title = f"The hardest pairs; a distance below {threshold:.4g} is accepted (mean of the folds)"
        return sheet(title, groups, columns=2, headings=headings)

    def _ordered(self, chosen: np.ndarray, key: np.ndarray) -> np.ndarray:
        places = np.flatnonzero(chosen)
        return places[np.argsort(key[places], kind="stable")]

    def _cells(self, pair: int) -> list[Cell]:
        cells = []
        for place, what in ((self._first[pair], f"distance {self._distances[pair]:.4g}"), (self._second[pair], "")):
            name = os.path.basename(self._split.source.describe(self._split.records[place]))
            cells.append(Cell(self._answers.picture(place), f"{name}\n{what}"))
        return cells
