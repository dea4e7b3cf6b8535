"""The stages of the study: what each trains, what it starts from and who teaches it (arXiv 1709.02929 and the controls it lacks).

How long a stage takes, on which data and with which trunk is its scale's (`kd_tf.study.scales`). A stage is named by what it does; the
number at the end of a student's name says how many times narrower than its teacher it is.
"""

import dataclasses

STUDENTS = (2, 4, 8)
NARROWEST = 8
FACES, LARGE, LANDMARKS = "faces", "large", "landmarks"
TARGETS = {
    "none": {},
    "hidden": {"beta": 1.0},
    "soft": {"alpha": 1.0},
    "both": {"alpha": 1.0, "beta": 1.0},
    "logits": {"logits_weight": 1.0},
}
# The columns (alpha, beta) of Tables 3 to 5.
CELL_TARGETS = ("none", "hidden", "soft", "both")
# The verification losses of Tables 4 and 5, and the weight of the softmax term in each.
VERIFICATION_LOSSES = {"triplet": 0.0, "joint": 1.0}


@dataclasses.dataclass(frozen=True)
class Stage:
    """One training run of the study.

    Attributes:
      name: unique in the study.
      title: what it is, for people, with its equation in the paper.
      task: one of `kd_tf.training.config.TASKS`.
      divisor: how many times narrower than the teacher its network is.
      data: what it is trained on: `FACES`, `LARGE` or `LANDMARKS`.
      init: the stage that it starts from; None: from scratch.
      init_rule: what the paper calls such a start; None: it has no name for it.
      teacher: the stage that teaches, or whose students a control without targets is compared with; None: nobody.
      targets: what of the teacher is matched, of `TARGETS`.
      identity_weight: of the joint verification loss.
    """

    name: str
    title: str
    task: str
    divisor: int
    data: str = FACES
    init: str | None = None
    init_rule: str | None = "scratch"
    teacher: str | None = None
    targets: str = "none"
    identity_weight: float = 0.0

    @property
    def taught(self) -> bool:
        """Whether it matches something of its teacher."""
        return bool(TARGETS[self.targets])

    @property
    def needs(self) -> tuple[str, ...]:
        """The stages that must be finished before it."""
        return tuple(name for name in (self.init, self.teacher if self.taught else None) if name)


def make_stages() -> dict[str, Stage]:
    """All stages of the five tables and their controls, by name; each comes after those that it needs."""
    stages = [
        *_classification(FACES),
        *_table1(),
        *_classification(LARGE),
        *_alignment(),
        *(stage for loss in VERIFICATION_LOSSES for stage in _verification(loss)),
    ]
    return {stage.name: stage for stage in stages}


def with_needs(stages: dict[str, Stage], names: set[str]) -> dict[str, Stage]:
    """The named stages and all that they need, in order."""
    wanted, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += stages[name].needs
    return {name: stage for name, stage in stages.items() if name in wanted}


def classification_name(data: str, kind: str, divisor: int | None = None) -> str:
    """Of a classification stage: `teacher`, `ours_8`, and `large_ours_8` on the large data set."""
    return ("large_" if data == LARGE else "") + kind + (f"_{divisor}" if divisor else "")


def _classification(data: str) -> list[Stage]:
    """The teacher, and each student in the two phases of training, with the teacher in both, in one or in none of them."""

    def stage(kind: str, title: str, divisor: int | None = None, **options) -> Stage:
        name = classification_name(data, kind, divisor)
        return Stage(name, title + (f", /{divisor}" if divisor else ""), "classification", divisor or 1, data, **options)

    teacher = classification_name(data, "teacher")
    stages = [
        stage("teacher", "teacher (Eq 3)"),
        stage("teacher_continued", "control: teacher with the budget and learning rates of Ours", init=teacher, init_rule="ours"),
    ]
    for divisor in STUDENTS:
        scratch, pretrained = (classification_name(data, kind, divisor) for kind in ("scratch_soft", "pretrained"))
        taught = {"teacher": teacher, "targets": "soft"}
        stages += [
            stage("scratch_soft", "Scratch, soft targets (Eq 2)", divisor, **taught),
            stage("pretrained", "W_S0, pre-trained (Eq 3)", divisor),
            stage("ours", "Ours: W_S0, then soft targets (Eq 4)", divisor, init=pretrained, init_rule="ours", **taught),
            stage("continued", "control: W_S0 continued with alpha = 0", divisor, init=pretrained, init_rule="ours"),
            stage(
                "scratch_continued", "control: Scratch with the budget and learning rates of Ours", divisor,
                init=scratch, init_rule=None, **taught,
            ),
        ]  # fmt: skip
    return stages


