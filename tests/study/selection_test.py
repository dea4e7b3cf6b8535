import dataclasses
import os

import numpy as np
import pytest
from scipy import stats

from kd_tf.data.split import SplitConfig
from kd_tf.errors import InputError
from kd_tf.networks.face_network import NetworkConfig, make_face_network
from kd_tf.networks.stored import save_network
from kd_tf.study.selection import BOTH, CELLS, CONTROL, HIDDEN, SOFT, Selection, select_targets
from kd_tf.training.config import DistillationConfig, RunConfig
from kd_tf.training.run_directory import RunDirectory
from tests.runs import small_run

# Cell by seed. Seeds differ by much more than cells do, which is no noise: it is common to the cells.
SEEDS = np.array([0.0, 10.0])


def _selection(means, spread=0.0, higher_is_better=True):
    """Two seeds; the first cell goes up by `spread` with the seed, the second down, the others are as the seeds are."""
    residuals = np.array([[-spread, spread], [spread, -spread], [0, 0], [0, 0]])
    return Selection(np.array(means, float)[:, None] + SEEDS + residuals, higher_is_better)


def test_noise_by_hand():
    # Residuals of the additive model are -1, 1, 1, -1 and 0: a sum of squares of 4 with (4 - 1)(2 - 1) = 3 degrees of freedom, a
    # variance of 4/3, of a difference of two means of two seeds 2 * (4/3) / 2 = 4/3. Student's t of 3 degrees at 97.5% is 3.182446.
    assert _selection([50, 60, 55, 52], spread=1.0).noise == pytest.approx(3.182446 * np.sqrt(4 / 3), rel=1e-6)


def test_noise_does_not_see_what_a_seed_does_to_all_cells_nor_what_a_cell_does_to_all_seeds():
    scores = np.random.default_rng(0).normal(size=[4, 5])
    moved = scores + 100 * np.arange(5) + 10 * np.arange(4)[:, None]
    assert Selection(moved, True).noise == pytest.approx(Selection(scores, True).noise, rel=1e-9)
    assert _selection([50, 60, 55, 52]).noise == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_noise_equals_an_analysis_of_variance_by_least_squares(seeds):
    scores = np.random.default_rng(seeds).normal(size=[4, seeds])
    # A column for each cell, and one for each seed but the first.
    design = np.array(
        [[cell == row for cell in range(4)] + [seed == column for seed in range(1, seeds)] for row in range(4) for column in range(seeds)]
    )
    _, residual, rank, _ = np.linalg.lstsq(design.astype(float), scores.reshape(-1), rcond=None)
    freedom = 4 * seeds - rank
    assert freedom == 3 * (seeds - 1)
    expected = stats.t.interval(0.95, freedom)[1] * np.sqrt(residual[0] / freedom * 2 / seeds)
    assert Selection(scores, True).noise == pytest.approx(expected, rel=1e-9)


def test_the_noise_is_exceeded_by_chance_once_in_twenty_times():
    random = np.random.default_rng(1)
    exceeded = 0
    for _ in range(2000):
        selection = Selection(random.normal(size=[4, 3]) + 5 * random.normal(size=3), True)
        exceeded += abs(selection.gain(SOFT)) > selection.noise
    assert 0.035 < exceeded / 2000 < 0.065


@pytest.mark.parametrize(("higher_is_better", "sign"), [(True, 1), (False, -1)])
def test_gain_by_hand(higher_is_better, sign):
    selection = _selection([50, 53, 48, 54], spread=0.5, higher_is_better=higher_is_better)
    assert [selection.gain(cell) for cell in CELLS] == pytest.approx([0, 3 * sign, -2 * sign, 4 * sign])
    assert selection.gain(BOTH, over=SOFT) == pytest.approx(sign)
    assert selection.gain(SOFT, over=HIDDEN) == pytest.approx(5 * sign)


# With a spread of 1 the noise is 3.67.
@pytest.mark.parametrize(
    ("means", "winner"),
    [
        ([50, 55, 50, 55], SOFT),
        ([50, 55, 44, 49], SOFT),
        ([50, 51, 56, 57], HIDDEN),
        ([50, 55, 58, 60], HIDDEN),
        ([50, 51, 52, 53], CONTROL),
        ([50, 40, 44, 41], CONTROL),
        ([50, 55, 56, 62], BOTH),
        ([50, 51, 52, 56], BOTH),
        ([50, 55, 50, 58], SOFT),
        ([50, 53.6, 50, 50], CONTROL),
        ([50, 53.7, 50, 50], SOFT),
        ([50, 53.7, 50, 57.5], BOTH),
    ],
    ids=[
        "soft_helps", "hidden_hurts", "hidden_helps", "both_help_and_hidden_more", "all_noise", "all_hurt", "both_is_best",
        "only_both_help", "both_no_better_than_soft", "just_noise", "just_no_noise", "both_beyond_the_noise_twice",
    ],
)  # fmt: skip
@pytest.mark.parametrize("higher_is_better", [True, False])
def test_winner(means, winner, higher_is_better):
    scores = means if higher_is_better else [100 - mean for mean in means]
    assert _selection(scores, spread=1.0).noise == pytest.approx(3.6748, abs=1e-4)
    assert _selection(scores, spread=1.0, higher_is_better=higher_is_better).winner == winner


