"""A run directory: `flags.txt`, `run.json` (what each process that worked on it was), `identities.txt` (the name of each label, a line
each), `log.txt`, `checkpoints/`, `tensorboard/`, `student.keras`, `projection.npz` (where the hidden
layer was projected to the teacher's), `saved_model/`, `metrics.json`.

`metrics.json` is written last: where it is, the run is finished. `lock` is held by the process that works on it.
"""

import contextlib
import errno
import json
import logging
import os
from collections.abc import Iterator, Sequence

import tensorflow as tf

from kd_tf.errors import InputError, RunStopped, first_line
from kd_tf.files import PARTIAL, locked, write_whole
from kd_tf.networks.identity_names import write_identity_names
from kd_tf.networks.projection import PROJECTION_FILE
from kd_tf.networks.stored import STUDENT_FILE
from kd_tf.teachers.embedding.functions import PYTHON
from kd_tf.training.config import FREE_FLAGS

FLAGS_FILE, LOCK_FILE = "flags.txt", "lock"
_FULL_OR_READ_ONLY = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_LOGGER = logging.getLogger(__name__)


class RunDirectory:
    """Paths and files of one run.

    Args:
      path: the directory; made by `begin`.
    """

    def __init__(self, path: str):
        self.path = path = os.path.abspath(path)
        self.checkpoints = os.path.join(path, "checkpoints")
        self.tensorboard = os.path.join(path, "tensorboard")
        self.student = os.path.join(path, STUDENT_FILE)
        self.projection = os.path.join(path, PROJECTION_FILE)
        self.saved_model = os.path.join(path, "saved_model")
        self.bad_batch = os.path.join(path, "bad_batch.json")
        self._record = os.path.join(path, "run.json")
        self._metrics = os.path.join(path, "metrics.json")
        self._flags = os.path.join(path, FLAGS_FILE)

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return os.path.exists(self._metrics)

    def metrics(self) -> dict:
        """The scores of a finished run."""
        with open(self._metrics, encoding="utf-8") as file:
            return json.load(file)

    def check_unfinished(self, flagfile: str, *, override: bool = False) -> None:
        """Raises `InputError` where the directory cannot hold the run of `flagfile`: it holds another, or a finished one.

        With `override` the run that it holds may have been begun with other flags.
        """
        if self.finished:
            raise InputError(f"--model_dir={self.path} holds a finished run; give another directory or delete it")
        self.check(flagfile, override=override)

    def check(self, flagfile: str, *, override: bool = False) -> None:
        """Raises `InputError` where the directory holds something else than the run of `flagfile`, begun or finished."""
        if os.path.exists(self._flags):
            difference = self._difference(flagfile)
            if difference and not override:
                raise InputError(f"--model_dir={self.path} was begun with other flags: {difference}; give another directory, or --override")
        elif os.path.exists(self.path) and (not os.path.isdir(self.path) or self._foreign_files()):
            raise InputError(f"--model_dir={self.path} is not empty and not a run; give another directory")

    def check_free(self) -> None:
        """Raises `InputError` where another process works on the run."""
        if os.path.exists(os.path.join(self.path, LOCK_FILE)):
            with self._writing(), self._lock():
                pass

    def _difference(self, flagfile: str) -> str:
        with open(self._flags, encoding="utf-8", errors="surrogateescape") as file:
            before, now = (_what(text) for text in (file.read(), flagfile))
        if before == now:
            return ""
        return f"{' '.join(sorted(before - now)) or 'fewer'} instead of {' '.join(sorted(now - before)) or 'those'}"

    def _foreign_files(self) -> list[str]:
        """Other than a process that was killed at the very beginning leaves."""
        return [name for name in os.listdir(self.path) if name != LOCK_FILE and not name.endswith(PARTIAL)]

    def _lock(self):
        refusal = f"--model_dir={self.path}: another process is at this run; wait for it or stop it"
        return locked(os.path.join(self.path, LOCK_FILE), refusal)

    @contextlib.contextmanager
    def begin(
        self,
        flagfile: str,
        identity_names: Sequence[str] | None = None,
        earlier: Sequence[str] = (),
        record: dict | None = None,
        *,
        override: bool = False,
    ) -> Iterator[None]:
        """Makes the directory, holds its lock and writes `flags.txt`; what is logged inside goes to `log.txt` too, and why it ended.

        Args:
          flagfile: the text.
          identity_names: of the student's identity head, in the order of the labels; None where it has none, or nobody knows.
          earlier: lines for `log.txt` alone, which were logged before there was one.
          record: what this process is, for `run.json`.
          override: see `check_unfinished`.

        Raises:
          InputError: it cannot be written, then or later, or holds another run by now.
        """
        with contextlib.ExitStack() as stack:
            with self._writing():
                os.makedirs(self.path, exist_ok=True)
                stack.enter_context(self._lock())
                self.check_unfinished(flagfile, override=override)
                changed = self._difference(flagfile) if os.path.exists(self._flags) else ""
                write_whole(self._flags, flagfile)
                if record is not None:
                    write_whole(self._record, json.dumps([*self.records(), record], indent=2) + "\n")
                if identity_names is not None:
                    write_identity_names(self.path, identity_names)
                stack.enter_context(_logging_to(os.path.join(self.path, "log.txt"), earlier))
            if changed:
                _LOGGER.warning("going on with other flags: %s", changed)
            with self._writing():
                yield

    def records(self) -> list[dict]:
        """What each process that has worked on the run was, in their order."""
        if not os.path.exists(self._record):
            return []
        try:
            with open(self._record, encoding="utf-8") as file:
                return json.load(file)
        except ValueError as error:
            raise InputError(f"{self._record} cannot be read: {error}") from error

    def note_bad_batch(self, batch: dict) -> str:
        """Writes `bad_batch.json`, and gives its path."""
        write_whole(self.bad_batch, json.dumps(batch, indent=2) + "\n")
        return self.bad_batch

    def finish(self, metrics: dict) -> None:
        """Writes `metrics.json`."""
        write_whole(self._metrics, json.dumps(metrics, indent=2) + "\n")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Makes one line of what a disk says that is full, gone or not to be written to."""
        try:
            yield
        except OSError as error:
            file = os.path.abspath(error.filename) if isinstance(error.filename, str) else ""
            if not f"{file}/".startswith(f"{self.path}/") and error.errno not in _FULL_OR_READ_ONLY:
                raise
            raise InputError(f"--model_dir={self.path} cannot be written: {error.strerror}") from error
        except tf.errors.OpError as error:
            if self.path not in str(error):
                raise
            raise InputError(f"--model_dir={self.path} cannot be written: {first_line(error)}") from error


def _what(flagfile: str) -> set[str]:
    return {line for line in flagfile.splitlines() if line.partition("=")[0].removeprefix("--") not in FREE_FLAGS}


@contextlib.contextmanager
def _logging_to(path: str, earlier: Sequence[str]) -> Iterator[None]:
    handler = _LogFile(path, encoding="utf-8", errors="surrogateescape")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    for line in earlier:
        handler.handle(logging.makeLogRecord({"msg": line}))
    logger = logging.getLogger("kd_tf")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    except (InputError, RunStopped) as error:
        handler.handle(logging.makeLogRecord({"msg": "%s", "args": (str(error),)}))
        raise
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        with contextlib.suppress(OSError):
            handler.close()


class _LogFile(logging.FileHandler):
    """A full disk stops a run where it has something to lose, not where it tells of it."""

    def handleError(self, record):  # noqa: N802
        """Says nothing."""


def recorded_flags(path: str) -> dict[str, str]:
    """The flags of the run in directory `path`, name to text; empty where `path` holds no run."""
    file = os.path.join(path, FLAGS_FILE)
    if not os.path.exists(file):
        return {}
    with open(file, encoding="utf-8", errors="surrogateescape") as lines:
        return dict(line.strip()[2:].split("=", 1) for line in lines if line.startswith("--"))


def flags_of_model(path: str) -> dict[str, str]:
    """As `recorded_flags`, of the run `path`, or of the run around it where `path` names the model itself; none of a function of Python."""
    return {} if path.startswith(PYTHON) else recorded_flags(path) or recorded_flags(os.path.dirname(path))
