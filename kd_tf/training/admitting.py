"""The admission test of a teacher from elsewhere, from its configuration to the report."""

import dataclasses

from kd_tf.data.aligned import unaligned
from kd_tf.data.dataset import open_data, prepare_data
from kd_tf.data.sources import SourceConfig
from kd_tf.data.split import Split, SplitConfig
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.teachers.admission.admission import Admission, admit
from kd_tf.teachers.embedding.teacher import EmbeddingTeacher, is_embedding_teacher, open_embedding_teacher
from kd_tf.teachers.embedding.teacher_view import view_file


@dataclasses.dataclass(frozen=True)
class AdmissionConfig:
    """Which teacher is tried, and on what.

    Attributes:
      teacher: one from elsewhere.
      source: the data set.
      view: the student's.
      split: of whose training half images are drawn.
      pairs: of one person, and as many of two.
      seed: chooses them.
      batch_size: images at a time.
      skip_broken: how many images that cannot be read or decoded may be left out; with more than 0 all are looked at.

    Raises:
      InputError: the teacher is a network of this package's contract, which sees what its students see.
    """

    teacher: str
    source: SourceConfig = SourceConfig()
    view: ViewConfig = ViewConfig()
    split: SplitConfig = SplitConfig()
    pairs: int = 200
    seed: int = 0
    batch_size: int = 64
    skip_broken: int = 0

    def __post_init__(self):
        if not is_embedding_teacher(self.teacher):
            file = view_file(self.teacher)
            raise InputError(f"--admit tries teachers from elsewhere, and --teacher={self.teacher} has no view: {file} does not exist")


def try_teacher(config: AdmissionConfig) -> Admission:
    """Opens the teacher and the data, and tries it; see `admit`."""
    teacher, data = open_embedding_teacher(config.teacher), open_data(config.source, config.view, config.split)
    train = (prepare_data(data, None, skip_broken=config.skip_broken) if config.skip_broken else data).train
    return admit_on(teacher, train, config.view, pairs=config.pairs, seed=config.seed, batch_size=config.batch_size)


def admit_on(teacher: EmbeddingTeacher, train: Split, view: ViewConfig, **options) -> Admission:
    """Tries the teacher on training images, as they are before a student's alignment; `options` are those of `admit`."""
    return admit(teacher, unaligned(train.source), view, train.records, **options)


def require_admitted(admission: Admission) -> None:
    """Raises `InputError` where the teacher is refused."""
    if not admission.admitted:
        remedy = " (--noadmit stores its answers as they are)" if admission.rounds else ""
        raise InputError(f"{admission.refusal}{remedy}")
