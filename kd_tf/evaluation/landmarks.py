"""Scores of landmarks: errors over the distance between the eyes."""

import numpy as np

FAILURE_PERCENT = 10.0


def normalized_errors(true_landmarks: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Per image, the mean distance of the five points from the true ones over the interocular distance.

    Args:
      true_landmarks: `[n, 5, 2]`, in any unit that is the same for x and y.
      landmarks: `[n, 5, 2]`, likewise.

    Returns:
      Percent, `[n]`.

    Raises:
      ValueError: an image whose two eyes are at one place.
    """
    interocular_distance = np.linalg.norm(true_landmarks[:, 0] - true_landmarks[:, 1], axis=-1)
    if not interocular_distance.all():
        raise ValueError(f"image {int(np.argmin(interocular_distance))} has both eyes at one place: its error has no unit")
    errors = np.linalg.norm(true_landmarks - landmarks, axis=-1).mean(axis=-1)
    return 100.0 * errors / interocular_distance


def landmark_scores(true_landmarks: np.ndarray, landmarks: np.ndarray) -> dict[str, float]:
    """`nrmse`, the mean of `normalized_errors`, and `failure_rate`, the percent of images above 10%."""
    errors = normalized_errors(true_landmarks, landmarks)
    return {"nrmse": float(errors.mean()), "failure_rate": 100.0 * float(np.mean(errors > FAILURE_PERCENT))}
