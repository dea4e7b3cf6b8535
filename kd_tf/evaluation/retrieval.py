"""Rank-1 retrieval, the paper's verification score: is the nearest other test image of the same identity?"""

from typing import NamedTuple

import numpy as np

from kd_tf.errors import InputError


class RetrievalScore(NamedTuple):
    """`rank1` in percent of the `queries`: images whose identity has another image among all of them."""

    rank1: float
    queries: int


def rank1_retrieval(embeddings: np.ndarray, identities: np.ndarray, *, block: int = 1024) -> RetrievalScore:
    """For each image the nearest other image by Euclidean distance; ties go to the lower index.

    Identities with one image are no queries but stay in the gallery.

    Args:
      embeddings: float `[n, width]`.
      identities: int `[n]`.
      block: queries compared at a time; memory is `block * n` floats.

    Raises:
      InputError: no identity has two images.
    """
    _, inverse, counts = np.unique(identities, return_inverse=True, return_counts=True)
    queries = np.flatnonzero(counts[inverse] >= 2)
    if not len(queries):
        raise InputError(f"retrieval needs an identity with two images; the {len(identities)} images are of as many identities")
    embeddings = np.asarray(embeddings, np.float32)
    squared_norms = np.sum(embeddings**2, axis=1)
    right = 0
    for start in range(0, len(queries), block):
        chosen = queries[start : start + block]
        distances = squared_norms - 2 * embeddings[chosen] @ embeddings.T
        distances[np.arange(len(chosen)), chosen] = np.inf
        right += int(np.sum(identities[distances.argmin(axis=1)] == identities[chosen]))
    return RetrievalScore(100.0 * right / len(queries), len(queries))
