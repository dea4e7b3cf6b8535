import numpy as np
import pytest

from kd_tf.data.pipeline import evaluation_batches
from kd_tf.data.split import PAPER_SPLIT, Split, train_and_test
from kd_tf.data.synthetic.source import SyntheticSource
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.evaluation.baselines import majority_baseline, mean_shape, mean_shape_baseline, pixel_baseline
from kd_tf.evaluation.models import open_model
from tests.evaluation.grey_pictures import faces, grey_split

# Canvas 32, crop 28 from (2, 2).
VIEW = ViewConfig(image_size=28)


def _pixels(split):
    ((images, _),) = evaluation_batches(split, VIEW, batch_size=64)
    return images.numpy().astype(np.float64)


def _nearest(image, images, excluded=None):
    distances = [np.sum((image - other) ** 2) if index != excluded else np.inf for index, other in enumerate(images)]
    return int(np.argmin(distances))


def test_pixels_of_grey_pictures():
    train = grey_split([10, 100, 200], [0, 1, 2])
    test = grey_split([20, 30, 40, 120, 190], [0, 0, 1, 1, 1])
    # Nearest training level: 10, 10, 10 (identity 1 is wrong), 100, 200 (wrong). Nearest other test level: 30 (right), 20 (right, the
    # lower index of 20 and 40), 30 (wrong), 190 (right; 40 is 80 away), 120 (right).
    assert pixel_baseline(train, test, VIEW) == {"top1": 60.0, "rank1": 80.0}


def test_pixels_of_faces_equal_a_search_over_the_views():
    train, test = train_and_test(SyntheticSource(identities=4, pictures=10, picture_size=40), PAPER_SPLIT)
    train_pixels, pixels = (_pixels(split) for split in (train, test))
    top1 = np.mean([train.identities[_nearest(image, train_pixels)] for image in pixels] == test.identities)
    repeated = [i for i, identity in enumerate(test.identities) if np.sum(test.identities == identity) > 1]
    rank1 = np.mean([test.identities[_nearest(pixels[i], pixels, excluded=i)] == test.identities[i] for i in repeated])
    assert pixel_baseline(train, test, VIEW) == pytest.approx({"top1": 100 * top1, "rank1": 100 * rank1})


def test_large_views_are_compared_at_32_pixels():
    # Stripes of one pixel in a view of 64: their mean over 2x2 is the same grey.
    view = ViewConfig(image_size=64)
    train, test = grey_split([50, 150], [0, 1]), grey_split([60, 140, 145], [0, 1, 1])
    assert pixel_baseline(train, test, view)["top1"] == 100.0


def test_the_images_as_their_own_embeddings():
    view = ViewConfig(image_size=64)
    _, test = train_and_test(SyntheticSource(identities=4, pictures=10, picture_size=40), PAPER_SPLIT)
    ((images, _),) = evaluation_batches(test, view, batch_size=64)
    # Means over 2x2 pixels, 0 to 255.
    small = images.numpy().reshape(len(test), 32, 2, 32, 2, 3).mean(axis=(2, 4)).reshape(len(test), -1)
    answers = open_model("pixels", view).answers(test, ("embedding", "hidden"))
    np.testing.assert_allclose(answers.embedding, small, atol=1e-3)
    np.testing.assert_array_equal(answers.hidden, answers.embedding)
    assert answers.embedding.max() > 100
    mirrored = images.numpy()[:, :, ::-1].reshape(len(test), 32, 2, 32, 2, 3).mean(axis=(2, 4)).reshape(len(test), -1)
    flipped = open_model("pixels", view).answers(test, ("hidden",), flip=True)
    np.testing.assert_allclose(flipped.hidden, small + mirrored, atol=1e-3)


def test_what_is_called_pixels_and_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pixels").mkdir()
    assert set(open_model("pixels", VIEW).outputs) == {"hidden", "embedding"}
    with pytest.raises(InputError, match="^--model=./pixels is not a finished run"):
        open_model("./pixels", VIEW)


def test_majority():
    # Identity 2 has most training images; two of five test images are its.
    train, test = grey_split([0] * 6, [0, 1, 2, 2, 2, 1]), grey_split([0] * 5, [2, 0, 2, 1, 1])
    assert majority_baseline(train, test) == 40.0


def test_mean_shape_in_the_crop():
    split = grey_split([0, 0], [0, 0], faces(0.5, 0.75))
    # Of the image to of the crop: (32 x - 2) / 28. 0.25: 6/28; 0.75: 22/28; 0.5: 14/28; mean nose 0.625: 18/28.
    expected = np.array([[6, 14], [22, 14], [14, 18], [14, 14], [14, 14]]) / 28
    np.testing.assert_allclose(mean_shape(split, VIEW), expected, rtol=1e-6)


def test_mean_shape_scores():
    train = grey_split([0, 0], [0, 0], faces(0.5, 0.75))
    test = grey_split([0, 0], [0, 0], faces(0.625, 0.875))
    # Mean nose 0.625. Errors 0 and 0.25 / 5 points / 0.5 between the eyes = 10%.
    scores = mean_shape_baseline(train, test, VIEW)
    assert scores["nrmse"] == pytest.approx(5.0, abs=1e-4)


def test_records_without_landmarks_are_left_out():
    landmarks = faces(0.5, 0.75, 0.1)
    landmarks[2] = np.nan
    split = grey_split([0, 0, 0], [0, 0, 0], landmarks)
    known = Split(split.source, split.records[:2])
    np.testing.assert_array_equal(mean_shape(split, VIEW), mean_shape(known, VIEW))
    assert mean_shape_baseline(known, split, VIEW) == mean_shape_baseline(known, known, VIEW)
