import dataclasses

import cv2
import numpy as np
import pytest

from kd_tf.data.aligned import TEMPLATE, TEMPLATE_LANDMARKS, AlignedSource, align, align_face, similarity
from kd_tf.data.dataset import open_data
from kd_tf.data.pipeline import evaluation_batches
from kd_tf.data.source import FileSource, decode_image
from kd_tf.data.sources import SourceConfig
from kd_tf.data.synthetic.source import SyntheticSource
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from tests.images import write_people

VIEW = ViewConfig(image_size=112, align=True)


def turned(points, angle, scale, shift):
    """Points turned, scaled and shifted."""
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]]) + shift


def test_an_exact_similarity_is_found():
    matrix = similarity(TEMPLATE, turned(TEMPLATE, 0.7, 2.5, [3.0, -4.0]))
    # 2.5 cos 0.7 = 1.9121, 2.5 sin 0.7 = 1.6105.
    np.testing.assert_allclose(matrix, [[1.91210547, -1.61054422, 3.0], [1.61054422, 1.91210547, -4.0]], atol=1e-7)


def test_of_all_similarities_it_is_the_one_of_least_squares():
    random = np.random.RandomState(0)
    points, targets = random.normal(size=[5, 2]), random.normal(size=[5, 2])
    # Unknowns a, b, x, y of (a x - b y + tx, b x + a y + ty), by the normal equations of NumPy.
    rows = [row for x, y in points for row in ([x, -y, 1, 0], [y, x, 0, 1])]
    a, b, x, y = np.linalg.lstsq(np.array(rows), targets.reshape(-1), rcond=None)[0]
    np.testing.assert_allclose(similarity(points, targets), [[a, -b, x], [b, a, y]], atol=1e-12)


def marked_image(points, height, width):
    """White dots of radius 6 around points, in pixel indices."""
    image = np.zeros([height, width, 3], np.uint8)
    for x, y in points:
        rows, columns = np.mgrid[:height, :width]
        image[(rows - y) ** 2 + (columns - x) ** 2 <= 36] = 255
    return image


def centres(image):
    """The centres of the white dots, from top to bottom and left to right."""
    count, _, _, found = cv2.connectedComponentsWithStats((image[:, :, 0] > 127).astype(np.uint8))
    assert count == 6
    return sorted(found[1:].tolist(), key=lambda point: (round(point[1] / 20), point[0]))


@pytest.mark.parametrize(("angle", "scale", "size"), [(0.0, 1.0, 112), (0.4, 2.2, 112), (-0.6, 0.8, 112), (0.3, 3.0, 64)])
def test_dots_on_the_landmarks_come_to_lie_on_the_template(angle, scale, size):
    """Of images that are not square, too."""
    points = turned(TEMPLATE - TEMPLATE.mean(axis=0), angle, scale, [200.0, 160.0])
    image = marked_image(points, 330, 410)
    view = dataclasses.replace(VIEW, image_size=size)
    face = align_face(image, (points + 0.5) / [410, 330], view)
    margin = (view.canvas_size - size) // 2
    assert face.shape == (view.canvas_size, view.canvas_size, 3)
    expected = (TEMPLATE + 0.5) * size / 112 - 0.5 + margin
    np.testing.assert_allclose(centres(face), sorted(expected.tolist(), key=lambda point: (round(point[1] / 20), point[0])), atol=0.6)


def test_an_aligned_face_stays_as_it_is():
    """112 pixels for 112: the picture in the middle of the canvas, black around it."""
    image = np.random.RandomState(1).randint(0, 256, [112, 112, 3]).astype(np.uint8)
    face = align_face(image, TEMPLATE_LANDMARKS, VIEW)
    np.testing.assert_allclose(face[8:120, 8:120].astype(int), image, atol=1)
    assert face[:8].max() == 0 and face[:, 120:].max() == 0


def test_the_crop_of_the_evaluation_view_is_the_template():
    view = dataclasses.replace(VIEW, image_size=56)
    data = open_data(SourceConfig(identities=4, pictures=3, picture_size=64), view)
    assert (data.view.align, data.view.central_fraction) == (False, 1.0)
    plain = SyntheticSource(identities=4, pictures=3, picture_size=64)
    images, targets = next(iter(evaluation_batches(data.test, data.view, batch_size=8)))
    for image, record in zip(images.numpy(), targets["record"].numpy(), strict=True):
        expected = align_face(
            decode_image(plain.read([record])[0]).numpy(), plain.landmarks[record], dataclasses.replace(VIEW, image_size=56)
        )
        np.testing.assert_array_equal(image, expected[4:60, 4:60])


def test_images_without_landmarks_stay_as_they_are(tmp_path, caplog):
    write_people(tmp_path, {"ann": 2})
    landmarks = np.stack([TEMPLATE_LANDMARKS, np.full([5, 2], np.nan, np.float32)])
    source = FileSource("folder:x", str(tmp_path), ["ann/ann_0001.jpg", "ann/ann_0002.jpg"], ["ann", "ann"], landmarks)
    aligned = AlignedSource(source, dataclasses.replace(VIEW, central_fraction=0.5))
    assert "1 of 2 images have no landmarks and are not aligned" in caplog.text
    whole = decode_image(source.read([1])[0]).numpy()
    height, width = whole.shape[:2]
    middle = whole[round(height / 4) : height - round(height / 4), round(width / 4) : width - round(width / 4)]
    face, other = (decode_image(encoded).numpy() for encoded in aligned.read([0, 1]))
    assert face.shape == (128, 128, 3)
    np.testing.assert_array_equal(other, middle)


def test_what_is_cached_depends_on_size_and_landmarks():
    source = SyntheticSource(identities=2, pictures=3, picture_size=32)
    names = {AlignedSource(source, dataclasses.replace(VIEW, image_size=size)).fingerprint() for size in (56, 64)}
    source.landmarks = source.landmarks + 0.01
    assert len(names | {AlignedSource(source, dataclasses.replace(VIEW, image_size=56)).fingerprint()}) == 3


def test_without_the_flag_nothing_changes():
    source, view = SyntheticSource(identities=2, pictures=3), ViewConfig(image_size=32)
    assert align(source, view) == (source, view)


def test_a_source_without_landmarks_is_refused(tmp_path):
    write_people(tmp_path, {"ann": 5})
    with pytest.raises(InputError) as error:
        open_data(SourceConfig(f"folder:{tmp_path}"), VIEW)
    assert str(error.value) == f"folder:{tmp_path} has no landmarks, which --align needs"
