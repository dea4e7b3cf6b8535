"""What a run tells TensorBoard once, where it begins and where it ends; what it tells on the way, `kd_tf.training.callbacks` does."""

from collections.abc import Mapping

import tensorflow as tf
from tensorboard.plugins.custom_scalar import summary as custom_scalar

from kd_tf.distillers.agreement import OF_TEACHER
from kd_tf.evaluation.answers import Answers
from kd_tf.training.board.layout import make_layout
from kd_tf.training.board.pictures import write_answers, write_batch
from kd_tf.training.board.projector import write_embeddings
from kd_tf.training.board.settings import write_end, write_settings
from kd_tf.training.config import RunConfig
from kd_tf.training.prepared import PreparedRun


def begin_board(directory: str, config: RunConfig, prepared: PreparedRun) -> None:
    """The run's flags, how its page is ordered, and what its network sees.

    Args:
      directory: TensorBoard's of the run.
      config: the run.
      prepared: what it trains with.
    """
    with _writing_to(directory):
        write_settings(config)
        tf.summary.experimental.write_raw_pb(custom_scalar.pb(make_layout(prepared.distiller.measure_names)).SerializeToString(), step=0)
        write_batch(prepared.training_batches(0, 1), prepared.data.train)


def end_board(
    directory: str, prepared: PreparedRun, answers: Answers | None, scores: Mapping[str, float], teacher_scores: Mapping[str, float]
) -> None:
    """The last scores beside the teacher's, and what the trained network answers to the test images.

    Args:
      directory: TensorBoard's of the run.
      prepared: what it was trained with.
      answers: of the trained network; None: it is not asked (hints).
      scores: of the same.
      teacher_scores: of the teacher's own run, as far as they are known.
    """
    step = prepared.plan.steps
    with _writing_to(directory):
        for name, score in scores.items():
            tf.summary.scalar(f"score/{name}", score, step=step)
            if name in teacher_scores:
                tf.summary.scalar(f"score/{name}{OF_TEACHER}", teacher_scores[name], step=step)
        if answers is not None:
            write_answers(answers, prepared.plan.protocols, step)
        write_end()
    if answers is not None and answers.embedding is not None:
        write_embeddings(directory, answers)


def _writing_to(directory: str):
    return tf.summary.create_file_writer(directory).as_default()
