"""Every recipe is what its script writes, parses, and makes one step on drawn faces from the networks that it names."""

import glob
import importlib.util
import os
import re

import pytest
import tensorflow as tf
from absl import flags

from kd_tf.bin import distill, evaluate, train  # noqa: F401
from kd_tf.data.pipeline import training_batches
from kd_tf.flags import distillation_flags, evaluation_flags, run_flags
from kd_tf.networks.identity_names import recorded_identities
from kd_tf.training.batches import plan_batches
from kd_tf.training.config import DistillationConfig, RunConfig
from kd_tf.training.prepared import open_run_data
from kd_tf.training.run import run
from kd_tf.training.run_directory import RunDirectory
from kd_tf.training.student import identity_names, make_distiller

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATHS = sorted(os.path.relpath(path, ROOT) for path in glob.glob(f"{ROOT}/recipes/*/*.flags"))
RUNS = [path for path in PATHS if not path.endswith("_lfw.flags")]
TINY = ["--flagfile=recipes/small.flags", "--image_cache=", "--identities=24", "--pictures=5", "--picture_size=24", "--image_size=16"]
TINY += ["--batch_size=4", "--identities_per_batch=2", "--images_per_identity=2", "--epochs=0.0001", "--evaluations=1"]


def _text(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def _program(path):
    return re.search(r"^# (kd-\w+) --flagfile=(.*)$", _text(path), re.MULTILINE)


@pytest.fixture
def parse(monkeypatch, tmp_path_factory):
    """Parses arguments afresh, in the repository, whose relative paths then lead to a folder of this module."""
    monkeypatch.chdir(ROOT)
    yield lambda *arguments: (flags.FLAGS.unparse_flags(), flags.FLAGS(["program", *arguments]))
    flags.FLAGS.unparse_flags()
    flags.FLAGS(["program"])


def _config(parse, path, directory) -> RunConfig:
    parse(f"--flagfile={path}", *TINY)
    distills = _program(path)[1] == "kd-distill"
    # Runs lie in `directory` and not in the repository.
    for flag in (run_flags.INIT, run_flags.MODEL_DIR, distillation_flags.TEACHER):
        if flag.value:
            flags.FLAGS[flag.name].value = os.path.join(directory, flag.value)
    return run_flags.run_config_from_flags(distillation_flags.distillation_config_from_flags() if distills else DistillationConfig())


def _in_order(configs: list[RunConfig]) -> list[RunConfig]:
    """Each after those that it needs."""
    ordered, made = [], set()
    while len(ordered) < len(configs):
        ready = [config for config in configs if config.model_dir not in made and _needs(config) <= made]
        assert ready, "a recipe names a run that no recipe makes"
        ordered += ready
        made |= {config.model_dir for config in ready}
    return ordered


def _needs(config: RunConfig) -> set[str]:
    return {path for path in (config.init, config.distillation.teacher) if path}


def test_the_files_are_what_the_script_writes():
    spec = importlib.util.spec_from_file_location("write_recipes", os.path.join(ROOT, "recipes", "write_recipes.py"))
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert {f"recipes/{path}": text for path, text in script.recipes().items()} == {path: _text(path) for path in PATHS}


def test_every_cell_of_the_paper_has_one():
    counts = {folder: len(glob.glob(f"{ROOT}/recipes/{folder}/*.flags")) for folder in ("table1", "table2", "table3", "table4", "table5")}
    # Table 2 has 14 networks with two scores each; Tables 3 to 5 have the column (1, 1), which the paper lacks.
    assert counts == {"table1": 6, "table2": 28, "table3": 1 + 2 * 4, "table4": 1 + 6 * 4, "table5": 1 + 6 * 4}


@pytest.mark.parametrize("path", PATHS)
def test_parses_in_the_papers_setting(parse, path):
    assert _program(path)[2] == path
    parse(f"--flagfile={path}")
    if _program(path)[1] == "kd-evaluate":
        assert (evaluation_flags.PROTOCOL.value, evaluation_flags.MODEL.value) == ("lfw", f"runs/{path[8:-10]}")
        return
    distillation = distillation_flags.distillation_config_from_flags() if "kd-distill" in _text(path) else DistillationConfig()
    config = run_flags.run_config_from_flags(distillation)
    assert (config.model_dir, config.view.image_size) == (f"{ROOT}/runs/{path[8:-6]}", 224)
    assert (config.training.epochs, config.training.learning_rate) == (30, 0.01 if config.init else 0.1)
    batch = {"alignment": 64, "verification": config.training.identities_per_batch * 4}.get(config.task, config.training.batch_size)
    assert batch == {"classification": 256, "hint": 256, "alignment": 64, "verification": 128}[config.task]


def test_every_run_makes_one_step(parse, monkeypatch, tmp_path):
    """From teachers and starts that the other recipes made in one step, kept in memory, with the names of those they know."""
    networks = {}
    monkeypatch.setattr("kd_tf.training.student.load_network", lambda path, flag, image_size: networks[path])
    for config in _in_order([_config(parse, path, str(tmp_path)) for path in RUNS]):
        data = open_run_data(config)
        distiller, _ = make_distiller(config, data)
        distiller.compile(optimizer=tf.keras.optimizers.SGD(0.01), run_eagerly=True)
        before = [variable.numpy() for variable in distiller.student_variables()]
        plan = plan_batches(config, data, 1)
        assert plan.steps == 1
        distiller.fit(training_batches(data.train, plan.order, data.view, batch_size=plan.batch_size, steps=1), verbose=0)
        assert any((value != variable.numpy()).any() for value, variable in zip(before, distiller.student_variables(), strict=True))
        networks[config.model_dir] = distiller.student
        with RunDirectory(config.model_dir).begin(config.flagfile(), identity_names(config, data)):
            pass
        # Whom its identity head knows is known of every run that has one: here all are trained on all people.
        known = sorted(recorded_identities(config.model_dir) or ())
        assert known == (sorted(data.train.identity_names) if "logits" in distiller.student.output else [])
    assert len(networks) == len(RUNS)


@pytest.mark.slow
def test_every_run_is_a_run(parse, tmp_path):
    """The whole of it: checkpoints, scores and exported students."""
    for config in _in_order([_config(parse, path, str(tmp_path)) for path in RUNS]):
        assert run(config)["steps"] == 1
        tf.keras.backend.clear_session()