METRICS = {"classification": "top1", "alignment": "nrmse", "verification": "rank1"}


def _config(folder, **changes) -> RunConfig:
    distillation = changes.pop("distillation", DistillationConfig(teacher="/runs/teacher", alpha=0.5, beta=2.0))
    return small_run(folder, distillation=distillation, training={"identities_per_batch": 3}, **changes)


class _Runs:
    """Runs that end at once, with the score that `selection` has for their cell and seed.

    Attributes:
      selection: set it first.
      made: the configurations, in the order in which they were run.
    """

    selection: Selection

    def __init__(self):
        self.made = []

    def __call__(self, config: RunConfig) -> None:
        self.made.append(config)
        cell = (int(config.distillation.alpha > 0), int(config.distillation.beta > 0))
        score = float(self.selection.scores[CELLS.index(cell)][config.training.seed])
        directory = RunDirectory(config.model_dir)
        with directory.begin(config.flagfile()):
            directory.finish({"task": config.task, METRICS[config.task]: score, "steps": 1})


@pytest.fixture(name="runs")
def pretend_to_run(monkeypatch):
    runs = _Runs()

    def run_jobs(jobs, processes):
        for job in jobs.values():
            if not job.finished:
                runs(job.config)

    monkeypatch.setattr("kd_tf.study.selection.run_jobs", run_jobs)
    monkeypatch.setattr("kd_tf.study.selection.make_distiller", lambda config, data: None)
    return runs


def _flags(path) -> list[str]:
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def test_four_cells_are_run_with_every_seed_on_the_validation_split(runs, tmp_path):
    runs.selection = _selection([50, 55, 50, 55], spread=1.0)
    config = _config(tmp_path, split=SplitConfig(split_seed=4), init="/runs/start")
    select_targets(config, [0, 1])
    names = [f"alpha{alpha}_beta{beta}/seed{seed}" for alpha, beta in CELLS for seed in (0, 1)]
    assert [os.path.relpath(made.model_dir, tmp_path) for made in runs.made] == names
    assert [(made.distillation.alpha, made.distillation.beta) for made in runs.made] == [
        (0, 0), (0, 0), (0.5, 0), (0.5, 0), (0, 2), (0, 2), (0.5, 2), (0.5, 2),
    ]  # fmt: skip
    for made in runs.made:
        assert made.split == SplitConfig(split_seed=4, validation=True)
        assert made.distillation.teacher == "/runs/teacher" and made.init == "/runs/start"
        assert made.training.seed == made.view.seed == int(made.model_dir[-1])
        assert dataclasses.replace(made.training, seed=0) == config.training


def test_the_report_and_the_flags_of_a_winner(runs, tmp_path):
    runs.selection = _selection([50, 55, 44, 49], spread=1.0)
    report = select_targets(_config(tmp_path, task="verification"), [0, 1])
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in report.splitlines()[:6]]
    # Spread over two seeds: half their difference times the root of two.
    assert rows[0] == ["alpha, beta", "seed 0", "seed 1", "mean", "std", "gain"]
    assert rows[2:] == [
        ["0, 0", "49.00", "61.00", "55.00", "8.49", ""],
        ["0.5, 0", "56.00", "64.00", "60.00", "5.66", "+5.00"],
        ["0, 2", "44.00", "54.00", "49.00", "7.07", "-6.00"],
        ["0.5, 2", "49.00", "59.00", "54.00", "7.07", "-1.00"],
    ]
    assert report.splitlines()[7:] == [
        "rank1 on the validation split in percent, higher is better; gain over (0, 0), the control of the same start and length.",
        "Chance alone makes gains of up to 3.67 either way (95%, 2 seeds).",
        "The soft targets: +5.00, beyond the noise: helps.",
        "The hidden layer: -6.00, beyond the noise: hurts.",
        "Both: -6.00 over the soft targets, beyond the noise.",
        "Chosen: the soft targets (winner.flags); dropped: the hidden layer.",
    ]
    assert (tmp_path / "selection.md").read_text() == report
    flags = _flags(tmp_path / "winner.flags")
    assert flags[0] == "# a flagfile of kd-distill"
    assert {"--task=verification", "--teacher=/runs/teacher", "--alpha=0.5", "--beta=0.0", "--validation=false"} <= set(flags)
    # It runs the choice as `config` describes it, in a directory yet to be named.
    assert not any(flag.startswith("--model_dir") for flag in flags)


