"""Trains a distiller over global steps, with evaluations and checkpoints at equal distances, from the last checkpoint on."""

import contextlib
import functools
import logging
from collections.abc import Callable, Mapping

import tensorflow as tf

from kd_tf.distillers.distiller import Distiller
from kd_tf.errors import InputError
from kd_tf.training.callbacks import NoteBadStep, Progress, TermLogger
from kd_tf.training.checkpoints import Checkpoints
from kd_tf.training.config import TrainingConfig
from kd_tf.training.ledger import CostLedger
from kd_tf.training.profiling import Profiler
from kd_tf.training.run_directory import RunDirectory
from kd_tf.training.saving import Saver, make_state
from kd_tf.training.stop_signal import noticing_stop_signals
from kd_tf.training.strategy import as_input
from kd_tf.training.workers import Worker, check_agreement, signal_to_any

_LOGGER = logging.getLogger(__name__)

Batches = Callable[[int, int], tf.data.Dataset]


def train(
    distiller: Distiller,
    train_batches: Batches,
    test_batches: tf.data.Dataset | None,
    *,
    steps: int,
    test_steps: int,
    config: TrainingConfig,
    directory: RunDirectory,
    worker: Worker,
    ledger: CostLedger,
    name: str,
    scored: str = "test split",
    note_bad_step: NoteBadStep | None = None,
    teacher_scores: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Trains to global step `steps`, from the last checkpoint where there is one.

    Args:
      distiller: compiled.
      train_batches: gives the batches from one global step to before another.
      test_batches: one pass over the test split; None: it is not scored on the way.
      steps: where training ends.
      test_steps: of one pass over the test split.
      config: how often it is scored and saved on the way, and which steps are profiled.
      directory: where checkpoints and TensorBoard's events go.
      worker: which of the processes that train together this is; `train_batches` and `test_batches` give its share.
      ledger: is told what all this costs.
      name: stands before the progress bar.
      scored: what `test_batches` are, in words.
      note_bad_step: gets the step at which the loss was no number any more, and its terms; gives the file that it wrote.
      teacher_scores: see `TermLogger`.

    Returns:
      What the last evaluation gave; empty without `test_batches`.

    Raises:
      RunStopped: by a signal; the state is saved.
      InputError: the loss is no number any more, or a checkpoint cannot be written or read.
    """
    strategy = distiller.distribute_strategy
    checkpoints = Checkpoints(directory.checkpoints, make_state(distiller), keep=config.keep_checkpoints, writes=worker.is_chief)
    found = checkpoints.restore()
    step = first_step = found.step if found else 0
    if worker.count > 1:
        check_agreement(strategy, worker, step=first_step)
    if first_step > steps:
        raise InputError(f"{found.path} is beyond the {steps} steps of this run; give more, or another --model_dir")
    scores = found.scores if found else {}
    marks = _evaluation_steps(steps, config.evaluations)
    tensorboard = directory.tensorboard if worker.is_chief else None
    logger = TermLogger(tensorboard, first_step, note_bad_step, evaluation_steps=marks, teacher_scores=teacher_scores)
    progress = Progress(name, steps, first_step)
    profiler = Profiler(tensorboard, config.profile_steps, first_step)
    with noticing_stop_signals() as stop, contextlib.closing(profiler):
        agree = functools.partial(signal_to_any, strategy) if worker.count > 1 else None
        saver = Saver(checkpoints, distiller, every=config.checkpoint_steps, stop=stop, ledger=ledger, first_step=first_step, agree=agree)
        if first_step and first_step not in marks:
            saver.keep_means()
        for end in marks:
            if end < first_step or (end == first_step and found.phase == "evaluated"):
                continue
            if step < end:
                batches = as_input(strategy, ledger.counting_waits(train_batches(step, end)))
                distiller.fit(batches, steps_per_epoch=end - step, verbose=0, callbacks=[progress, logger, ledger.clock, saver, profiler])
                step = end
                logger.write("cost", ledger.speed())
                saver.save(step)
            if test_batches is not None:
                with ledger.timing("evaluation"):
                    batches = as_input(strategy, test_batches)
                    scores = distiller.evaluate(batches, steps=test_steps, verbose=0, callbacks=[logger, saver], return_dict=True)
                shown = ", ".join(f"{key} {value:.4g}" for key, value in scores.items())
                _LOGGER.info("step %d of %d, %s: %s", step, steps, scored, shown)
            checkpoints.add_scores(step, scores)
        saver.stop_if_asked()
    if distiller.teacher:
        ledger.add_teacher(distiller.teacher, train_batches(steps - 1, steps), strategy)
    return scores


def _evaluation_steps(steps: int, evaluations: int) -> list[int]:
    """After which steps the test split is scored: at equal distances, the last at the end."""
    marks = {round(steps * (index + 1) / evaluations) for index in range(evaluations)}
    return sorted(marks - {0} | {steps})
