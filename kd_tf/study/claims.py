"""What the numbers say of each claim under a table: does it hold beyond the spread over the seeds?

Seeds are common to the cells, so what a seed does to all of them alike is no noise: a claim is judged by the differences within each seed.
The spread is that of the seeds alone; all of them are tested on the same images.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import special

from kd_tf.study.results import Scores, cell_values
from kd_tf.study.selection import CONFIDENCE
from kd_tf.study.tables import TEACHER, Cell, Claim, Row, Table

HOLDS, OPPOSITE, UNTOLD = "holds", "does not hold", "cannot be told"
# Percent: differences nearer than this are equal but for their rounding to float32.
RESOLUTION = 1e-4


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the runs say of a claim. An advantage is above 0 where the cell that is claimed to be better is better.

    Attributes:
      claim: what is judged.
      outcome: `HOLDS`, `OPPOSITE` (the contrary is measured beyond the spread) or `UNTOLD`.
      advantage: mean over the measured pairs and the seeds, percent.
      interval: of the advantage, see `t_interval`.
      seeds: those that all measured pairs have.
      pairs: how many are measured.
      beyond: how many of them are better beyond the spread, each by itself.
      opposite: how many are worse beyond the spread, each by itself.
      paper: the paper's advantage over the same pairs; None where it lacks a value.
    """

    claim: Claim
    outcome: str
    advantage: float
    interval: tuple[float, float] | None
    seeds: tuple[int, ...]
    pairs: int
    beyond: int
    opposite: int
    paper: float | None

    @property
    def sentence(self) -> str:
        """All of it, in words."""
        control = " (control)" if self.claim.control else ""
        text = f"{self._head}{control}: {self.claim.text}: {signed(self.advantage)}{self._average}"
        if self.paper is not None:
            text += f" (the paper: {signed(self.paper)})"
        if self.interval:
            low, high = map(signed, self.interval)
            text += f", {CONFIDENCE:.0%} interval {low} to {high} over {len(self.seeds)} seeds"
        if self.pairs > 1 and len(self.seeds) > 1:
            text += f"; by itself beyond the spread in {self.beyond} of the {self.pairs}, the opposite in {self.opposite}"
        return text + "."

    @property
    def _head(self) -> str:
        head = self.outcome.capitalize()
        if self.interval:
            return head
        return f"{head} from one seed" if len(self.seeds) == 1 else f"{head} from {len(self.seeds)} seeds that do not differ"

    @property
    def _average(self) -> str:
        total = len(self.claim.pairs)
        if total == 1:
            return ""
        return f" on average over {self.pairs} pairs of cells" if self.pairs == total else f" over {self.pairs} of {total} pairs of cells"


def verdicts(table: Table, scores: Scores) -> list[Verdict]:
    """Of each claim, in order; a claim is left out where no seed has its pairs."""
    found = (_verdict(table, claim, scores) for claim in table.claims)
    return [verdict for verdict in found if verdict]


def level_students(table: Table, scores: Scores) -> list[str]:
    """Which is the narrowest student that is level with its teacher or above it, by the mean?

    Args:
      table: of any, only Table 2 has such rows; one without a teacher is held against the last one above it.
      scores: of its stages.

    Returns:
      A sentence a data set, for top-1, of Ours and of the controls; none where nothing is measured.
    """
    clauses, teacher = {}, None
    for row in table.rows if table.columns[0] == TEACHER else ():
        teacher = row.cells[0] or teacher
        if row.cells[0] or teacher.metric != "top1":
            continue
        data, _, kind = row.title.partition(": ")
        clause = _level_clause(table, row, teacher, scores)
        if clause:
            clauses.setdefault(data, []).append(f"{'control ' * row.control}{kind}: {clause}")
    return [f"Narrowest student at or above its teacher ({data}). {'; '.join(each)}." for data, each in clauses.items()]


