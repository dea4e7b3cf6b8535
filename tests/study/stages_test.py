import pytest

from kd_tf.study.stages import LARGE, STUDENTS, TARGETS, make_stages, with_needs
from kd_tf.study.tables import make_tables
from kd_tf.training.init_rules import INIT_RULES

STAGES = make_stages()


def test_each_comes_after_those_it_needs():
    done = set()
    for name, stage in STAGES.items():
        assert set(stage.needs) <= done
        done.add(name)


def test_whoever_is_taught_needs_its_teacher_and_a_control_does_not():
    for stage in STAGES.values():
        assert stage.taught == (stage.targets != "none")
        assert (stage.teacher in stage.needs) == stage.taught
        assert stage.targets in TARGETS


def test_teachers_are_of_the_task_and_as_wide_as_a_teacher():
    for stage in STAGES.values():
        if stage.teacher:
            teacher = STAGES[stage.teacher]
            assert teacher.divisor == 1 and stage.divisor in STUDENTS
            assert teacher.task == {"hint": "classification"}.get(stage.task, stage.task)
            assert (teacher.data == LARGE) == (stage.data == LARGE)


def test_starts_are_as_wide_as_the_stage_and_what_its_rule_says():
    for stage in STAGES.values():
        if stage.init is None:
            assert stage.init_rule == "scratch"
            continue
        start = STAGES[stage.init]
        assert start.divisor == stage.divisor
        flags = {"task": start.task} | ({"teacher": "t", "alpha": "1"} if start.taught else {})
        assert stage.init_rule is None or INIT_RULES[stage.init_rule].fits(flags, stage.task)


@pytest.mark.parametrize(
    ("name", "chain"),
    [
        ("ours_4", ["teacher", "pretrained_4", "ours_4"]),
        ("continued_4", ["pretrained_4", "continued_4"]),
        ("scratch_continued_4", ["teacher", "scratch_soft_4", "scratch_continued_4"]),
        ("fitnet_8", ["teacher", "hint_8", "fitnet_8"]),
        ("alignment_pretrain_none_8", ["alignment_start_8", "alignment_pretrain_none_8"]),
        ("triplet_undistilled_soft_2", ["teacher", "pretrained_2", "triplet_teacher", "triplet_undistilled_soft_2"]),
        ("joint_continued_none_8", ["pretrained_8", "continued_8", "joint_continued_none_8"]),
        ("joint_distill_hidden_8", ["teacher", "pretrained_8", "ours_8", "joint_teacher", "joint_distill_hidden_8"]),
    ],
)
def test_what_a_stage_needs(name, chain):
    assert list(with_needs(STAGES, {name})) == chain


def test_how_many_runs_the_tables_take():
    counts = {
        key: len(with_needs(STAGES, {cell.stage for cell in table.cells if STAGES[cell.stage].data != LARGE}))
        for key, table in make_tables().items()
    }
    # Of Table 4: 3 x (a start, 3 x 4 + 1 cells, W_S0, Ours, W_S0 continued), two teachers.
    assert counts == {"table1": 11, "table2": 17, "table3": 19, "table4": 53, "table5": 53}
