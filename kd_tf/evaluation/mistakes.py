"""Which answers a person should look at, and how they are shown."""

import numpy as np
from matplotlib.figure import Figure

from kd_tf.evaluation.answers import Answers
from kd_tf.evaluation.curves import ced_figure, roc_figure
from kd_tf.evaluation.image_pairs import ImagePairs, first_pairs
from kd_tf.evaluation.landmarks import ced_curve, landmark_scores, normalized_errors
from kd_tf.evaluation.pairs import area_under_roc, roc_curve
from kd_tf.evaluation.pictures import Cell, sheet

SHOWN = 12
TRUE_COLOUR = "white"
PREDICTED_COLOUR = "red"


def classification_figures(answers: Answers) -> dict[str, Figure]:
    """`mistakes`: the most confident wrong answers."""
    wrong = np.flatnonzero(answers.ranks > 0)
    chosen = wrong[np.argsort(-answers.probability[wrong], kind="stable")][:SHOWN]

    def cell(place: int) -> Cell:
        true, predicted = (answers.identity_names[labels[place]] for labels in (answers.identities, answers.predicted))
        return Cell(answers.picture(place), f"{true}\ntaken for {predicted}\nprobability {answers.probability[place]:.3f}")

    title = f"All {len(answers.ranks)} images are right"
    if len(wrong):
        title = f"{len(wrong)} of {len(answers.ranks)} images are taken for someone else; the most confident of them"
    return {"mistakes": sheet(title, [[cell(place)] for place in chosen], columns=4)}


def landmark_figures(answers: Answers) -> dict[str, Figure]:
    """`ced`: the cumulative error distribution; `worst_landmarks`: the largest errors."""
    pixels = answers.landmarks_in_pixels()
    errors, scores = normalized_errors(*pixels), landmark_scores(*pixels, answers.identities)
    spread = f" \u00b1 {scores['nrmse_standard_error']:.2f} (standard error)" if "nrmse_standard_error" in scores else ""
    title = f"{len(errors)} images, {scores['failure_rate']:.2f} % above 10 %\nNRMSE {scores['nrmse']:.2f} %{spread}"
    chosen = np.argsort(-errors, kind="stable")[:SHOWN]

    def cell(place: int) -> Cell:
        marks = (answers.true_landmarks[place], TRUE_COLOUR), (answers.landmarks[place], PREDICTED_COLOUR)
        return Cell(answers.picture(place), f"{answers.identity_names[answers.identities[place]]}\nerror {errors[place]:.1f} %", marks)

    worst_title = f"The largest errors of {len(errors)} images: true landmarks white, predicted red"
    worst = sheet(worst_title, [[cell(place)] for place in chosen], columns=4)
    return {"ced": ced_figure(*ced_curve(errors), title), "worst_landmarks": worst}


def retrieval_figures(answers: Answers) -> dict[str, Figure]:
    """`wrong_queries`: the wrong nearest images that are nearest, beside the nearest right ones; nothing where there are no images."""
    if answers.picture is None:
        return {}
    queries, nearest = answers.nearest_others
    distances = np.linalg.norm(answers.embedding[queries] - answers.searched.embedding[nearest], axis=1)
    wrong = np.flatnonzero(answers.identities[nearest] != answers.identities[queries])
    wrong = wrong[np.argsort(distances[wrong], kind="stable")]
    # Two images that find each other are shown once.
    _, first = np.unique(np.sort([queries[wrong], nearest[wrong]], axis=0), axis=1, return_index=True)
    chosen = wrong[np.sort(first)][: SHOWN // 2]
    groups = [_query_group(answers, queries[place], nearest[place]) for place in chosen]
    title = f"All {len(queries)} queries find the same person"
    if len(wrong):
        title = f"{len(wrong)} of {len(queries)} queries find someone else; the nearest of them"
    return {"wrong_queries": sheet(title, groups, columns=2)}


def pair_figures(answers: Answers) -> dict[str, Figure]:
    """Of all pairs of images, or a sample of them, `roc` and `hardest_pairs`; nothing where all are of one kind."""
    pairs = ImagePairs.of(answers.identities)
    if pairs.same.all() or not pairs.same.any():
        return {}
    distances = pairs.distances(answers.embedding)
    title = f"area under the curve {area_under_roc(distances, pairs.same):.3f}\n{pairs.words}"
    roc = roc_figure(*roc_curve(distances, pairs.same), int(np.sum(~pairs.same)), title)
    return {"roc": roc, "hardest_pairs": _hardest_pairs(answers, pairs, distances)}


def _hardest_pairs(answers: Answers, pairs: ImagePairs, distances: np.ndarray) -> Figure:
    """The most distant pairs of one person, and the closest of two."""

    def cell(place: int, what: str = "") -> Cell:
        return Cell(answers.picture(place), f"{answers.identity_names[answers.identities[place]]}\n{what}")

    def cells(pair: int) -> list[Cell]:
        return [cell(pairs.first[pair], f"distance {distances[pair]:.3f}"), cell(pairs.second[pair])]

    far = first_pairs(pairs, pairs.same, -distances, SHOWN // 2)
    near = first_pairs(pairs, ~pairs.same, distances, SHOWN // 2)
    groups = []
    for row in range(max(len(far), len(near))):
        groups += [cells(chosen[row]) if row < len(chosen) else [] for chosen in (far, near)]
    title = f"The hardest of {pairs.words}; squared distances of unit vectors"
    return sheet(title, groups, columns=2, headings=("one person, most distant", "two people, closest"))


def _query_group(answers: Answers, query: int, nearest: int) -> list[Cell]:
    others = np.flatnonzero(answers.identities == answers.identities[query])
    others = others[others != query]
    searched = answers.searched.embedding
    right = others[np.argmin(np.linalg.norm(searched[others] - answers.embedding[query], axis=1))]
    cells = []
    for what, place in (("query", query), ("nearest", nearest), ("nearest of the same", right)):
        distance = np.linalg.norm(searched[place] - answers.embedding[query])
        known = "query" if what == "query" else f"{what}, {distance:.3f}"
        cells.append(Cell(answers.picture(place), f"{known}\n{answers.identity_names[answers.identities[place]]}"))
    return cells


PROTOCOL_FIGURES = {"classification": classification_figures, "landmarks": landmark_figures, "retrieval": retrieval_figures}
