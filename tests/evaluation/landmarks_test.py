import numpy as np
import pytest
from scipy.integrate import trapezoid

from kd_tf.errors import InputError
from kd_tf.evaluation.landmarks import ced_area, ced_curve, in_pixels, landmark_scores, mean_standard_error, normalized_errors

FACE = np.array([[30.0, 40.0], [70.0, 40.0], [50.0, 60.0], [35.0, 80.0], [65.0, 80.0]])


def _moved(*offsets):
    return FACE + np.array(offsets)


def test_errors_by_hand():
    # Eyes 40 apart. Nose off by (3, 4): 5 / 5 points = 1, 2.5%. All off by 8 down: 20%.
    true_landmarks = np.stack([FACE, FACE, FACE])
    landmarks = np.stack([FACE, _moved((0, 0), (0, 0), (3, 4), (0, 0), (0, 0)), FACE + [0, 8]])
    np.testing.assert_allclose(normalized_errors(true_landmarks, landmarks), [0.0, 2.5, 20.0])


def test_the_unit_is_the_distance_of_the_true_eyes():
    # True eyes (6, 8) apart: 10. The right eye is off by 10 of five points: 2, 20%.
    true_landmarks = np.array([[[0.0, 0.0], [6.0, 8.0], [5.0, 5.0], [5.0, 5.0], [5.0, 5.0]]])
    landmarks = true_landmarks.copy()
    landmarks[0, 1] = [16.0, 8.0]
    np.testing.assert_allclose(normalized_errors(true_landmarks, landmarks), [20.0])


def test_scores_by_hand():
    # Errors 0, 2.5, 20 and exactly 10 (all off by 4 of 40), which is no failure. Area: (1 + 0.75 + 0 + 0) / 4.
    true_landmarks = np.stack([FACE] * 4)
    landmarks = np.stack([FACE, _moved((0, 0), (0, 0), (3, 4), (0, 0), (0, 0)), FACE + [0, 8], FACE + [4, 0]])
    scores = landmark_scores(true_landmarks, landmarks)
    assert scores == {"nrmse": pytest.approx(8.125), "failure_rate": 25.0, "ced_area": pytest.approx(43.75)}


def test_the_standard_error_by_hand():
    # Deviations from 5: -4 and -2 of one person, 0 and 6 of the other. 2 / 1 * (36 + 36) / 16 = 9.
    assert mean_standard_error(np.array([1.0, 3.0, 5.0, 11.0]), np.array([7, 7, 2, 2])) == pytest.approx(3.0)


def test_the_standard_error_of_people_with_one_image_each():
    errors = np.random.default_rng(0).exponential(size=50)
    assert mean_standard_error(errors, np.arange(50)) == pytest.approx(np.std(errors, ddof=1) / np.sqrt(50))


def test_the_standard_error_is_how_means_differ():
    """Of 40 people with 5 images each: those of a person are alike, and the error of independent images would be half as large."""
    random, people = np.random.default_rng(0), np.repeat(np.arange(40), 5)
    samples = random.normal(size=[2000, 40])[:, people] + random.normal(scale=0.7, size=[2000, 200])
    claimed = np.mean([mean_standard_error(sample, people) for sample in samples])
    assert claimed == pytest.approx(np.std(samples.mean(axis=1)), rel=0.05)
    assert np.std(samples) / np.sqrt(200) < 0.6 * claimed


def test_the_unit_of_the_points_does_not_matter():
    random = np.random.RandomState(0)
    landmarks = FACE + random.normal(size=[6, 5, 2])
    true_landmarks = FACE + random.normal(size=[6, 5, 2])
    np.testing.assert_allclose(normalized_errors(true_landmarks / 100, landmarks / 100), normalized_errors(true_landmarks, landmarks))


def test_eyes_at_one_place():
    true_landmarks = np.stack([FACE, FACE, FACE])
    true_landmarks[1, 1] = true_landmarks[1, 0]
    with pytest.raises(InputError, match="image 1 has both eyes at one place"):
        landmark_scores(true_landmarks, true_landmarks)


