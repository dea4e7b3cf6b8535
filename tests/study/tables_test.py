import numpy as np
import pytest

from kd_tf.study.stages import make_stages
from kd_tf.study.tables import make_tables

TABLES = make_tables()
STAGES = make_stages()


@pytest.mark.parametrize("key", TABLES)
def test_every_cell_is_the_score_of_a_stage(key):
    table = TABLES[key]
    for row in table.rows:
        assert len(row.cells) == len(table.columns)
        assert not row.control or all(cell is None or cell.paper is None for cell in row.cells)
    scores = {"classification": {"top1", "lfw_accuracy"}, "alignment": {"nrmse"}, "verification": {"rank1"}}
    for cell in table.cells:
        assert cell.metric in scores[STAGES[cell.stage].task]


@pytest.mark.parametrize("key", TABLES)
def test_what_the_paper_claims_its_own_numbers_say(key):
    table = TABLES[key]
    for claim in table.claims:
        if not claim.control:
            advantages = [better.paper - worse.paper for better, worse in claim.pairs]
            assert np.mean(advantages) * (1 if table.higher_is_better else -1) > 0, claim.text


def test_what_a_control_asks_the_paper_has_no_number_for():
    for table in TABLES.values():
        for claim in table.claims:
            assert not claim.control or all(better.paper is None or worse.paper is None for better, worse in claim.pairs)


@pytest.mark.parametrize(
    ("key", "row", "values"),
    [
        ("table1", "Soft targets, Scratch", [64.49]),
        ("table1", "Soft targets, Fitnet", [69.88]),
        ("table2", "faces, top-1: Scratch", [88.61, 82.25, 79.36, 66.12]),
        ("table2", "large set, LFW pairs: Ours", [98.88, 98.18, 96.98]),
        ("table3", "Distill", [3.29, 3.21, 3.54]),
        ("table4", "/4 Pretrain", [61.74, 61.71, 62.64]),
        ("table5", "/8 Distill", [57.66, 56.87, 57.78]),
        ("table5", "teacher", [74.16]),
    ],
)
def test_values_of_the_paper(key, row, values):
    cells = next(each.cells for each in TABLES[key].rows if each.title == row)
    assert [cell.paper for cell in cells if cell and cell.paper] == values
