"""The checkpoints of a run: `checkpoints/step_000000120/`, each a folder that is there whole or not at all.

It holds TensorFlow's files and `checkpoint.json`: the step, the phase (`trained`, or `evaluated` with the scores of that step) and the
digest of each file, without which a checkpoint is not read.
"""

import dataclasses
import hashlib
import json
import logging
import math
import os
import re
import shutil
import tempfile

import tensorflow as tf

from kd_tf.errors import InputError, first_line
from kd_tf.files import PARTIAL, flush, remove_folder, write_whole

FACTS_FILE = "checkpoint.json"
# The first of these that an evaluation has says which checkpoint is the best; -1: the lowest.
RANKED_BY = {"top1": 1, "nrmse": -1, "batch_rank1": 1, "loss": -1}
_NAME = r"step_\d{9,}"
_STATE = "state"
_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """One that is there.

    Attributes:
      path: the folder.
      step: the last that was trained.
      phase: `trained`, `evaluated`, or `unreadable` where its facts are.
      scores: of an evaluation after that step.
      digests: of its files, by name.
    """

    path: str
    step: int
    phase: str
    scores: dict[str, float] = dataclasses.field(default_factory=dict)
    digests: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def rank(self) -> float | None:
        """The higher the better; None: it was not evaluated."""
        score = next((sign * self.scores[name] for name, sign in RANKED_BY.items() if name in self.scores), math.nan)
        return score if math.isfinite(score) else None

    def find_fault(self) -> str | None:
        """Reads its files; what is wrong with them, in words; None: nothing."""
        if self.phase == "unreadable":
            return f"{FACTS_FILE} cannot be read"
        for name, digest in self.digests.items():
            try:
                if _digest(os.path.join(self.path, name)) != digest:
                    return f"{name} is not what was written"
            except OSError as error:
                return f"{name}: {error.strerror}"
        return None


class Checkpoints:
    """Those of one run.

    Args:
      directory: where they are.
      state: what is saved and restored.
      keep: how many of the last stay; the best one stays too.
      writes: whether this process writes them; of several workers the chief alone does, though all must call `save`.
    """

    def __init__(self, directory: str, state: tf.train.Checkpoint, *, keep: int, writes: bool = True):
        self._directory = directory
        self._state = state
        self._keep = keep
        self._writes = writes
        self._saved_step = None

    def save(self, step: int) -> None:
        """Saves the state after `step`; once, however often it is asked to.

        Raises:
          InputError: it cannot be written; what was there before stays.
        """
        if step == self._saved_step:
            return
        if not self._writes:
            with tempfile.TemporaryDirectory() as folder:
                self._state.write(os.path.join(folder, _STATE))
        else:
            self._write(step)
        self._saved_step = step

    def add_scores(self, step: int, scores: dict[str, float]) -> None:
        """Notes what the state after `step`, which was saved, scored."""
        if not self._writes:
            return
        path = os.path.join(self._path(step), FACTS_FILE)
        try:
            with open(path, encoding="utf-8") as file:
                facts = json.load(file)
            write_whole(path, _json(facts | {"phase": "evaluated", "scores": scores}))
            self._remove_old()
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}") from error

    def restore(self) -> Checkpoint | None:
        """Restores the last one that is sound, and says so; None: there is none yet.

        Raises:
          InputError: all are damaged, or the last is of another network.
        """
        if self._writes:
            os.makedirs(self._directory, exist_ok=True)
        found = list_checkpoints(self._directory)
        for checkpoint in reversed(found):
            fault = checkpoint.find_fault()
            if not fault:
                self._read(checkpoint)
                self._put_aside(found[found.index(checkpoint) + 1 :])
                self._saved_step = checkpoint.step
                _LOGGER.info("continuing from %s", checkpoint.path)
                return checkpoint
            _LOGGER.warning("%s is damaged (%s)", checkpoint.path, fault)
        if found:
            raise InputError(f"no checkpoint in {self._directory} is sound; delete the folder to begin the run again")
        return None

    def _put_aside(self, damaged: list[Checkpoint]) -> None:
        """They would pass for the last ones, which are kept."""
        for checkpoint in damaged if self._writes else []:
            remove_folder(f"{checkpoint.path}.damaged")
            os.rename(checkpoint.path, f"{checkpoint.path}.damaged")

    def _path(self, step: int) -> str:
        return os.path.join(self._directory, f"step_{step:09d}")

    def _write(self, step: int) -> None:
        path = self._path(step)
        partial = f"{path}{PARTIAL}"
        try:
            shutil.rmtree(partial, ignore_errors=True)
            # Not with its parents: a run whose folder is gone has nowhere to go on.
            os.mkdir(partial)
            self._state.write(os.path.join(partial, _STATE))
            names = sorted(os.listdir(partial))
            for name in names:
                flush(os.path.join(partial, name))
            digests = {name: _digest(os.path.join(partial, name)) for name in names}
            write_whole(os.path.join(partial, FACTS_FILE), _json({"step": step, "phase": "trained", "scores": {}, "files": digests}))
            flush(partial)
            os.rename(partial, path)
            flush(self._directory)
            self._remove_old()
        except (OSError, tf.errors.OpError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            if isinstance(error, tf.errors.OpError) and partial not in str(error):
                raise
            reason = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
            raise InputError(f"cannot write the checkpoint {path}: {reason}") from error

    def _read(self, checkpoint: Checkpoint) -> None:
        try:
            self._state.read(os.path.join(checkpoint.path, _STATE)).assert_existing_objects_matched()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            raise InputError(f"{checkpoint.path} is of another network or optimizer: {first_line(error)}") from error

    def _remove_old(self) -> None:
        """Also what a process that was killed left."""
        for name in os.listdir(self._directory):
            if name.endswith(PARTIAL):
                shutil.rmtree(os.path.join(self._directory, name), ignore_errors=True)
        found = list_checkpoints(self._directory)
        ranked = [checkpoint for checkpoint in found if checkpoint.rank is not None]
        best = max(ranked, key=lambda checkpoint: checkpoint.rank, default=None)
        for checkpoint in found[: -self._keep]:
            if checkpoint is not best:
                remove_folder(checkpoint.path)


def list_checkpoints(directory: str) -> list[Checkpoint]:
    """All in the folder `checkpoints` of a run, in the order of their steps."""
    names = os.listdir(directory) if os.path.isdir(directory) else []
    return [_open(os.path.join(directory, name)) for name in sorted(names) if re.fullmatch(_NAME, name)]


def _open(path: str) -> Checkpoint:
    step = int(path.rpartition("_")[2])
    try:
        with open(os.path.join(path, FACTS_FILE), encoding="utf-8") as file:
            facts = json.load(file)
        if facts["step"] == step and facts["files"]:
            return Checkpoint(path, step, facts["phase"], facts["scores"], facts["files"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return Checkpoint(path, step, "unreadable")


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _json(facts: dict) -> str:
    return json.dumps(facts, indent=2) + "\n"
