"""Choosing the targets of a task by measurement: each term alone, both, and neither, over several seeds on a validation split.

The paper tries each term alone and drops it when it hurts (arXiv 1709.02929, section 3). A single run cannot tell that from noise, so here
every difference is held against the spread over the seeds.
"""

import dataclasses
import os

import numpy as np
from scipy import special

from kd_tf.errors import InputError
from kd_tf.files import write_whole
from kd_tf.markdown import markdown_table
from kd_tf.study.jobs import RunJob
from kd_tf.study.processes import run_jobs, share_gpus
from kd_tf.study.runs import check_runs
from kd_tf.teachers.embedding.teacher import is_embedding_teacher
from kd_tf.training.config import DistillationConfig, RunConfig
from kd_tf.training.prepared import open_run_data
from kd_tf.training.student import make_distiller

CONTROL, SOFT, HIDDEN, BOTH = (0, 0), (1, 0), (0, 1), (1, 1)
CELLS = (CONTROL, SOFT, HIDDEN, BOTH)
CONFIDENCE = 0.95
# What a task is chosen by, and whether more of it is better.
SCORES = {"classification": ("top1", True), "alignment": ("nrmse", False), "verification": ("rank1", True)}


@dataclasses.dataclass(frozen=True)
class Selection:
    """What the runs of the four cells say.

    Attributes:
      scores: `[4, seeds]`, in the order of `CELLS`.
      higher_is_better: of the score.
    """

    scores: np.ndarray
    higher_is_better: bool

    @property
    def noise(self) -> float:
        """The difference of two cells' means that chance exceeds once in twenty times.

        Seeds are common to the cells, so what a seed does to all of them alike is no noise: the residuals of an additive model of
        cell and seed, Student's t with 3 * (seeds - 1) degrees of freedom, two-sided.
        """
        residuals = self.scores - self.scores.mean(axis=1, keepdims=True) - self.scores.mean(axis=0) + self.scores.mean()
        freedom = (self.scores.shape[0] - 1) * (self.scores.shape[1] - 1)
        variance = np.sum(residuals**2) / freedom
        return float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2) * np.sqrt(2 * variance / self.scores.shape[1]))

    def gain(self, cell: tuple[int, int], over: tuple[int, int] = CONTROL) -> float:
        """By how much one cell's mean is better than another's."""
        means = dict(zip(CELLS, self.scores.mean(axis=1), strict=True))
        return float((means[cell] - means[over]) * (1 if self.higher_is_better else -1))

    @property
    def winner(self) -> tuple[int, int]:
        """The best of the terms that help beyond the noise; both together only where that beats the better one beyond the noise too."""
        single = max((SOFT, HIDDEN), key=self.gain)
        best = single if self.gain(single) > self.noise else CONTROL
        return BOTH if self.gain(BOTH, over=best) > self.noise else best


def select_targets(config: RunConfig, seeds: list[int]) -> str:
    """Trains the four cells with every seed, and writes the table and the flagfile of the winner into `config.model_dir`.

    Args:
      config: a distillation whose alpha and beta stand for 1; its training length is each run's budget. Its test split is not looked at.
      seeds: at least two.

    Returns:
      The table and what follows from it, Markdown.

    Raises:
      InputError: a task or a split without a score, no teacher, too few seeds, or see `kd_tf.training.run.run`.
    """
    _check(config, seeds)
    share_gpus()
    configs = {
        f"alpha {alpha}, beta {beta}, seed {seed}": _run_config(config, (alpha, beta), seed) for alpha, beta in CELLS for seed in seeds
    }
    check_runs(configs.values())
    jobs = {title: RunJob(title, (), each) for title, each in configs.items()}
    # Both terms at once find out whether the networks have what they compare.
    make_distiller(config, open_run_data(config))
    run_jobs(jobs, processes=1)
    score, higher_is_better = SCORES[config.task]
    scores = np.array([job.scores()[score] for job in jobs.values()], float).reshape(len(CELLS), len(seeds))
    selection = Selection(scores, higher_is_better)
    chosen = DistillationConfig() if selection.winner == CONTROL else _weighted(config.distillation, selection.winner)
    winner = dataclasses.replace(config, distillation=chosen)
    report = _report(selection, config, seeds)
    write_whole(os.path.join(config.model_dir, "selection.md"), report)
    write_whole(os.path.join(config.model_dir, "winner.flags"), _without_directory(winner.flagfile()))
    return report


