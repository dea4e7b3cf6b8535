"""What a study has found so far: the scores of its stages and where their runs lie."""

import dataclasses
from collections.abc import Mapping

from kd_tf.study.stages import Stage
from kd_tf.study.tables import Cell, Table
from kd_tf.training.config import RunConfig

# Name of a stage to seed to `metrics.json` of its run, with `lfw_accuracy` where its pairs were scored.
Scores = Mapping[str, Mapping[int, Mapping[str, float]]]


@dataclasses.dataclass(frozen=True)
class StudyResults:
    """All that tables and report are made of.

    Attributes:
      command: the one that makes the study again.
      scale: its name.
      stages: those of the study, by name.
      tables: those of the study, in order.
      scores: of finished stages alone.
      runs: the configuration of each stage and seed, finished or not; `model_dir` is where it lies.
      baselines: scores that need no network, by name.
    """

    command: str
    scale: str
    stages: Mapping[str, Stage]
    tables: tuple[Table, ...]
    scores: Scores
    runs: Mapping[str, Mapping[int, RunConfig]]
    baselines: Mapping[str, Mapping[str, float]]


def cell_values(cell: Cell, scores: Scores) -> dict[int, float]:
    """The score of a cell by seed; empty where it is not measured."""
    return {seed: metrics[cell.metric] for seed, metrics in scores.get(cell.stage, {}).items() if cell.metric in metrics}
