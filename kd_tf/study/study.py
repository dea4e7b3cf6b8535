"""A study from its scale to its tables and its report; whatever is finished is not done again."""

import contextlib
import dataclasses
import json
import logging
import os
import time

import tensorflow as tf

from kd_tf.data.dataset import open_data, prepare_data
from kd_tf.errors import InputError
from kd_tf.evaluation.baselines import majority_baseline, mean_shape_baseline, pixel_baseline
from kd_tf.evaluation.verification import open_pairs
from kd_tf.files import locked, write_whole
from kd_tf.markdown import markdown_table
from kd_tf.study.estimate import Estimator
from kd_tf.study.jobs import JobGraph, Machine
from kd_tf.study.processes import run_jobs, share_gpus
from kd_tf.study.rendering import csv_text, html, markdown
from kd_tf.study.report.report import write_report
from kd_tf.study.results import StudyResults
from kd_tf.study.runs import check_runs
from kd_tf.study.scales import PAIRS, Scale
from kd_tf.study.stages import FACES, LANDMARKS, make_stages, with_needs
from kd_tf.study.table import overview
from kd_tf.study.tables import stages_on_pairs
from kd_tf.training.run_directory import FLAGS_FILE, LOCK_FILE

_LOGGER = logging.getLogger(__name__)
# Comparing pixels takes time with the square of this.
_IMAGES_TO_COMPARE = 50_000


@dataclasses.dataclass(frozen=True)
class StudyConfig:
    """What is studied, and how it is run.

    Attributes:
      scale: the setting.
      directory: of the study: `runs/`, `teachers/` (what they say), `pairs/`, `images/`, `tables/`, `report.html`, and `seedN/` with the
        stages' runs by their names.
      seeds: each stage is run with each.
      only: keys of the tables whose stages are run; none: all.
      machine: precision and strategy of all runs.
      processes: how many jobs run at once.
      command: that makes the study again, for the report.
    """

    scale: Scale
    directory: str
    seeds: tuple[int, ...] = (0,)
    only: tuple[str, ...] = ()
    machine: Machine = Machine()
    processes: int = 1
    command: str = ""

    def __post_init__(self):
        seeds = ",".join(map(str, self.seeds))
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or not 0 <= min(self.seeds) <= max(self.seeds) < 2**32:
            raise InputError(f"--seeds={seeds} must be different numbers from 0 to {2**32 - 1}")
        if self.processes < 1:
            raise InputError(f"--jobs={self.processes} must be at least 1")
        if self.processes > 1 and self.machine.strategy != "one":
            raise InputError(f"--jobs={self.processes} gives each job a device of its own: use --strategy=one")
        devices = len(tf.config.list_physical_devices("GPU"))
        if 0 < devices < self.processes:
            raise InputError(f"--jobs={self.processes} gives each job a GPU of its own, and there are {devices}")


