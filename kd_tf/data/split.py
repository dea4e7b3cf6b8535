"""Which records are for training and which for testing."""

import dataclasses

import numpy as np

from kd_tf.data.source import Source
from kd_tf.errors import InputError

TEST_SHARE = 0.2


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Some records of a source, in ascending order.

    Attributes:
      source: where they are.
      records: int64 `[n]`, indices into the source.
    """

    source: Source
    records: np.ndarray

    def __len__(self) -> int:
        return len(self.records)

    @property
    def identities(self) -> np.ndarray:
        """int32 `[n]`."""
        return self.source.identities[self.records]

    @property
    def landmarks(self) -> np.ndarray:
        """float32 `[n, 5, 2]`.

        Raises:
          InputError: the source has none.
        """
        if self.source.landmarks is None:
            raise InputError(f"{self.source.name} has no landmarks, which --task=alignment needs")
        return self.source.landmarks[self.records]

    def with_landmarks(self) -> "Split":
        """Those records whose landmarks are known."""
        known = np.isfinite(self.landmarks).all(axis=(1, 2))
        if not known.any():
            raise InputError(f"{self.source.name}: no record of the split has landmarks")
        return Split(self.source, self.records[known])


def train_and_test(source: Source, *, seed: int) -> tuple[Split, Split]:
    """The paper's split: a random 80% of the images and the rest, chosen by `seed`.

    Raises:
      InputError: fewer than five records.
    """
    if len(source) < 5:
        raise InputError(f"{source.name} has {len(source)} images: too few for a split into training and test")
    test_records = round(len(source) * TEST_SHARE)
    shuffled = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed))).permutation(len(source))
    return Split(source, np.sort(shuffled[test_records:])), Split(source, np.sort(shuffled[:test_records]))
