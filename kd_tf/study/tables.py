"""The paper's five tables: which stage's score stands in which cell, the paper's value beside it, and what the paper claims of them.

Values are those of arXiv 1709.02929v2, percent. Rows that the paper does not have are controls.
"""

import dataclasses
from collections.abc import Iterable

from kd_tf.study.stages import CELL_TARGETS, FACES, LARGE, NARROWEST, STUDENTS, cell_name, classification_name


@dataclasses.dataclass(frozen=True)
class Cell:
    """One number.

    Attributes:
      stage: whose it is.
      metric: a key of the stage's `metrics.json`, or `PAIRS_METRIC`.
      paper: what the paper has there; None: nothing.
    """

    stage: str
    metric: str
    paper: float | None = None


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a table; a cell that is None stays empty."""

    title: str
    cells: tuple[Cell | None, ...]
    control: bool = False


@dataclasses.dataclass(frozen=True)
class Claim:
    """What the paper says, or what a control asks.

    Attributes:
      text: the statement.
      pairs: (better, worse) cells; the statement holds where the first is better than the second.
      control: it is asked of a control, and the paper does not say it.
    """

    text: str
    pairs: tuple[tuple[Cell, Cell], ...]
    control: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """One table of the paper.

    Attributes:
      key: as `--only` takes it.
      title: what is measured.
      columns: their heads, without that of the row titles.
      rows: each with a cell a column.
      claims: what is said under it.
      higher_is_better: of its scores.
    """

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    higher_is_better: bool = True

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All that are not empty."""
        return tuple(cell for row in self.rows for cell in row.cells if cell)


TEACHER = "teacher"
PAIRS_METRIC = "lfw_accuracy"
TARGET_COLUMNS = ("(0, 0)", "(0, 1) hidden", "(1, 0) soft", "(1, 1) both")
_NONE, _HIDDEN, _SOFT, _BOTH = CELL_TARGETS
_NOTHING = (None,) * len(STUDENTS)


def stages_on_pairs(tables: Iterable[Table]) -> set[str]:
    """The stages whose accuracy on the pairs of LFW the tables show."""
    return {cell.stage for table in tables for cell in table.cells if cell.metric == PAIRS_METRIC}


def make_tables() -> dict[str, Table]:
    """The five tables by key."""
    tables = (_table1(), _table2(), _table3(), _verification_table("table4", "triplet"), _verification_table("table5", "joint"))
    return {table.key: table for table in tables}


def _table1() -> Table:
    def cell(stage: str, paper: float | None = None) -> Cell:
        return Cell(f"{stage}_{NARROWEST}", "top1", paper)

    hidden, logits, soft = cell("scratch_hidden", 60.08), cell("scratch_logits", 59.77), cell("scratch_soft", 61.27)
    scratch, fitnet, ours = cell("scratch_soft", 64.49), cell("fitnet", 69.88), cell("ours", 75.06)
    continued, longer = cell("continued"), cell("scratch_continued")
    return Table(
        "table1",
        f"targets and initializations, top-1 of the student /{NARROWEST}",
        ("top-1 %",),
        (
            Row("Scratch, hidden layer", (hidden,)),
            Row("Scratch, logits", (logits,)),
            Row("Scratch, soft targets", (soft,)),
            Row("Soft targets, Scratch", (scratch,)),
            Row("Soft targets, Fitnet", (fitnet,)),
            Row("Soft targets, Ours", (ours,)),
            Row("Scratch, soft targets and hidden layer", (cell("scratch_both"),), control=True),
            Row("W_S0 (no teacher)", (cell("pretrained"),), control=True),
            Row("W_S0 continued, alpha = 0", (continued,), control=True),
            Row("Scratch with the budget of Ours", (longer,), control=True),
        ),
        (
            Claim("from scratch, soft targets are above the hidden layer", ((soft, hidden),)),
            Claim("from scratch, soft targets are above logits", ((soft, logits),)),
            Claim("Fitnet is above Scratch", ((fitnet, scratch),)),
            Claim("Ours is above Fitnet", ((ours, fitnet),)),
            Claim("Ours is above Scratch", ((ours, scratch),)),
            Claim("Ours is above W_S0 continued without a teacher", ((ours, continued),), control=True),
            Claim("Ours is above Scratch of the same budget", ((ours, longer),), control=True),
        ),
    )