class Study:
    """The stages, tables and jobs of a study.

    Args:
      config: the study.

    Raises:
      InputError: a table that there is not.
    """

    def __init__(self, config: StudyConfig):
        self._config = config
        self.tables = config.scale.tables(config.only)
        stages = make_stages()
        wanted = config.scale.stage_names(self.tables)
        self.stages = with_needs(stages, wanted)
        on_pairs = stages_on_pairs(self.tables) & wanted
        self._check_use(wanted, on_pairs)
        self._graph = JobGraph(config.scale, self.stages, on_pairs, config.directory, list(config.seeds), config.machine)

    def _check_use(self, wanted: set[str], on_pairs: set[str]) -> None:
        """Raises `InputError` where something was asked for of which nothing would come."""
        for table in self.tables:
            if table.key in self._config.only and not wanted & {cell.stage for cell in table.cells}:
                raise InputError(f"--only={table.key} needs data that there is not: give --landmark_data or --large_data")
        if self._config.scale.has(PAIRS) and not on_pairs:
            raise InputError("--pairs_data has no effect: only Table 2 is scored on pairs")

    def check(self) -> None:
        """Raises `InputError` for bad input, as far as it can be told before anything is done."""
        _check_directory(self._config.directory)
        check_runs(job.config for job in self._graph.runs.values())
        if self._config.scale.has(PAIRS):
            open_pairs("lfw", self._config.scale.data[PAIRS].data)

    def plan(self) -> str:
        """What would be done, in which order, and how long it would take here; Markdown.

        Raises:
          InputError: see `check`.
        """
        self.check()
        estimator = Estimator(self._graph.jobs)
        rows, total = [["job", "state", "needs", "seconds"]], 0.0
        for name, job in self._graph.jobs.items():
            state = "finished" if job.finished else "begun" if job.begun else ""
            seconds = 0.0 if state == "finished" else estimator.seconds(name)
            total += seconds
            rows.append([name, state, ", ".join(job.needs), f"{seconds:,.0f}"])
        count = sum(state != "finished" for _, state, *_ in rows[1:])
        return markdown_table(rows) + (
            f"\n{count} of {len(self._graph.jobs)} jobs are to be done: about {_duration(total)}, one after the other on this machine.\n"
        )

    def run(self) -> StudyResults:
        """Does what is not finished, and writes tables and report.

        Raises:
          InputError: bad input, before anything is written; or see `run_jobs`.
          RunStopped: see `run_jobs`.
        """
        begun, directory = time.perf_counter(), self._config.directory
        share_gpus()
        self.check()
        os.makedirs(directory, exist_ok=True)
        with locked(
            os.path.join(directory, LOCK_FILE), f"--model_dir={directory}: another process is at this study; wait for it or stop it"
        ):
            baselines = self._baselines()
            self._link_runs()
            run_jobs(self._graph.jobs, self._config.processes, lambda: self._write_tables(self.results(baselines)))
            results = self.results(baselines)
            self._write_tables(results)
            write_report(results, os.path.join(directory, "report.html"))
        _LOGGER.info("%d jobs in %s", len(self._graph.jobs), _duration(time.perf_counter() - begun))
        return results

    def results(self, baselines: dict[str, dict[str, float]]) -> StudyResults:
        """What is finished so far."""
        config, scores = self._config, {}
        for stage in self.stages:
            for seed in config.seeds:
                job, pairs = self._graph.run_job(stage, seed), self._graph.pairs_job(stage, seed)
                if job.finished:
                    found = job.scores() | (pairs.scores() if pairs and pairs.finished else {})
                    scores.setdefault(stage, {})[seed] = found
        return StudyResults(
            command=config.command,
            scale=config.scale.name,
            stages=self.stages,
            tables=self.tables,
            scores=scores,
            runs={stage: {seed: self._graph.run_job(stage, seed).config for seed in config.seeds} for stage in self.stages},
            baselines=baselines,
        )

    def _write_tables(self, results: StudyResults) -> None:
        folder = os.path.join(self._config.directory, "tables")
        os.makedirs(folder, exist_ok=True)
        write_whole(os.path.join(folder, "overview.md"), overview(results))
        for table in self.tables:
            write_whole(os.path.join(folder, f"{table.key}.md"), markdown(table, results.scores))
            write_whole(os.path.join(folder, f"{table.key}.csv"), csv_text(table, results.scores))
            write_whole(os.path.join(folder, f"{table.key}.html"), html(table, results.scores))

    def _link_runs(self) -> None:
        """`seed0/ours_8` and the like; where there are no links, there are the runs."""
        for seed in self._config.seeds:
            folder = os.path.join(self._config.directory, f"seed{seed}")
            os.makedirs(folder, exist_ok=True)
            for stage in self.stages:
                link, run = os.path.join(folder, stage), self._graph.run_job(stage, seed).path
                with contextlib.suppress(OSError):
                    if os.path.islink(link):
                        os.remove(link)
                    os.symlink(os.path.relpath(run, folder), link)

    def _baselines(self) -> dict[str, dict[str, float]]:
        """What needs no network."""
        path = os.path.join(self._config.directory, "baselines.json")
        settings = repr([self._config.scale.data, self._config.scale.view])
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                stored = json.load(file)
            if stored["settings"] == settings:
                return stored["baselines"]
        baselines = self._measure_baselines()
        write_whole(path, json.dumps({"settings": settings, "baselines": baselines}, indent=2) + "\n")
        return baselines

    def _measure_baselines(self) -> dict[str, dict[str, float]]:
        _LOGGER.info("baselines, which need no network")
        scale = self._config.scale
        faces = open_data(scale.data[FACES], scale.view)
        baselines = {"majority": {"top1": majority_baseline(faces.train, faces.test)}}
        if len(faces.train) <= _IMAGES_TO_COMPARE:
            read = prepare_data(faces, self._graph.image_cache(FACES) if scale.keeps_images else None)
            baselines["pixel nearest neighbour"] = pixel_baseline(read.train, read.test, read.view)
        if scale.has(LANDMARKS):
            landmarks = open_data(scale.data[LANDMARKS], scale.view)
            baselines["mean shape"] = mean_shape_baseline(landmarks.train, landmarks.test, landmarks.view)
        return baselines


def _check_directory(directory: str) -> None:
    """Raises `InputError` where a study cannot be in the directory."""
    if os.path.exists(directory) and not os.path.isdir(directory):
        raise InputError(f"--model_dir={directory} is no folder")
    found = set(os.listdir(directory)) if os.path.isdir(directory) else set()
    # One that was killed at its very beginning has a lock, and perhaps images.
    if FLAGS_FILE in found or (found - {LOCK_FILE, "images"} and not found & {"runs", "baselines.json"}):
        raise InputError(f"--model_dir={directory} is not empty and no study; give another directory")


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
