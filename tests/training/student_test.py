"""Which heads a student has, and what it starts with; networks are stored as a run stores them, and nothing is trained."""

import dataclasses
import shutil

import numpy as np
import pytest

from kd_tf.data.split import SplitConfig
from kd_tf.distillers import AlignmentDistiller, ClassificationDistiller, HintDistiller, VerificationDistiller
from kd_tf.errors import InputError
from kd_tf.networks.face_network import NetworkConfig, make_face_network, output_shapes
from kd_tf.networks.initialization import weights_by_path
from kd_tf.networks.stages import stage_network
from kd_tf.networks.stored import load_network, save_network
from kd_tf.training.config import DistillationConfig, VerificationConfig
from kd_tf.training.prepared import open_run_data
from kd_tf.training.student import identity_names, make_distiller
from tests.images import write_text
from tests.runs import SOURCE, small_run

NARROW = NetworkConfig("resnet14", 16)
BARE = {"hidden", "embedding"}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """`start`: a network with both heads; `teacher`: wider, likewise of six people; `hint`: a narrow network up to the third stage."""
    folder = tmp_path_factory.mktemp("stored")
    networks = {
        "start": make_face_network(NARROW, image_size=16, identities=6, landmarks=True),
        "teacher": make_face_network(NetworkConfig("resnet14", 8), image_size=16, identities=6, landmarks=True),
        "hint": stage_network(make_face_network(NARROW, image_size=16), "stage3"),
    }
    for name, network in networks.items():
        (folder / name).mkdir()
        save_network(network, str(folder / name / "student.keras"))
    config = small_run(folder / "hint", task="hint", distillation=DistillationConfig(teacher="/runs/teacher", beta=1.0))
    (folder / "hint" / "flags.txt").write_text(config.flagfile())
    return folder


@pytest.fixture
def named(stored, tmp_path):
    """The same, but they say whom they know: `teacher` a to f, `start` u to z."""
    folder = tmp_path / "named"
    shutil.copytree(stored, folder)
    for name, letters in (("teacher", "abcdef"), ("start", "uvwxyz")):
        write_text(folder / name / "identities.txt", "".join(f"{letter}\n" for letter in letters))
    return folder


def _config(stored, task, *, init=None, targets=None, **changes):
    """`targets`: the weights of what a teacher gives; None: there is no teacher."""
    distillation = DistillationConfig() if targets is None else DistillationConfig(teacher=str(stored / "teacher"), **targets)
    return small_run("runs/x", task=task, network=NARROW, init=str(stored / init) if init else None, distillation=distillation, **changes)


def _make(stored, task, **changes):
    config = _config(stored, task, **changes)
    return make_distiller(config, open_run_data(config))


@pytest.mark.parametrize(
    ("task", "targets", "heads"),
    [
        # Without a teacher, heads that the start has stay: they serve the targets of later runs.
        ("alignment", None, {"logits", "landmarks"}),
        ("verification", None, {"logits", "landmarks"}),
        # With a teacher, those stay that the loss needs.
        ("classification", {"beta": 1.0}, {"logits"}),
        ("alignment", {"beta": 1.0}, {"landmarks"}),
        ("alignment", {"alpha": 1.0}, {"logits", "landmarks"}),
        ("alignment", {"logits_weight": 1.0}, {"logits", "landmarks"}),
        ("verification", {"beta": 1.0}, set()),
        ("verification", {"alpha": 1.0}, {"logits"}),
    ],
)
def test_which_heads_of_its_start_a_student_keeps(named, task, targets, heads):
    config = _config(named, task, init="start", targets=targets)
    data = open_run_data(config)
    distiller, report = make_distiller(config, data)
    assert output_shapes(distiller.student).keys() == BARE | heads
    # It has names where it has an identity head.
    assert len(identity_names(config, data) or ()) == (6 if "logits" in heads else 0)
    layers = {"landmarks": "landmark_coordinates", "logits": "logits"}
    paths = [f"{layer}/{part}" for head, layer in layers.items() if head not in heads for part in ("kernel", "bias")]
    kept = 91 - len(paths)
    dropped = f"; dropped: {', '.join(paths)}" if paths else ""
    assert report == f"from {named / 'start'}: copied {kept} of {kept} weights{dropped}"


