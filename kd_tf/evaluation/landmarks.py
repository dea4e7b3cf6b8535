"""Scores of landmarks: errors over the distance between the eyes."""

import math

import numpy as np

from kd_tf.errors import InputError

FAILURE_PERCENT = 10.0


def normalized_errors(true_landmarks: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Per image, the mean distance of the five points from the true ones over the interocular distance.

    Args:
      true_landmarks: `[n, 5, 2]`, in any unit that is the same for x and y.
      landmarks: `[n, 5, 2]`, likewise.

    Returns:
      Percent, `[n]`.

    Raises:
      InputError: an image whose two eyes are at one place.
    """
    interocular_distance = np.linalg.norm(true_landmarks[:, 0] - true_landmarks[:, 1], axis=-1)
    if not interocular_distance.all():
        raise InputError(f"image {int(np.argmin(interocular_distance))} has both eyes at one place: its error has no unit")
    errors = np.linalg.norm(true_landmarks - landmarks, axis=-1).mean(axis=-1)
    return 100.0 * errors / interocular_distance


def ced_curve(errors: np.ndarray, limit: float = FAILURE_PERCENT) -> tuple[np.ndarray, np.ndarray]:
    """The cumulative distribution of the errors up to a limit: a step function, by the corners of its line.

    Args:
      errors: percent, `[n]`.
      limit: percent.

    Returns:
      Thresholds, percent `[corners]` from 0 to `limit`, and the percent `[corners]` of errors that do not exceed them. A threshold at
      which the line rises is there twice, with the share below it and the share at it.

    Raises:
      InputError: no errors, one below 0 or not a number, or a limit that is not above 0.
    """
    errors = _checked_errors(errors, limit)
    values, counts = np.unique(errors[errors <= limit], return_counts=True)
    shares = 100.0 * np.append(0, np.cumsum(counts)) / len(errors)
    return np.concatenate([[0.0], np.repeat(values, 2), [limit]]), np.repeat(shares, 2)


def ced_area(errors: np.ndarray, limit: float = FAILURE_PERCENT) -> float:
    """The area under `ced_curve` over that of a curve that is 100% from 0 to the limit, in percent."""
    return 100.0 * float(np.mean(np.maximum(0.0, 1.0 - _checked_errors(errors, limit) / limit)))


def in_pixels(landmarks: np.ndarray, aspect_ratio: float) -> np.ndarray:
    """Fractions of an image's width and height, `[n, 5, 2]`, in one unit: its height; `aspect_ratio` is width over height."""
    return landmarks * np.array([aspect_ratio, 1.0], np.float32)


def landmark_scores(true_landmarks: np.ndarray, landmarks: np.ndarray, people: np.ndarray | None = None) -> dict[str, float]:
    """What there is to say of the `normalized_errors` of some images, in percent.

    Args:
      true_landmarks: `[n, 5, 2]`, as in `normalized_errors`.
      landmarks: `[n, 5, 2]`, likewise.
      people: int `[n]`, who is on each image; None: nobody knows.

    Returns:
      `nrmse`, their mean, `failure_rate`, the images above 10%, `ced_area` up to 10%, and of two or more `people`
      `nrmse_standard_error`, see `mean_standard_error`.
    """
    errors = normalized_errors(true_landmarks, landmarks)
    failure_rate = 100.0 * float(np.mean(errors > FAILURE_PERCENT))
    scores = {"nrmse": float(errors.mean()), "failure_rate": failure_rate, "ced_area": ced_area(errors)}
    if people is not None and len(np.unique(people)) > 1:
        scores["nrmse_standard_error"] = mean_standard_error(errors, people)
    return scores


def mean_standard_error(errors: np.ndarray, people: np.ndarray) -> float:
    """How sure a mean over images is where images of one person are no independent trials.

    The variance is the sum over the people of the squared sum of their deviations, over the square of the number of images, times
    people / (people - 1): the cluster-robust variance of a mean (Cameron and Miller 2015).

    Args:
      errors: `[n]`.
      people: int `[n]`, who is on each image; two or more of them.

    Returns:
      In the unit of the errors.
    """
    names, numbers = np.unique(people, return_inverse=True)
    sums = np.bincount(numbers, errors - np.mean(errors))
    return math.sqrt(len(names) / (len(names) - 1) * np.sum(sums**2)) / len(errors)


def _checked_errors(errors: np.ndarray, limit: float) -> np.ndarray:
    errors = np.asarray(errors, np.float64)
    if not len(errors) or not limit > 0:
        raise InputError(f"a cumulative error curve needs errors and a limit above 0, found {len(errors)} errors and the limit {limit}")
    wrong = np.flatnonzero(~(errors >= 0))
    if len(wrong):
        raise InputError(f"the landmark error of image {wrong[0]} is {errors[wrong[0]]}: expected a number from 0")
    return errors
