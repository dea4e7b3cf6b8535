import numpy as np
import pytest

from kd_tf.study.claims import HOLDS, OPPOSITE, UNTOLD, level_students, signed, t_interval, verdicts
from kd_tf.study.tables import Cell, Claim, Row, Table, make_tables

# Student's t at 97.5% of 1 and of 2 degrees of freedom, from a printed table.
T1, T2 = 12.7062, 4.3027


def _table(*pairs, control=False, higher_is_better=True, text="A is above B"):
    """A table of one claim; a pair is two names of stages, or two (name, the paper's value)."""
    cells = tuple(tuple(Cell(*(name, "top1") if isinstance(name, str) else (name[0], "top1", name[1])) for name in pair) for pair in pairs)
    rows = tuple(Row(cell.stage, (cell,)) for pair in cells for cell in pair)
    return Table("table1", "scores", ("top-1 %",), rows, (Claim(text, cells, control),), higher_is_better)


def _scores(**values):
    """A list of values is of seeds 0, 1, ...; a dictionary says its seeds."""
    by_seed = {stage: each if isinstance(each, dict) else dict(enumerate(each)) for stage, each in values.items()}
    return {stage: {seed: {"top1": float(value)} for seed, value in each.items()} for stage, each in by_seed.items()}


def _verdict(table, scores):
    (verdict,) = verdicts(table, scores)
    return verdict


@pytest.mark.parametrize(
    ("differences", "half"),
    [
        # Standard deviation 1 of three seeds: t / sqrt(3) = 2.48416.
        ([4, 5, 6], T2 / np.sqrt(3)),
        # Of two seeds sqrt(2), which sqrt(2) seeds divide away.
        ([4, 6], T1),
    ],
)
def test_interval_by_hand(differences, half):
    assert t_interval(np.array(differences, float)) == pytest.approx((5 - half, 5 + half), abs=1e-3)


def test_one_value_and_equal_values_have_no_interval():
    assert t_interval(np.array([5.0])) is None
    assert t_interval(np.array([5.0, 5.0, 5.0])) is None
    # The same difference of 1, but for the rounding of the scores to float32.
    rounded = np.array([np.float32(64.7) - np.float32(63.7), np.float32(15.3) - np.float32(14.3)], float)
    assert rounded[0] != rounded[1] and t_interval(rounded) is None
    assert t_interval(np.array([5.0, 5.001])) is not None


def test_the_interval_misses_the_truth_once_in_twenty_times():
    random = np.random.default_rng(0)
    intervals = [t_interval(7 + random.normal(size=3)) for _ in range(2000)]
    assert 0.035 < np.mean([not low < 7 < high for low, high in intervals]) < 0.065


def test_a_claim_that_holds():
    verdict = _verdict(_table(("a", "b")), _scores(a=[54, 65, 76], b=[50, 60, 70]))
    assert (verdict.outcome, verdict.advantage, verdict.seeds, verdict.pairs) == (HOLDS, 5.0, (0, 1, 2), 1)
    assert verdict.interval == pytest.approx((2.51584, 7.48416), abs=1e-3)
    assert verdict.sentence == "Holds: A is above B: +5.00, 95% interval +2.52 to +7.48 over 3 seeds."


def test_what_a_seed_does_to_both_cells_is_no_noise():
    apart = _verdict(_table(("a", "b")), _scores(a=[54, 165, -224], b=[50, 160, -230]))
    assert apart == _verdict(_table(("a", "b")), _scores(a=[54, 55, 56], b=[50, 50, 50]))


@pytest.mark.parametrize(
    ("first", "outcome", "sentence"),
    [
        ([54, 55, 56], OPPOSITE, "Does not hold: A is above B: -5.00, 95% interval -7.48 to -2.52 over 3 seeds."),
        ([48, 50, 52], UNTOLD, "Cannot be told: A is above B: +0.00, 95% interval -4.97 to +4.97 over 3 seeds."),
        ([46, 45, 44], HOLDS, "Holds: A is above B: +5.00, 95% interval +2.52 to +7.48 over 3 seeds."),
    ],
)
def test_where_lower_is_better(first, outcome, sentence):
    table = _table(("a", "b"), higher_is_better=False)
    verdict = _verdict(table, _scores(a=first, b=[50, 50, 50]))
    assert (verdict.outcome, verdict.sentence) == (outcome, sentence)


