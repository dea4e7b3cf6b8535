"""Trains a distiller over global steps, with evaluations and checkpoints at equal distances."""

import logging
from collections.abc import Callable

import tensorflow as tf

from kd_tf.distillers.distiller import Distiller
from kd_tf.training.callbacks import Progress, TermLogger
from kd_tf.training.ledger import CostLedger
from kd_tf.training.run_directory import RunDirectory

_LOGGER = logging.getLogger(__name__)

Batches = Callable[[int, int], tf.data.Dataset]


def train(
    distiller: Distiller,
    train_batches: Batches,
    test_batches: tf.data.Dataset | None,
    *,
    steps: int,
    evaluations: int,
    directory: RunDirectory,
    ledger: CostLedger,
    name: str,
    scored: str = "test split",
) -> None:
    """Trains to global step `steps`, from the last checkpoint where there is one.

    Args:
      distiller: compiled.
      train_batches: gives the batches from one global step to before another.
      test_batches: one pass over the test split; None: it is not scored on the way.
      steps: where training ends.
      evaluations: how often the test split is scored, and a checkpoint written, at equal distances.
      directory: where checkpoints and TensorBoard's events go.
      ledger: is told what all this costs.
      name: stands before the progress bar.
      scored: what `test_batches` are, in words.
    """
    # Not the optimizer's count: with loss scaling it leaves out steps whose gradients overflowed.
    global_step = tf.Variable(0, dtype=tf.int64, trainable=False, name="global_step")
    parts = {"student": distiller.student, "optimizer": distiller.optimizer, "global_step": global_step}
    checkpoint = tf.train.Checkpoint(**parts, **({"projection": distiller.projection} if distiller.projection else {}))
    with distiller.distribute_strategy.scope():
        distiller.optimizer.build(distiller.student_variables())
    manager = tf.train.CheckpointManager(checkpoint, directory.checkpoints, max_to_keep=2)
    if manager.restore_or_initialize():
        _LOGGER.info("continuing from %s", manager.latest_checkpoint)
    step = first_step = int(global_step.numpy())
    logger, progress = TermLogger(directory.tensorboard, first_step), Progress(name, steps, first_step)
    for end in _evaluation_steps(first_step, steps, evaluations):
        distiller.fit(ledger.counting_waits(train_batches(step, end)), verbose=0, callbacks=[progress, logger, ledger.clock])
        step = end
        logger.write("cost", {"images_per_second": ledger.images_per_second})
        if test_batches is not None:
            with ledger.timing("evaluation"):
                scores = distiller.evaluate(test_batches, verbose=0, callbacks=[logger], return_dict=True)
            _LOGGER.info("step %d of %d, %s: %s", step, steps, scored, ", ".join(f"{key} {value:.4g}" for key, value in scores.items()))
        global_step.assign(step)
        with ledger.timing("checkpoint"):
            manager.save(step)
    if distiller.teacher:
        ledger.add_teacher(distiller.teacher, train_batches(step - 1, step), distiller.distribute_strategy)


def _evaluation_steps(first_step: int, steps: int, evaluations: int) -> list[int]:
    marks = {round(steps * (index + 1) / evaluations) for index in range(evaluations)}
    return sorted(mark for mark in marks | {steps} if mark > first_step)
