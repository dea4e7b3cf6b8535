"""Which networks of a study are compared: a teacher and its students, of one task, one data set and one loss."""

import dataclasses
import statistics
from collections.abc import Iterable, Mapping

from kd_tf.study.results import StudyResults
from kd_tf.study.selection import SCORES
from kd_tf.study.stages import LARGE, Stage
from kd_tf.study.tables import TEACHER

# Lines of students by how they begin, for classification and what they are taught.
_CLASSIFICATION = {
    ("scratch", "soft"): "Scratch",
    ("ours", "soft"): "Ours",
    ("scratch", "none"): "W_S0",
    ("ours", "none"): "W_S0 continued",
    (None, "soft"): "Scratch continued",
}
# And for the other tasks, by the second word of the stage's name.
_STARTS = {"pretrain": "Pretrain", "distill": "Distill", "undistilled": "W_S0, not distilled", "continued": "W_S0 continued"}
LABELS = tuple(dict.fromkeys((TEACHER, *_CLASSIFICATION.values(), *_STARTS.values())))
METRIC_NAMES = {"top1": "top-1, %", "nrmse": "NRMSE, % (lower is better)", "rank1": "rank-1, %"}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Networks whose scores may be compared.

    Attributes:
      title: task, data and loss in words.
      task: one of `kd_tf.training.config.TASKS`.
      metric: a key of `metrics.json`.
      higher_is_better: of that score.
      lines: of `LABELS`, those with a finished stage: of each width the one with the best mean score, widest first.
    """

    title: str
    task: str
    metric: str
    higher_is_better: bool
    lines: Mapping[str, tuple[Stage, ...]]

    @property
    def narrowest(self) -> dict[str, Stage]:
        """The teacher and the narrowest students, by label."""
        divisor = max((stage.divisor for stages in self.lines.values() for stage in stages), default=1)
        return {label: stages[-1] for label, stages in self.lines.items() if label == TEACHER or stages[-1].divisor == divisor}

    @property
    def students(self) -> list[Stage]:
        """The narrowest ones."""
        return [stage for label, stage in self.narrowest.items() if label != TEACHER]

    @property
    def stage_names(self) -> str:
        """Which stage each line of `narrowest` is."""
        return ", ".join(f"{label} is {stage.name}" if label != stage.name else label for label, stage in self.narrowest.items())


def make_comparisons(results: StudyResults) -> tuple[Comparison, ...]:
    """All comparisons of the study, those of which nothing is finished too."""
    groups = {}
    for stage in results.stages.values():
        if stage.task in SCORES:
            groups.setdefault((stage.task, stage.data, stage.identity_weight), []).append(stage)
    return tuple(_compare(results, stages) for stages in groups.values())


def best_stage(results: StudyResults, comparison: Comparison, stages: Iterable[Stage]) -> Stage:
    """The finished stage with the best mean score."""
    choose = max if comparison.higher_is_better else min
    return choose(stages, key=lambda stage: statistics.mean(scores_of(results, stage, comparison.metric).values()))


def scores_of(results: StudyResults, stage: Stage, key: str) -> dict[int, float]:
    """A value of `metrics.json` by seed, where it is there."""
    return {seed: metrics[key] for seed, metrics in results.scores.get(stage.name, {}).items() if key in metrics}


def _compare(results: StudyResults, stages: list[Stage]) -> Comparison:
    metric, higher_is_better = SCORES[stages[0].task]
    comparison = Comparison(_title(stages[0]), stages[0].task, metric, higher_is_better, {})
    choices = {}
    for stage in stages:
        if scores_of(results, stage, metric) and _label(stage):
            choices.setdefault(_label(stage), {}).setdefault(stage.divisor, []).append(stage)
    lines = {
        label: tuple(best_stage(results, comparison, choices[label][divisor]) for divisor in sorted(choices[label]))
        for label in LABELS
        if label in choices
    }
    return dataclasses.replace(comparison, lines=lines)


def _label(stage: Stage) -> str | None:
    if stage.divisor == 1:
        return None if stage.init_rule == "ours" else TEACHER
    if stage.task == "classification":
        return _CLASSIFICATION.get((stage.init_rule, stage.targets))
    return _STARTS.get(stage.name.split("_")[1])


def _title(stage: Stage) -> str:
    if stage.task == "verification":
        return "Verification, triplet and softmax loss" if stage.identity_weight else "Verification, triplet loss"
    return stage.task.capitalize() + (", large data set" if stage.data == LARGE else "")
