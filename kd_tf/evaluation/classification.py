"""Closed-set identification."""

import numpy as np

from kd_tf.errors import InputError


def top1_accuracy(predicted: np.ndarray, identities: np.ndarray) -> float:
    """Percent of images whose most probable identity is right; both are int `[n]`."""
    return 100.0 * float(np.mean(predicted == identities))


def topk_accuracy(ranks: np.ndarray, k: int) -> float:
    """Percent of images whose true identity is among the `k` most probable.

    Args:
      ranks: int `[n]`, how many identities are more probable than the true one; 0: it is the most probable.
      k: at least 1.

    Raises:
      InputError: no images, a rank below 0, or `k` below 1.
    """
    ranks = np.asarray(ranks)
    if k < 1 or not ranks.size or ranks.min() < 0:
        lowest = f", the lowest {ranks.min()}" if ranks.size else ""
        raise InputError(f"top-k needs k of 1 or more and ranks from 0, found k={k} and {ranks.size} ranks{lowest}")
    return 100.0 * float(np.mean(ranks < k))
