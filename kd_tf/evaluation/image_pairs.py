"""All pairs of test images, or a sample of them: what is looked at where nobody gave a list of pairs."""

from typing import NamedTuple

import numpy as np

from kd_tf.evaluation.pairs import pair_distances

LIMIT = 1_000_000
BLOCK = 10_000


class ImagePairs(NamedTuple):
    """Pair `i` is the images at `first[i]` and `second[i]`.

    Attributes:
      first: int64 `[pairs]`, places in the test split.
      second: int64 `[pairs]`, likewise.
      same: bool `[pairs]`, whether both show one person.
      total: how many pairs there are, with those left out.
    """

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    total: int

    @classmethod
    def of(cls, identities: np.ndarray, *, limit: int = LIMIT) -> "ImagePairs":
        """All pairs; where they are more than `limit`, half as many of either kind at most, always the same ones.

        Accept rates of one kind do not depend on how many of the other kind are looked at.

        Args:
          identities: int `[images]`.
          limit: at least 2.
        """
        total = len(identities) * (len(identities) - 1) // 2
        if total <= limit:
            first, second = np.triu_indices(len(identities), k=1)
        else:
            random = np.random.default_rng(0)
            same, different = _same_pairs(identities), _different_pairs(identities, random, limit // 2)
            if same.shape[1] > limit // 2:
                same = same[:, random.choice(same.shape[1], limit // 2, replace=False)]
            first, second = np.concatenate([same, different], axis=1)
        return cls(first, second, identities[first] == identities[second], total)

    @property
    def words(self) -> str:
        """How many they are, and of how many."""
        same = int(self.same.sum())
        sample = f", a sample of {self.total:,}" if len(self.same) < self.total else ""
        return f"{same:,} pairs of one person and {len(self.same) - same:,} of two{sample}"

    def distances(self, embeddings: np.ndarray) -> np.ndarray:
        """Squared distances, 0 to 4, float64 `[pairs]`, between unit vectors `[images, width]`; some at a time."""
        starts = range(0, len(self.first), BLOCK)
        places = ((self.first[start : start + BLOCK], self.second[start : start + BLOCK]) for start in starts)
        return np.concatenate([pair_distances(embeddings[first], embeddings[second], "squared_l2") for first, second in places])


def first_pairs(pairs: ImagePairs, kind: np.ndarray, key: np.ndarray, shown: int) -> list[int]:
    """Up to `shown` places of pairs of a kind, bool `[pairs]`, by rising `key`, float `[pairs]`; no image is in two of them."""
    places = np.flatnonzero(kind)
    chosen, seen = [], set()
    for place in places[np.argsort(key[places], kind="stable")]:
        images = {int(pairs.first[place]), int(pairs.second[place])}
        if not images & seen:
            chosen.append(int(place))
            seen |= images
        if len(chosen) == shown:
            break
    return chosen


def _same_pairs(identities: np.ndarray) -> np.ndarray:
    """All pairs of one person, int64 `[2, pairs]`."""
    order = np.argsort(identities, kind="stable")
    people = np.split(order, np.flatnonzero(np.diff(identities[order])) + 1)
    return np.concatenate([person[np.stack(np.triu_indices(len(person), k=1))] for person in people], axis=1)


def _different_pairs(identities: np.ndarray, random: np.random.Generator, count: int) -> np.ndarray:
    """Up to `count` different pairs of two people, int64 `[2, pairs]`: what is drawn twice or of one person is left out."""
    drawn = np.unique(np.sort(random.integers(len(identities), size=[2, count]), axis=0), axis=1)
    return drawn[:, identities[drawn[0]] != identities[drawn[1]]]
