"""Closed-set identification."""

import numpy as np


def top1_accuracy(predicted: np.ndarray, identities: np.ndarray) -> float:
    """Percent of images whose most probable identity is right; both are int `[n]`."""
    return 100.0 * float(np.mean(predicted == identities))
