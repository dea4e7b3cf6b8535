import numpy as np
import pytest

from kd_tf.data.pipeline import evaluation_batches
from kd_tf.data.source import DerivedSource
from kd_tf.data.split import Split
from kd_tf.data.synthetic.source import SyntheticSource
from kd_tf.errors import InputError
from kd_tf.evaluation.pairs import area_under_roc, pair_distances
from kd_tf.teachers.admission.admission import admit
from kd_tf.teachers.admission.drawing import draw_pairs
from tests.teachers.admission.toy_teachers import FACE, VIEW, Patterns, knows_reds, make_teacher

SOURCE = Patterns([8] * 30)
RECORDS = np.arange(len(SOURCE))


def tried(teacher, source=SOURCE, pairs=30):
    return admit(teacher, source, VIEW, np.arange(len(source)), pairs=pairs)


def means(images):
    return np.asarray(images, np.float64).mean(axis=(1, 2))


@pytest.fixture(scope="module")
def good():
    teacher = make_teacher(knows_reds, accuracy=99.0)
    return teacher, tried(teacher)


def test_a_good_one_is_admitted(good):
    _, admission = good
    assert admission.admitted and admission.refusal is None and len(admission.rounds) == 1
    assert [score.name for score in admission.settings] == [
        "as declared", "channel_order bgr", "scaling 0..1", "scaling -1..1", "scaling standardized", "central_fraction 0.36",
        "central_fraction 0.45", "central_fraction 0.8", "central_fraction 0.96", "central_fraction 1.0",
    ]  # fmt: skip
    assert max(admission.settings[1:], key=lambda score: score.area).area < admission.settings[0].area


def test_its_score_is_that_of_its_view_on_the_drawn_pairs(good):
    teacher, admission = good
    seen, view = teacher.view.sees(SOURCE, VIEW)
    batches = evaluation_batches(Split(seen, RECORDS), view, batch_size=240)
    rows = np.concatenate([knows_reds(images) for images, _ in batches])
    pairs = draw_pairs(SOURCE, RECORDS, (30, 120), seed=0)[0]
    distances = pair_distances(rows[pairs.first], rows[pairs.second], "squared_l2")
    assert admission.settings[0].area == pytest.approx(100 * area_under_roc(distances, pairs.same))
    assert 95 < admission.settings[0].area < 100


def test_each_image_is_asked_about_once_a_setting(good):
    """And those sixteen of the mechanics thrice."""
    teacher, admission = good
    pairs = admission.rounds[0].pairs
    assert teacher.function.images == 3 * 16 + 10 * len(np.unique([pairs.first, pairs.second]))


def test_its_report(good):
    _, admission = good
    lines = admission.report().splitlines()
    assert lines[0] == "# Admission of --teacher=toy"
    assert lines[2].startswith("16 images: answers of width 32, of length 4.0")
    assert lines[4] == "Told apart: 30 pairs of one person and 30 of two, of 30 people."
    declared, swapped = admission.settings[:2]
    accuracy = f"{declared.accuracy:.1f} ± {declared.accuracy_error:.1f}"
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[8:10]]
    assert cells[0] == ["as declared", f"{declared.area:.2f} ± {declared.area_error:.2f}", "", accuracy]
    assert cells[1][2] == f"{swapped.area - declared.area:+.2f} ± {swapped.error:.2f}"
    note = f"--teacher=toy tells {accuracy} % right of 30 pairs of one person and 30 of two, of 30 people, and its view declares 99 %."
    assert note in lines
    verdict = "it answers as it should, and none of 9 other settings is better than the declared one beyond the noise"
    assert lines[-1] == f"**Admitted**: {verdict}."


WRONG = {
    "channels": (knows_reds, {"channel_order": "bgr"}, '"channel_order": "rgb"'),
    "scaling": (knows_reds, {"scaling": "0..1"}, '"scaling": "0..255"'),
    "crop": (knows_reds, {"central_fraction": 1.0}, f'"central_fraction": {FACE}'),
}


@pytest.mark.parametrize(("call", "view", "remedy"), WRONG.values(), ids=WRONG)
def test_a_wrong_view_is_refused_and_the_right_one_named(call, view, remedy):
    admission = tried(make_teacher(call, **view))
    assert not admission.admitted and "\n" not in admission.refusal
    assert admission.refusal.endswith(f"; declare {remedy} if that is how it was trained")
    second = admission.rounds[1]
    best = max(second.scores, key=lambda score: score.area)
    assert (best.area, second.scores[0].area) == pytest.approx((98.5, 60), abs=16) and best.area > 97
    assert best in admission.settings
    assert (
        f"{best.name} than as its view declares: an area of {best.area:.2f} % instead of {second.scores[0].area:.2f} %, ahead by "
        f"{best.difference:.2f} ± {best.error:.2f} points on 120 pairs of one person and 120 of two, of 30 people"
    ) in admission.refusal
    assert admission.report().endswith(f"**Refused**: {admission.refusal}.\n")
    assert "What is ahead, once more, on others: 120 pairs" in admission.report()


