import pytest

from kd_tf.data.sources import SourceConfig
from kd_tf.errors import InputError
from kd_tf.study.scales import PAIRS, Phase, make_scale
from kd_tf.study.stages import FACES, LANDMARKS, LARGE, make_stages

DRAWN = {FACES: SourceConfig()}
CASIA = {FACES: SourceConfig("casia_webface:/c")}
PAPER = CASIA | {LANDMARKS: SourceConfig("celeba:/l"), LARGE: SourceConfig("ms_celeb_1m:/m"), PAIRS: SourceConfig("lfw:/p")}


def test_quick_is_the_chain_without_tables():
    scale = make_scale("quick", DRAWN)
    assert scale.tables() == ()
    assert len(scale.stage_names(())) == 8


@pytest.mark.parametrize("data", ["synthetic", "lfw:/faces"])
def test_small_has_all_tables_but_the_large_data_set(data):
    scale = make_scale("small", {FACES: SourceConfig(data)})
    tables = scale.tables()
    assert [table.key for table in tables] == ["table1", "table2", "table3", "table4", "table5"]
    names = scale.stage_names(tables)
    assert not any(name.startswith("large") for name in names)
    assert {"fitnet_8", "alignment_distill_both_8", "triplet_undistilled_none_2", "joint_teacher"} <= names


@pytest.mark.parametrize("name", ["quick", "small"])
def test_photographs_are_of_people_with_ten_pictures(name):
    scale = make_scale(name, {FACES: SourceConfig("lfw:/faces", min_images=3)})
    assert scale.data[FACES].min_images == scale.data[LANDMARKS].min_images == 10
    assert make_scale(name, {FACES: SourceConfig("lfw:/faces", min_images=30)}).data[FACES].min_images == 30


def test_the_papers_setting():
    scale = make_scale("paper", PAPER)
    assert (scale.network, scale.teacher_divisor, scale.view.image_size, scale.view.jitter) == ("resnet50", 1, 224, False)
    assert {task: schedule.batch_size for task, schedule in scale.schedules.items()} == {
        "classification": 256, "hint": 256, "alignment": 64, "verification": 128,
    }  # fmt: skip
    for schedule in scale.schedules.values():
        assert (schedule.phase(None), schedule.phase("start")) == (Phase(30, 0.1), Phase(30, 0.01))
    assert scale.learning_rate_schedule == "constant"
    names = scale.stage_names(scale.tables())
    assert names == {cell.stage for table in scale.tables() for cell in table.cells}
    assert names <= make_stages().keys()


def test_what_has_no_data_is_left_out():
    names = make_scale("paper", CASIA).stage_names(make_scale("paper", CASIA).tables())
    assert "ours_8" in names and "joint_distill_soft_8" in names
    assert not any(name.startswith(("large", "alignment")) for name in names)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("quick", {FACES: SourceConfig("folder:/x")}, "--scale=quick has no setting for --data=folder:/x; it has for: lfw, synthetic"),
        (
            "small",
            {FACES: SourceConfig("lfw:/faces"), PAIRS: SourceConfig("lfw:/faces")},
            "--pairs_data=lfw:/faces would be of people that --data=lfw:/faces is trained on",
        ),
        ("small", DRAWN | {LARGE: SourceConfig("ms_celeb_1m:/m")}, "--scale=small trains all tasks on --data; other data sets are for"),
    ],
)
def test_data_that_a_scale_does_not_take(name, data, message):
    with pytest.raises(InputError, match=message):
        make_scale(name, data)


@pytest.mark.parametrize(
    ("name", "message"),
    [("small", "--only=table6 is no table of --scale=small; it has: table1, table2, "), ("quick", "it has none, --scale=small has them")],
)
def test_a_table_that_there_is_not(name, message):
    with pytest.raises(InputError, match=message):
        make_scale(name, DRAWN).tables(("table6",))
