"""What is known of a run's teacher without asking it."""

from collections.abc import Iterable

from kd_tf.evaluation.score import COSINE
from kd_tf.training.run_directory import RunDirectory

# The flags that say how images are seen when a run is scored.
_SEEN = ("image_size", "central_fraction", "align")


def teacher_scores(teacher: str | None, fingerprint: str, flagfile: str) -> dict[str, float]:
    """The `metrics.json` of a teacher's run, where it was trained and scored on the same images, seen in the same way; else empty.

    What it has in common with a teacher of its own is left out.

    Args:
      teacher: `--teacher`; a cache does not know whose run it was filled from.
      fingerprint: of what the student's run reads.
      flagfile: the student's.
    """
    directory = RunDirectory(teacher) if teacher else None
    records = directory.records() if directory and directory.finished else []
    if not records or records[-1]["data"].get("fingerprint") != fingerprint:
        return {}
    if _views(records[-1]["flags"]) != _views(flagfile.splitlines()):
        return {}
    return {name: score for name, score in directory.metrics().items() if name != COSINE}


def _views(lines: Iterable[str]) -> set[str]:
    return {line for line in lines if line.removeprefix("--no").removeprefix("--").split("=")[0] in _SEEN}