def test_a_lower_score_that_is_better(runs, tmp_path):
    runs.selection = _selection([10, 9, 4, 3.5], spread=1.0)
    report = select_targets(_config(tmp_path, task="alignment"), [0, 1])
    assert report.splitlines()[7:] == [
        "nrmse on the validation split in percent, lower is better; gain over (0, 0), the control of the same start and length.",
        "Chance alone makes gains of up to 3.67 either way (95%, 2 seeds).",
        "The soft targets: +1.00, which cannot be told from noise.",
        "The hidden layer: +6.00, beyond the noise: helps.",
        "Both: +0.50 over the hidden layer, which cannot be told from noise.",
        "Chosen: the hidden layer (winner.flags); dropped: the soft targets.",
    ]
    assert {"--alpha=0.0", "--beta=2.0"} <= set(_flags(tmp_path / "winner.flags"))


def test_both_targets_together(runs, tmp_path):
    runs.selection = _selection([50, 55, 56, 62], spread=1.0)
    assert select_targets(_config(tmp_path), [0, 1]).splitlines()[-2:] == [
        "Both: +6.00 over the hidden layer, beyond the noise.",
        "Chosen: both (winner.flags); dropped: nothing.",
    ]
    assert {"# a flagfile of kd-distill", "--alpha=0.5", "--beta=2.0"} <= set(_flags(tmp_path / "winner.flags"))


def test_no_target(runs, tmp_path):
    runs.selection = _selection([50, 51, 52, 50], spread=1.0)
    report = select_targets(_config(tmp_path), [0, 1])
    assert report.splitlines()[-1] == "Chosen: no target (winner.flags); dropped: both terms."
    flags = _flags(tmp_path / "winner.flags")
    assert flags[0] == "# a flagfile of kd-train"
    assert not any(flag.startswith(("--teacher", "--alpha", "--beta", "--temperature")) for flag in flags)


def test_finished_runs_are_not_run_again_and_more_seeds_may_follow(runs, tmp_path):
    runs.selection = Selection(np.array([[50, 52, 51], [56, 57, 58], [50, 49, 51], [55, 57, 56]], float), True)
    first = select_targets(_config(tmp_path), [0, 1])
    assert select_targets(_config(tmp_path), [0, 1]) == first and len(runs.made) == 8
    second = select_targets(_config(tmp_path), [0, 1, 2])
    assert len(runs.made) == 12 and "seed 2" in second
    with pytest.raises(InputError, match="was begun with other flags: --alpha=0.5 instead of --alpha=0.25"):
        select_targets(_config(tmp_path, distillation=DistillationConfig(teacher="/runs/teacher", alpha=0.25, beta=2.0)), [0, 1])


@pytest.mark.parametrize(
    ("changes", "seeds", "message"),
    [
        ({}, [1], "--seeds=1: at least two, all different, or there is no telling gain from noise"),
        ({}, [], "--seeds=: at least two, all different"),
        ({}, [0, 1, 1], "--seeds=0,1,1: at least two, all different"),
        ({}, [0, -1], "--seeds=0,-1 must not be below 0"),
        ({"distillation": DistillationConfig()}, [0, 1], "give --teacher, and --alpha and --beta above 0"),
        ({"distillation": DistillationConfig(teacher="t", alpha=1.0)}, [0, 1], "give --teacher, and --alpha and --beta above 0"),
        ({"distillation": DistillationConfig(teacher="t", beta=1.0)}, [0, 1], "give --teacher, and --alpha and --beta above 0"),
        (
            {"task": "hint", "distillation": DistillationConfig(teacher="t", beta=1.0)},
            [0, 1],
            "--task=hint has no score to choose by; those that have: classification, alignment, verification",
        ),
        (
            {"distillation": DistillationConfig(teacher="python:faces:embed", alpha=1.0, beta=1.0)},
            [0, 1],
            "--teacher=python:faces:embed gives embeddings alone, and there are no soft targets to choose: use kd-distill --targets=hidden",
        ),
        (
            {"split": SplitConfig("identity_disjoint")},
            [0, 1],
            "--task=classification is chosen by top1, and --split=identity_disjoint validates on strangers: use --split=random",
        ),
        ({"task": "verification", "split": SplitConfig("official")}, [0, 1], "comes with no official split"),
    ],
)
def test_choices_that_cannot_be_made_are_refused_before_anything_is_written(runs, tmp_path, changes, seeds, message):
    with pytest.raises(InputError) as error:
        select_targets(_config(tmp_path / "selection", **changes), seeds)
    assert message in str(error.value)
    assert runs.made == [] and os.listdir(tmp_path) == []


def test_networks_that_lack_what_a_target_compares_are_refused_before_the_first_run(tmp_path, monkeypatch):
    monkeypatch.setattr("kd_tf.study.selection.run_jobs", lambda jobs, processes: pytest.fail("a run began"))
    network = make_face_network(NetworkConfig("resnet14", 8), image_size=16, landmarks=True)
    save_network(network, str(tmp_path / "teacher.keras"))
    distillation = DistillationConfig(teacher=str(tmp_path / "teacher.keras"), alpha=1.0, beta=1.0)
    with pytest.raises(InputError, match="the teacher 'resnet14_8' lacks the output 'logits'"):
        select_targets(_config(tmp_path / "selection", distillation=distillation, task="alignment"), [0, 1])
