"""Which heads a student has, and what it starts with; networks are stored as a run stores them, and nothing is trained."""

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
from kd_tf.training.run import open_run_data
from kd_tf.training.student import make_distiller
from tests.runs import small_run

NARROW = NetworkConfig("resnet26", 16)
BARE = {"hidden", "embedding"}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """`start`: a network with both heads; `teacher`: wider, likewise of six people; `hint`: a narrow network up to the third stage."""
    folder = tmp_path_factory.mktemp("stored")
    networks = {
        "start": make_face_network(NARROW, image_size=16, identities=6, landmarks=True),
        "teacher": make_face_network(NetworkConfig("resnet26", 8), image_size=16, identities=6, landmarks=True),
        "hint": stage_network(make_face_network(NARROW, image_size=16), "stage3"),
    }
    for name, network in networks.items():
        (folder / name).mkdir()
        save_network(network, str(folder / name / "student.keras"))
    config = small_run(folder / "hint", task="hint", distillation=DistillationConfig(teacher="/runs/teacher", beta=1.0))
    (folder / "hint" / "flags.txt").write_text(config.flagfile())
    return folder


def _make(stored, task, *, init=None, targets=None, **changes):
    """`targets`: the weights of what a teacher gives; None: there is no teacher."""
    distillation = DistillationConfig() if targets is None else DistillationConfig(teacher=str(stored / "teacher"), **targets)
    config = small_run("runs/x", task=task, network=NARROW, init=str(stored / init) if init else None, distillation=distillation, **changes)
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
def test_which_heads_of_its_start_a_student_keeps(stored, task, targets, heads):
    distiller, report = _make(stored, task, init="start", targets=targets)
    assert output_shapes(distiller.student).keys() == BARE | heads
    layers = {"landmarks": "landmark_coordinates", "logits": "logits"}
    paths = [f"{layer}/{part}" for head, layer in layers.items() if head not in heads for part in ("kernel", "bias")]
    kept = 151 - len(paths)
    dropped = f"; dropped: {', '.join(paths)}" if paths else ""
    assert report == f"from {stored / 'start'}: copied {kept} of {kept} weights{dropped}"


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
        f"from {stored / 'start'}: copied {77 if stage is None else 42} of {77 if stage is None else 42} weights; dropped: "
    )


def test_a_student_that_starts_from_a_hint_has_its_shallow_half(stored):
    distiller, _ = _make(stored, "classification", init="hint", init_rule="fitnet")
    learned = weights_by_path(load_network(str(stored / "hint"), "init", image_size=16))
    student = weights_by_path(distiller.student)
    assert len(learned) == 77
    for path, weight in learned.items():
        np.testing.assert_array_equal(student[path], weight)


def test_a_start_that_is_not_what_the_rule_says(stored):
    with pytest.raises(InputError, match=f"--init={stored / 'hint'} is a run of --task=hint taught by /runs/teacher"):
        _make(stored, "classification", init="hint", init_rule="ours")
    with pytest.raises(InputError, match=f"but --init={stored / 'start'} is no run directory"):
        _make(stored, "classification", init="start", init_rule="pretrain")


def test_a_stage_that_the_networks_do_not_have(stored):
    with pytest.raises(InputError, match="--hint_stage=stage9 is not in 'trunk', which has stage2, stage3, stage4, stage5"):
        _make(stored, "hint", targets={"beta": 1.0}, hint_stage="stage9")
