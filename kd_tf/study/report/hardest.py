"""The pairs of test images that a student gets wrong first."""

from kd_tf.evaluation.answers import Answers
from kd_tf.evaluation.image_pairs import ImagePairs, first_pairs
from kd_tf.study.report.comparison import best_stage
from kd_tf.study.report.evidence import Evidence
from kd_tf.study.report.parts import Card, Content, Gallery, Picture
from kd_tf.study.report.photographs import png_uri
from kd_tf.study.stages import Stage

SHOWN = 6
TEXT = (
    "Of {pairs}, as the student {student} sees them: squared distances of unit vectors, from 0 to 4. An image is shown in one pair at most "
    "of each kind."
)


def hardest_pairs(evidence: Evidence) -> Content:
    """The most distant pairs of one person and the closest pairs of two, as the best narrowest student sees them."""
    if evidence.missing("verification"):
        return Content(missing=evidence.missing("verification"))
    student = _student(evidence)
    if student is None:
        return Content(missing=("No student of verification is finished yet.",))
    answers = evidence.answers(student)
    pairs = ImagePairs.of(answers.identities)
    distances = pairs.distances(answers.embedding)
    chosen = {
        "One person, most distant": first_pairs(pairs, pairs.same, -distances, SHOWN),
        "Two people, closest": first_pairs(pairs, ~pairs.same, distances, SHOWN),
    }
    galleries = (
        Gallery(heading, tuple(_card(answers, int(pairs.first[place]), int(pairs.second[place]), distances[place]) for place in places))
        for heading, places in chosen.items()
    )
    return Content(text=(TEXT.format(pairs=pairs.words, student=student.name),), galleries=tuple(galleries))


def _student(evidence: Evidence) -> Stage | None:
    """Of all losses the narrowest student with the best score."""
    comparisons = evidence.of_task("verification")
    students = [stage for comparison in comparisons for stage in comparison.students]
    return best_stage(evidence.results, comparisons[0], students) if students else None


def _card(answers: Answers, first: int, second: int, distance: float) -> Card:
    names = {place: answers.identity_names[answers.identities[place]] for place in (first, second)}
    pictures = tuple(Picture(png_uri(answers.picture(place)), f"face of {name}") for place, name in names.items())
    return Card(pictures, (*dict.fromkeys(names.values()), f"distance {distance:.3f}"))
