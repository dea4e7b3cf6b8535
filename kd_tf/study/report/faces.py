"""Test faces with the landmarks that teacher and student find, chosen by rank so that nobody has picked them."""

import numpy as np

from kd_tf.evaluation.answers import Answers
from kd_tf.evaluation.landmarks import normalized_errors
from kd_tf.study.report.comparison import best_stage
from kd_tf.study.report.evidence import Evidence
from kd_tf.study.report.parts import Card, Content, Gallery, Picture
from kd_tf.study.report.photographs import make_legend, marked_uri
from kd_tf.study.tables import TEACHER

# Of each kind.
SHOWN = 3


def sample_faces(evidence: Evidence) -> Content:
    """The images on which the best narrowest student's error is lowest, in the middle and highest, with the teacher's answers."""
    if evidence.missing("alignment"):
        return Content(missing=evidence.missing("alignment"))
    comparison = evidence.of_task("alignment")[0]
    if not comparison.students:
        return Content(missing=("No student of alignment is finished yet.",))
    student = best_stage(evidence.results, comparison, comparison.students)
    answers = {"teacher": evidence.answers(comparison.lines[TEACHER][0])} if TEACHER in comparison.lines else {}
    answers |= {"student": evidence.answers(student)}
    return Content(text=(_words(student.name, answers),), galleries=_galleries(answers))


def _words(student: str, answers: dict[str, Answers]) -> str:
    beside = "; its teacher's answer stands beside it" if "teacher" in answers else ""
    return (
        f"Of {len(answers['student'].identities):,} test images those on which the student {student} has its lowest, middle and highest "
        f"errors{beside}. Errors are the mean over the five points, in percent of the distance between the eyes."
    )


def _galleries(answers: dict[str, Answers]) -> tuple[Gallery, ...]:
    errors = {who: normalized_errors(*found.landmarks_in_pixels()) for who, found in answers.items()}
    return tuple(
        Gallery(heading, tuple(_card(answers, errors, place) for place in places), () if number else make_legend())
        for number, (heading, places) in enumerate(chosen_places(errors["student"]).items())
    )


def chosen_places(errors: np.ndarray) -> dict[str, np.ndarray]:
    """Up to `SHOWN` places of the lowest, middle and highest of errors `[n]`; none twice while there are enough."""
    order = np.argsort(errors, kind="stable")
    shown = max(1, min(SHOWN, len(order) // 3))
    middle = (len(order) - shown) // 2
    return {"Lowest errors": order[:shown], "Errors in the middle": order[middle : middle + shown], "Highest errors": order[::-1][:shown]}


def _card(answers: dict[str, Answers], errors: dict[str, np.ndarray], place: int) -> Card:
    pictures = []
    for who, found in answers.items():
        uri = marked_uri(found.picture(place), found.true_landmarks[place], found.landmarks[place])
        caption = f"{who} {errors[who][place]:.1f} %"
        pictures.append(Picture(uri, f"face with true landmarks and those of the {who}", caption))
    student = answers["student"]
    return Card(tuple(pictures), (student.identity_names[student.identities[place]],))