def test_a_student_from_scratch_has_the_heads_of_its_task(stored):
    """An identity head has the people that are trained on, or those of the teacher."""
    made = {
        ("classification", None): _make(stored, "classification"),
        ("alignment", None): _make(stored, "alignment"),
        ("verification", None): _make(stored, "verification"),
        ("verification", "soft"): _make(stored, "verification", targets={"alpha": 1.0}),
    }
    assert {report for _, report in made.values()} == {"from scratch"}
    shapes = {key: output_shapes(distiller.student) for key, (distiller, _) in made.items()}
    assert {key: outputs.keys() - BARE for key, outputs in shapes.items()} == {
        ("classification", None): {"logits"},
        ("alignment", None): {"landmarks"},
        ("verification", None): set(),
        ("verification", "soft"): {"logits"},
    }
    assert shapes["verification", "soft"]["logits"] == (None, 6)


@pytest.mark.parametrize(
    ("task", "verification"), [("classification", VerificationConfig()), ("verification", VerificationConfig(identity_weight=1.0))]
)
def test_labels_that_are_read_have_a_logit_each(stored, task, verification):
    """Five of six people are trained on; the start knows six."""
    split = SplitConfig("identity_disjoint")
    distiller, report = _make(stored, task, init="start", split=split, verification=verification)
    assert output_shapes(distiller.student)["logits"] == (None, 5)
    assert "logits/kernel: shape (128, 6) in the source, (128, 5) here" in report


def test_the_targets_reach_the_distiller_of_the_task(stored):
    targets = {"alpha": 0.5, "beta": 2.0, "logits_weight": 0.25, "temperature": 4.0, "hidden_reduction": "sum", "normalize_hidden": True}
    kinds = {"classification": ClassificationDistiller, "alignment": AlignmentDistiller, "verification": VerificationDistiller}
    for task, kind in kinds.items():
        distiller, _ = _make(stored, task, targets=targets)
        assert type(distiller) is kind
        found = distiller._teacher_targets
        assert {name: getattr(found, name) for name in targets} == targets
        assert distiller.projection.kernel.shape == (128, 256)


@pytest.mark.parametrize(("stage", "positions", "channels"), [(None, 4, (32, 64)), ("stage2", 8, (16, 32))])
def test_a_hint_compares_one_stage_of_both(stored, stage, positions, channels):
    distiller, report = _make(stored, "hint", init="start", targets={"beta": 1.0}, hint_stage=stage)
    assert type(distiller) is HintDistiller
    assert output_shapes(distiller.student) == {"hidden": (None, positions, positions, channels[0])}
    assert distiller.projection.kernel.shape == channels
    # 2 + 5 weights and 35 a stage.
    assert report.startswith(
        f"from {stored / 'start'}: copied {47 if stage is None else 27} of {47 if stage is None else 27} weights; dropped: "
    )


def test_a_student_that_starts_from_a_hint_has_its_shallow_half(stored):
    distiller, _ = _make(stored, "classification", init="hint", init_rule="fitnet")
    learned = weights_by_path(load_network(str(stored / "hint"), "init", image_size=16))
    student = weights_by_path(distiller.student)
    assert len(learned) == 47
    for path, weight in learned.items():
        np.testing.assert_array_equal(student[path], weight)


DRAWN = [f"synthetic_00000{label}" for label in range(6)]
TRIPLETS_AND_LABELS = {"verification": VerificationConfig(identity_weight=1.0)}


@pytest.mark.parametrize(
    ("task", "init", "targets", "changes", "names"),
    [
        # Where the loss reads labels they are the data's.
        ("classification", None, None, {}, DRAWN),
        ("classification", "start", {"beta": 1.0}, {}, DRAWN),
        ("verification", "start", None, TRIPLETS_AND_LABELS, DRAWN),
        # A head that its start had, and that stays.
        ("alignment", "start", None, {}, list("uvwxyz")),
        ("verification", "start", None, {}, list("uvwxyz")),
        # A head that learns from the teacher's, whatever it starts with.
        ("alignment", "start", {"alpha": 1.0}, {}, list("abcdef")),
        ("alignment", None, {"logits_weight": 1.0}, {}, list("abcdef")),
        ("verification", None, {"alpha": 1.0}, {}, list("abcdef")),
        # No head.
        ("alignment", None, None, {}, None),
        ("alignment", "start", {"beta": 1.0}, {}, None),
        ("verification", "start", {"beta": 1.0}, {}, None),
        ("hint", "start", {"beta": 1.0}, {}, None),
    ],
)
def test_the_names_of_the_labels(named, task, init, targets, changes, names):
    config = _config(named, task, init=init, targets=targets, **changes)
    assert identity_names(config, open_run_data(config)) == names


