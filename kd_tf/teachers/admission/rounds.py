"""Settings held against the declared one on the same labelled pairs, and those ahead once more on other, and more, pairs."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from kd_tf.evaluation.pairs import area_under_roc, fold_scores
from kd_tf.progress import with_progress
from kd_tf.teachers.admission.answers import Refused
from kd_tf.teachers.admission.drawing import LabelledPairs
from kd_tf.teachers.admission.jackknife import areas_without_each, errors_allowed, jackknife_error, shares_without_each
from kd_tf.teachers.admission.settings import Setting

# Points of area: who is ahead by less may stay so.
TRIFLE = 0.5
FOLDS = 10
# Distances within the pairs, float `[pairs]`, as a setting has them; raises `Refused`.
Measure = Callable[[Setting, LabelledPairs], np.ndarray]


class SettingScore(NamedTuple):
    """How a setting tells the pairs. All in percent; errors are standard errors over people.

    Attributes:
      setting: is scored.
      area: under the ROC curve.
      area_error: of it.
      difference: of the area from that of the declared setting.
      error: of the difference.
      accuracy: the share of pairs told right, by thresholds that are best on other pairs.
      accuracy_error: of it, at these thresholds.
    """

    setting: Setting
    area: float
    area_error: float
    difference: float
    error: float
    accuracy: float
    accuracy_error: float

    @property
    def name(self) -> str:
        """Of the setting."""
        return self.setting.name

    @property
    def change(self) -> dict:
        """Fields of `TeacherView`."""
        return self.setting.changes


class Round(NamedTuple):
    """Settings on the same pairs.

    Attributes:
      pairs: those.
      scores: the declared setting's first.
      faults: why a setting has no score, by its name.
      tried: how many others than the declared one the verdict chooses from.
    """

    pairs: LabelledPairs
    scores: tuple[SettingScore, ...]
    faults: dict[str, str]
    tried: int

    @property
    def ahead(self) -> list[Setting]:
        """Those that are better by more than a standard error."""
        return [score.setting for score in self.scores[1:] if score.difference > score.error]

    @property
    def better(self) -> list[SettingScore]:
        """Those that are better beyond the noise, and by more than a trifle; the best first."""
        found = [score for score in self.scores[1:] if score.difference > max(TRIFLE, self.errors_allowed * score.error)]
        return sorted(found, key=lambda score: -score.difference)

    @property
    def errors_allowed(self) -> float:
        """How many standard errors one of the settings may be ahead by chance."""
        return errors_allowed(self.pairs.people_with_pairs, self.tried)


def measured_rounds(settings: Sequence[Setting], groups: Sequence[LabelledPairs], measure: Measure) -> tuple[Round, ...]:
    """One round; and where others are ahead of the declared setting, and there are pairs for a closer look, a second one.

    Args:
      settings: the declared one first.
      groups: the pairs of either round.
      measure: asks the teacher.

    Raises:
      Refused: the declared setting cannot be measured.
    """
    first = _round(settings, groups[0], measure, len(settings) - 1)
    if not first.ahead or not _is_closer(*groups):
        return (first,)
    return first, _round([settings[0], *first.ahead], groups[1], measure, first.tried)


def _is_closer(first: LabelledPairs, second: LabelledPairs) -> bool:
    # Of few people many pairs say little.
    return second.of_either_kind >= first.of_either_kind and second.people_with_pairs >= first.people_with_pairs / 2


def _round(settings: Sequence[Setting], pairs: LabelledPairs, measure: Measure, tried: int) -> Round:
    faults = {}

    def measured() -> Iterator[tuple[Setting, np.ndarray | None]]:
        for place, setting in enumerate(settings):
            try:
                yield setting, measure(setting, pairs)
            except Refused as fault:
                if place == 0:
                    raise
                faults[setting.name] = str(fault)
                yield setting, None

    found = [(setting, distances) for setting, distances in with_progress(measured(), len(settings), "settings") if distances is not None]
    scores = _scores([setting for setting, _ in found], np.stack([distances for _, distances in found]), pairs)
    return Round(pairs, tuple(scores), faults, tried)


def _scores(settings: Sequence[Setting], distances: np.ndarray, pairs: LabelledPairs) -> Iterator[SettingScore]:
    areas = [area_under_roc(each, pairs.same) for each in distances]
    without_each = [areas_without_each(each, pairs.people) for each in distances]
    for setting, each, area, without in zip(settings, distances, areas, without_each, strict=True):
        right = _told_right(each, pairs.same)
        yield SettingScore(
            setting=setting,
            area=100 * area,
            area_error=100 * jackknife_error(without),
            difference=100 * (area - areas[0]),
            error=100 * jackknife_error(without - without_each[0]),
            accuracy=100 * float(right.mean()),
            accuracy_error=100 * jackknife_error(shares_without_each(right, pairs.people)),
        )


def _told_right(distances: np.ndarray, same: np.ndarray) -> np.ndarray:
    folds = np.arange(len(same)) % FOLDS
    return (distances < fold_scores(distances, same, folds).thresholds[folds]) == same
