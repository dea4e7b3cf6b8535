"""What the rounds say of a teacher."""

from collections.abc import Sequence

from kd_tf.teachers.admission.jackknife import errors_allowed
from kd_tf.teachers.admission.rounds import Round, SettingScore
from kd_tf.teachers.embedding.teacher import EmbeddingTeacher

# Percent of pairs: data sets differ in how hard they are.
ACCURACY_MARGIN = 10.0


def refusal_of(teacher: EmbeddingTeacher, rounds: Sequence[Round]) -> str | None:
    """Why the teacher is refused, one line: a setting is better than the declared one, or its makers' accuracy is far off."""
    if not rounds:
        return None
    # The closest decides.
    if rounds[-1].better:
        return _better_words(teacher, rounds[-1], rounds[-1].better[0])
    return _accuracy_words(teacher, rounds[-1]) if _far_below(teacher, rounds[-1]) else None


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
    if _at_chance(last):
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
    remedy = "; no setting tried is better: check mean, std, layout, output and crop of its view" if _far_below(teacher, last) else ""
    return f"{teacher.who} tells {found}, and its view declares {teacher.view.accuracy:g} %{remedy}"


def _far_below(teacher: EmbeddingTeacher, last: Round) -> bool:
    if teacher.view.accuracy is None:
        return False
    declared = last.scores[0]
    noise = errors_allowed(last.pairs.people_in_pairs, 1) * declared.accuracy_error
    return declared.accuracy + noise < teacher.view.accuracy - ACCURACY_MARGIN


def _at_chance(last: Round) -> bool:
    declared = last.scores[0]
    return declared.area - 50 <= errors_allowed(last.pairs.people_in_pairs, 1) * declared.area_error