# Around a standard deviation of 1, three seeds tell an advantage of 2.484.
@pytest.mark.parametrize(("mean", "outcome"), [(2.49, HOLDS), (2.47, UNTOLD), (-2.47, UNTOLD), (-2.49, OPPOSITE)])
def test_just_told_and_just_not(mean, outcome):
    assert _verdict(_table(("a", "b")), _scores(a=[mean - 1, mean, mean + 1], b=[0, 0, 0])).outcome == outcome


def test_several_pairs():
    # Differences 4, 5, 6 and 0, 2, -2 and -3, -4, -2: by seed 1/3, 1 and 2/3 on average, standard deviation 1/3.
    table = _table(("a", "b"), ("c", "d"), ("e", "f"))
    scores = _scores(a=[54, 55, 56], b=[50, 50, 50], c=[60, 62, 58], d=[60, 60, 60], e=[7, 6, 8], f=[10, 10, 10])
    verdict = _verdict(table, scores)
    assert verdict.advantage == pytest.approx(2 / 3)
    assert verdict.interval == pytest.approx((2 / 3 - T2 / 3 / np.sqrt(3), 2 / 3 + T2 / 3 / np.sqrt(3)), abs=1e-4)
    assert (verdict.outcome, verdict.pairs, verdict.beyond, verdict.opposite) == (UNTOLD, 3, 1, 1)
    assert verdict.sentence == (
        "Cannot be told: A is above B: +0.67 on average over 3 pairs of cells, 95% interval -0.16 to +1.49 over 3 seeds; "
        "by itself beyond the spread in 1 of the 3, the opposite in 1."
    )


def test_only_pairs_that_are_measured_and_seeds_that_they_share():
    table = _table((("a", 60.0), ("b", 50.0)), (("c", 80.0), ("d", 50.0)), (("e", 1.0), ("f", 0.0)))
    # Seed 3 lacks `b`, seed 4 `c` and `d`; of the last pair there is but one cell. Differences 4, 5, 6 and 8, 9, 10.
    scores = _scores(
        a={0: 54, 1: 55, 2: 56, 3: 99, 4: 99}, b={0: 50, 1: 50, 2: 50, 4: 0}, c=[18, 19, 20, 99], d=[10, 10, 10, 0], e=[9, 9, 9]
    )  # fmt: skip
    verdict = _verdict(table, scores)
    assert (verdict.advantage, verdict.seeds, verdict.pairs, verdict.paper) == (7.0, (0, 1, 2), 2, 20.0)
    assert verdict.sentence == (
        "Holds: A is above B: +7.00 over 2 of 3 pairs of cells (the paper: +20.00), 95% interval +4.52 to +9.48 over 3 seeds; "
        "by itself beyond the spread in 2 of the 2, the opposite in 0."
    )


@pytest.mark.parametrize(
    "scores",
    [{}, _scores(a=[1, 2]), _scores(a={0: 1}, b={1: 1}), {"a": {0: {"rank1": 1.0}}, "b": {0: {"rank1": 1.0}}}],
    ids=["nothing", "one_cell", "other_seeds", "other_metric"],
)
def test_nothing_is_said_of_what_is_not_measured(scores):
    assert verdicts(_table(("a", "b")), scores) == []


def test_one_seed():
    verdict = _verdict(_table(("a", "b"), control=True), _scores(a={7: 55.21}, b={7: 50}))
    assert (verdict.outcome, verdict.interval, verdict.seeds) == (UNTOLD, None, (7,))
    assert verdict.sentence == "Cannot be told from one seed (control): A is above B: +5.21."
    pairs = _verdict(_table(("a", "b"), ("c", "d")), _scores(a=[55], b=[50], c=[52], d=[51]))
    assert pairs.sentence == "Cannot be told from one seed: A is above B: +3.00 on average over 2 pairs of cells."


