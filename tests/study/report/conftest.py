"""A tiny study, trained once for all tests of the report, and its page."""

import dataclasses
import fcntl
import os

import pytest

from kd_tf.networks.face_network import NetworkConfig
from kd_tf.study.report.report import write_report
from kd_tf.study.results import StudyResults
from kd_tf.study.stages import TARGETS, make_stages
from kd_tf.study.tables import make_tables
from kd_tf.training.config import DistillationConfig, VerificationConfig
from kd_tf.training.run import run
from kd_tf.training.run_directory import RunDirectory
from tests.runs import small_run

# With their seeds; no student starts from another, which would only take longer.
TRAINED = {
    "teacher": (0,),
    "pretrained_4": (0, 1),
    "alignment_teacher": (0,),
    "alignment_distill_hidden_4": (0,),
    "joint_teacher": (0,),
    "joint_distill_soft_4": (0,),
}
SEEDS = (0, 1)
BASELINES = {"majority": {"top1": 16.6667}, "mean shape": {"nrmse": 33.5, "failure_rate": 100.0}}


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> StudyResults:
    """The stages of `quick`, those of `TRAINED` finished."""
    folder = tmp_path_factory.getbasetemp()
    # Processes that test side by side share it.
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "reported_study"
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return make_study(folder)


@pytest.fixture(scope="session")
def page(study, tmp_path_factory) -> str:
    """The path of its report."""
    path = str(tmp_path_factory.mktemp("report") / "report.html")
    write_report(study, path)
    return path


def make_study(folder) -> StudyResults:
    """Trains what is not trained."""
    stages = {name: stage for name, stage in make_stages().items() if name in (*TRAINED, "ours_4", "triplet_teacher")}
    runs = {name: {seed: _run_of(folder, stage, seed) for seed in SEEDS} for name, stage in stages.items()}
    scores = {}
    for name, seeds in TRAINED.items():
        for seed in seeds:
            directory = RunDirectory(runs[name][seed].model_dir)
            scores.setdefault(name, {})[seed] = directory.metrics() if directory.finished else run(runs[name][seed])
    return StudyResults(
        command="kd-reproduce --model_dir=<a&b>",
        scale="tiny",
        stages=stages,
        tables=tuple(make_tables().values()),
        scores=scores,
        runs=runs,
        baselines=BASELINES,
    )


def _run_of(folder, stage, seed):
    teacher = str(folder / f"{stage.teacher}_0") if stage.teacher else None
    config = small_run(folder / f"{stage.name}_{seed}", task=stage.task, training={"steps": 4, "seed": seed})
    return dataclasses.replace(
        config,
        network=NetworkConfig("resnet14", 8 * stage.divisor),
        distillation=DistillationConfig(teacher=teacher, **TARGETS[stage.targets] if teacher else {}),
        verification=VerificationConfig(identity_weight=stage.identity_weight),
        image_cache=str(folder / "images"),
    )
