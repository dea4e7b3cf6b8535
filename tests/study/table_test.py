from kd_tf.study.results import StudyResults
from kd_tf.study.table import overview


def test_each_score_stands_in_its_place():
    scores = {
        "teacher": {0: {"task": "classification", "top1": 90.0, "rank1": 1.0, "parameters": 23_508_032}},
        "alignment_teacher": {0: {"task": "alignment", "nrmse": 3.021, "parameters": 1}},
        "joint_teacher": {0: {"task": "verification", "rank1": 74.0, "parameters": 1}},
        "scratch_soft_4": {0: {"task": "classification", "top1": 60.0, "parameters": 374_000}},
        "ours_8": {seed: {"task": "classification", "top1": top1, "parameters": 9} for seed, top1 in enumerate((70.0, 74.0))},
        "alignment_distill_hidden_8": {0: {"task": "alignment", "nrmse": 3.3, "parameters": 1}},
    }
    baselines = {"majority": {"top1": 1.0}, "mean shape": {"nrmse": 10.1, "failure_rate": 99.0}}
    results = StudyResults("command", "small", {}, (), scores, {}, baselines)
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in overview(results).splitlines()]
    assert lines[0] == ["network", "parameters", "top-1 %", "NRMSE %", "rank-1 %"]
    assert lines[2:] == [
        ["teacher (Eq 3, 6, 8')", "23,508,032", "90.00", "3.02", "74.00"],
        ["student /4 from scratch (Eq 2)", "374,000", "60.00", "-", "-"],
        ["student /8 distilled (Eq 4, 7, 9')", "9", "72.00 ± 2.83", "3.30", "-"],
        ["majority", "-", "1.00", "-", "-"],
        ["mean shape", "-", "-", "10.10", "-"],
    ]
