"""A run directory: `flags.txt`, `identities.txt` (the name of each label, a line each), `log.txt`,
`checkpoints/`, `tensorboard/`, `student.keras`, `saved_model/`, `metrics.json`.

`metrics.json` is written last: where it is, the run is finished.
"""

import contextlib
import json
import logging
import os
from collections.abc import Iterator, Sequence

from kd_tf.errors import InputError
from kd_tf.files import write_whole
from kd_tf.networks.identity_names import write_identity_names
from kd_tf.networks.stored import STUDENT_FILE

FLAGS_FILE = "flags.txt"


class RunDirectory:
    """Paths and files of one run.

    Args:
      path: the directory; made by `begin`.
    """

    def __init__(self, path: str):
        self.path = path
        self.checkpoints = os.path.join(path, "checkpoints")
        self.tensorboard = os.path.join(path, "tensorboard")
        self.student = os.path.join(path, STUDENT_FILE)
        self.saved_model = os.path.join(path, "saved_model")
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

    def check_unfinished(self, flagfile: str) -> None:
        """Raises `InputError` where the directory cannot hold the run of `flagfile`: it holds another, or a finished one."""
        if self.finished:
            raise InputError(f"--model_dir={self.path} holds a finished run; give another directory or delete it")
        self.check(flagfile)

    def check(self, flagfile: str) -> None:
        """Raises `InputError` where the directory holds something else than the run of `flagfile`, begun or finished."""
        if os.path.exists(self._flags):
            with open(self._flags, encoding="utf-8", errors="surrogateescape") as file:
                before, now = set(file.read().splitlines()), set(flagfile.splitlines())
            if before != now:
                raise InputError(
                    f"--model_dir={self.path} was begun with other flags: {' '.join(sorted(before - now)) or 'fewer'} "
                    f"instead of {' '.join(sorted(now - before)) or 'those'}; give another directory"
                )
        elif os.path.exists(self.path) and (not os.path.isdir(self.path) or os.listdir(self.path)):
            raise InputError(f"--model_dir={self.path} is not empty and not a run; give another directory")

    @contextlib.contextmanager
    def begin(self, flagfile: str, identity_names: Sequence[str] | None = None, earlier: Sequence[str] = ()) -> Iterator[None]:
        """Makes the directory and writes `flags.txt`; what is logged inside goes to `log.txt` too.

        Args:
          flagfile: the text.
          identity_names: of the student's identity head, in the order of the labels; None where it has none, or nobody knows.
          earlier: lines for `log.txt` alone, which were logged before there was one.

        Raises:
          InputError: it cannot be written.
        """
        try:
            os.makedirs(self.path, exist_ok=True)
            write_whole(self._flags, flagfile)
            if identity_names is not None:
                write_identity_names(self.path, identity_names)
            handler = logging.FileHandler(os.path.join(self.path, "log.txt"), encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise InputError(f"--model_dir={self.path} cannot be written: {error}") from error
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        for line in earlier:
            handler.handle(logging.makeLogRecord({"msg": line}))
        logger = logging.getLogger("kd_tf")
        level = logger.level
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            handler.close()

    def finish(self, metrics: dict) -> None:
        """Writes `metrics.json`."""
        write_whole(self._metrics, json.dumps(metrics, indent=2) + "\n")


def recorded_flags(path: str) -> dict[str, str]:
    """The flags of the run in directory `path`, name to text; empty where `path` holds no run."""
    file = os.path.join(path, FLAGS_FILE)
    if not os.path.exists(file):
        return {}
    with open(file, encoding="utf-8", errors="surrogateescape") as lines:
        return dict(line.strip()[2:].split("=", 1) for line in lines if line.startswith("--"))


def flags_of_model(path: str) -> dict[str, str]:
    """As `recorded_flags`, of the run `path`, or of the run around it where `path` names the model itself."""
    return recorded_flags(path) or recorded_flags(os.path.dirname(path))
