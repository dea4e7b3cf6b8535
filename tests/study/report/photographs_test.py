import base64
import re
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from kd_tf.study.report.faces import chosen_places
from kd_tf.study.report.photographs import LARGEST, make_legend, marked_uri, png_uri
from tests.images import smooth_image


def decoded(uri):
    return base64.b64decode(uri.partition("base64,")[2])


def picture_of(uri):
    return cv2.imdecode(np.frombuffer(decoded(uri), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]


def test_small_pictures_come_back_as_they_were():
    image = smooth_image(1, height=20, width=30)
    np.testing.assert_array_equal(picture_of(png_uri(image)), image)


def test_large_pictures_are_shrunk():
    image = np.full([300, 600, 3], (200, 100, 50), np.uint8)
    found = picture_of(png_uri(image))
    assert found.shape == (LARGEST // 2, LARGEST, 3)
    assert (found == (200, 100, 50)).all()


def test_marks_lie_at_their_points():
    true, found = np.array([[0.25, 0.5], [0.75, 1.0]]), np.array([[0.5, 0.25]])
    drawing = ElementTree.fromstring(decoded(marked_uri(np.zeros([20, 40, 3], np.uint8), true, found)))
    assert drawing.get("viewBox") == "0 0 100.0 50.00"
    circles = [element for element in drawing if element.tag.endswith("circle")]
    assert [(circle.get("cx"), circle.get("cy")) for circle in circles] == [("25.00", "25.00")] * 2 + [("75.00", "50.00")] * 2
    paths = [element.get("d") for element in drawing if element.tag.endswith("path")]
    ends = [np.array([float(number) for number in re.findall(r"[\d.]+", path)]).reshape(-1, 2) for path in paths]
    assert len(ends) == 2
    for corners in ends:
        np.testing.assert_allclose(corners.mean(axis=0), [50, 12.5])
    assert picture_of(next(element for element in drawing if element.tag.endswith("image")).get("href")).shape == (20, 40, 3)


def test_the_legend_shows_both_marks():
    ring, cross = make_legend()
    assert (ring.caption, cross.caption) == ("true landmarks", "landmarks found")
    assert b"circle" in decoded(ring.uri) and b"path" in decoded(cross.uri)


@pytest.mark.parametrize(
    ("count", "lowest", "middle", "highest"),
    [(20, [0, 1, 2], [8, 9, 10], [19, 18, 17]), (7, [0, 1], [2, 3], [6, 5]), (2, [0], [0], [1]), (1, [0], [0], [0])],
)
def test_places_are_chosen_by_rank(count, lowest, middle, highest):
    random = np.random.default_rng(0).permutation(count)
    # Place `random[i]` has the error i.
    errors = np.empty(count)
    errors[random] = np.arange(count)
    found = chosen_places(errors)
    assert list(found) == ["Lowest errors", "Errors in the middle", "Highest errors"]
    for places, ranks in zip(found.values(), (lowest, middle, highest), strict=True):
        assert places.tolist() == random[ranks].tolist()
