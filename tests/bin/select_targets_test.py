"""kd-select-targets as a user runs it."""

import json
import os

import pytest

from kd_tf.networks.face_network import NetworkConfig, make_face_network
from kd_tf.networks.stored import save_network
from tests.bin.programs import script

SMALL = ["--identities=6", "--pictures=10", "--picture_size=24", "--image_size=16", "--network=resnet14", "--width_divisor=16"]
SHORT = ["--steps=2", "--batch_size=8", "--evaluations=1", "--learning_rate=0.01"]


@pytest.fixture
def teacher(tmp_path):
    """Of the six people; it has learned nothing."""
    path = tmp_path / "teacher.keras"
    save_network(make_face_network(NetworkConfig("resnet14", 16), image_size=16, identities=6), str(path))
    return str(path)


@pytest.mark.slow
def test_a_choice_is_made_and_its_flagfile_runs(tmp_path, teacher):
    selection, chosen = tmp_path / "selection", tmp_path / "chosen"
    # 48 training images: 38 are trained on and 10 scored.
    result = script("kd-select-targets", f"--teacher={teacher}", "--seeds=0,7", f"--model_dir={selection}", *SMALL, *SHORT)
    assert result.returncode == 0, result.stderr
    report = (selection / "selection.md").read_text()
    assert report.strip() == result.stdout.strip()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in report.splitlines()[:6]]
    assert rows[0] == ["alpha, beta", "seed 0", "seed 7", "mean", "std", "gain"]
    assert [row[0] for row in rows[2:]] == ["0, 0", "1, 0", "0, 1", "1, 1"]
    for cell, row in zip(("alpha0_beta0", "alpha1_beta0", "alpha0_beta1", "alpha1_beta1"), rows[2:], strict=True):
        metrics = [json.loads((selection / cell / f"seed{seed}" / "metrics.json").read_text()) for seed in (0, 7)]
        assert row[1:3] == [f"{each['top1']:.2f}" for each in metrics]
        assert [each["seed"] for each in metrics] == [0, 7]
        assert "38 training and 10 validation images" in (selection / cell / "seed7" / "log.txt").read_text()
    lines = (selection / "winner.flags").read_text().splitlines()
    program = lines[0].removeprefix("# a flagfile of ")
    assert program == ("kd-train" if "Chosen: no target" in report else "kd-distill")
    again = script(program, f"--flagfile={selection}/winner.flags", f"--model_dir={chosen}")
    assert again.returncode == 0, again.stderr
    # The choice is then trained on all training images and scored on the test split.
    assert "48 training and 12 test images" in (chosen / "log.txt").read_text()
    assert set((chosen / "flags.txt").read_text().splitlines()) == {*lines, f"--model_dir={chosen}"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--seeds=1"], "--seeds=1: at least two, all different, or there is no telling gain from noise"),
        (["--seeds=one,two"], "--seeds=one,two must be whole numbers with commas between them"),
        (["--seed=3"], "--seed has no effect on this program; --help lists its flags"),
        (["--targets=soft"], "--targets has no effect on this program; --help lists its flags"),
        (["--validation"], "--validation has no effect on this program; --help lists its flags"),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, flags, message):
    result = script("kd-select-targets", "--teacher=/nowhere", "--steps=1", f"--model_dir={tmp_path}/selection", *SMALL, *flags)
    assert result.returncode == 2
    assert result.stderr == f"kd-select-targets: {message}\n"
    assert os.listdir(tmp_path) == []


def test_help_lists_the_flags_that_have_an_effect():
    result = script("kd-select-targets", "--help")
    assert result.returncode == 0 and "kd-select-targets --" in result.stdout
    listed = {line.strip() for line in result.stdout.splitlines() if line.startswith("  --")}
    assert {"--seeds", "--alpha", "--beta", "--teacher", "--init", "--task", "--split_seed"} <= listed
    assert not {"--seed", "--targets", "--logits_weight", "--cosine_weight", "--angle_weight", "--validation"} & listed