def _table2() -> Table:
    """Top-1 on both data sets, and the accuracy of the same networks on the pairs of LFW."""
    values = {
        (FACES, "top1"): (88.61, (82.25, 79.36, 66.12), (91.01, 87.21, 75.06)),
        (FACES, PAIRS_METRIC): (97.67, (97.27, 96.70, 95.12), (98.20, 97.57, 96.18)),
        (LARGE, "top1"): (90.53, (84.59, 81.94, 57.84), (88.38, 85.26, 70.98)),
        (LARGE, PAIRS_METRIC): (99.11, (98.61, 98.03, 96.33), (98.88, 98.18, 96.98)),
    }
    rows, claims = [], []
    for (data, metric), (teacher_value, scratch_values, ours_values) in values.items():
        name = ("faces" if data == FACES else "large set") + (", top-1" if metric == "top1" else ", LFW pairs")

        def row(kind: str, papers=_NOTHING, data=data, metric=metric) -> tuple[Cell, ...]:
            return tuple(
                Cell(classification_name(data, kind, divisor), metric, paper) for divisor, paper in zip(STUDENTS, papers, strict=True)
            )

        teacher = Cell(classification_name(data, "teacher"), metric, teacher_value)
        teacher_continued = Cell(classification_name(data, "teacher_continued"), metric)
        scratch, ours = row("scratch_soft", scratch_values), row("ours", ours_values)
        continued, longer = row("continued"), row("scratch_continued")
        rows += [
            Row(f"{name}: Scratch", (teacher, *scratch)),
            Row(f"{name}: Ours", (None, *ours)),
            Row(f"{name}: W_S0 (no teacher)", (None, *row("pretrained")), control=True),
            Row(f"{name}: W_S0 continued, alpha = 0", (None, *continued), control=True),
            Row(f"{name}: Scratch with the budget of Ours", (None, *longer), control=True),
            Row(f"{name}: teacher with the budget of Ours", (teacher_continued, *(None for _ in STUDENTS)), control=True),
        ]
        level = zip(STUDENTS, ours, ours_values, strict=True)
        claims += [
            Claim(f"{name}: Ours is above Scratch", tuple(zip(ours, scratch, strict=True))),
            *(Claim(f"{name}: Ours /{divisor} is above its teacher", ((cell, teacher),)) for divisor, cell, value in level
              if value > teacher_value),
            Claim(f"{name}: Ours /{STUDENTS[0]} is above a teacher of the same budget", ((ours[0], teacher_continued),), control=True),
            Claim(f"{name}: Ours is above W_S0 continued without a teacher", tuple(zip(ours, continued, strict=True)), control=True),
            Claim(f"{name}: Ours is above Scratch of the same budget", tuple(zip(ours, longer, strict=True)), control=True),
        ]  # fmt: skip
    columns = (TEACHER, *(f"/{divisor}" for divisor in STUDENTS))
    return Table("table2", "classification, Scratch and Ours, percent", columns, tuple(rows), tuple(claims))


def _table3() -> Table:
    def row(start: str, *papers: float | None) -> tuple[Cell, ...]:
        cells = zip(CELL_TARGETS, papers or (None,) * len(CELL_TARGETS), strict=True)
        return tuple(Cell(cell_name("alignment", start, targets, NARROWEST), "nrmse", paper) for targets, paper in cells)

    pretrain, distill = row("pretrain", 3.36, 3.24, 3.60, None), row("distill", 3.29, 3.21, 3.54, None)
    undistilled = row("undistilled")
    continued = Cell(cell_name("alignment", "continued", _NONE, NARROWEST), "nrmse")
    none, hidden, soft, both = zip(pretrain, distill, strict=True)
    return Table(
        "table3",
        f"alignment, NRMSE of the student /{NARROWEST} in percent, lower is better",
        TARGET_COLUMNS,
        (
            Row("teacher", (Cell("alignment_teacher", "nrmse", 3.02), None, None, None)),
            Row("Pretrain", pretrain),
            Row("Distill", distill),
            Row("W_S0, not distilled", undistilled, control=True),
            Row("W_S0 continued, not distilled", (continued, None, None, None), control=True),
        ),
        (
            Claim("the hidden layer helps: (0, 1) is better than (0, 0)", tuple(zip(hidden, none, strict=True))),
            Claim("soft targets hurt: (0, 0) is better than (1, 0)", tuple(zip(none, soft, strict=True))),
            Claim("Distill is better than Pretrain", tuple(zip(distill[:3], pretrain[:3], strict=True))),
            Claim(
                "Distill is better than W_S0, which had half of its training", tuple(zip(distill, undistilled, strict=True)), control=True
            ),
            Claim("Distill is better than a start of the same training that nobody taught", ((distill[0], continued),), control=True),
            Claim("both targets are better than the hidden layer alone", tuple(zip(both, hidden, strict=True)), control=True),
        ),
        higher_is_better=False,
    )


