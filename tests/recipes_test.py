"""Every recipe is what its script writes and what the study runs, and each kind makes one step on drawn faces from the runs it names."""

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
from kd_tf.training.init_rules import check_init_rule
from kd_tf.training.prepared import open_run_data
from kd_tf.training.run import run
from kd_tf.training.run_directory import RunDirectory
from kd_tf.training.student import identity_names, make_distiller

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATHS = sorted(os.path.relpath(path, ROOT) for path in glob.glob(f"{ROOT}/recipes/*/*.flags"))
RUNS = [path for path in PATHS if not path.endswith("_lfw.flags")]
TINY = ["--flagfile=recipes/small.flags", "--image_cache=", "--identities=24", "--pictures=5", "--picture_size=24", "--image_size=16"]
TINY += ["--network=resnet14", "--batch_size=4", "--identities_per_batch=2", "--images_per_identity=2", "--epochs=0.0001"]
TINY += ["--evaluations=1"]
# Numbers that the paper's tables have. Table 2 has 14 networks with two scores each.
PAPER = {"Table 1": 6, "Table 2": 28, "Table 3": 1 + 2 * 3, "Table 4": 1 + 6 * 3, "Table 5": 1 + 6 * 3}
TITLES = {
    "ours_8": "Ours: W_S0, then soft targets (Eq 4), /8. Table 1 and Table 2: the paper has 75.06",
    "ours_8_lfw": "Ours: W_S0, then soft targets (Eq 4), /8, on LFW's pairs. Table 2: the paper has 96.18",
    "scratch_soft_8": "Scratch, soft targets (Eq 2), /8. Table 1: the paper has 61.27 and 64.49. Table 2: the paper has 66.12",
    "continued_2": "Control: W_S0 continued with alpha = 0, /2. Table 2: a control row, which the paper does not have",
    "large_teacher_lfw": "Teacher (Eq 3), on LFW's pairs. Table 2: the paper has 99.11",
    "alignment_pretrain_both_8": "Alignment from alignment_start_8, alpha 1, beta 1 (Eq 7). Table 3: the paper has no number",
    "joint_distill_soft_2": "Joint from ours_2, alpha 1, beta 0 (Eq 9'). Table 5: the paper has 79.96",
    "triplet_start_4": "Student pre-trained on the triplet loss (Eq 8), /4",
}


def _text(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def _program(path):
    return re.search(r"^# (kd-\w+) --flagfile=(.*)$", _text(path), re.MULTILINE)


def _name(path):
    return os.path.basename(path).removesuffix(".flags")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("write_recipes", os.path.join(ROOT, "recipes", "write_recipes.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def study_flagfiles(script):
    """Of each run, by stage, with all its flags."""
    stages = script.make_recipe_stages()
    return script.flagfiles(script.make_graph(stages), stages)


@pytest.fixture
def parse(monkeypatch):
    """Parses arguments afresh, in the repository."""
    monkeypatch.chdir(ROOT)
    yield lambda *arguments: (flags.FLAGS.unparse_flags(), flags.FLAGS(["program", *arguments]))
    flags.FLAGS.unparse_flags()
    flags.FLAGS(["program"])


def _parsed_config(path) -> RunConfig:
    distills = _program(path)[1] == "kd-distill"
    return run_flags.run_config_from_flags(distillation_flags.distillation_config_from_flags() if distills else DistillationConfig())


def _tiny_config(parse, path, directory) -> RunConfig:
    parse(f"--flagfile={path}", *TINY)
    # Runs lie in `directory` and not in the repository.
    for flag in (run_flags.INIT, run_flags.MODEL_DIR, distillation_flags.TEACHER):
        if flag.value:
            flags.FLAGS[flag.name].value = os.path.join(directory, flag.value)
    return _parsed_config(path)


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


def _one_of_each_kind(configs: list[RunConfig]) -> list[RunConfig]:
    """For each task, loss, task of the start and targets the narrowest student, and what these need."""
    tasks, kinds = {config.model_dir: config.task for config in configs}, {}
    for config in sorted(configs, key=lambda config: -config.network.width_divisor):
        kind = config.task, config.verification, tasks.get(config.init), tuple(config.distillation.weights)
        kinds.setdefault(kind, config.model_dir)
    chosen = set(kinds.values())
    for config in reversed(configs):
        if config.model_dir in chosen:
            chosen |= _needs(config)
    return [config for config in configs if config.model_dir in chosen]


def test_the_files_are_what_the_script_writes(script):
    assert {f"recipes/{path}": text for path, text in script.recipes().items()} == {path: _text(path) for path in PATHS}


def test_every_number_of_the_paper_has_one():
    places = [place for path in PATHS for place in re.findall(r"((?:Table \d(?: and )?)+): the paper has ([\d. and]+\d)", _text(path))]
    numbers = [(table, number) for tables, values in places for table in tables.split(" and ") for number in values.split(" and ")]
    assert {key: len([number for table, number in numbers if table == key]) for key in PAPER} == PAPER


@pytest.mark.parametrize("name", TITLES)
def test_says_where_the_papers_number_is(name):
    [path] = [path for path in PATHS if _name(path) == name]
    assert _text(path).splitlines()[0] == f"# {TITLES[name]}"


@pytest.mark.parametrize("path", RUNS)
def test_is_the_studys_run_in_the_papers_setting(parse, study_flagfiles, path):
    assert _program(path)[2] == path
    parse(f"--flagfile={path}")
    config = _parsed_config(path)
    assert config.flagfile().replace(f"{ROOT}/", "") == study_flagfiles[_name(path)]
    assert (config.model_dir, config.view.image_size) == (f"{ROOT}/runs/{_name(path)}", 224)
    assert (config.training.epochs, config.training.learning_rate) == (30, 0.01 if config.init else 0.1)
    batch = {"alignment": 64, "verification": config.training.identities_per_batch * 4}.get(config.task, config.training.batch_size)
    assert batch == {"classification": 256, "hint": 256, "alignment": 64, "verification": 128}[config.task]


@pytest.mark.parametrize("path", sorted(set(PATHS) - set(RUNS)))
def test_scores_a_run_on_pairs(parse, path):
    assert _program(path).groups() == ("kd-evaluate", path)
    parse(f"--flagfile={path}")
    assert (evaluation_flags.PROTOCOL.value, evaluation_flags.MODEL.value) == ("lfw", f"runs/{_name(path).removesuffix('_lfw')}")
    assert path.replace("_lfw.flags", ".flags") in RUNS


def test_every_run_starts_from_what_its_rule_demands(parse, tmp_path):
    for config in _in_order([_tiny_config(parse, path, str(tmp_path)) for path in RUNS]):
        with RunDirectory(config.model_dir).begin(config.flagfile(), None):
            check_init_rule(config.init_rule, config.init, config.task)


@pytest.mark.slow
def test_every_kind_of_run_makes_one_step(parse, monkeypatch, tmp_path):
    """From teachers and starts that other recipes made in one step, kept in memory, with the names of those they know."""
    networks = {}
    monkeypatch.setattr("kd_tf.training.student.load_network", lambda path, flag, image_size: networks[path])
    configs = _one_of_each_kind(_in_order([_tiny_config(parse, path, str(tmp_path)) for path in RUNS]))
    for config in configs:
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
    assert len(networks) == len(configs)


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_every_run_is_a_run(parse, tmp_path):
    """The whole of it: checkpoints, scores and exported students."""
    for config in _in_order([_tiny_config(parse, path, str(tmp_path)) for path in RUNS]):
        assert run(config)["steps"] == 1
        tf.keras.backend.clear_session()
