"""The paper's initializations by name: what kind of run a student may start from (arXiv 1709.02929, Tables 1 to 5).

Each copies what fits (kd_tf/networks/initialization.py); the rule says what that start must have been, so that a cell of a table is what
its name says.
"""

import dataclasses
from collections.abc import Callable

from kd_tf.distillers.terms import WEIGHTS
from kd_tf.errors import InputError
from kd_tf.training.run_directory import recorded_flags


@dataclasses.dataclass(frozen=True)
class InitRule:
    """One initialization.

    Attributes:
      demand: what the start must be, in words.
      fits: whether it is, from the flags of the run to start from and the task of the run that starts.
      tasks: what it serves.
    """

    demand: str
    fits: Callable[[dict[str, str], str], bool]
    tasks: tuple[str, ...]


def _taught(start: dict[str, str]) -> bool:
    """Whether a run had a teacher that it was asked to match in something."""
    return _teacher(start) is not None and any(float(start.get(weight, 0)) > 0 for weight in WEIGHTS.values())


def _teacher(start: dict[str, str]) -> str | None:
    """The run's teacher, live or stored."""
    return start.get("teacher", start.get("teacher_cache"))


_ALL = ("classification", "alignment", "verification")
INIT_RULES = {
    "fitnet": InitRule("a run of --task=hint", lambda start, task: start["task"] == "hint", _ALL),
    "pretrain": InitRule(
        "a run of the same task without a teacher", lambda start, task: start["task"] == task and not _taught(start), _ALL
    ),
    "ours": InitRule(
        "a classification run without a teacher (W_S0)",
        lambda start, task: start["task"] == "classification" and not _taught(start),
        ("classification",),
    ),
    "distill": InitRule(
        "a classification run with a teacher (W_S^cls)",
        lambda start, task: start["task"] == "classification" and _taught(start),
        ("alignment", "verification"),
    ),
}
SCRATCH = "scratch"


def check_init_rule(rule: str | None, init: str | None, task: str) -> None:
    """Raises `InputError` where `init` is not what `rule` demands of a run of `task`; None demands nothing."""
    if rule is None:
        return
    if rule == SCRATCH:
        if init:
            raise InputError(f"--init_rule=scratch starts from random weights, but --init={init} is given")
        return
    if rule not in INIT_RULES:
        raise InputError(f"--init_rule={rule} is unknown; known: {', '.join((SCRATCH, *INIT_RULES))}")
    wanted = INIT_RULES[rule]
    if task not in wanted.tasks:
        raise InputError(f"--init_rule={rule} serves --task={' and '.join(wanted.tasks)}, not --task={task}")
    if not init:
        raise InputError(f"--init_rule={rule} starts from {wanted.demand}: name it with --init")
    start = recorded_flags(init)
    if not start:
        raise InputError(f"--init_rule={rule} starts from {wanted.demand}, but --init={init} is no run directory")
    if not wanted.fits(start, task):
        taught = f"taught by {_teacher(start)}" if _taught(start) else "without a teacher"
        raise InputError(f"--init_rule={rule} starts from {wanted.demand}, but --init={init} is a run of --task={start['task']} {taught}")