_VERIFICATION = {
    "table4": (73.81, {"pretrain": ((63.98, 60.66, 66.50), (61.74, 61.71, 62.64), (51.03, 49.19, 51.76)),
                       "distill": ((71.29, 68.74, 71.23), (68.17, 66.74, 68.12), (56.69, 53.99, 56.52))}),
    "table5": (74.16, {"pretrain": ((72.38, 70.54, 73.62), (66.64, 65.08, 68.24), (51.86, 51.43, 53.45)),
                       "distill": ((79.51, 77.63, 79.96), (72.01, 70.31, 72.82), (57.66, 56.87, 57.78))}),
}  # fmt: skip
_ROWS = {"pretrain": "Pretrain", "distill": "Distill", "undistilled": "W_S0, not distilled"}


def _verification_table(key: str, loss: str) -> Table:
    teacher_value, values = _VERIFICATION[key]
    cells = {}
    for place, divisor in enumerate(STUDENTS):
        for start in _ROWS:
            papers = (*values[start][place], None) if start in values else (None,) * len(CELL_TARGETS)
            for targets, paper in zip(CELL_TARGETS, papers, strict=True):
                cells[start, targets, divisor] = Cell(cell_name(loss, start, targets, divisor), "rank1", paper)

    def pairs(better, worse, *, targets=CELL_TARGETS) -> tuple[tuple[Cell, Cell], ...]:
        """All students; a start stands for its row, targets for their column of the paper's rows."""
        if better in _ROWS:
            return tuple((cells[better, each, divisor], cells[worse, each, divisor]) for divisor in STUDENTS for each in targets)
        rows = ("pretrain", "distill")
        return tuple((cells[start, better, divisor], cells[start, worse, divisor]) for divisor in STUDENTS for start in rows)

    teacher = Cell(f"{loss}_teacher", "rank1", teacher_value)
    rows = [Row("teacher", (teacher, None, None, None))]
    continued = {divisor: Cell(cell_name(loss, "continued", _NONE, divisor), "rank1") for divisor in STUDENTS}
    for divisor in STUDENTS:
        rows += [
            Row(f"/{divisor} {title}", tuple(cells[start, targets, divisor] for targets in CELL_TARGETS), control=start not in values)
            for start, title in _ROWS.items()
        ]
        rows.append(Row(f"/{divisor} W_S0 continued, not distilled", (continued[divisor], None, None, None), control=True))
    claims = [
        Claim("Distill is above Pretrain", pairs("distill", "pretrain", targets=CELL_TARGETS[:3])),
        Claim("soft targets help: (1, 0) is above (0, 0)", pairs(_SOFT, _NONE)),
        Claim("the hidden layer hurts: (0, 0) is above (0, 1)", pairs(_NONE, _HIDDEN)),
        Claim("Distill is above W_S0, which had half of its training", pairs("distill", "undistilled"), control=True),
        Claim(
            "Distill is above a start of the same training that nobody taught",
            tuple((cells["distill", _NONE, divisor], continued[divisor]) for divisor in STUDENTS),
            control=True,
        ),
        Claim("both targets are above soft targets alone", pairs(_BOTH, _SOFT), control=True),
    ]
    if key == "table5":
        above = (divisor for divisor, papers in zip(STUDENTS, values["distill"], strict=True) if papers[0] > teacher_value)
        claims += [
            Claim(f"Distill /{divisor} is above its teacher", tuple((cells["distill", each, divisor], teacher) for each in (_NONE, _SOFT)))
            for divisor in above
        ]
    words = {"triplet": "the triplet loss", "joint": "the triplet and the softmax loss"}[loss]
    title = f"verification with {words}, rank-1 %"
    return Table(key, title, TARGET_COLUMNS, tuple(rows), tuple(claims))
