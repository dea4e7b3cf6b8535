"""What each stage took: the ledgers of its runs."""

import statistics

from kd_tf.study.report.comparison import scores_of
from kd_tf.study.report.evidence import Evidence
from kd_tf.study.report.parts import Content, NumberTable
from kd_tf.study.results import StudyResults
from kd_tf.study.table import ABSENT
from kd_tf.training.ledger import COSTS

# What a run spends its time on; the first is training.
SECONDS = ("seconds", "evaluation_seconds", "checkpoint_seconds")


def cost_ledger(evidence: Evidence) -> Content:
    """A row a stage, means over its seeds, and the hours of all."""
    results = evidence.results
    runs = [metrics for seeds in results.scores.values() for metrics in seeds.values()]
    if not runs:
        return Content(missing=("No stage is finished yet, so nothing is known of what they take.",))
    hours = sum(metrics.get(key, 0.0) for metrics in runs for key in SECONDS) / 3600
    text = (
        f"In all {hours:,.2f} hours in {len(runs)} finished runs: training, evaluation and checkpoints, without what it took to store "
        "the teachers' outputs; of a run that was interrupted, what its last process spent. Each row is the mean over the stage's seeds.",
    )
    return Content(text=text, numbers=(_table(results),))


def _table(results: StudyResults) -> NumberTable:
    headings = {"seconds": "training s"} | {key: " ".join(words.format("").split()) for key, words in COSTS.items()}
    stages = [stage for stage in results.stages.values() if results.scores.get(stage.name)]
    values = {key: [tuple(scores_of(results, stage, key).values()) for stage in stages] for key in headings}
    measured = [key for key in headings if any(values[key])]
    rows = tuple(
        (stage.name, str(len(results.scores[stage.name])), *(_mean(values[key][place]) for key in measured))
        for place, stage in enumerate(stages)
    )
    return NumberTable("Costs of the stages", ("stage", "seeds", *(headings[key] for key in measured)), rows)


def _mean(values: tuple[float, ...]) -> str:
    return f"{statistics.mean(values):,.1f}" if values else ABSENT
