"""What a run is, as plain values. Every field is a flag of the same name, so a run writes its own flagfile."""

import dataclasses
from collections.abc import Iterator

from kd_tf.data.sources import SourceConfig
from kd_tf.data.split import SplitConfig
from kd_tf.data.views import ViewConfig
from kd_tf.distillers.terms import TeacherTargets
from kd_tf.errors import InputError
from kd_tf.networks.face_network import NetworkConfig

TASKS = ("classification", "alignment", "verification", "embedding", "hint")
HINT_STAGE = "stage3"
# Flags that say how a run is made and not what it is: it may go on with others.
FREE_FLAGS = ("model_dir", "strategy", "checkpoint_steps", "keep_checkpoints", "image_cache", "profile_steps")


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How a student is trained.

    Attributes:
      epochs: passes over the training images; None with `steps`.
      steps: updates; None with `epochs`.
      batch_size: images an update (of all tasks but verification).
      identities_per_batch: P of the batches for verification.
      images_per_identity: K of the batches for verification.
      optimizer: `sgd` (Nesterov, momentum 0.9), `adam` or, where there is TensorFlow Addons, `lamb` (You et al. 2020, for large batches).
      learning_rate: its highest value.
      learning_rate_schedule: `constant`, `step` (a tenth for the second half, as in the paper) or `cosine` (to 0, after a
        warm-up over a tenth of the steps).
      weight_decay: of all trainable weights, decoupled from the gradient.
      precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
      strategy: `one`, `mirrored` or `multi_worker`.
      sync_batch_norm: on several replicas batch norms take their statistics from the global batch, as one replica does; without it each
        from its own images.
      seed: of weights, order and views.
      evaluations: how often the test split is scored on the way, at equal distances; the last is at the end.
      checkpoint_steps: a checkpoint is written every so many steps, at each evaluation, and when the run is asked to stop.
      keep_checkpoints: how many of the last are kept, beside the best.
      deterministic: the same bits whenever the run is repeated on the same machine; slower where an operation has a faster way.
      profile_steps: the first and the last step that TensorFlow's profiler looks at, from 1; None: none.
    """

    epochs: float | None = None
    steps: int | None = None
    batch_size: int = 64
    identities_per_batch: int = 16
    images_per_identity: int = 4
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    learning_rate_schedule: str = "cosine"
    weight_decay: float = 0.0
    precision: str = "float32"
    strategy: str = "one"
    sync_batch_norm: bool = True
    seed: int = 0
    evaluations: int = 4
    checkpoint_steps: int = 1000
    keep_checkpoints: int = 2
    deterministic: bool = False
    profile_steps: tuple[int, int] | None = None

    def __post_init__(self):
        if (self.epochs is None) == (self.steps is None):
            raise InputError(f"give one of --epochs and --steps, not {'both' if self.steps is not None else 'neither'}")
        if self.epochs is not None:
            object.__setattr__(self, "epochs", float(self.epochs))
        for name in ("epochs", "steps", "batch_size", "learning_rate", "evaluations", "checkpoint_steps", "keep_checkpoints"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InputError(f"--{name}={value} must be above 0")
        self._check_profile()

    def _check_profile(self) -> None:
        if self.profile_steps is None:
            return
        if len(self.profile_steps) != 2 or not 1 <= self.profile_steps[0] <= self.profile_steps[1]:
            raise InputError(f"--profile_steps={flag_text(self.profile_steps)} must be the first and the last step, from 1: such as 20,30")


@dataclasses.dataclass(frozen=True)
class DistillationConfig(TeacherTargets):
    """The teacher, and what the student is to match of it; without a teacher, nothing.

    Attributes:
      teacher: a run or a model; with `teacher_cache` only compared with what was stored.
      teacher_cache: the directory of the teacher's stored outputs, which then serve in its place.
      teacher_precision: what the teacher computes in: `float32`, `bfloat16` or `float16`; None: what it was saved in.
    """

    teacher: str | None = None
    teacher_cache: str | None = None
    teacher_precision: str | None = None

    def __post_init__(self):
        super().__post_init__()
        self.check_teacher(self.has_teacher)
        if self.teacher_precision and (self.teacher is None or self.teacher_cache is not None):
            raise InputError(f"--teacher_precision={self.teacher_precision} needs a --teacher that runs, without --teacher_cache")

    @property
    def has_teacher(self) -> bool:
        """Whether there is one, live or cached."""
        return self.teacher is not None or self.teacher_cache is not None


@dataclasses.dataclass(frozen=True)
class VerificationConfig:
    """The loss of verification; see `kd_tf.distillers.verification`."""

    margin: float = 0.4
    triplet_mining: str = "semi_hard"
    identity_weight: float = 0.0


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """One run: a task, its data, a network, how it is trained and what it starts from.

    Attributes:
      task: one of `TASKS`.
      model_dir: the run directory, which must not hold another run.
      view: its seed becomes that of `training`.
      init: a run or model to start from; None: from scratch.
      init_rule: what `init` must be: `scratch` or a name of `kd_tf.training.init_rules`; None: whatever fits.
      hint_stage: the stage whose output is learned (`hint`), `stage3` unless it is given.
      split: which records are for training and which are scored.
      skip_broken: how many images that cannot be read or decoded may be left out.
      image_cache: a folder for decoded and resized images; None: the data set is read in place.
    """

    task: str
    model_dir: str
    training: TrainingConfig
    source: SourceConfig = SourceConfig()
    view: ViewConfig = ViewConfig()
    network: NetworkConfig = NetworkConfig()
    distillation: DistillationConfig = DistillationConfig()
    verification: VerificationConfig = VerificationConfig()
    init: str | None = None
    init_rule: str | None = None
    hint_stage: str | None = None
    split: SplitConfig = SplitConfig()
    skip_broken: int = 0
    image_cache: str | None = None

    def __post_init__(self):
        if self.task not in TASKS:
            raise InputError(f"--task={self.task} is unknown; known: {', '.join(TASKS)}")
        if self.view.align and self.task == "alignment":
            raise InputError("--align needs the landmarks that --task=alignment is to find")
        self._check_hint()
        self._check_embedding()
        # One seed for all of a run.
        object.__setattr__(self, "view", dataclasses.replace(self.view, seed=self.training.seed))

    def _check_hint(self) -> None:
        if self.task != "hint":
            if self.hint_stage:
                raise InputError(f"--hint_stage={self.hint_stage} has no effect on --task={self.task}")
            return
        if set(self.distillation.weights) != {"hidden"}:
            terms = ", ".join(self.distillation.weights) or "nothing"
            raise InputError(f"--task=hint learns the teacher's stage alone: give --teacher and --targets=hidden; the loss has {terms}")
        if self.distillation.teacher_cache:
            raise InputError("--task=hint learns a stage of the teacher, and a --teacher_cache has its last hidden layer: give --teacher")
        object.__setattr__(self, "hint_stage", self.hint_stage or HINT_STAGE)

    def _check_embedding(self) -> None:
        if self.task != "embedding" or self.distillation.outputs == ("hidden",):
            return
        terms = ", ".join(self.distillation.weights) or "nothing"
        give = "give" if self.distillation.has_teacher else "give kd-distill a --teacher or --teacher_cache and"
        raise InputError(
            f"--task=embedding learns the teacher's hidden layer alone: {give} --targets=hidden (--alpha=0 --beta=1); the loss has {terms}"
        )

    @property
    def reads_labels(self) -> bool:
        """Whether the task's loss has the cross-entropy with the true identity."""
        return self.task == "classification" or (self.task == "verification" and self.verification.identity_weight > 0)

    @property
    def program(self) -> str:
        """The binary that runs this."""
        return "kd-distill" if self.distillation.has_teacher else "kd-train"

    def flags(self) -> dict[str, object]:
        """The values that are given, by the names of their flags; without a teacher none of its flags."""
        values = dict(_flag_values(self))
        left_out = {name for name in _LATER_WEIGHTS if not values[name]} if self.distillation.has_teacher else _DISTILLATION_FLAGS
        return {name: value for name, value in values.items() if name not in left_out}

    def flagfile(self) -> str:
        """The text of a flagfile that runs this again."""
        lines = [f"# a flagfile of {self.program}", *(f"--{name}={flag_text(value)}" for name, value in self.flags().items())]
        return "\n".join(lines) + "\n"


_DISTILLATION_FLAGS = {field.name for field in dataclasses.fields(DistillationConfig)}
# A run has none of them where it has not that term: so runs and studies of versions that had no such term go on and are found again.
_LATER_WEIGHTS = ("cosine_weight", "similarity_weight", "distance_weight", "angle_weight")


def flag_text(value) -> str:
    """A value as its flag has it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flag_values(config) -> Iterator[tuple[str, object]]:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _flag_values(value)
        elif value is not None:
            yield field.name, value