def t_interval(values: np.ndarray) -> tuple[float, float] | None:
    """Student's t interval of the mean of `values`, two-sided.

    None for a single value, and for equal ones: scores are counts of test images, so a few of them agree by chance, and say no more of
    their spread than one does.
    """
    if len(values) < 2 or np.ptp(values) < RESOLUTION:
        return None
    half = special.stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def signed(value: float) -> str:
    """With its sign and two decimals; what rounds to 0 is +0.00."""
    return f"{round(value, 2) + 0.0:+.2f}"


def _verdict(table: Table, claim: Claim, scores: Scores) -> Verdict | None:
    pairs, seeds, advantages = _advantages(table, claim.pairs, scores)
    if not seeds:
        return None
    interval = t_interval(advantages.mean(axis=0))
    each = [_outcome(t_interval(row)) for row in advantages]
    return Verdict(
        claim=claim,
        outcome=_outcome(interval),
        advantage=float(advantages.mean()),
        interval=interval,
        seeds=seeds,
        pairs=len(pairs),
        beyond=each.count(HOLDS),
        opposite=each.count(OPPOSITE),
        paper=_paper_advantage(table, pairs),
    )


def _advantages(
    table: Table, pairs: Sequence[tuple[Cell, Cell]], scores: Scores
) -> tuple[list[tuple[Cell, Cell]], tuple[int, ...], np.ndarray]:
    """The pairs that are measured, the seeds that all of these have, and by how much the first is better, `[pairs, seeds]`."""
    values = {pair: [cell_values(cell, scores) for cell in pair] for pair in pairs}
    shared = {pair: set(better) & set(worse) for pair, (better, worse) in values.items()}
    measured = [pair for pair, seeds in shared.items() if seeds]
    seeds = tuple(sorted(set.intersection(*(shared[pair] for pair in measured)))) if measured else ()
    differences = [[values[pair][0][seed] - values[pair][1][seed] for seed in seeds] for pair in measured]
    return measured, seeds, np.array(differences, float) * _sign(table)


def _paper_advantage(table: Table, pairs: list[tuple[Cell, Cell]]) -> float | None:
    if any(cell.paper is None for pair in pairs for cell in pair):
        return None
    return float(np.mean([better.paper - worse.paper for better, worse in pairs])) * _sign(table)


def _sign(table: Table) -> int:
    return 1 if table.higher_is_better else -1


def _outcome(interval: tuple[float, float] | None) -> str:
    if interval and interval[0] > 0:
        return HOLDS
    return OPPOSITE if interval and interval[1] < 0 else UNTOLD


def _level_clause(table: Table, row: Row, teacher: Cell, scores: Scores) -> str | None:
    measured, papers = {}, {}
    for column, cell in zip(table.columns[1:], row.cells[1:], strict=True):
        _, seeds, advantages = _advantages(table, [(cell, teacher)], scores)
        if seeds:
            measured[column] = advantages[0]
        papers[column] = _paper_advantage(table, [(cell, teacher)])
    if not measured:
        return None
    means = {column: float(advantages.mean()) for column, advantages in measured.items()}
    narrowest = _narrowest(means)
    shown = narrowest or max(means, key=means.get)
    paper = "" if None in papers.values() else f"; the paper: {_narrowest(papers) or 'none'}"
    return f"{'' if narrowest else 'none, the best is '}{shown} ({_level_words(measured[shown])}{paper})"


def _narrowest(means: dict[str, float]) -> str | None:
    """Students come wide before narrow."""
    level = [column for column, mean in means.items() if mean > -RESOLUTION]
    return level[-1] if level else None


def _level_words(advantages: np.ndarray) -> str:
    mean = signed(advantages.mean())
    if len(advantages) == 1:
        return f"{mean} from one seed"
    told = "not beyond" if _outcome(t_interval(advantages)) == UNTOLD else "beyond"
    return f"{mean} over {len(advantages)} seeds, {told} the spread"
