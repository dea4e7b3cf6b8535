"""Whether a teacher from elsewhere is one, and sees faces as it was trained to: tried before its answers are stored."""

import dataclasses

import numpy as np

from kd_tf.data.source import Source
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.evaluation.pairs import pair_distances
from kd_tf.teachers.admission.answers import Refused, images_of, rows_of
from kd_tf.teachers.admission.drawing import LabelledPairs, draw_pairs
from kd_tf.teachers.admission.mechanics import Mechanics, check_mechanics
from kd_tf.teachers.admission.report import report
from kd_tf.teachers.admission.rounds import Round, SettingScore, measured_rounds
from kd_tf.teachers.admission.settings import Setting, settings_to_try
from kd_tf.teachers.admission.verdict import notes_of, refusal_of
from kd_tf.teachers.embedding.teacher import EmbeddingTeacher

IMAGES = 16
FEWEST_PAIRS = 10
FEWEST_PEOPLE = 5
# Pairs of the second round, for each of the first.
MORE_PAIRS = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Admission:
    """What came of it.

    Attributes:
      who: the teacher, as messages name it.
      refusal: one line; None: the teacher is admitted.
      notes: sentences that do not decide.
      mechanics: what was seen of its answers; None: they were at fault.
      rounds: the settings on labelled pairs, none where there are too few people or the mechanics failed.
    """

    who: str
    refusal: str | None
    notes: tuple[str, ...] = ()
    mechanics: Mechanics | None = None
    rounds: tuple[Round, ...] = ()

    @property
    def admitted(self) -> bool:
        """Whether nothing speaks against it."""
        return self.refusal is None

    @property
    def settings(self) -> tuple[SettingScore, ...]:
        """Each setting as the closest round that it was in has it; the declared one first."""
        latest = {score.name: score for round_ in self.rounds for score in round_.scores}
        return tuple(latest.values())

    def report(self) -> str:
        """All of it, in Markdown."""
        return report(self.who, self.refusal, self.notes, self.mechanics, self.rounds)


def admit(
    teacher: EmbeddingTeacher,
    source: Source,
    view: ViewConfig,
    records: np.ndarray,
    *,
    pairs: int = 200,
    seed: int = 0,
    batch_size: int = 32,
) -> Admission:
    """Tries a teacher: its mechanics, its score on labelled pairs, and whether another setting than the declared one scores better.

    Args:
      teacher: with its declared view.
      source: the data set, as it was opened.
      view: the student's.
      records: int64 `[n]`, the images to draw from.
      pairs: of one person, and as many of two.
      seed: chooses images and pairs.
      batch_size: images at a time.

    Raises:
      InputError: an image cannot be read, there is none, or `pairs` are too few.
    """
    if pairs < FEWEST_PAIRS:
        raise InputError(f"--admit_pairs={pairs} are too few: at least {FEWEST_PAIRS}")
    if not len(records):
        raise InputError(f"{source.name}: there is no image to try {teacher.who} on")
    mechanics, rounds = None, ()
    try:
        mechanics = _mechanics(teacher, source, view, records, seed)
        groups = draw_pairs(source, records, (pairs, MORE_PAIRS * pairs), seed=seed)
        if groups[0].people_with_pairs >= FEWEST_PEOPLE:
            rounds = _rounds(teacher, source, view, groups, batch_size)
    except Refused as fault:
        return Admission(teacher.who, str(fault), mechanics=mechanics)
    images_of_each = np.unique(source.identities[records], return_counts=True)[1]
    without_pairs = f"of the people, {np.sum(images_of_each > 1)} have two images, and at least {FEWEST_PEOPLE} must"
    return Admission(teacher.who, refusal_of(teacher, rounds), notes_of(teacher, rounds, without_pairs), mechanics, rounds)


def _mechanics(teacher: EmbeddingTeacher, source: Source, view: ViewConfig, records: np.ndarray, seed: int) -> Mechanics:
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
    sample = np.sort(random.choice(records, min(IMAGES, len(records)), replace=False))
    return check_mechanics(teacher, images_of(teacher, source, view, sample), [source.describe(int(record)) for record in sample])


def _rounds(teacher: EmbeddingTeacher, source: Source, view: ViewConfig, groups: list[LabelledPairs], batch_size: int) -> tuple[Round, ...]:
    def measure(setting: Setting, drawn: LabelledPairs) -> np.ndarray:
        asked, places = np.unique([drawn.first, drawn.second], return_inverse=True)
        rows = rows_of(teacher.seen_as(**setting.changes), source, view, asked, batch_size=batch_size)
        first, second = rows[places.reshape(2, -1)]
        return pair_distances(first, second, "squared_l2")

    known = source.landmarks is not None and bool(np.isfinite(source.landmarks).all(axis=(1, 2)).any())
    return measured_rounds(settings_to_try(teacher, landmarks=known), groups, measure)
