"""The jobs of a study: runs, stored teachers and scored pairs, each in a directory that is named by all that decides what comes out.

A job's address is a digest of its settings, in which what it starts from and who teaches it stand with their own addresses. So a changed
setting gives new directories to the stages that it reaches and to no others, and what is finished is found again whatever else changes.
"""

import dataclasses
import functools
import hashlib
import json
import math
import os
from typing import Protocol

from kd_tf.data.sources import SourceConfig
from kd_tf.evaluation.evaluate import EvaluationConfig, evaluate
from kd_tf.networks.face_network import NetworkConfig
from kd_tf.study.scales import PAIRS, Phase, Scale
from kd_tf.study.stages import FACES, TARGETS, Stage, make_stages
from kd_tf.teachers.cache.manifest import MANIFEST_FILE
from kd_tf.teachers.cache.store import TeacherCache
from kd_tf.training.caching import CacheConfig, cache_teacher
from kd_tf.training.config import FREE_FLAGS, DistillationConfig, RunConfig, TrainingConfig, VerificationConfig
from kd_tf.training.run import run
from kd_tf.training.run_directory import RunDirectory

IMAGES_PER_IDENTITY = 4
_LETTERS = 8
# Fields of a cache that do not change what it holds.
_FREE_OF_CACHE = ("output", "image_cache", "batch_size", "strategy", "worker", "admit_pairs")
# They came later: where they are not given they are left out, so finished studies are found again.
_LATER = ("cross", "teacher", "test_folds")


class Job(Protocol):
    """One unit of work.

    Attributes:
      name: of the stage or of what is made of it, with its seed.
      path: its directory.
      needs: names of the jobs that must be finished before it.
    """

    name: str
    path: str
    needs: tuple[str, ...]

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""

    @property
    def begun(self) -> bool:
        """Whether something of it is there."""

    def run(self) -> None:
        """Does it, or what is left of it."""


@dataclasses.dataclass(frozen=True)
class RunJob:
    """Trains a network."""

    name: str
    needs: tuple[str, ...]
    config: RunConfig

    @property
    def path(self) -> str:
        """The run directory."""
        return self.config.model_dir

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return RunDirectory(self.path).finished

    @property
    def begun(self) -> bool:
        """Whether it has trained."""
        return os.path.isdir(RunDirectory(self.path).checkpoints)

    def run(self) -> None:
        """Trains it."""
        run(self.config)

    def scores(self) -> dict[str, float]:
        """Of a finished run, its `metrics.json`."""
        return RunDirectory(self.path).metrics()


@dataclasses.dataclass(frozen=True)
class CacheJob:
    """Stores what a teacher says of the views that its students see."""

    name: str
    needs: tuple[str, ...]
    config: CacheConfig

    @property
    def path(self) -> str:
        """The directory of the cache."""
        return self.config.output

    @property
    def finished(self) -> bool:
        """Whether all outputs are there."""
        if not self.begun:
            return False
        filled, wanted = TeacherCache(self.path).coverage()
        return filled == wanted

    @property
    def begun(self) -> bool:
        """Whether it is a cache."""
        return os.path.exists(os.path.join(self.path, MANIFEST_FILE))

    def run(self) -> None:
        """Fills it."""
        cache_teacher(self.config)


@dataclasses.dataclass(frozen=True)
class PairsJob:
    """Scores a stage on the pairs of LFW."""

    name: str
    path: str
    needs: tuple[str, ...]
    config: EvaluationConfig

    @property
    def finished(self) -> bool:
        """Whether the scores are there."""
        return os.path.exists(os.path.join(self.path, "metrics.json"))

    @property
    def begun(self) -> bool:
        """It has no parts."""
        return False

    def run(self) -> None:
        """Scores it."""
        evaluate(self.config, self.path)

    def scores(self) -> dict[str, float]:
        """Of the network on the pairs."""
        with open(os.path.join(self.path, "metrics.json"), encoding="utf-8") as file:
            return json.load(file)


@dataclasses.dataclass(frozen=True)
class Machine:
    """How the runs of a study compute; none of it but the precision is part of an address."""

    precision: str = "float32"
    strategy: str = "one"


