"""Numbers in tables, and the table of a whole study: teacher, students and what needs no network."""

from collections.abc import Iterable, Sequence

import numpy as np

from kd_tf.markdown import markdown_table
from kd_tf.study.results import StudyResults
from kd_tf.study.stages import STUDENTS

# Columns: head, key of `metrics.json`, and the task whose score it is.
COLUMNS = (("top-1 %", "top1", "classification"), ("NRMSE %", "nrmse", "alignment"), ("rank-1 %", "rank1", "verification"))
ABSENT = "-"


def overview(results: StudyResults) -> str:
    """Teacher and students in the three tasks, as far as they are finished, and baselines; mean and deviation over the seeds, Markdown."""
    rows = [["network", "parameters", *(title for title, _, _ in COLUMNS)]]
    for title, stages in _rows():
        metrics = [found for stage in stages for found in results.scores.get(stage, {}).values()]
        if metrics:
            scores = (_scores(metrics, key, task) for _, key, task in COLUMNS)
            rows.append([title, f"{metrics[0]['parameters']:,}", *scores])
    for title, scores in results.baselines.items():
        rows.append([title, ABSENT, *(f"{scores[key]:.2f}" if key in scores else ABSENT for _, key, _ in COLUMNS)])
    return markdown_table(rows)


def _rows() -> Iterable[tuple[str, tuple[str, ...]]]:
    """Title and stages of each."""
    yield "teacher (Eq 3, 6, 8')", ("teacher", "alignment_teacher", "joint_teacher")
    for divisor in STUDENTS:
        yield f"student /{divisor} from scratch (Eq 2)", (f"scratch_soft_{divisor}",)
        yield f"student /{divisor} pre-trained (Eq 3)", (f"pretrained_{divisor}",)
        distilled = (f"ours_{divisor}", f"alignment_distill_hidden_{divisor}", f"joint_distill_soft_{divisor}")
        yield f"student /{divisor} distilled (Eq 4, 7, 9')", distilled


def _scores(metrics: list[dict], key: str, task: str) -> str:
    values = [found[key] for found in metrics if found["task"] == task and key in found]
    return with_spread(values) if values else ABSENT


def with_spread(values: Sequence[float]) -> str:
    """The mean of one value or more; of several with their standard deviation."""
    mean, deviation = mean_and_deviation(values)
    return f"{mean:.2f}" if deviation is None else f"{mean:.2f} ± {deviation:.2f}"


def mean_and_deviation(values: Sequence[float]) -> tuple[float | None, float | None]:
    """None where there is no value; a single one has no standard deviation."""
    return (float(np.mean(values)) if values else None), (float(np.std(values, ddof=1)) if len(values) > 1 else None)
