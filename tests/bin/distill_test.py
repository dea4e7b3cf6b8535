"""The flags of kd-distill, parsed in this process, and one refusal by the program itself."""

import os
import subprocess
import sys

import pytest
from absl import flags
from absl.testing import flagsaver

from kd_tf.data.split import SplitConfig
from kd_tf.errors import InputError
from kd_tf.flags import distillation_flags, run_flags
from kd_tf.training.config import DistillationConfig, RunConfig, VerificationConfig
from tests.runs import small_run

TEACHER = "--teacher=/runs/teacher"


def _run_config(*given: str) -> RunConfig:
    with flagsaver.flagsaver():
        flags.FLAGS(["kd-distill", "--model_dir=/runs/x", "--steps=1", *given])
        return run_flags.run_config_from_flags(distillation_flags.distillation_config_from_flags())


def _weights(*given: str) -> tuple[float, float, float]:
    distillation = _run_config(TEACHER, *given).distillation
    return distillation.alpha, distillation.logits_weight, distillation.beta


@pytest.mark.parametrize(
    ("given", "weights"),
    [
        ([], (1, 0, 0)),
        (["--beta=0.5"], (1, 0, 0.5)),
        (["--alpha=0", "--logits_weight=2"], (0, 2, 0)),
        (["--targets=soft"], (1, 0, 0)),
        (["--targets=hidden"], (0, 0, 1)),
        (["--targets=logits"], (0, 1, 0)),
        (["--targets=soft,hidden:0.5"], (1, 0, 0.5)),
        (["--targets=hidden:2,logits:1e-2,soft:0.25"], (0.25, 0.01, 2)),
        (["--targets=soft:0,hidden:3"], (0, 0, 3)),
    ],
)
def test_targets_are_terms_with_weights(given, weights):
    assert _weights(*given) == weights


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--targets=soft,hidden", "--alpha=1"], "--targets=soft,hidden sets all weights: leave out --alpha"),
        (["--targets=soft", "--beta=0"], "--targets=soft sets all weights: leave out --beta"),
        (["--targets=hidden:2", "--logits_weight=1"], "--targets=hidden:2 sets all weights: leave out --logits_weight"),
        (["--targets=soft,landmarks:2"], "--targets=soft,landmarks:2: 'landmarks' is unknown; known: soft, hidden, logits"),
        (["--targets=Soft"], "--targets=Soft: 'Soft' is unknown; known: soft, hidden, logits"),
        (["--targets=soft,hidden:much"], "--targets=soft,hidden:much: the weight of hidden, 'much', is no number"),
        (["--targets=soft:1:2"], "--targets=soft:1:2: the weight of soft, '1:2', is no number"),
        (["--targets=hidden:-1"], "--beta=-1.0 must not be below 0"),
        (["--targets=logits:nan"], "--logits_weight=nan must not be below 0"),
    ],
)
def test_targets_that_cannot_be_meant(given, message):
    with pytest.raises(InputError) as error:
        _weights(*given)
    assert str(error.value) == message


@pytest.mark.parametrize("target", ["soft", "logits", "hidden"])
def test_a_target_needs_a_teacher(target):
    flag = {"soft": "alpha", "logits": "logits_weight", "hidden": "beta"}[target]
    with pytest.raises(InputError, match=f"^--{flag}=1.0 needs a teacher: give --teacher, or --{flag}=0$"):
        _run_config(f"--targets={target}")


def test_one_parse_leaves_nothing_behind():
    assert _weights("--targets=hidden:0.5") == (0, 0, 0.5)
    assert _weights("--alpha=2") == (2, 0, 0)


@pytest.mark.parametrize(
    "config",
    [
        small_run("/runs/x", distillation=DistillationConfig(teacher="/t", alpha=0.5, logits_weight=0.25, temperature=2.0)),
        small_run(
            "/runs/x",
            task="alignment",
            distillation=DistillationConfig(
                teacher="/t", beta=2.0, hidden_reduction="sum", normalize_hidden=True, scale_by_temperature_squared=True
            ),
            init="/runs/start",
            init_rule="distill",
            split=SplitConfig("identity_disjoint", split_seed=3, validation=True),
            image_cache="/images",
        ),
        small_run("/runs/x", task="hint", distillation=DistillationConfig(teacher="/t", beta=1.0), hint_stage="stage4"),
        small_run(
            "/runs/x",
            task="verification",
            distillation=DistillationConfig(teacher="/t", alpha=1.0),
            verification=VerificationConfig(margin=0.3, triplet_mining="hard", identity_weight=0.5),
            split=SplitConfig("official"),
            training={"seed": 5},
        ),
    ],
    ids=["classification", "alignment", "hint", "verification"],
)
def test_a_flagfile_is_read_as_the_run_that_wrote_it(tmp_path, config):
    (tmp_path / "flags.txt").write_text(config.flagfile())
    with flagsaver.flagsaver():
        flags.FLAGS(["kd-distill", f"--flagfile={tmp_path}/flags.txt"])
        assert run_flags.run_config_from_flags(distillation_flags.distillation_config_from_flags()) == config


def test_the_program_refuses_in_one_line(tmp_path):
    program = os.path.join(os.path.dirname(sys.executable), "kd-distill")
    given = [f"--model_dir={tmp_path}/run", "--steps=1", TEACHER, "--targets=soft", "--alpha=2"]
    result = subprocess.run([program, *given], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert result.returncode == 2
    assert result.stderr == "kd-distill: --targets=soft sets all weights: leave out --alpha\n"
    assert os.listdir(tmp_path) == []