def _check(config: RunConfig, seeds: list[int]) -> None:
    if config.task not in SCORES:
        raise InputError(f"--task={config.task} has no score to choose by; those that have: {', '.join(SCORES)}")
    if not config.distillation.teacher or not (config.distillation.alpha and config.distillation.beta):
        raise InputError("give --teacher, and --alpha and --beta above 0: they are the weights of the terms that are tried")
    if is_embedding_teacher(config.distillation.teacher):
        raise InputError(
            f"--teacher={config.distillation.teacher} gives embeddings alone, and there are no soft targets to choose: use kd-distill "
            "--targets=hidden"
        )
    if config.task == "classification" and config.split.split != "random":
        raise InputError(
            f"--task=classification is chosen by top1, and --split={config.split.split} validates on strangers: use --split=random"
        )
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds={','.join(map(str, seeds))}: at least two, all different, or there is no telling gain from noise")
    if min(seeds) < 0:
        raise InputError(f"--seeds={','.join(map(str, seeds))} must not be below 0")


def _run_config(config: RunConfig, cell: tuple[int, int], seed: int) -> RunConfig:
    return dataclasses.replace(
        config,
        model_dir=os.path.join(config.model_dir, f"alpha{cell[0]}_beta{cell[1]}", f"seed{seed}"),
        training=dataclasses.replace(config.training, seed=seed),
        split=dataclasses.replace(config.split, validation=True),
        # The same teacher for all, the control included: it is then given and not asked.
        distillation=_weighted(config.distillation, cell),
    )


def _weighted(distillation: DistillationConfig, cell: tuple[int, int]) -> DistillationConfig:
    return dataclasses.replace(distillation, alpha=distillation.alpha * cell[0], beta=distillation.beta * cell[1])


def _without_directory(flagfile: str) -> str:
    return "".join(line for line in flagfile.splitlines(keepends=True) if not line.startswith("--model_dir="))


def _report(selection: Selection, config: RunConfig, seeds: list[int]) -> str:
    score, higher_is_better = SCORES[config.task]
    rows = [["alpha, beta", *(f"seed {seed}" for seed in seeds), "mean", "std", "gain"]]
    for cell, scores in zip(CELLS, selection.scores, strict=True):
        weighted = _weighted(config.distillation, cell)
        weights = f"{weighted.alpha:g}, {weighted.beta:g}"
        gain = "" if cell == CONTROL else f"{selection.gain(cell):+.2f}"
        rows.append([weights, *(f"{value:.2f}" for value in scores), f"{scores.mean():.2f}", f"{scores.std(ddof=1):.2f}", gain])
    better = "higher" if higher_is_better else "lower"
    sentences = [
        f"{score} on the validation split in percent, {better} is better; gain over (0, 0), the control of the same start and length.",
        f"Chance alone makes gains of up to {selection.noise:.2f} either way ({CONFIDENCE:.0%}, {len(seeds)} seeds).",
        _verdict(selection, SOFT, "The soft targets"),
        _verdict(selection, HIDDEN, "The hidden layer"),
        *_choice(selection),
    ]
    return markdown_table(rows) + "\n" + "\n".join(sentences) + "\n"


def _verdict(selection: Selection, cell: tuple[int, int], term: str) -> str:
    gain = selection.gain(cell)
    if abs(gain) <= selection.noise:
        return f"{term}: {gain:+.2f}, which cannot be told from noise."
    return f"{term}: {gain:+.2f}, beyond the noise: {'helps' if gain > 0 else 'hurts'}."


def _choice(selection: Selection) -> list[str]:
    """What is taken, and why both terms or only one of two that help."""
    names = {CONTROL: "no target", SOFT: "the soft targets", HIDDEN: "the hidden layer", BOTH: "both"}
    winner = selection.winner
    better = max((CONTROL, SOFT, HIDDEN), key=lambda cell: 0.0 if cell == CONTROL else selection.gain(cell))
    gain = selection.gain(BOTH, over=better)
    told = "beyond the noise" if abs(gain) > selection.noise else "which cannot be told from noise"
    dropped = {CONTROL: "both terms", SOFT: "the hidden layer", HIDDEN: "the soft targets", BOTH: "nothing"}
    return [
        f"Both: {gain:+.2f} over {names[better]}, {told}.",
        f"Chosen: {names[winner]} (winner.flags); dropped: {dropped[winner]}.",
    ]
