"""What a run shows while it trains."""

import contextlib
import logging
import math
import sys
import time
from collections.abc import Callable, Collection, Mapping

import tensorflow as tf

from kd_tf.distillers.agreement import AGREEMENT, OF_TEACHER
from kd_tf.distillers.balance import GRADIENT
from kd_tf.errors import InputError
from kd_tf.progress import SECONDS_BETWEEN_LINES
from kd_tf.training.optimizers import current_learning_rate

LOG_STEPS = 10
NoteBadStep = Callable[[int, dict[str, float]], str]
_LOGGER = logging.getLogger(__name__)


class Progress(tf.keras.callbacks.Callback):
    """Progress over all the steps of a run, with the time left: a bar on a terminal, now and then a line elsewhere.

    Args:
      name: stands before the bar.
      steps: of the whole run.
      first_step: where this process began.
    """

    def __init__(self, name: str, steps: int, first_step: int):
        super().__init__()
        self._name = name
        self._steps = steps
        self._step = self._first_step = first_step
        self._begun = self._shown = time.perf_counter()
        self._bar = None

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar."""
        self._step += 1
        logs = {name: value for name, value in logs.items() if not name.endswith(GRADIENT)}
        if sys.stdout.isatty():
            self._show_bar(logs)
        elif time.perf_counter() - self._shown > SECONDS_BETWEEN_LINES:
            self._show_line(logs)

    def _show_bar(self, logs: dict) -> None:
        if self._bar is None:
            self._bar = tf.keras.utils.Progbar(self._steps, stateful_metrics=list(logs), interval=0.5, unit_name=f"{self._name} step")
        self._bar.update(self._step, list(logs.items()), finalize=self._step == self._steps)

    def _show_line(self, logs: dict) -> None:
        self._shown = time.perf_counter()
        seconds_left = (self._shown - self._begun) / (self._step - self._first_step) * (self._steps - self._step)
        values = ", ".join(f"{name} {value:.4g}" for name, value in logs.items())
        _LOGGER.info("%s step %d of %d, %.0f s left: %s", self._name, self._step, self._steps, seconds_left, values)


class TermLogger(tf.keras.callbacks.Callback):
    """Writes the loss, each of its terms and the measures to TensorBoard, and stops a run whose loss is no number.

    Training values (under `train/`) are means over the last `LOG_STEPS` steps, or those since the last evaluation; those under `test/`
    and `agreement/` are of the whole test split. Under `gradient/` is the norm of each weighted term's gradient at the student's hidden
    layer, where it was measured.

    Args:
      directory: TensorBoard's; None: nothing is written.
      first_step: where this process began.
      note_bad_step: gets the step at which the loss is no number, and what it is made of; gives the file that names its images.
      evaluation_steps: at whose ends the test split is scored.
      teacher_scores: of the teacher's own run, written beside the student's where no evaluation tells them.
    """

    def __init__(
        self,
        directory: str | None,
        first_step: int,
        note_bad_step: NoteBadStep | None = None,
        *,
        evaluation_steps: Collection[int] = (),
        teacher_scores: Mapping[str, float] | None = None,
    ):
        super().__init__()
        # Nothing waits in memory: what was logged before a checkpoint is not logged again after it.
        self._writer = tf.summary.create_file_writer(directory, max_queue=0) if directory else tf.summary.create_noop_writer()
        self._step = first_step
        self._note_bad_step = note_bad_step
        self._evaluation_steps = evaluation_steps
        self._teacher_scores = teacher_scores or {}

    def on_train_batch_end(self, batch, logs=None):
        """Every `LOG_STEPS` steps, and before an evaluation, which resets the means: never after the checkpoint of the step."""
        self._step += 1
        if not math.isfinite(logs["loss"]):
            self._refuse(logs)
        if self._step % LOG_STEPS == 0 or self._step in self._evaluation_steps:
            gradients, values = _divided(logs, GRADIENT)
            self.write("gradient", {name: value for name, value in gradients.items() if math.isfinite(value)})
            self.write("train", values | {"learning_rate": current_learning_rate(self.model.optimizer)})
            self.model.reset_metrics()

    def _refuse(self, logs: dict[str, float]) -> None:
        bad = {name: value for name, value in logs.items() if not math.isfinite(value) and not name.endswith(GRADIENT)}
        terms = ", ".join(f"{name} {value:g}" for name, value in bad.items())
        message = f"step {self._step}: the loss is no number any more ({terms})"
        if self._note_bad_step:
            with contextlib.suppress(OSError):
                message += f"; its images are in {self._note_bad_step(self._step, bad)}"
        raise InputError(f"{message}; a lower --learning_rate may help")

    def on_test_end(self, logs=None):
        """After each evaluation."""
        agreements, values = _divided(logs, AGREEMENT)
        of_teacher = {f"{name}{OF_TEACHER}": score for name, score in self._teacher_scores.items() if name in values}
        self.write("test", of_teacher | values)
        self.write("agreement", agreements)
        self._writer.flush()

    def write(self, group: str, values: dict[str, float]) -> None:
        """Scalars under `group/`, at the step that was last trained."""
        with self._writer.as_default():
            for name, value in values.items():
                tf.summary.scalar(f"{group}/{name}", value, step=self._step)


def _divided(logs: dict[str, float], ending: str) -> tuple[dict[str, float], dict[str, float]]:
    """Those whose names have the ending, without it, and the others."""
    with_it = {name.removesuffix(ending): value for name, value in logs.items() if name.endswith(ending)}
    return with_it, {name: value for name, value in logs.items() if not name.endswith(ending)}


class StepClock(tf.keras.callbacks.Callback):
    """How long training takes, and how fast its steps are once the first one, which compiles, is over."""

    def __init__(self):
        super().__init__()
        self.seconds = 0.0
        self._stepping_seconds = 0.0
        self._steps = 0

    @property
    def steps_per_second(self) -> float:
        """0 before the second step."""
        return self._steps / self._stepping_seconds if self._steps else 0.0

    def on_train_begin(self, logs=None):
        """Starts the clock."""
        self._begun = time.perf_counter()
        self._last_step = None

    def on_train_batch_end(self, batch, logs=None):
        """Counts the step, unless it is the first since `on_train_begin`."""
        now = time.perf_counter()
        if self._last_step is not None:
            self._stepping_seconds += now - self._last_step
            self._steps += 1
        self._last_step = now

    def on_train_end(self, logs=None):
        """Stops the clock."""
        self.seconds += time.perf_counter() - self._begun

    def leave_out(self, seconds: float) -> None:
        """Takes what was no training out of the step that goes on."""
        self.seconds -= seconds
        self._last_step += seconds
