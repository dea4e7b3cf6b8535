"""The flags of kd-distill, parsed in this process, and one refusal by the program itself."""

import json
import os

import pytest
from absl import flags
from absl.testing import flagsaver

from kd_tf.data.sources import SourceConfig
from kd_tf.data.split import SplitConfig
from kd_tf.errors import InputError
from kd_tf.flags import data_flags, distillation_flags, run_flags
from kd_tf.networks.face_network import NetworkConfig, make_face_network
from kd_tf.networks.stored import save_network
from kd_tf.training.config import DistillationConfig, RunConfig, VerificationConfig
from tests.bin.programs import refused, script
from tests.images import write_text
from tests.runs import small_run

TEACHER = "--teacher=/runs/teacher"
KNOWN = "soft, hidden, logits, cosine, similarity, distance, angle"


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
    ("given", "weights"),
    [
        (["--targets=cosine:1,distance:25,angle:50"], {"cosine": 1, "distance": 25, "angle": 50}),
        (["--alpha=0", "--cosine_weight=0.5", "--angle_weight=2"], {"cosine": 0.5, "angle": 2}),
        (["--targets=similarity,cosine:0.5"], {"cosine": 0.5, "similarity": 1}),
        (["--distance_weight=25"], {"soft": 1, "distance": 25}),
        (["--targets=angle,hidden:3"], {"hidden": 3, "angle": 1}),
    ],
)
def test_targets_of_embeddings(given, weights):
    assert _run_config(TEACHER, *given).distillation.weights == weights


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--targets=soft,hidden", "--alpha=1"], "--targets=soft,hidden sets all weights: leave out --alpha"),
        (["--targets=soft", "--beta=0"], "--targets=soft sets all weights: leave out --beta"),
        (["--targets=hidden:2", "--logits_weight=1"], "--targets=hidden:2 sets all weights: leave out --logits_weight"),
        (["--targets=soft,landmarks:2"], f"--targets=soft,landmarks:2: 'landmarks' is unknown; known: {KNOWN}"),
        (["--targets=Soft"], f"--targets=Soft: 'Soft' is unknown; known: {KNOWN}"),
        (["--targets=soft,hidden:much"], "--targets=soft,hidden:much: the weight of hidden, 'much', is no number"),
        (["--targets=soft:1:2"], "--targets=soft:1:2: the weight of soft, '1:2', is no number"),
        (["--targets=hidden:-1"], "--beta=-1.0 must not be below 0"),
        (["--targets=logits:nan"], "--logits_weight=nan must not be below 0"),
        (["--targets=soft", "--angle_weight=2"], "--targets=soft sets all weights: leave out --angle_weight"),
        (["--targets=distance:-1"], "--distance_weight=-1.0 must not be below 0"),
    ],
)
def test_targets_that_cannot_be_meant(given, message):
    with pytest.raises(InputError) as error:
        _weights(*given)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("target", "flag"),
    [
        ("soft", "alpha"),
        ("logits", "logits_weight"),
        ("hidden", "beta"),
        ("cosine", "cosine_weight"),
        ("similarity", "similarity_weight"),
        ("distance", "distance_weight"),
        ("angle", "angle_weight"),
    ],
)
def test_a_target_needs_a_teacher(target, flag):
    with pytest.raises(InputError, match=f"^--{flag}=1.0 needs a teacher: give --teacher or --teacher_cache, or --{flag}=0$"):
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
        small_run(
            "/runs/x",
            task="hint",
            distillation=DistillationConfig(teacher="/t", beta=1.0, teacher_precision="bfloat16"),
            hint_stage="stage4",
        ),
        small_run("/runs/x", distillation=DistillationConfig(teacher="/t", cosine_weight=1.0, similarity_weight=2.0, angle_weight=50.0)),
        small_run("/runs/x", task="embedding", distillation=DistillationConfig(teacher_cache="/cache", beta=1.0, normalize_hidden=True)),
        small_run(
            "/runs/x",
            source=SourceConfig("ms_celeb_1m:/ms1m", 5, "/lists/lfw.txt", "/lists/clean.txt", "/index"),
            distillation=DistillationConfig(teacher="/t", alpha=1.0),
            skip_broken=7,
        ),
        small_run(
            "/runs/x",
            task="verification",
            distillation=DistillationConfig(teacher="/t", alpha=1.0),
            verification=VerificationConfig(margin=0.3, triplet_mining="hard", identity_weight=0.5),
            split=SplitConfig("official", test_folds=(7, 8)),
            training={"seed": 5},
        ),
    ],
    ids=["classification", "alignment", "hint", "relations", "embedding", "large_data", "verification"],
)
def test_a_flagfile_is_read_as_the_run_that_wrote_it(tmp_path, config):
    (tmp_path / "flags.txt").write_text(config.flagfile())
    with flagsaver.flagsaver():
        flags.FLAGS(["kd-distill", f"--flagfile={tmp_path}/flags.txt"])
        assert run_flags.run_config_from_flags(distillation_flags.distillation_config_from_flags()) == config


