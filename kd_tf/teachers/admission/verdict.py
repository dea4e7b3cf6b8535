"""What the rounds say of a teacher."""

from collections.abc import Sequence

from kd_tf.teachers.admission.jackknife import errors_allowed
from kd_tf.teachers.admission.rounds import Round, SettingScore
from kd_tf.teachers.embedding.teacher import EmbeddingTeacher

# Percent of pairs: data sets differ in how hard they are.
ACCURACY_MARGIN = 10.0
# Percent; of guessing, and half way to a network that never errs.
CHANCE_AREA, POOR_AREA = 50.0, 75.0
_NO_BETTER = "no setting tried is better beyond the noise"


def refusal_of(teacher: EmbeddingTeacher, rounds: Sequence[Round]) -> str | None:
    """Why the teacher is refused, one line: another setting is better, its makers' accuracy is far off, or it only guesses."""
    if not rounds:
        return None
    # The closest decides.
    last = rounds[-1]
    if last.better:
        return _better_words(teacher, last, last.better[0])
    if _far_below(teacher, last):
        return _accuracy_words(teacher, last)
    return _guessing_words(teacher, last) if _only_guesses(last) else None


def notes_of(teacher: EmbeddingTeacher, rounds: Sequence[Round], without_pairs: str) -> tuple[str, ...]:
    """Sentences that do not decide.

    Args:
      teacher: that was tried.
      rounds: what came of it.
      without_pairs: why there are none.
    """
    makers = teacher.view.accuracy
    if not rounds:
        claimed = f" The accuracy of {makers:g} % that its view declares was not compared." if makers else ""
        return (f"NEITHER ITS SCORE NOR ITS SETTINGS COULD BE TESTED: {without_pairs}.{claimed}",)
    last = rounds[-1]
    notes = [f"{_accuracy_words(teacher, last)}."] if makers and not _far_below(teacher, last) else []
    if _may_guess(last):
        notes.append("NOTHING SAYS THAT IT KNOWS FACES: as declared its area is not above the 50 % of chance beyond the noise.")
    notes += [f"{name} has no score: {fault}." for round_ in rounds for name, fault in round_.faults.items()]
    return tuple(notes)


def _better_words(teacher: EmbeddingTeacher, last: Round, best: SettingScore) -> str:
    others = len(last.better) - 1
    also = f" ({others} other setting{'s are' if others > 1 else ' is'} better, too)" if others else ""
    return (
        f"{teacher.who} tells people better with {best.name} than as its view declares: an area of {best.area:.2f} % instead of "
        f"{best.area - best.difference:.2f} %, ahead by {best.difference:.2f} ± {best.error:.2f} points on {last.pairs.words}{also}; "
        f"declare {best.setting.declaration} if that is how it was trained"
    )


def _accuracy_words(teacher: EmbeddingTeacher, last: Round) -> str:
    declared = last.scores[0]
    found = f"{declared.accuracy:.1f} ± {declared.accuracy_error:.1f} % right of {last.pairs.words}"
    remedy = f"; {_NO_BETTER}: check mean, std, layout, output and crop of its view" if _far_below(teacher, last) else ""
    return f"{teacher.who} tells {found}, and its view declares {teacher.view.accuracy:g} %{remedy}"


def _guessing_words(teacher: EmbeddingTeacher, last: Round) -> str:
    declared = last.scores[0]
    return (
        f"{teacher.who} tells people no better than chance: an area of {declared.area:.2f} ± {declared.area_error:.2f} % on "
        f"{last.pairs.words}, where guessing has 50 %, and {_NO_BETTER}; check its view, output and the labels of the data"
    )


def _far_below(teacher: EmbeddingTeacher, last: Round) -> bool:
    if teacher.view.accuracy is None:
        return False
    declared = last.scores[0]
    return declared.accuracy + _noise(last, declared.accuracy_error) < teacher.view.accuracy - ACCURACY_MARGIN


def _may_guess(last: Round) -> bool:
    declared = last.scores[0]
    return declared.area - _noise(last, declared.area_error) <= CHANCE_AREA


def _only_guesses(last: Round) -> bool:
    """Where pairs are few, the noise reaches from guessing to a good network."""
    declared = last.scores[0]
    return _may_guess(last) and declared.area + _noise(last, declared.area_error) < POOR_AREA


def _noise(last: Round, error: float) -> float:
    """How far one value with this standard error may be off by chance."""
    return errors_allowed(last.pairs.people_with_pairs, 1) * error
