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
    nearest = nearest_rows(embeddings[queries], embeddings, excluded=queries, block=block)
    return RetrievalScore(100.0 * float(np.mean(identities[nearest] == identities[queries])), len(queries))


def nearest_rows(queries: np.ndarray, gallery: np.ndarray, *, excluded: np.ndarray | None = None, block: int = 1024) -> np.ndarray:
    """The index of the row of `gallery` nearest to each query by Euclidean distance; ties go to the lower index.

    Args:
      queries: `[queries, width]`.
      gallery: `[n, width]`.
      excluded: int `[queries]`, for each query a row that does not count; None: all rows do.
      block: queries compared at a time; memory is `block * n` numbers.
    """
    gallery = np.asarray(gallery, np.float64)
    squared_norms = np.sum(gallery**2, axis=1)
    # Equal distances differ by this much once they are sums of products.
    rounding = 1e-12 * squared_norms.max()
    nearest = []
    for start in range(0, len(queries), block):
        chosen = np.asarray(queries[start : start + block], np.float64)
        distances = squared_norms - 2 * chosen @ gallery.T
        if excluded is not None:
            distances[np.arange(len(chosen)), excluded[start : start + block]] = np.inf
        nearest.append((distances <= distances.min(axis=1, keepdims=True) + rounding).argmax(axis=1))
    return np.concatenate(nearest)
