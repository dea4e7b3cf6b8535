"""How long the stages of a study take, on which data and with which networks.

| scale | for | networks |
| --- | --- | --- |
| `quick` | two cores in minutes: the chain without its tables | `resnet26`, teacher /2, one student of a quarter of its width |
| `small` | two cores in an hour a seed: all tables | `resnet26`, teacher /2, students of 1/2, 1/4 and 1/8 of its width |
| `paper` | accelerators, days: the setting of arXiv 1709.02929, section 4 | `resnet50`, students /2, /4, /8 |

What `quick` and `small` use was chosen by measurement (docs/RESULTS.md).
"""

import dataclasses
from collections.abc import Mapping

from kd_tf.data.sources import SourceConfig
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.study.stages import FACES, LANDMARKS, LARGE, make_stages, with_needs
from kd_tf.study.tables import Table, make_tables

PAIRS = "pairs"


@dataclasses.dataclass(frozen=True)
class Phase:
    """How long a stage is trained and how fast.

    Attributes:
      epochs: passes over the training images.
      learning_rate: its highest value.
    """

    epochs: float
    learning_rate: float


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How a task is trained.

    Attributes:
      scratch: of stages that start from random weights.
      initialized: of stages that start from another one.
      batch_size: images an update; of verification in identities of four images.
      optimizer: see `TrainingConfig`.
    """

    scratch: Phase
    initialized: Phase
    batch_size: int
    optimizer: str = "sgd"

    def phase(self, init: str | None) -> Phase:
        """That of a stage that starts from `init`."""
        return self.initialized if init else self.scratch


@dataclasses.dataclass(frozen=True)
class Scale:
    """The setting of a study.

    Attributes:
      name: as `--scale` takes it.
      data: the data set of each role: `FACES`, and where there are any `LANDMARKS`, `LARGE` and the pairs of `PAIRS`, which are only
        scored.
      view: how images are seen.
      network: the trunk of all stages.
      teacher_divisor: width divisor of the teachers; students are so many times narrower as their stages say.
      batch_norm_momentum: of all networks.
      schedules: by task.
      learning_rate_schedule: see `TrainingConfig`.
      weight_decay: of all stages.
      stages: names of those that are run, without tables; None: those that the tables need.
      evaluations: how often a stage scores its test split on the way.
      stores_teachers: whether what teachers say is stored once for all students, as many views as a stage has epochs; else they run in
        every step.
      keeps_images: whether images are decoded and resized once for all stages.
    """

    name: str
    data: Mapping[str, SourceConfig]
    view: ViewConfig
    network: str
    teacher_divisor: int
    batch_norm_momentum: float
    schedules: Mapping[str, Schedule]
    learning_rate_schedule: str
    weight_decay: float = 0.0
    stages: tuple[str, ...] | None = None
    evaluations: int = 2
    stores_teachers: bool = False
    keeps_images: bool = True

    def tables(self, only: tuple[str, ...] = ()) -> tuple[Table, ...]:
        """Those of the study; with `only` the named ones.

        Raises:
          InputError: a table that there is not.
        """
        tables = make_tables() if self.stages is None else {}
        for key in only:
            if key not in tables:
                known = f"it has: {', '.join(tables)}" if tables else "it has none, --scale=small has them"
                raise InputError(f"--only={key} is no table of --scale={self.name}; {known}")
        return tuple(table for key, table in tables.items() if not only or key in only)

    def stage_names(self, tables: tuple[Table, ...]) -> set[str]:
        """The stages whose data the study has, of those that it asks for or that its tables show."""
        stages = make_stages()
        names = set(self.stages) if self.stages is not None else {cell.stage for table in tables for cell in table.cells}
        return {name for name in names if all(self.has(stage.data) for stage in with_needs(stages, {name}).values())}

    def has(self, data: str) -> bool:
        """Whether there is a data set for that role."""
        return data in self.data


def make_scale(name: str, data: Mapping[str, SourceConfig]) -> Scale:
    """The scale of that name for data sets by role.

    Args:
      name: `quick`, `small` or `paper`.
      data: of `FACES`, in `paper` of `LANDMARKS` and `LARGE` too; and of `PAIRS`.

    Raises:
      InputError: there is no such scale for that data set.
    """
    if name == "paper":
        return _paper(data)
    kind = data[FACES].data.partition(":")[0]
    if kind not in _MAKERS:
        raise InputError(f"--scale={name} has no setting for --data={data[FACES].data}; it has for: {', '.join(sorted(_MAKERS))}")
    if LARGE in data or LANDMARKS in data:
        raise InputError(f"--scale={name} trains all tasks on --data; other data sets are for --scale=paper")
    if PAIRS in data and kind == "lfw":
        raise InputError(f"--pairs_data={data[PAIRS].data} would be of people that --data={data[FACES].data} is trained on")
    return _MAKERS[kind](name, {**data, LANDMARKS: data[FACES]})


_QUICK_STAGES = (
    "teacher", "scratch_soft_4", "pretrained_4", "ours_4", "alignment_teacher", "alignment_distill_hidden_4", "joint_teacher",
    "joint_distill_soft_4",
)  # fmt: skip


# What two cores train in the time that a scale has.
_NETWORKS = {"network": "resnet26", "teacher_divisor": 2, "batch_norm_momentum": 0.9, "learning_rate_schedule": "cosine"}
_EXTENTS = {"quick": {"stages": _QUICK_STAGES}, "small": {"stores_teachers": True, "evaluations": 3}}


def _drawn(name: str, data: Mapping[str, SourceConfig]) -> Scale:
    return Scale(
        name=name,
        data=dict(data),
        view=ViewConfig(image_size=32),
        schedules=_schedules(
            Schedule(Phase(12, 0.2), Phase(12, 0.1), batch_size=64),
            Schedule(Phase(12, 0.01), Phase(5, 0.01), batch_size=64, optimizer="adam"),
            Schedule(Phase(12, 0.1), Phase({"quick": 4, "small": 3}[name], 0.02), batch_size=64),
        ),
        **_NETWORKS,
        **_EXTENTS[name],
    )


def _photographs(name: str, data: Mapping[str, SourceConfig]) -> Scale:
    """People with at least ten pictures."""
    faces = dataclasses.replace(data[FACES], min_images=max(10, data[FACES].min_images))
    return Scale(
        name=name,
        data={**data, FACES: faces, LANDMARKS: faces},
        view=ViewConfig(image_size=48, central_fraction=0.6),
        schedules=_schedules(
            Schedule(Phase(20, 0.1), Phase(20, 0.05), batch_size=32),
            Schedule(Phase(20, 0.01), Phase(10, 0.01), batch_size=32, optimizer="adam"),
            Schedule(Phase(20, 0.05), Phase({"quick": 6, "small": 4}[name], 0.01), batch_size=32),
        ),
        weight_decay=0.0005,
        **_NETWORKS,
        **_EXTENTS[name],
    )


def _paper(data: Mapping[str, SourceConfig]) -> Scale:
    """Section 4 of arXiv 1709.02929; open there: images an identity, momentum of the batch normalization."""
    return Scale(
        name="paper",
        data=dict(data),
        view=ViewConfig(image_size=224, jitter=False),
        network="resnet50",
        teacher_divisor=1,
        batch_norm_momentum=0.99,
        schedules=_schedules(*(Schedule(Phase(30, 0.1), Phase(30, 0.01), batch_size) for batch_size in (256, 64, 128))),
        learning_rate_schedule="constant",
        evaluations=4,
        keeps_images=False,
    )


def _schedules(classification: Schedule, alignment: Schedule, verification: Schedule) -> dict[str, Schedule]:
    return {"classification": classification, "hint": classification, "alignment": alignment, "verification": verification}


_MAKERS = {"synthetic": _drawn, "lfw": _photographs}
SCALES = (*_EXTENTS, "paper")
