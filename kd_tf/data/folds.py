"""Folds that are held out. A data set's files and the flags count folds from 1, arrays from 0."""

from collections.abc import Sequence

import numpy as np

from kd_tf.errors import InputError


def in_test_folds(folds: np.ndarray | None, test_folds: Sequence[int], name: str) -> np.ndarray:
    """Which records or pairs are in one of some folds.

    Args:
      folds: int `[n]`, the fold of each, from 0; None: the data set has no folds.
      test_folds: from 1.
      name: of the data set, for messages.

    Returns:
      bool `[n]`.

    Raises:
      InputError: there are no folds, or nobody is in one of `test_folds`, or there is no other fold.
    """
    flag = f"--test_folds={','.join(map(str, test_folds))}"
    if folds is None:
        raise InputError(f"{flag}: {name} has no folds of people; lfw:PATH with people.txt has some, and packs that are made of it have")
    there = (np.unique(folds) + 1).tolist()
    missing = [fold for fold in test_folds if fold not in there]
    if missing:
        raise InputError(f"{flag}: {name} has nobody in fold {missing[0]}; there are folds {', '.join(map(str, there))}")
    if set(test_folds) == set(there):
        raise InputError(f"{flag}: {name} has no other fold")
    return np.isin(folds + 1, test_folds)