@pytest.mark.parametrize(("difference", "text"), [(0, "+0.00"), (5, "+5.00")])
def test_equal_differences_tell_nothing_of_their_spread(difference, text):
    verdict = _verdict(_table(("a", "b")), _scores(a=[50 + difference, 60 + difference], b=[50, 60]))
    assert (verdict.outcome, verdict.interval) == (UNTOLD, None)
    assert verdict.sentence == f"Cannot be told from 2 seeds that do not differ: A is above B: {text}."


@pytest.mark.parametrize(("higher_is_better", "sign"), [(True, "+"), (False, "-")])
def test_the_papers_own_advantage(higher_is_better, sign):
    table = _table((("a", 75.06), ("b", 69.88)), higher_is_better=higher_is_better)
    assert f"(the paper: {sign}5.18), 95% interval" in _verdict(table, _scores(a=[1, 2], b=[3, 5])).sentence
    lacking = _table((("a", 75.06), ("b", 69.88)), (("c", 75.06), "d"))
    verdict = _verdict(lacking, _scores(a=[1, 2], b=[3, 5], c=[1, 2], d=[1, 1]))
    assert verdict.paper is None and "the paper" not in verdict.sentence


def test_zero_has_one_sign():
    assert [signed(value) for value in (-0.001, 0.0, 0.004, -0.006, 12.345)] == ["+0.00", "+0.00", "+0.00", "-0.01", "+12.35"]


def _papers_scores(table, noise=(0.0,)):
    """The paper's values as if measured, in each seed with its noise."""
    cells = [cell for cell in table.cells if cell.paper is not None]
    scores = {cell.stage: {seed: {} for seed in range(len(noise))} for cell in cells}
    for cell in cells:
        for seed, each in enumerate(noise):
            scores[cell.stage][seed][cell.metric] = cell.paper + each
    return scores


# In Table 1 a stage has two values in the paper.
@pytest.mark.parametrize("key", ["table2", "table3", "table4", "table5"])
def test_the_papers_numbers_make_the_papers_claims(key):
    table = make_tables()[key]
    found = verdicts(table, _papers_scores(table))
    assert [verdict.claim for verdict in found] == [claim for claim in table.claims if not claim.control]
    assert all(verdict.advantage == pytest.approx(verdict.paper) and verdict.paper > 0 for verdict in found)


def test_students_of_the_paper_that_are_level_with_their_teacher():
    table = make_tables()["table2"]
    assert level_students(table, _papers_scores(table)) == [
        "Narrowest student at or above its teacher (faces, top-1). Ours: /2 (+2.40 from one seed; the paper: /2).",
        "Narrowest student at or above its teacher (large set, top-1). Ours: none, the best is /2 (-2.15 from one seed; the paper: none).",
    ]


def test_level_students_by_hand():
    top1 = {
        "teacher": [80, 81, 82],
        # Advantages 3, 4, 5, then 0 on average, and -10 and less.
        "ours_2": [83, 85, 87],
        "ours_4": [79, 81, 83],
        "ours_8": [70, 71, 70],
        # The best is -1, -2, -3 on average -2: not beyond 2.48.
        "pretrained_4": [79, 79, 79],
        "pretrained_8": [10, 20, 30],
    }
    assert level_students(make_tables()["table2"], _scores(**top1)) == [
        "Narrowest student at or above its teacher (faces, top-1). "
        "Ours: /4 (+0.00 over 3 seeds, not beyond the spread; the paper: /2); "
        "control W_S0 (no teacher): none, the best is /4 (-2.00 over 3 seeds, not beyond the spread)."
    ]
    narrow = _scores(teacher=[80, 81, 82], ours_8=[84, 86, 88])
    assert "Ours: /8 (+5.00 over 3 seeds, beyond the spread; the paper: /2)." in level_students(make_tables()["table2"], narrow)[0]


def test_no_level_is_told_without_teacher_or_students():
    table = make_tables()["table2"]
    assert level_students(table, _scores(ours_2=[1, 2])) == level_students(table, _scores(teacher=[1, 2])) == []
