"""The results of a study as a table."""

# Rows of the table: title, and the stages that its scores are from.
ROWS = (
    ("teacher (Eq 3, 6, 8')", ("teacher", "teacher_alignment", "teacher_verification")),
    ("student from scratch (Eq 2)", ("student_scratch",)),
    ("student pre-trained (Eq 3)", ("student_pretrained",)),
    ("student distilled (Eq 4, 7, 9')", ("student_distilled", "student_alignment", "student_verification")),
)
COLUMNS = (("top-1 %", "classification", "top1"), ("NRMSE %", "alignment", "nrmse"), ("rank-1 %", "verification", "rank1"))
ABSENT = "-"


def results_table(metrics: dict[str, dict], baselines: dict[str, dict[str, float]]) -> str:
    """Teacher, students and baselines, Markdown.

    Args:
      metrics: `metrics.json` of each stage, by name.
      baselines: scores that need no network, by name.
    """
    rows = [["network", "parameters", *(title for title, _, _ in COLUMNS)]]
    for title, stages in ROWS:
        by_task = {metrics[stage]["task"]: metrics[stage] for stage in stages}
        scores = [_number(by_task.get(task, {}).get(key)) for _, task, key in COLUMNS]
        rows.append([title, f"{metrics[stages[0]]['parameters']:,}", *scores])
    for title, scores in baselines.items():
        rows.append([title, ABSENT, *(_number(scores.get(key)) for _, _, key in COLUMNS)])
    return markdown_table(rows)


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.2f}"


def markdown_table(rows: list[list[str]]) -> str:
    """Markdown of rows of cells, the first the head; the first column is aligned left, the others right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(cells: list[str]) -> str:
        aligned = [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]
        return f"| {' | '.join(aligned)} |"

    rule = [f"{'-' * widths[0]}", *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(rows[0]), f"| {' | '.join(rule)} |", *(line(row) for row in rows[1:])]) + "\n"