@pytest.mark.parametrize(
    ("given", "excluded"),
    [
        ("list.txt", "/somewhere/list.txt"),
        ("casia_webface_lfw", "casia_webface_lfw"),
        ("lists/casia_webface_lfw", "/somewhere/lists/casia_webface_lfw"),
    ],
)
def test_paths_are_those_of_every_folder_and_the_packages_lists_have_names(monkeypatch, given, excluded):
    monkeypatch.setattr(os, "getcwd", lambda: "/somewhere")
    found = _run_config(
        "--alpha=0", f"--exclude_identities={given}", "--data=casia_webface:faces", "--clean_list=c.txt", "--index_dir=i"
    ).source
    assert (found.exclude_identities, found.clean_list, found.index_dir) == (excluded, "/somewhere/c.txt", "/somewhere/i")
    assert found.data == "casia_webface:/somewhere/faces"


@pytest.mark.parametrize(
    ("given", "excluded"), [([], "casia_webface_lfw"), (["--exclude_identities=/lists/other.txt"], "/lists/other.txt")]
)
def test_a_run_that_is_scored_says_who_is_left_out(tmp_path, given, excluded):
    (tmp_path / "flags.txt").write_text("--data=casia_webface:/faces\n--exclude_identities=casia_webface_lfw\n--clean_list=/c.txt\n")
    with flagsaver.flagsaver():
        flags.FLAGS(["kd-evaluate", *given])
        assert data_flags.source_config_from_flags(str(tmp_path)) == SourceConfig(
            "casia_webface:/faces", exclude_identities=excluded, clean_list="/c.txt"
        )


@pytest.mark.parametrize("given", ["--skip_broken=-1", "--min_images=0", "--skip_broken=few"])
def test_counts_that_cannot_be(given):
    with pytest.raises(flags.IllegalFlagValueError, match=given.partition("=")[0].lstrip("-")):
        _run_config(given)


def test_a_teacher_in_a_lower_precision(tmp_path):
    network = make_face_network(NetworkConfig("resnet14", 16), image_size=16, identities=6)
    save_network(network, str(tmp_path / "teacher.keras"))
    small = ["--identities=6", "--pictures=10", "--picture_size=24", "--image_size=16", "--network=resnet14", "--width_divisor=16"]
    given = [*small, "--steps=3", "--evaluations=1", "--batch_size=8", "--teacher=teacher.keras", "--teacher_precision=bfloat16"]
    result = script("kd-distill", *given, "--model_dir=run", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "--teacher_precision=bfloat16" in (tmp_path / "run" / "flags.txt").read_text().splitlines()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["teacher_share"] > 0
    # The same line on the terminal and in the log.
    lines = [text.partition(" cost: ")[2].splitlines()[0] for text in (result.stderr, (tmp_path / "run" / "log.txt").read_text())]
    assert lines[0] == lines[1] and "% of a step, waiting for input" in lines[0]


def test_the_program_refuses_in_one_line(tmp_path):
    given = [f"--model_dir={tmp_path}/run", "--steps=1", TEACHER, "--targets=soft", "--alpha=2"]
    assert refused(script("kd-distill", *given)) == "kd-distill: --targets=soft sets all weights: leave out --alpha"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("program", "given", "message"),
    [
        (
            "kd-train",
            ["--task=embedding"],
            "--task=embedding learns the teacher's hidden layer alone: give kd-distill a --teacher or --teacher_cache and --targets=hidden "
            "(--alpha=0 --beta=1); the loss has nothing",
        ),
        # The weight that --alpha has where it is not given.
        (
            "kd-distill",
            ["--task=embedding", TEACHER],
            "--task=embedding learns the teacher's hidden layer alone: give --targets=hidden (--alpha=0 --beta=1); the loss has soft",
        ),
        (
            "kd-distill",
            ["--task=embedding", "--targets=hidden"],
            "--beta=1.0 needs a teacher: give --teacher or --teacher_cache, or --beta=0",
        ),
        (
            "kd-train",
            ["--data=folder:PHOTOS"],
            "folder:PHOTOS has no labels, which --task=classification needs: give --data that has them; kd-distill --task=embedding learns "
            "from a teacher without them",
        ),
    ],
)
def test_what_cannot_be_learned_without_labels_or_a_teacher(tmp_path, program, given, message):
    photos = tmp_path / "photos"
    for number in range(5):
        write_text(photos / f"{number}.jpg", "")
    given = [each.replace("PHOTOS", str(photos)) for each in given]
    line = refused(script(program, f"--model_dir={tmp_path}/run", "--steps=1", *given))
    assert line == f"{program}: {message}".replace("PHOTOS", str(photos))
    assert os.listdir(tmp_path) == ["photos"]
