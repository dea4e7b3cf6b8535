import pytest

from kd_tf.data.sources import SourceConfig
from kd_tf.errors import InputError
from kd_tf.training.config import DistillationConfig, VerificationConfig
from tests.runs import small_run

TEACHER = {"teacher": "/runs/teacher"}


def test_the_stage_of_a_hint_is_the_third_unless_another_is_given():
    distillation = DistillationConfig(**TEACHER, beta=1.0)
    assert small_run("runs/x", task="hint", distillation=distillation).hint_stage == "stage3"
    config = small_run("runs/x", task="hint", distillation=distillation, hint_stage="stage2")
    assert config.hint_stage == "stage2"
    assert "--hint_stage=stage2" in config.flagfile().splitlines()


@pytest.mark.parametrize("teacher", [{}, {"teacher_cache": "/cache"}, {**TEACHER, "teacher_cache": "/cache"}])
def test_a_precision_of_a_teacher_that_does_not_run(teacher):
    with pytest.raises(InputError, match="^--teacher_precision=bfloat16 needs a --teacher that runs, without --teacher_cache$"):
        DistillationConfig(**teacher, teacher_precision="bfloat16")


def test_the_precision_of_the_teacher_is_in_the_flagfile_where_it_is_given():
    config = small_run("runs/x", distillation=DistillationConfig(**TEACHER, alpha=1.0, teacher_precision="float16"))
    assert "--teacher_precision=float16" in config.flagfile().splitlines()
    assert "teacher_precision" not in small_run("runs/x", distillation=DistillationConfig(**TEACHER, alpha=1.0)).flagfile()


def test_a_flagfile_of_a_run_without_relations_and_directions_is_that_of_earlier_versions():
    flags = small_run("runs/x", distillation=DistillationConfig(**TEACHER, alpha=1.0, angle_weight=0.5)).flagfile().splitlines()
    assert "--angle_weight=0.5" in flags and not any(line.startswith(("--cosine_weight", "--distance_weight")) for line in flags)
    plain = small_run("runs/x", distillation=DistillationConfig(**TEACHER, alpha=1.0)).flagfile().splitlines()
    assert set(flags) - set(plain) == {"--angle_weight=0.5"} and set(plain) < set(flags)


def test_a_stage_of_another_task():
    with pytest.raises(InputError, match="^--hint_stage=stage2 has no effect on --task=classification$"):
        small_run("runs/x", hint_stage="stage2")


@pytest.mark.parametrize(
    ("distillation", "terms"),
    [
        ({}, "nothing"),
        (TEACHER, "nothing"),
        ({**TEACHER, "alpha": 1.0}, "soft"),
        ({**TEACHER, "alpha": 1.0, "logits_weight": 1.0, "beta": 1.0}, "soft, logits, hidden"),
    ],
)
def test_a_hint_is_learned_alone(distillation, terms):
    with pytest.raises(InputError) as error:
        small_run("runs/x", task="hint", distillation=DistillationConfig(**distillation))
    assert str(error.value) == (f"--task=hint learns the teacher's stage alone: give --teacher and --targets=hidden; the loss has {terms}")


@pytest.mark.parametrize(
    ("distillation", "give", "terms"),
    [
        ({}, "give kd-distill a --teacher or --teacher_cache and", "nothing"),
        (TEACHER, "give", "nothing"),
        ({**TEACHER, "alpha": 1.0}, "give", "soft"),
        ({"teacher_cache": "/cache", "alpha": 1.0, "beta": 1.0}, "give", "soft, hidden"),
        ({**TEACHER, "logits_weight": 1.0}, "give", "logits"),
    ],
)
def test_an_embedding_is_learned_from_the_hidden_layer_alone(distillation, give, terms):
    with pytest.raises(InputError) as error:
        small_run("runs/x", task="embedding", distillation=DistillationConfig(**distillation))
    assert str(error.value) == (
        f"--task=embedding learns the teacher's hidden layer alone: {give} --targets=hidden (--alpha=0 --beta=1); the loss has {terms}"
    )


@pytest.mark.parametrize("teacher", [TEACHER, {"teacher_cache": "/cache"}])
def test_an_embedding_is_learned_from_a_teacher_that_runs_or_is_stored(teacher):
    config = small_run("runs/x", task="embedding", distillation=DistillationConfig(**teacher, beta=1.0))
    assert (config.program, config.reads_labels) == ("kd-distill", False)


@pytest.mark.parametrize(
    ("task", "identity_weight", "reads"),
    [("classification", 0.0, True), ("alignment", 1.0, False), ("verification", 0.0, False), ("verification", 0.5, True)],
)
def test_which_losses_read_labels(task, identity_weight, reads):
    assert small_run("runs/x", task=task, verification=VerificationConfig(identity_weight=identity_weight)).reads_labels == reads


def test_an_unknown_task():
    with pytest.raises(InputError, match="^--task=detection is unknown; known: classification, alignment, verification, embedding, hint$"):
        small_run("runs/x", task="detection")


def test_what_is_read_is_in_the_flagfile():
    source = SourceConfig("ms_celeb_1m:/x", 5, "/lists/lfw.txt", "/lists/clean.txt", "/index")
    flags = small_run("runs/x", source=source, skip_broken=3).flagfile().splitlines()
    assert {
        "--data=ms_celeb_1m:/x", "--min_images=5", "--exclude_identities=/lists/lfw.txt", "--clean_list=/lists/clean.txt",
        "--index_dir=/index", "--skip_broken=3",
    } <= set(flags)  # fmt: skip
    plain = small_run("runs/x").flagfile().splitlines()
    assert {"--min_images=1", "--skip_broken=0"} <= set(plain)
    assert not any(line.startswith(("--exclude_identities", "--clean_list", "--index_dir")) for line in plain)
