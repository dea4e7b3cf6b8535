import pytest

from kd_tf.errors import InputError
from kd_tf.training.config import TASKS, DistillationConfig
from kd_tf.training.init_rules import INIT_RULES, SCRATCH, check_init_rule
from tests.runs import small_run

TAUGHT = DistillationConfig(teacher="/runs/teacher", beta=1.0)
TAUGHT_RELATIONS = DistillationConfig(teacher="/runs/teacher", angle_weight=1.0)
TAUGHT_BY_A_CACHE = DistillationConfig(teacher_cache="/caches/teacher", beta=1.0)
# What a run may start from: task and teacher.
STARTS = {
    "hint": ("hint", TAUGHT),
    "classification": ("classification", DistillationConfig()),
    "distilled": ("classification", TAUGHT),
    "distilled_from_a_cache": ("classification", TAUGHT_BY_A_CACHE),
    "distilled_relations": ("classification", TAUGHT_RELATIONS),
    "aligner": ("alignment", DistillationConfig()),
    "small_aligner": ("alignment", TAUGHT),
    "verifier": ("verification", DistillationConfig()),
    "embedder": ("embedding", TAUGHT),
}
# By rule and task of the run that starts: what it may start from.
ACCEPTED = {
    ("fitnet", "classification"): {"hint"},
    ("fitnet", "alignment"): {"hint"},
    ("fitnet", "verification"): {"hint"},
    ("pretrain", "classification"): {"classification"},
    ("pretrain", "alignment"): {"aligner"},
    ("pretrain", "verification"): {"verifier"},
    ("ours", "classification"): {"classification"},
    ("distill", "alignment"): {"distilled", "distilled_from_a_cache", "distilled_relations"},
    ("distill", "verification"): {"distilled", "distilled_from_a_cache", "distilled_relations"},
}
DEMANDS = {
    "fitnet": "a run of --task=hint",
    "pretrain": "a run of the same task without a teacher",
    "ours": "a classification run without a teacher (W_S0)",
    "distill": "a classification run with a teacher (W_S^cls)",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Directories that hold the flags of a run each."""
    folder = tmp_path_factory.mktemp("runs")
    for name, (task, distillation) in STARTS.items():
        (folder / name).mkdir()
        (folder / name / "flags.txt").write_text(small_run(folder / name, task=task, distillation=distillation).flagfile())
    return folder


def _refusal(rule, init, task):
    with pytest.raises(InputError) as error:
        check_init_rule(rule, init, task)
    return str(error.value)


def test_every_rule_is_tried():
    assert {rule for rule, _ in ACCEPTED} == set(INIT_RULES) == set(DEMANDS)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("rule", "task"), ACCEPTED)
def test_a_start_is_what_the_rule_says_or_refused(runs, rule, task, start):
    init = str(runs / start)
    if start in ACCEPTED[rule, task]:
        check_init_rule(rule, init, task)
        return
    start_task, distillation = STARTS[start]
    teacher = distillation.teacher or distillation.teacher_cache
    taught = f"taught by {teacher}" if teacher else "without a teacher"
    expected = f"--init_rule={rule} starts from {DEMANDS[rule]}, but --init={init} is a run of --task={start_task} {taught}"
    assert _refusal(rule, init, task) == expected


@pytest.mark.parametrize(
    ("rule", "task", "tasks"),
    [
        ("fitnet", "hint", "classification and alignment and verification"),
        ("pretrain", "hint", "classification and alignment and verification"),
        ("fitnet", "embedding", "classification and alignment and verification"),
        ("ours", "alignment", "classification"),
        ("ours", "verification", "classification"),
        ("distill", "classification", "alignment and verification"),
    ],
)
def test_a_rule_that_the_task_does_not_have(runs, rule, task, tasks):
    assert _refusal(rule, str(runs / "classification"), task) == f"--init_rule={rule} serves --task={tasks}, not --task={task}"


@pytest.mark.parametrize(("rule", "task"), ACCEPTED)
def test_a_rule_needs_a_start(rule, task):
    assert _refusal(rule, None, task) == f"--init_rule={rule} starts from {DEMANDS[rule]}: name it with --init"


@pytest.mark.parametrize(("rule", "task"), ACCEPTED)
def test_a_rule_needs_a_run(tmp_path, rule, task):
    """A Keras file does not say what it was trained for."""
    init = str(tmp_path / "network.keras")
    assert _refusal(rule, init, task) == f"--init_rule={rule} starts from {DEMANDS[rule]}, but --init={init} is no run directory"


@pytest.mark.parametrize("task", TASKS)
def test_from_scratch_means_without_a_start(task):
    check_init_rule(SCRATCH, None, task)
    assert _refusal(SCRATCH, "/runs/x", task) == "--init_rule=scratch starts from random weights, but --init=/runs/x is given"


@pytest.mark.parametrize("init", [None, "/nowhere"])
def test_without_a_rule_all_is_allowed(init):
    check_init_rule(None, init, "alignment")


def test_an_unknown_rule():
    assert _refusal("theirs", "/runs/x", "alignment") == "--init_rule=theirs is unknown; known: scratch, fitnet, pretrain, ours, distill"
