"""What a teacher that is tried answers, or why it is refused."""

import contextlib
from collections.abc import Iterator

import numpy as np

from kd_tf.data.broken import naming_bad_images
from kd_tf.data.pipeline import evaluation_batches
from kd_tf.data.source import Source
from kd_tf.data.split import Split
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.progress import with_progress
from kd_tf.teachers.embedding.teacher import EmbeddingTeacher


class Refused(InputError):
    """The teacher is at fault, not the data."""


def images_of(teacher: EmbeddingTeacher, source: Source, view: ViewConfig, records: np.ndarray) -> np.ndarray:
    """What the teacher sees of some records, in ascending order, float32 `[records, image_size, image_size, 3]`; see `rows_of`."""
    return np.concatenate(list(_batches(teacher, source, view, records, len(records))))


def rows_of(teacher: EmbeddingTeacher, source: Source, view: ViewConfig, records: np.ndarray, *, batch_size: int) -> np.ndarray:
    """The teacher's answers to the evaluation views of some records.

    Args:
      teacher: whose view says how it sees them.
      source: the data set, as it was opened.
      view: the student's.
      records: int64 `[n]`, ascending.
      batch_size: images at a time.

    Returns:
      float32 `[n, width]`.

    Raises:
      Refused: the teacher fails, or answers with nothing that has a distance.
      InputError: an image cannot be read.
    """
    batches = _batches(teacher, source, view, records, batch_size)
    answers = (asked(teacher, images) for images in batches)
    rows = np.concatenate(list(with_progress(answers, -(-len(records) // batch_size), "batches of a setting")))
    require_distances(teacher, rows, [source.describe(int(record)) for record in records])
    return rows


def asked(teacher: EmbeddingTeacher, images: np.ndarray) -> np.ndarray:
    """`EmbeddingTeacher.embed`; what it raises is the teacher's fault, `Refused`."""
    with _faults_of_the_teacher():
        return teacher.embed(images)


def require_distances(teacher: EmbeddingTeacher, rows: np.ndarray, names: list[str]) -> None:
    """`EmbeddingTeacher.check_rows`, likewise."""
    with _faults_of_the_teacher():
        teacher.check_rows(rows, names)


@contextlib.contextmanager
def _faults_of_the_teacher() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise Refused(str(error)) from error


def _batches(teacher: EmbeddingTeacher, source: Source, view: ViewConfig, records: np.ndarray, batch_size: int):
    seen, seen_as = teacher.view.sees(source, view)
    with naming_bad_images(seen, lambda: records):
        for images, _ in evaluation_batches(Split(seen, records), seen_as, batch_size=batch_size):
            yield images.numpy()
