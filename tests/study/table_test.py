from kd_tf.study.table import results_table


def test_the_table_has_each_score_in_its_place():
    metrics = {
        "teacher": {"task": "classification", "top1": 90.0, "rank1": 1.0, "parameters": 23_508_032},
        "teacher_alignment": {"task": "alignment", "nrmse": 3.021, "parameters": 1},
        "teacher_verification": {"task": "verification", "rank1": 74.0, "parameters": 1},
        "student_scratch": {"task": "classification", "top1": 60.0, "parameters": 374_000},
        "student_pretrained": {"task": "classification", "top1": 55.5, "parameters": 374_000},
        "student_distilled": {"task": "classification", "top1": 75.0, "parameters": 374_000},
        "student_alignment": {"task": "alignment", "nrmse": 3.3, "parameters": 1},
        "student_verification": {"task": "verification", "rank1": 57.0, "parameters": 1},
    }
    baselines = {"majority": {"top1": 1.0}, "mean shape": {"nrmse": 10.1, "failure_rate": 99.0}}
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in results_table(metrics, baselines).splitlines()]
    assert lines[0] == ["network", "parameters", "top-1 %", "NRMSE %", "rank-1 %"]
    assert lines[2:] == [
        ["teacher (Eq 3, 6, 8')", "23,508,032", "90.00", "3.02", "74.00"],
        ["student from scratch (Eq 2)", "374,000", "60.00", "-", "-"],
        ["student pre-trained (Eq 3)", "374,000", "55.50", "-", "-"],
        ["student distilled (Eq 4, 7, 9')", "374,000", "75.00", "3.30", "57.00"],
        ["majority", "-", "1.00", "-", "-"],
        ["mean shape", "-", "-", "10.10", "-"],
    ]
