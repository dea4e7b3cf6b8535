"""What is known of a run's teacher without asking it."""

from kd_tf.training.run_directory import RunDirectory


def teacher_scores(teacher: str | None, fingerprint: str) -> dict[str, float]:
    """The `metrics.json` of a teacher's run, where it was trained and scored on the same images; else empty.

    Args:
      teacher: `--teacher`; a cache does not know whose run it was filled from.
      fingerprint: of what the student's run reads.
    """
    directory = RunDirectory(teacher) if teacher else None
    if directory is None or not directory.finished:
        return {}
    records = directory.records()
    return directory.metrics() if records and records[-1]["data"]["fingerprint"] == fingerprint else {}