def test_the_labels_of_people_who_are_trained_on(stored):
    config = _config(stored, "classification", split=SplitConfig("identity_disjoint"))
    data = open_run_data(config)
    (kept_apart,) = {data.test.source.identities[record] for record in data.test.records}
    assert identity_names(config, data) == [name for name in DRAWN if name != DRAWN[kept_apart]]


@pytest.mark.parametrize(("task", "init", "targets"), [("alignment", "start", None), ("alignment", None, {"alpha": 1.0})])
def test_names_that_nobody_knows(stored, task, init, targets):
    """Of networks that are no runs."""
    config = _config(stored, task, init=init, targets=targets)
    assert identity_names(config, open_run_data(config)) is None


@pytest.mark.parametrize("targets", [{"alpha": 1.0}, {"logits_weight": 1.0}, {"alpha": 1.0, "beta": 1.0}])
@pytest.mark.parametrize(("task", "changes"), [("classification", {}), ("verification", TRIPLETS_AND_LABELS)])
def test_a_teacher_of_other_people(named, targets, task, changes):
    write_text(named / "teacher" / "identities.txt", "\n".join([*DRAWN[:3], DRAWN[4], DRAWN[3], DRAWN[5], ""]))
    with pytest.raises(InputError) as error:
        _make(named, task, targets=targets, **changes)
    assert str(error.value) == (
        f"--teacher={named}/teacher knows other people: its identity 3 is synthetic_000004, that of synthetic (6 identities x 10 pictures "
        "of 24 pixels, seed 1) is synthetic_000003; soft targets and logits need the same"
    )


@pytest.mark.parametrize(
    ("task", "targets", "changes"),
    [
        ("verification", {"beta": 1.0}, TRIPLETS_AND_LABELS),
        ("alignment", {"alpha": 1.0, "logits_weight": 1.0}, {}),
    ],
)
def test_other_people_who_do_no_harm(named, task, targets, changes):
    """Hidden layers know nobody, and where the loss reads no labels the teacher's are the only ones."""
    distiller, _ = _make(named, task, targets=targets, **changes)
    assert distiller._teacher_targets.weights.keys() >= {"hidden" if "beta" in targets else "soft"}


def test_a_teacher_of_the_same_people(named):
    write_text(named / "teacher" / "identities.txt", "\n".join([*DRAWN, ""]))
    distiller, _ = _make(named, "classification", targets={"alpha": 1.0})
    assert output_shapes(distiller.student)["logits"] == (None, 6)


def test_a_teacher_of_another_world(named):
    write_text(named / "teacher" / "identities.txt", "\n".join([*DRAWN, ""]))
    with pytest.raises(InputError, match="knows other people: its identity 0 is synthetic_000000, .* is synthetic_2_000000"):
        _make(named, "classification", targets={"alpha": 1.0}, source=dataclasses.replace(SOURCE, data_seed=2))


def test_people_who_are_kept_apart_differ_by_the_seed_of_the_split(named):
    """Both times five of the same six."""
    split = SplitConfig("identity_disjoint")
    data = open_run_data(_config(named, "classification", split=split))
    write_text(named / "teacher" / "identities.txt", "".join(f"{name}\n" for name in data.train.identity_names[:5]))
    others = next(seed for seed in range(1, 9) if _people(named, SplitConfig("identity_disjoint", seed)) != _people(named, split))
    with pytest.raises(InputError, match="knows other people: its identity"):
        _make(named, "classification", targets={"alpha": 1.0}, split=SplitConfig("identity_disjoint", others))


def _people(stored, split):
    return open_run_data(_config(stored, "classification", split=split)).train.identity_names[:5]


def test_a_start_that_is_not_what_the_rule_says(stored):
    with pytest.raises(InputError, match=f"--init={stored / 'hint'} is a run of --task=hint taught by /runs/teacher"):
        _make(stored, "classification", init="hint", init_rule="ours")
    with pytest.raises(InputError, match=f"but --init={stored / 'start'} is no run directory"):
        _make(stored, "classification", init="start", init_rule="pretrain")


def test_a_stage_that_the_networks_do_not_have(stored):
    with pytest.raises(InputError, match="--hint_stage=stage9 is not in 'trunk', which has stage2, stage3, stage4, stage5"):
        _make(stored, "hint", targets={"beta": 1.0}, hint_stage="stage9")
