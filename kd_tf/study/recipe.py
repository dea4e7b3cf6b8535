"""The stages of a study: what each trains, from which weights, with which teacher."""

import dataclasses

from kd_tf.data.sources import SourceConfig
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class Stage:
    """One run of a study.

    Attributes:
      name: of its run directory.
      equation: of arXiv 1709.02929, shown while it runs.
      task: one of `kd_tf.training.config.TASKS`.
      width_divisor: of the network trained.
      epochs: passes over the training images.
      learning_rate: its highest value.
      init: the stage whose network it starts from; None: from scratch.
      teacher: the stage whose network teaches; None: nobody.
      alpha: weight of the soft targets.
      beta: weight of the hidden layer.
      identity_weight: of the joint verification loss.
      optimizer: see `TrainingConfig`.
    """

    name: str
    equation: str
    task: str
    width_divisor: int
    epochs: float
    learning_rate: float
    init: str | None = None
    teacher: str | None = None
    alpha: float = 0.0
    beta: float = 0.0
    identity_weight: float = 0.0
    optimizer: str = "sgd"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A study of one data set.

    Attributes:
      source: the data set.
      view: how its images are seen.
      network: the trunk of all stages.
      batch_size: images an update, in every stage.
      weight_decay: in every stage.
      stages: in an order in which each comes after those that it needs.
    """

    source: SourceConfig
    view: ViewConfig
    network: str
    batch_size: int
    weight_decay: float
    stages: tuple[Stage, ...]


def quick_recipe(source: SourceConfig) -> Recipe:
    """The paper's chain at a size that two cores train in minutes; chosen by measurement (docs/RESULTS.md).

    Raises:
      InputError: there is no recipe for that data set.
    """
    name = source.data.partition(":")[0]
    if name not in _QUICK:
        raise InputError(f"--scale=quick has no recipe for --data={source.data}; it has for: {', '.join(sorted(_QUICK))}")
    return _QUICK[name](source)


def _chain(
    *,
    teacher: int,
    student: int,
    classification: tuple[float, float, float],
    alignment: tuple[float, float],
    verification: tuple[float, float],
) -> tuple[Stage, ...]:
    """The eight stages for a teacher's and a student's width divisor.

    Args:
      teacher: width divisor.
      student: width divisor.
      classification: epochs of the teacher, epochs of each student, learning rate.
      alignment: epochs, learning rate.
      verification: epochs, learning rate.
    """
    teacher_epochs, student_epochs, rate = classification
    return (
        Stage("teacher", "Eq 3", "classification", teacher, teacher_epochs, rate),
        Stage("student_scratch", "Eq 2", "classification", student, student_epochs, rate, teacher="teacher", alpha=1.0),
        Stage("student_pretrained", "Eq 3", "classification", student, student_epochs, rate),
        Stage("student_distilled", "Eq 4", "classification", student, student_epochs, rate / 2, "student_pretrained", "teacher", alpha=1.0),
        Stage("teacher_alignment", "Eq 6", "alignment", teacher, *alignment, init="teacher", optimizer="adam"),
        Stage(
            "student_alignment", "Eq 7", "alignment", student, *alignment,
            "student_distilled", "teacher_alignment", beta=1.0, optimizer="adam",
        ),
        Stage("teacher_verification", "Eq 8'", "verification", teacher, *verification, init="teacher", identity_weight=1.0),
        Stage(
            "student_verification", "Eq 9'", "verification", student, *verification,
            "student_distilled", "teacher_verification", alpha=1.0, identity_weight=1.0,
        ),
    )  # fmt: skip


def _synthetic(source: SourceConfig) -> Recipe:
    return Recipe(
        source=source,
        view=ViewConfig(image_size=32),
        network="resnet26",
        batch_size=64,
        weight_decay=0.0,
        stages=_chain(teacher=2, student=8, classification=(12, 12, 0.2), alignment=(5, 0.01), verification=(4, 0.02)),
    )


def _lfw(source: SourceConfig) -> Recipe:
    return Recipe(
        source=dataclasses.replace(source, min_images=max(10, source.min_images)),
        view=ViewConfig(image_size=48, central_fraction=0.6),
        network="resnet26",
        batch_size=32,
        weight_decay=0.0005,
        stages=_chain(teacher=2, student=8, classification=(20, 20, 0.1), alignment=(10, 0.01), verification=(6, 0.01)),
    )


_QUICK = {"synthetic": _synthetic, "lfw": _lfw}
