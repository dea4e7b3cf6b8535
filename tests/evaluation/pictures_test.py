import itertools
import os
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kd_tf.evaluation import retrieval
from kd_tf.evaluation.answers import Answers
from kd_tf.evaluation.curves import ced_figure, roc_figure
from kd_tf.evaluation.mistakes import classification_figures, landmark_figures, pair_figures, retrieval_figures
from kd_tf.evaluation.pictures import Cell, figure_pixels, jpeg_bytes, sheet, shortened, write_figure
from kd_tf.evaluation.score import score_answers
from tests.evaluation.grey_pictures import faces
from tests.images import smooth_image

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def plain(colour, height=20, width=20):
    return np.full([height, width, 3], colour, np.uint8)


def drawn(figure, path):
    """The pixels of the file, RGB."""
    write_figure(str(path), figure)
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    return cv2.imread(str(path))[:, :, ::-1]


def box(image, colour):
    """Top, bottom, left and right of what has a colour."""
    rows, columns = np.nonzero((image == colour).all(axis=2))
    return rows.min(), rows.max(), columns.min(), columns.max()


def captions(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def title(figure):
    return figure.texts[0].get_text()


def assert_no_text_overlaps(figure):
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    boxes = [text.get_window_extent(renderer) for text in texts if text.get_text()]
    assert len(boxes) > 1
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    for each in boxes:
        assert figure.bbox.x0 <= each.x0 and each.x1 <= figure.bbox.x1 and figure.bbox.y0 <= each.y0 and each.y1 <= figure.bbox.y1


def test_pictures_stand_where_they_belong(tmp_path):
    groups = [[Cell(plain(RED), "a"), Cell(plain(GREEN, 10, 20), "b")], [], [Cell(plain(BLUE), "c")]]
    image = drawn(sheet("title", groups, columns=2), tmp_path / "sheet.png")
    red, green, blue = (box(image, colour) for colour in (RED, GREEN, BLUE))
    assert red[3] < green[2] and red[1] < blue[0]
    assert abs(red[2] - blue[2]) <= 1
    height, width = red[1] - red[0], red[3] - red[2]
    assert height == pytest.approx(width, abs=2)
    # Half as high as wide, in a place of the same size.
    assert green[1] - green[0] == pytest.approx(height / 2, abs=3)
    assert green[3] - green[2] == pytest.approx(width, abs=3)


def test_marks_are_fractions_of_the_picture(tmp_path):
    olive = plain((90, 120, 60), 30, 60)
    figure = sheet("title", [[Cell(olive, "a", ((np.array([[0.25, 0.5]]), "white"), (np.array([[0.75, 0.2]]), "red")))]], columns=1)
    image = drawn(figure, tmp_path / "sheet.png")
    top, bottom, left, right = box(image, (90, 120, 60))
    inside = image[top : bottom + 1, left : right + 1]
    for colour, x, y in (((255, 255, 255), 0.25, 0.5), (RED, 0.75, 0.2)):
        mark = box(inside, colour)
        assert (mark[2] + mark[3]) / 2 == pytest.approx(x * (right - left), abs=1.5)
        assert (mark[0] + mark[1]) / 2 == pytest.approx(y * (bottom - top), abs=1.5)


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_no_text_overlaps(lines):
    caption = "\n".join(["Abdel_Aziz_Al-Hakim_the_younger_0001.jpg"] * lines)
    groups = [[Cell(plain(RED), caption)] * 2] * 4
    assert_no_text_overlaps(sheet("What this sheet shows", groups, columns=2, headings=("527 pairs of one person, rejected", "b")))


def test_names_are_not_formulas(tmp_path):
    figure = sheet("$no_{formula$", [[Cell(plain(RED), "$x^{2\n\\frac")]], columns=1)
    assert drawn(figure, tmp_path / "sheet.png").std() > 0
    assert captions(figure) == ["$x^{2\n\\frac"]


def test_long_names_keep_their_ends():
    assert shortened("Adolfo_Rodriguez_Saa_0001.jpg", 20) == "Adolfo_Rodr\u20260001.jpg"
    assert shortened("Ann_Lee", 7) == "Ann_Lee"


def test_a_sheet_of_nothing(tmp_path):
    image = drawn(sheet("All 5 images are right", [], columns=4), tmp_path / "sheet.png")
    assert image.min() < 100


def test_the_pixels_of_a_figure_are_those_of_its_file(tmp_path):
    figure = sheet("title", [[Cell(plain(RED), "a")]], columns=1)
    np.testing.assert_array_equal(figure_pixels(figure), drawn(figure, tmp_path / "sheet.png"))
    height, width, _ = figure_pixels(figure, 55).shape
    assert (height, width) == pytest.approx(np.array(figure_pixels(figure).shape[:2]) / 2, abs=1)


def test_a_jpeg_is_nearly_the_picture():
    smooth = smooth_image(1, 32, 48)
    decoded = cv2.imdecode(np.frombuffer(jpeg_bytes(smooth), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert decoded.shape == smooth.shape and np.abs(decoded.astype(int) - smooth).mean() < 4


def test_a_picture_is_written_whole_or_not_at_all(tmp_path):
    class Broken(Figure):
        def savefig(self, file, **options):
            file.write(b"half")
            raise ValueError("broken")

    write_figure(str(tmp_path / "a.png"), Figure(figsize=(1, 1)))
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(ValueError, match="broken"):
        write_figure(str(tmp_path / "a.png"), Broken())
    assert os.listdir(tmp_path) == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == before


@pytest.mark.parametrize(("negatives", "scale", "start"), [(2400, "log", 100 / 2400), (20, "linear", 0)])
def test_roc(tmp_path, negatives, scale, start):
    far, tar = np.array([0, 0, 0.5, 1]), np.array([0, 0.3, 0.9, 1])
    figure = roc_figure(far, tar, negatives, "accuracy 91.00 %")
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_title()) == (scale, "accuracy 91.00 %")
    assert axes.get_xlim() == pytest.approx((start, 100))
    line = axes.lines[-1]
    np.testing.assert_allclose(line.get_xydata(), np.stack([100 * far, 100 * tar], axis=1))
    assert drawn(figure, tmp_path / "roc.png").std() > 10


def test_ced(tmp_path):
    thresholds, shares = np.array([0.0, 4, 4, 10]), np.array([0.0, 0, 50, 50])
    figure = ced_figure(thresholds, shares, "two images")
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xydata(), np.stack([thresholds, shares], axis=1))
    assert figure.axes[0].get_xlim() == (0, 10)
    assert drawn(figure, tmp_path / "ced.png").std() > 10


NAMES = ["ann", "bob", "cat"]


def test_the_most_confident_mistakes():
    answers = Answers(
        identities=np.array([0, 1, 2, 0, 1]), identity_names=NAMES, ranks=np.array([1, 0, 2, 1, 1]), predicted=np.array([1, 1, 0, 2, 0]),
        probability=np.array([0.5, 0.99, 0.875, 0.4, 0.6], np.float32), picture=lambda place: plain((50 * place,) * 3),
    )  # fmt: skip
    figure = classification_figures(answers)["mistakes"]
    assert captions(figure) == [
        "cat\ntaken for ann\nprobability 0.875", "bob\ntaken for ann\nprobability 0.600", "ann\ntaken for bob\nprobability 0.500",
        "ann\ntaken for cat\nprobability 0.400",
    ]  # fmt: skip
    assert [int(axes.images[0].get_array()[0, 0, 0]) for axes in figure.axes] == [100, 200, 0, 150]
    assert title(figure).startswith("4 of 5 images are taken for someone else")


def test_no_mistakes():
    answers = Answers(np.zeros(3, int), NAMES, ranks=np.zeros(3, int), predicted=np.zeros(3, int), probability=np.ones(3))
    assert title(classification_figures(answers)["mistakes"]) == "All 3 images are right"


def test_the_largest_landmark_errors():
    # The nose is off by 0.25 and 0.5 of five points, over 0.5 between the eyes: 10% and 20%.
    answers = Answers(
        np.array([0, 1, 2]), NAMES, landmarks=faces(0.5, 0.5, 0.5), true_landmarks=faces(0.75, 0.5, 1.0), picture=lambda _: plain(GREEN)
    )
    figures = landmark_figures(answers)
    worst = figures["worst_landmarks"]
    assert captions(worst) == ["cat\nerror 20.0 %", "ann\nerror 10.0 %", "bob\nerror 0.0 %"]
    true, predicted = worst.axes[0].collections
    np.testing.assert_allclose(true.get_offsets(), 20 * faces(1.0)[0])
    np.testing.assert_allclose(predicted.get_offsets(), 20 * faces(0.5)[0])
    assert figures["ced"].axes[0].get_title() == "3 images, 33.33 % above 10 %\nNRMSE 10.00 % ± 5.77 (standard error)"


def test_the_nearest_wrong_queries():
    # 0 finds 1 and 1 finds 0, both wrong and at 0.1; 4 finds 3 at 0.5 and 3 finds 2 at 0.25, which is right as is 2's. 5 has nobody.
    embedding = np.array([[0.0], [0.1], [1.0], [1.25], [1.75], [9.0]], np.float32)
    answers = Answers(np.array([0, 1, 1, 1, 0, 2]), NAMES, embedding=embedding, picture=lambda place: plain((40 * place,) * 3))
    figure = retrieval_figures(answers)["wrong_queries"]
    assert title(figure).startswith("3 of 5 queries find someone else")
    assert captions(figure) == [
        "query\nann", "nearest, 0.100\nbob", "nearest of the same, 1.750\nann",
        "query\nann", "nearest, 0.500\nbob", "nearest of the same, 1.750\nann",
    ]  # fmt: skip
    assert [int(axes.images[0].get_array()[0, 0, 0]) for axes in figure.axes] == [0, 40, 160, 160, 120, 0]


def test_the_hardest_pairs_and_their_curve():
    # Squared distances: of one person 1 (0 and 1) and 2 (2 and 3); of two people 0.268 (1 and 2), 2 (0 and 2), 3 (1 and 3), 4 (0 and 3).
    embedding = np.array([[1, 0], [0.5, np.sqrt(0.75)], [0, 1], [-1, 0]], np.float32)
    answers = Answers(np.array([0, 0, 1, 1]), NAMES, embedding=embedding, picture=lambda place: plain((50 * place,) * 3))
    figures = pair_figures(answers)
    (axes,) = figures["roc"].axes
    # From a false accept rate of 0.25 to 0.5 the true one rises from 0.5 to 1, and stays there: 0.25 * 0.75 + 0.5.
    assert axes.get_title() == "area under the curve 0.688\n2 pairs of one person and 4 of two"
    np.testing.assert_allclose(axes.lines[-1].get_xydata(), [[0, 0], [25, 0], [25, 50], [50, 100], [75, 100], [100, 100]])
    hardest = figures["hardest_pairs"]
    # The second closest two people are others than the closest.
    assert title(hardest) == "The hardest of 2 pairs of one person and 4 of two; squared distances of unit vectors"
    assert captions(hardest) == [
        "bob\ndistance 2.000", "bob\n", "ann\ndistance 0.268", "bob\n", "ann\ndistance 1.000", "ann\n", "ann\ndistance 4.000", "bob\n",
    ]  # fmt: skip
    assert [int(axes.images[0].get_array()[0, 0, 0]) for axes in hardest.axes] == [100, 150, 50, 100, 0, 50, 0, 150]


def test_pairs_of_one_kind_have_no_curve():
    assert pair_figures(Answers(np.zeros(3, int), NAMES, embedding=np.eye(3))) == {}
    assert pair_figures(Answers(np.arange(3), NAMES, embedding=np.eye(3))) == {}


def test_the_score_and_the_pictures_share_one_search(monkeypatch):
    search = Mock(wraps=retrieval._nearest)
    monkeypatch.setattr(retrieval, "_nearest", search)
    answers = Answers(np.array([0, 0, 1]), NAMES, embedding=np.array([[0.0], [0.1], [0.3]]), picture=lambda _: plain(RED))
    assert score_answers(answers, "retrieval") == {"rank1": 100.0, "queries": 2}
    assert title(retrieval_figures(answers)["wrong_queries"]) == "All 2 queries find the same person"
    assert search.call_count == 1


def test_no_wrong_queries():
    answers = Answers(np.array([0, 0, 1]), NAMES, embedding=np.array([[0.0], [0.1], [1.0]]), picture=lambda _: plain(RED))
    figure = retrieval_figures(answers)["wrong_queries"]
    assert (title(figure), captions(figure)) == ("All 2 queries find the same person", [])


def test_queries_without_images_are_not_shown():
    assert retrieval_figures(Answers(np.zeros(2, int), NAMES, embedding=np.eye(2))) == {}