class JobGraph:
    """All jobs of a study, each after those that it needs.

    Args:
      scale: the setting.
      stages: what is run, by name and in order.
      scored_on_pairs: names of the stages that are scored on pairs too, where the scale has some.
      directory: of the study.
      seeds: of weights, order and views; each stage is run with each.
      machine: how.

    Attributes:
      jobs: by name.
    """

    def __init__(
        self, scale: Scale, stages: dict[str, Stage], scored_on_pairs: set[str], directory: str, seeds: list[int], machine: Machine
    ):
        self._scale, self._stages, self._directory, self._machine = scale, stages, directory, machine
        self.jobs: dict[str, Job] = {}
        for seed in seeds:
            for stage in stages.values():
                self._add(self._run_job(stage, seed))
                if stage.name in scored_on_pairs and PAIRS in scale.data:
                    self._add(self._pairs_job(stage, seed))

    def run_job(self, stage: str, seed: int) -> RunJob:
        """That of a stage."""
        return self.jobs[_job_name(stage, seed)]

    def pairs_job(self, stage: str, seed: int) -> PairsJob | None:
        """That of a stage; None where it is not scored on pairs."""
        return self.jobs.get(_job_name(f"{stage}_pairs", seed))

    @functools.cached_property
    def runs(self) -> dict[str, RunJob]:
        """Those that train, by name."""
        return {name: job for name, job in self.jobs.items() if isinstance(job, RunJob)}

    def image_cache(self, data: str) -> str:
        """The folder of the decoded images of a role's data set."""
        same = self._source(data) == self._source(FACES)
        return os.path.join(self._directory, "images", FACES if same else data)

    def _add(self, job: Job) -> str:
        self.jobs[job.name] = job
        return job.name

    def _run_job(self, stage: Stage, seed: int) -> RunJob:
        needs = [_job_name(stage.init, seed)] if stage.init else []
        distillation = DistillationConfig()
        if stage.taught:
            # A hint is of another layer than is stored.
            stored = self._scale.stores_teachers and stage.task != "hint"
            teacher = self._cache_job(self._stages[stage.teacher], stage, seed) if stored else self.run_job(stage.teacher, seed)
            needs.append(self._add(teacher))
            distillation = DistillationConfig(**{"teacher_cache" if stored else "teacher": teacher.path}, **TARGETS[stage.targets])
        config = self._run_config(stage, seed, distillation)
        name = _job_name(stage.name, seed)
        path = self._path("runs", name, _without_free_flags(config.flagfile()))
        return RunJob(name, tuple(needs), dataclasses.replace(config, model_dir=path))

    def _run_config(self, stage: Stage, seed: int, distillation: DistillationConfig) -> RunConfig:
        """Without its directory, whose name it gives."""
        scale, schedule, phase = self._scale, self._scale.schedules[stage.task], self._phase(stage)
        init = self.run_job(stage.init, seed).path if stage.init else None
        view = scale.view
        if stage.task == "verification" and stage.teacher and scale.stores_teachers:
            # An image may come more often than there are epochs; a control then sees again what the others do.
            view = dataclasses.replace(view, views=self._stored_views(stage))
        batches = {"batch_size": schedule.batch_size}
        if stage.task == "verification":
            batches = {"identities_per_batch": schedule.batch_size // IMAGES_PER_IDENTITY, "images_per_identity": IMAGES_PER_IDENTITY}
        return RunConfig(
            task=stage.task,
            model_dir="",
            training=TrainingConfig(
                epochs=phase.epochs,
                optimizer=schedule.optimizer,
                learning_rate=phase.learning_rate,
                learning_rate_schedule=scale.learning_rate_schedule,
                weight_decay=scale.weight_decay,
                precision=self._machine.precision,
                strategy=self._machine.strategy,
                seed=seed,
                evaluations=scale.evaluations,
                **batches,
            ),
            source=self._source(stage.data),
            view=view,
            network=NetworkConfig(scale.network, scale.teacher_divisor * stage.divisor, scale.batch_norm_momentum),
            distillation=distillation,
            verification=VerificationConfig(identity_weight=stage.identity_weight),
            init=init,
            init_rule=stage.init_rule,
            image_cache=self.image_cache(stage.data) if scale.keeps_images else None,
        )

    def _phase(self, stage: Stage) -> Phase:
        return self._scale.schedules[stage.task].phase(stage.init)

    def _source(self, data: str) -> SourceConfig:
        return self._scale.data[data]

    def _cache_job(self, teacher: Stage, student: Stage, seed: int) -> CacheJob:
        """What the teacher says of the views that its students see."""
        trained = self.run_job(teacher.name, seed)
        config = CacheConfig(
            teacher=trained.path,
            output="",
            source=self._source(student.data),
            view=dataclasses.replace(self._scale.view, views=self._stored_views(student), seed=seed),
            image_cache=self.image_cache(student.data) if self._scale.keeps_images else None,
            precision=self._machine.precision,
            strategy=self._machine.strategy,
        )
        name = _job_name(f"{teacher.name}_outputs", seed)
        path = self._path("teachers", name, _settings(config, without=_FREE_OF_CACHE))
        return CacheJob(name, (trained.name,), dataclasses.replace(config, output=path))

    def _stored_views(self, student: Stage) -> int:
        """As many as a teacher's students of a task have epochs."""
        students = [stage for stage in make_stages().values() if stage.teacher == student.teacher and stage.task == student.task]
        return math.ceil(max(self._phase(stage).epochs for stage in students))

    def _pairs_job(self, stage: Stage, seed: int) -> PairsJob:
        trained = self.run_job(stage.name, seed)
        config = EvaluationConfig(trained.path, "lfw", self._source(PAIRS), self._scale.view)
        name = _job_name(f"{stage.name}_pairs", seed)
        path = self._path("pairs", name, _settings(config))
        return PairsJob(name, path, (trained.name,), config)

    def _path(self, kind: str, name: str, settings: str) -> str:
        """Where the study lies is no part of an address: one setting has the same in every study."""
        digest = hashlib.sha256(settings.replace(f"{self._directory}{os.sep}", "").encode(errors="surrogateescape")).hexdigest()
        return os.path.join(self._directory, kind, f"{name}-{digest[:_LETTERS]}")


def _job_name(name: str, seed: int) -> str:
    return f"{name}_seed{seed}"


def _settings(config, *, without: tuple[str, ...] = ()) -> str:
    """The fields of a dataclass, but for some, as text."""
    values = {name: value for name, value in dataclasses.asdict(config, dict_factory=_given).items() if name not in without}
    return json.dumps(values, sort_keys=True, ensure_ascii=False)


def _given(fields: list[tuple[str, object]]) -> dict[str, object]:
    return {name: value for name, value in fields if value or name not in _LATER}


def _without_free_flags(flagfile: str) -> str:
    lines = [line for line in flagfile.splitlines() if line.partition("=")[0].removeprefix("--") not in FREE_FLAGS]
    return "\n".join(lines)