def test_what_its_makers_say_is_far_off():
    admission = tried(make_teacher(means, accuracy=99.5))
    declared = admission.rounds[-1].scores[0]
    assert admission.refusal == (
        f"--teacher=toy tells {declared.accuracy:.1f} ± {declared.accuracy_error:.1f} % right of {admission.rounds[-1].pairs.words}, "
        "and its view declares 99.5 %; no setting tried is better beyond the noise: check mean, std, layout, output and crop of its view"
    )
    assert "NOTHING SAYS THAT IT KNOWS FACES: as declared its area is not above the 50 %" in admission.report()


def guesses(images):
    """Numbers that depend on the picture, and not on who is on it; rounded, since machines differ in the last bits of a picture."""
    return np.sin(1000 * np.round(means(images), 1))


def test_one_that_only_guesses_is_refused():
    admission = tried(make_teacher(guesses), pairs=300)
    last = admission.rounds[-1]
    declared = last.scores[0]
    assert declared.area == pytest.approx(50, abs=10) and declared.area + 3 * declared.area_error < 75
    assert admission.refusal == (
        f"--teacher=toy tells people no better than chance: an area of {declared.area:.2f} ± {declared.area_error:.2f} % on "
        f"{last.pairs.words}, where guessing has 50 %, and no setting tried is better beyond the noise; "
        "check its view, output and the labels of the data"
    )


def test_few_pairs_do_not_say_that_one_guesses():
    """The noise of 20 pairs of 5 people reaches from chance to a good network."""
    admission = tried(make_teacher(guesses), Patterns([6] * 5), pairs=20)
    assert admission.admitted and admission.settings[0].area == pytest.approx(50, abs=10)
    assert "NOTHING SAYS THAT IT KNOWS FACES: as declared its area is not above the 50 %" in admission.report()


def test_faults_of_its_mechanics():
    admission = tried(make_teacher(lambda images: means(images) * np.nan))
    assert admission.refusal.startswith("--teacher=toy answers with 3 of 3 values that are not finite to picture ")
    assert admission.mechanics is None and admission.settings == ()
    assert admission.report() == f"# Admission of --teacher=toy\n\n**Refused**: {admission.refusal}.\n"


def test_an_answer_that_is_at_fault_later():
    """The first of each batch of 32, after those that the mechanics are tried on."""

    def call(images):
        rows = knows_reds(images)
        rows[: teacher.function.images > 3 * 16] = 0
        return rows

    teacher = make_teacher(call)
    admission = tried(teacher)
    pairs = draw_pairs(SOURCE, RECORDS, (30,), seed=0)[0]
    shown = np.unique([pairs.first, pairs.second])
    others = f"{-(-len(shown) // 32) - 1} of {len(shown) - 1} other images"
    assert admission.refusal.startswith(f"--teacher=toy answers with 32 zeros to picture {shown[0]}, and likewise to {others}: check")
    assert admission.mechanics.width == 32 and admission.rounds == ()


@pytest.mark.parametrize(("pictures", "people"), [([6, 6, 6, 6, 1, 1], 4), ([1] * 30, 0), ([30], 1)])
def test_without_labelled_pairs_the_mechanics_are_all(pictures, people):
    admission = tried(make_teacher(knows_reds, accuracy=99.0), Patterns(pictures))
    assert admission.admitted and admission.mechanics.width == 32 and admission.rounds == admission.settings == ()
    assert admission.report().endswith(
        f"NEITHER ITS SCORE NOR ITS SETTINGS COULD BE TESTED: of the people, {people} have two images, and at least 5 must. The accuracy "
        "of 99 % that its view declares was not compared.\n\n**Admitted**: it answers as it should, and nothing more could be tested.\n"
    )


def test_drawn_faces_can_be_aligned():
    source = SyntheticSource(identities=8, pictures=3, picture_size=24)
    admission = tried(make_teacher(lambda images: images[:, ::4, ::4].reshape(len(images), -1)), source, pairs=12)
    assert admission.settings[-1].name == "align true" and admission.settings[-1].difference != 0
    assert admission.rounds[0].pairs.people_with_pairs == 8


def test_a_broken_image_is_no_fault_of_the_teacher():
    class Broken(DerivedSource):
        def read(self, indices):
            return [b"nothing" if index == 77 else image for index, image in zip(indices, self._source.read(indices), strict=True)]

    with pytest.raises(InputError, match="picture 77 is not an image that can be decoded"):
        admit(make_teacher(knows_reds), Broken(SOURCE), VIEW, np.arange(70, 80), pairs=30)


def test_nothing_to_try_it_on():
    with pytest.raises(InputError, match="--admit_pairs=9 are too few: at least 10"):
        tried(make_teacher(knows_reds), pairs=9)
    with pytest.raises(InputError, match="patterns: there is no image to try --teacher=toy on"):
        admit(make_teacher(knows_reds), SOURCE, VIEW, RECORDS[:0])
