"""Scoring embeddings made elsewhere, in a `.npz` file (`kd_tf.data.embeddings_file`)."""

import numpy as np

from kd_tf.data.embeddings_file import read_embeddings, rows_of_records
from kd_tf.data.split import Split
from kd_tf.errors import InputError
from kd_tf.evaluation.answers import Answers, whole_pictures

BLOCK = 4096


class StoredEmbeddings:
    """The rows of a file, normalised as `embedding` and as they are as `hidden`.

    Args:
      path: the file.

    Raises:
      InputError: it cannot be read or is not as above.
    """

    def __init__(self, path: str):
        self._arrays = read_embeddings(path, "model")
        self.name = path
        self._rows = self._arrays["embeddings"]
        self._identities = self._arrays.get("identities")
        self.outputs = {"embedding": self._rows.shape, "hidden": self._rows.shape}

    @property
    def knows_identities(self) -> bool:
        """Whether the file says who each row is."""
        return self._identities is not None

    def own_answers(self, *, flip: bool = False) -> Answers:
        """All rows with the file's own identities, without images."""
        self._refuse(flip)
        names, identities = np.unique(self._identities, return_inverse=True)
        return Answers(identities.astype(np.int32), [str(name) for name in names], embedding=_unit(self._rows), hidden=self._rows)

    def answers(self, split: Split, outputs: tuple[str, ...], *, flip: bool = False) -> Answers:
        """The rows of a split's images; see `ScoredModel.answers`."""
        self._refuse(flip)
        rows = self._rows[self._places(split)]
        return Answers(
            identities=split.identities,
            identity_names=split.identity_names,
            embedding=_unit(rows) if "embedding" in outputs else None,
            hidden=rows if "hidden" in outputs else None,
            picture=whole_pictures(split),
        )

    def _refuse(self, flip: bool) -> None:
        if flip:
            raise InputError(f"--flip has no images to flip: {self.name} holds embeddings; add those of the flipped images to it")

    def _places(self, split: Split) -> np.ndarray:
        rows = rows_of_records(self._arrays, split.source, self.name)[split.records]
        missing = split.records[rows < 0]
        if len(missing):
            first = split.source.paths[missing[0]]
            raise InputError(f"{self.name} lacks {len(missing)} of {len(split)} images of {split.source.name}, first {first}")
        return rows


def _unit(rows: np.ndarray) -> np.ndarray:
    """Normalised in float64, some rows at a time: all of them may not fit."""
    unit = np.empty(rows.shape, np.float32)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK].astype(np.float64)
        unit[start : start + BLOCK] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return unit
