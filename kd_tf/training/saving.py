"""When a run is saved, and what that takes."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from kd_tf.distillers.distiller import Distiller
from kd_tf.errors import InputError, RunStopped
from kd_tf.training.checkpoints import Checkpoints
from kd_tf.training.ledger import CostLedger
from kd_tf.training.optimizers import build_optimizer
from kd_tf.training.stop_signal import StopSignal

AGREE_STEPS = 10


def make_state(distiller: Distiller) -> tf.train.Checkpoint:
    """All that a run is, beside its flags and its step: weights, what the optimizer and the scaling of losses remember, the means since
    the last entry in TensorBoard.

    The optimizer's own count is not the step: with loss scaling it leaves out steps that overflowed.
    """
    with distiller.distribute_strategy.scope():
        build_optimizer(distiller.optimizer, distiller.student_variables())
    parts = {"student": distiller.student, "optimizer": distiller.optimizer, "metrics": distiller.training_metrics}
    return tf.train.Checkpoint(**parts, **({"projection": distiller.projection} if distiller.projection else {}))


class Saver(tf.keras.callbacks.Callback):
    """Saves every `checkpoint_steps` steps, and when the run is asked to stop, which it then does.

    It comes after the callback that stops at a loss that is no number, so that such a state is never saved.

    Args:
      checkpoints: where to.
      distiller: whose weights must be numbers, and whose means go on where a run does.
      every: steps between two.
      stop: tells whether the run is asked to stop.
      ledger: is told how long it took.
      first_step: where this process began.
      agree: where several processes train together, gives the signal that one of them got; they ask each other every `AGREE_STEPS` steps,
        and all stop after the same one.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        distiller: Distiller,
        *,
        every: int,
        stop: StopSignal,
        ledger: CostLedger,
        first_step: int,
        agree: Callable[[int | None], int | None] | None = None,
    ):
        super().__init__()
        self._checkpoints = checkpoints
        self._trained = distiller.student_variables()
        self._metrics = distiller.training_metrics
        self._every = every
        self._stop = stop
        self._ledger = ledger
        self._step = first_step
        self._agree = agree
        self._test_batches = 0
        self._means = []

    def keep_means(self) -> None:
        """Has the means go on as they are now, though Keras resets them when training begins."""
        self._means = [(variable, variable.numpy()) for metric in self._metrics for variable in metric.variables]

    def on_epoch_begin(self, epoch, logs=None):
        """Keras has just reset the means."""
        for variable, value in self._means:
            variable.assign(value)
        self._means = []

    def on_train_batch_end(self, batch, logs=None):
        """After the step is done."""
        self._step += 1
        asked = self._is_asked_to_stop(self._step)
        if asked or self._step % self._every == 0:
            self._ledger.clock.leave_out(self.save(self._step))
        if asked:
            self._stop_here()

    def on_test_batch_end(self, batch, logs=None):
        """The state is saved before each evaluation."""
        self._test_batches += 1
        if self._is_asked_to_stop(self._test_batches):
            self._stop_here()

    def stop_if_asked(self) -> None:
        """At the end of training, after which signals do what they always do."""
        if self._is_asked_to_stop(0):
            self._stop_here()

    def save(self, step: int) -> float:
        """Saves the state after `step`; returns how many seconds it took.

        Raises:
          InputError: a weight is no number any more, or the checkpoint cannot be written.
        """
        with self._ledger.timing("checkpoint") as timing:
            for variable in self._trained:
                if not np.isfinite(variable.numpy()).all():
                    raise InputError(f"step {step}: the weights {variable.name} are no numbers any more; the last checkpoint was kept")
            self._checkpoints.save(step)
        return timing.seconds

    def _is_asked_to_stop(self, turn: int) -> bool:
        if self._agree:
            if turn % AGREE_STEPS:
                return False
            self._stop.number = self._agree(self._stop.number)
        return self._stop.number is not None

    def _stop_here(self) -> None:
        raise RunStopped(
            f"stopped by {self._stop.name} after step {self._step}, which is saved; the same command continues",
            exit_status=128 + self._stop.number,
        )
