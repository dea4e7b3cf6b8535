import pytest

from kd_tf.study.report.comparison import METRIC_NAMES, best_stage, make_comparisons, scores_of
from kd_tf.study.results import StudyResults
from kd_tf.study.stages import make_stages


def study(scores, stages=None) -> StudyResults:
    return StudyResults("", "tiny", make_stages() if stages is None else stages, (), scores, {}, {})


def all_scored(value=50.0, **others):
    """Every stage once with the same scores, but for those that are named."""
    return {name: {0: dict.fromkeys(METRIC_NAMES, others.get(name, value))} for name in make_stages()}


def lines(comparison):
    return {label: [stage.name for stage in stages] for label, stages in comparison.lines.items()}


def test_the_paper_s_networks_have_their_places():
    found = {comparison.title: comparison for comparison in make_comparisons(study(all_scored()))}
    assert list(found) == [
        "Classification",
        "Classification, large data set",
        "Alignment",
        "Verification, triplet loss",
        "Verification, triplet and softmax loss",
    ]
    assert lines(found["Classification"]) == {
        "teacher": ["teacher"],
        "Scratch": ["scratch_soft_2", "scratch_soft_4", "scratch_soft_8"],
        "Ours": ["ours_2", "ours_4", "ours_8"],
        "W_S0": ["pretrained_2", "pretrained_4", "pretrained_8"],
        "W_S0 continued": ["continued_2", "continued_4", "continued_8"],
        "Scratch continued": ["scratch_continued_2", "scratch_continued_4", "scratch_continued_8"],
    }
    assert lines(found["Classification, large data set"])["Ours"] == ["large_ours_2", "large_ours_4", "large_ours_8"]
    joint = lines(found["Verification, triplet and softmax loss"])
    assert joint["teacher"] == ["joint_teacher"]
    assert joint["Distill"] == ["joint_distill_none_2", "joint_distill_none_4", "joint_distill_none_8"]
    assert list(joint) == ["teacher", "W_S0 continued", "Pretrain", "Distill", "W_S0, not distilled"]
    assert joint["W_S0 continued"] == ["joint_continued_none_2", "joint_continued_none_4", "joint_continued_none_8"]


@pytest.mark.parametrize(("scored", "chosen"), [(40.0, "alignment_distill_hidden_8"), (60.0, "alignment_distill_none_8")])
def test_of_several_targets_the_best_counts(scored, chosen):
    # Of landmark errors the lowest.
    scores = all_scored(alignment_distill_hidden_8=scored)
    alignment = make_comparisons(study(scores))[2]
    assert lines(alignment)["Distill"][-1] == chosen
    triplet = make_comparisons(study(all_scored(triplet_distill_soft_2=60.0, triplet_distill_both_2=40.0)))[3]
    assert lines(triplet)["Distill"][0] == "triplet_distill_soft_2"


def test_the_best_is_so_in_the_mean():
    stages = make_stages()
    scores = {"ours_8": {0: {"top1": 50.0}, 1: {"top1": 60.0}}, "continued_8": {0: {"top1": 54.0}, 1: {"top1": 54.0}}}
    results = study(scores)
    comparison = make_comparisons(results)[0]
    assert best_stage(results, comparison, [stages["ours_8"], stages["continued_8"]]).name == "ours_8"
    assert scores_of(results, stages["ours_8"], "top1") == {0: 50.0, 1: 60.0}


def test_only_what_is_finished_is_compared():
    scores = {name: {0: {"top1": 50.0}} for name in ("ours_2", "ours_4", "scratch_soft_2", "hint_8", "fitnet_8", "scratch_hidden_8")}
    comparison = make_comparisons(study(scores))[0]
    assert lines(comparison) == {"Scratch": ["scratch_soft_2"], "Ours": ["ours_2", "ours_4"]}
    assert {label: stage.name for label, stage in comparison.narrowest.items()} == {"Ours": "ours_4"}
    assert [stage.name for stage in comparison.students] == ["ours_4"]
    assert comparison.stage_names == "Ours is ours_4"
    assert all(not other.lines for other in make_comparisons(study(scores))[1:])


def test_a_study_of_one_task_has_one_comparison():
    stages = {name: stage for name, stage in make_stages().items() if stage.task == "alignment"}
    (comparison,) = make_comparisons(study({"alignment_teacher": {0: {"nrmse": 3.0}}}, stages))
    assert (comparison.metric, comparison.higher_is_better, comparison.students) == ("nrmse", False, [])
    assert comparison.stage_names == "teacher is alignment_teacher"