def _table1() -> list[Stage]:
    """Other targets and Fitnet's start, for the narrowest student."""
    taught = {"teacher": "teacher", "divisor": NARROWEST}
    hint = f"hint_{NARROWEST}"
    stages = [
        Stage(f"scratch_{targets}_{NARROWEST}", f"Scratch, {words}, /{NARROWEST}", "classification", targets=targets, **taught)
        for targets, words in (("hidden", "hidden layer"), ("logits", "logits"), ("both", "soft targets and hidden layer"))
    ]
    return stages + [
        Stage(hint, f"first phase of Fitnet, /{NARROWEST}", "hint", targets="hidden", **taught),
        Stage(
            f"fitnet_{NARROWEST}", f"Fitnet, soft targets, /{NARROWEST}", "classification",
            init=hint, init_rule="fitnet", targets="soft", **taught,
        ),
    ]  # fmt: skip


def _alignment() -> list[Stage]:
    """Table 3 has the narrowest student alone."""
    stages = [Stage("alignment_teacher", "alignment teacher (Eq 6)", "alignment", 1, LANDMARKS, init="teacher", init_rule=None)]
    for divisor in STUDENTS:
        start = f"alignment_start_{divisor}"
        stages.append(Stage(start, f"student pre-trained on landmarks (Eq 6), /{divisor}", "alignment", divisor, LANDMARKS))
        stages += _cells("alignment", "Eq 7", start, divisor, LANDMARKS)
    return stages


def _verification(loss: str) -> list[Stage]:
    joint = {"identity_weight": VERIFICATION_LOSSES[loss]}
    prime = "'" if joint["identity_weight"] else ""
    teacher = Stage(f"{loss}_teacher", f"{loss} teacher (Eq 8{prime})", "verification", 1, init="teacher", init_rule=None, **joint)
    stages = [teacher]
    for divisor in STUDENTS:
        start = f"{loss}_start_{divisor}"
        stages.append(Stage(start, f"student pre-trained on the {loss} loss (Eq 8{prime}), /{divisor}", "verification", divisor, **joint))
        stages += _cells(loss, f"Eq 9{prime}", start, divisor, FACES, **joint)
    return stages


def _cells(kind: str, equation: str, start: str, divisor: int, data: str, **options) -> list[Stage]:
    """Each start with each of the targets: the task's own pre-training, the distilled student, and W_S0; W_S0 continued, which is what the
    distilled student would be had nobody taught it, with none.
    """
    task = "alignment" if kind == "alignment" else "verification"
    starts = {"pretrain": (start, "pretrain"), "distill": (f"ours_{divisor}", "distill"), "undistilled": (f"pretrained_{divisor}", None)}
    cells = [(row, init, rule, targets) for row, (init, rule) in starts.items() for targets in CELL_TARGETS]
    return [
        Stage(
            cell_name(kind, row, targets, divisor), f"{kind} from {init}, {_words(targets)} ({equation})", task, divisor, data,
            init=init, init_rule=rule, teacher=f"{kind}_teacher", targets=targets, **options,
        )
        for row, init, rule, targets in [*cells, ("continued", f"continued_{divisor}", None, "none")]
    ]  # fmt: skip


def cell_name(kind: str, row: str, targets: str, divisor: int) -> str:
    """Of a stage of Tables 3 to 5, such as `alignment_distill_hidden_8`."""
    return f"{kind}_{row}_{targets}_{divisor}"


def _words(targets: str) -> str:
    weights = TARGETS[targets]
    return f"alpha {weights.get('alpha', 0):g}, beta {weights.get('beta', 0):g}"
