"""Pairs of images, of one person or of two: what verification protocols are made of."""

from typing import NamedTuple

import numpy as np


class Pairs(NamedTuple):
    """Pair `i` is the images at `first[i]` and `second[i]`.

    Attributes:
      first: int64 `[pairs]`, places in what is embedded: record indices of the source.
      second: int64 `[pairs]`, likewise.
      same: bool `[pairs]`, whether both images show one person.
      folds: int64 `[pairs]`, from 0.
    """

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    folds: np.ndarray

    @property
    def images(self) -> np.ndarray:
        """The places that any pair needs, sorted and each once, int64 `[images]`."""
        return np.unique(np.concatenate([self.first, self.second]))
