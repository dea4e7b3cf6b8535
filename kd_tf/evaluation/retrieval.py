"""Rank-1 retrieval, the paper's verification score: is the nearest other test image of the same identity?"""

from typing import NamedTuple

import numpy as np

from kd_tf.errors import InputError


class RetrievalScore(NamedTuple):
    """`rank1` in percent of the `queries`: images whose identity has another image among all of them."""

    rank1: float
    queries: int


def rank1_retrieval(embeddings: np.ndarray, identities: np.ndarray, *, block: int = 1024) -> RetrievalScore:
    """`rank1_score` of `nearest_others`, whose arguments these are."""
    return rank1_score(identities, *nearest_others(embeddings, identities, block=block))


def rank1_score(identities: np.ndarray, queries: np.ndarray, nearest: np.ndarray) -> RetrievalScore:
    """How many queries found their identity: int `[n]`, and what `nearest_others` returns."""
    return RetrievalScore(100.0 * float(np.mean(identities[nearest] == identities[queries])), len(queries))


def nearest_others(
    embeddings: np.ndarray, identities: np.ndarray, *, gallery: np.ndarray | None = None, block: int = 1024
) -> tuple[np.ndarray, np.ndarray]:
    """For each image the nearest other image by Euclidean distance; ties go to the lower index.

    Identities with one image are no queries but stay in the gallery.

    Args:
      embeddings: float `[n, width]`.
      identities: int `[n]`.
      gallery: float `[n, width]`, the rows of the same images that are searched; None: `embeddings`.
      block: images compared at a time with as many others; see `nearest_rows`.

    Returns:
      The queries, and the image nearest to each; both int64 `[queries]`, indices into the arguments.

    Raises:
      InputError: no identity has two images, or an embedding is not finite.
    """
    _, inverse, counts = np.unique(identities, return_inverse=True, return_counts=True)
    queries = np.flatnonzero(counts[inverse] >= 2)
    if not len(queries):
        raise InputError(f"retrieval needs an identity with two images; the {len(identities)} images are of as many identities")
    searched = embeddings if gallery is None else gallery
    return queries, nearest_rows(embeddings[queries], searched, excluded=queries, block=block)


def nearest_rows(queries: np.ndarray, gallery: np.ndarray, *, excluded: np.ndarray | None = None, block: int = 1024) -> np.ndarray:
    """The index of the row of `gallery` nearest to each query by Euclidean distance; ties go to the lower index.

    Args:
      queries: `[queries, width]`.
      gallery: `[n, width]`.
      excluded: int `[queries]`, for each query a row that does not count; None: all rows do.
      block: queries compared at a time with as many rows. Beyond the arguments, memory is about `2 * block * (width + block) + n`
        float64 numbers, whatever the arguments' own precision.

    Raises:
      InputError: a row of either is not finite.
    """
    squared_norms = _squared_norms(gallery, block)
    _squared_norms(queries, block)
    nearest = []
    for start in range(0, len(queries), block):
        part = slice(start, start + block)
        nearest.append(_nearest(queries[part], gallery, squared_norms, None if excluded is None else excluded[part], block))
    return np.concatenate(nearest)


def _squared_norms(rows: np.ndarray, block: int) -> np.ndarray:
    parts = (np.asarray(rows[start : start + block], np.float64) for start in range(0, len(rows), block))
    squared_norms = np.concatenate([np.einsum("ij,ij->i", part, part) for part in parts])
    wrong = np.flatnonzero(~np.isfinite(squared_norms))
    if len(wrong):
        raise InputError(f"the embedding of image {wrong[0]} of {len(rows)} is not finite: it has no nearest other")
    return squared_norms


def _nearest(queries: np.ndarray, gallery: np.ndarray, squared_norms: np.ndarray, excluded: np.ndarray | None, block: int) -> np.ndarray:
    """`nearest_rows` of one block of queries, given the gallery's squared norms.

    Blocks are visited from the last to the first: one that comes as near as the least distance so far has lower indices,
    so that its first row as near as that is the answer until an earlier block has one.
    """
    queries = np.asarray(queries, np.float64)
    # Equal distances differ by this much once they are sums of products.
    rounding = 1e-12 * squared_norms.max()
    least, nearest = np.full(len(queries), np.inf), np.zeros(len(queries), np.int64)
    for start in reversed(range(0, len(gallery), block)):
        distances = _distances(queries, gallery[start : start + block], squared_norms[start : start + block])
        if excluded is not None:
            inside = np.flatnonzero((excluded >= start) & (excluded < start + block))
            distances[inside, excluded[inside] - start] = np.inf
        least = np.minimum(least, distances.min(axis=1))
        as_near = distances <= least[:, np.newaxis] + rounding
        nearest = np.where(as_near.any(axis=1), start + as_near.argmax(axis=1), nearest)
    return nearest


def _distances(queries: np.ndarray, rows: np.ndarray, squared_norms: np.ndarray) -> np.ndarray:
    """Squared, less the query's own squared norm, which is the same for all rows."""
    distances = queries @ np.asarray(rows, np.float64).T
    distances *= -2
    distances += squared_norms
    return distances