def test_the_curve_by_hand():
    thresholds, shares = ced_curve(np.array([4.0, 12.0, 1.0, 4.0]))
    # 0% below 1, then one of four, from 4 on three of four; 12 is beyond the limit.
    assert thresholds.tolist() == [0, 1, 1, 4, 4, 10]
    assert shares.tolist() == [0, 0, 25, 25, 75, 75]


def test_errors_at_the_ends_of_the_curve():
    thresholds, shares = ced_curve(np.array([0.0, 0.0, 10.0, 10.5]))
    assert thresholds.tolist() == [0, 0, 0, 10, 10, 10]
    assert shares.tolist() == [0, 0, 50, 50, 75, 75]


def test_a_curve_that_stays_at_nothing():
    thresholds, shares = ced_curve(np.array([11.0, np.inf]))
    assert (thresholds.tolist(), shares.tolist()) == ([0, 10], [0, 0])
    assert ced_area(np.array([11.0, np.inf])) == 0.0


def test_the_area_by_hand():
    # 25% over 3 of 10 and 75% over 6: 7.5 + 45.
    assert ced_area(np.array([4.0, 12.0, 1.0, 4.0])) == pytest.approx(52.5)
    # With a limit of 5: 25% over 3 of 5 and 75% over 1.
    assert ced_area(np.array([4.0, 12.0, 1.0, 4.0]), limit=5.0) == pytest.approx(30.0)
    assert ced_area(np.zeros(3)) == 100.0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("limit", [3.0, 8.0, 10.0])
def test_the_area_is_that_under_the_curve(seed, limit):
    # Rounded errors tie, and some are at the limit.
    errors = np.random.default_rng(seed).gamma(2.0, 3.0, 50).round(seed % 2)
    thresholds, shares = ced_curve(errors, limit)
    assert 0 < ced_area(errors, limit) < 100
    assert trapezoid(shares, thresholds) / limit == pytest.approx(ced_area(errors, limit))
    # The middles of a fine grid, none of which is where the curve rises.
    grid = (np.arange(30_000) + 0.5) * limit / 30_000
    counted = 100 * np.mean(errors[:, np.newaxis] <= grid, axis=0)
    assert counted.mean() == pytest.approx(ced_area(errors, limit), abs=1e-2)
    places = np.searchsorted(thresholds, grid, side="right") - 1
    np.testing.assert_allclose(shares[places], counted)


@pytest.mark.parametrize("score", [ced_curve, ced_area])
@pytest.mark.parametrize(
    ("errors", "limit", "message"),
    [
        ([], 10.0, "a cumulative error curve needs errors and a limit above 0, found 0 errors and the limit 10.0"),
        ([1.0], 0.0, "a cumulative error curve needs errors and a limit above 0, found 1 errors and the limit 0.0"),
        ([1.0, np.nan], 10.0, "the landmark error of image 1 is nan: expected a number from 0"),
        ([1.0, 2.0, -3.0], 10.0, "the landmark error of image 2 is -3.0: expected a number from 0"),
    ],
)
def test_errors_that_are_none(score, errors, limit, message):
    with pytest.raises(InputError) as error:
        score(np.array(errors), limit)
    assert str(error.value) == message


def test_errors_of_images_that_are_not_square_are_measured_in_pixels():
    """CelebA's 178 x 218: eight pixels to the side and eight downwards are the same error, 8 / 37 of the interocular distance."""
    true_landmarks = np.array([[[69.0, 109.0], [106.0, 109.0], [77.0, 142.0], [73.0, 152.0], [108.0, 154.0]]])
    for shift in ([8.0, 0.0], [0.0, 8.0]):
        fractions = [in_pixels(points / [178, 218], 178 / 218) for points in (true_landmarks, true_landmarks + shift)]
        np.testing.assert_allclose(normalized_errors(*fractions), [100 * 8 / 37], rtol=1e-5)
