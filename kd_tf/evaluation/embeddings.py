"""Embeddings made elsewhere, in a `.npz` file.

| array | shape | what |
| --- | --- | --- |
| `embeddings` | `[n, width]` | finite numbers, not all of a row 0 |
| `names` | `[n]` | relative path of each row's image, as the data set has it; optional |
| `identities` | `[n]` | who it is, a number or a name; optional, for retrieval among the file's rows without a data set |

Without `names` the rows are the records of the data set in its order.
"""

import zipfile
import zlib

import numpy as np

from kd_tf.data.source import Source, decode_image
from kd_tf.data.split import Split
from kd_tf.errors import InputError, first_line
from kd_tf.evaluation.answers import Answers

BLOCK = 4096


class StoredEmbeddings:
    """The rows of a file, normalised as `embedding` and as they are as `hidden`.

    Args:
      path: the file.

    Raises:
      InputError: it cannot be read or is not as above.
    """

    def __init__(self, path: str):
        arrays = _read(path)
        self.name = path
        self._rows = arrays["embeddings"]
        self._names = arrays.get("names")
        self._identities = arrays.get("identities")
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
            picture=lambda place: decode_image(split.source.read([split.records[place]])[0]).numpy(),
        )

    def _refuse(self, flip: bool) -> None:
        if flip:
            raise InputError(f"--flip has no images to flip: {self.name} holds embeddings; add those of the flipped images to it")

    def _places(self, split: Split) -> np.ndarray:
        if self._names is not None:
            return self._places_by_name(split)
        if len(self._rows) != len(split.source):
            raise InputError(
                f"{self.name} has {len(self._rows)} rows and {split.source.name} {len(split.source)} images: without an array 'names' "
                "there must be one row for each image of the data set, in its order"
            )
        return split.records

    def _places_by_name(self, split: Split) -> np.ndarray:
        paths = _image_paths(split.source, self.name)
        places = {str(name): place for place, name in enumerate(self._names)}
        missing = [paths[record] for record in split.records if paths[record] not in places]
        if missing:
            raise InputError(f"{self.name} lacks {len(missing)} of {len(split)} images of {split.source.name}, first {missing[0]}")
        return np.array([places[paths[record]] for record in split.records], np.int64)


def _image_paths(source: Source, file: str) -> list[str]:
    paths = getattr(source, "paths", None)
    if paths is None:
        raise InputError(f"the images of {source.name} have no names to join with 'names' of {file}: leave that array out")
    return paths


def _read(path: str) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in ("embeddings", "names", "identities") if key in file.files}
            has = ", ".join(file.files) or "none"
    except FileNotFoundError as error:
        raise InputError(f"--model={path} does not exist") from error
    except (OSError, ValueError, EOFError, TypeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"--model={path} cannot be read as .npz: {first_line(error)}") from error
    if "embeddings" not in arrays:
        raise InputError(f"--model={path} lacks the array 'embeddings' (it has: {has})")
    arrays["embeddings"] = _checked_rows(path, arrays["embeddings"])
    return arrays | {key: _checked_labels(path, key, arrays[key], len(arrays["embeddings"])) for key in arrays if key != "embeddings"}


def _checked_rows(path: str, rows: np.ndarray) -> np.ndarray:
    if rows.ndim != 2 or not rows.size or rows.dtype.kind not in "fiu":
        raise InputError(f"--model={path}: 'embeddings' must be numbers of shape [n, width], it is {rows.dtype} {list(rows.shape)}")
    with np.errstate(over="ignore"):
        rows = rows.astype(np.float32, copy=False)
    for fault, wrong in (("not finite", ~np.isfinite(rows).all(axis=1)), ("all 0 and has no direction", ~rows.any(axis=1))):
        if wrong.any():
            raise InputError(f"--model={path}: 'embeddings' row {wrong.argmax()} is {fault} ({wrong.sum()} of {len(rows)} rows)")
    return rows


def _checked_labels(path: str, key: str, labels: np.ndarray, rows: int) -> np.ndarray:
    if labels.shape != (rows,):
        raise InputError(f"--model={path}: {key!r} must be of shape [{rows}], as there are rows; it is {list(labels.shape)}")
    kinds, expected = ("US", "text") if key == "names" else ("USiu", "text or whole numbers")
    if labels.dtype.kind not in kinds:
        raise InputError(f"--model={path}: {key!r} must be {expected}, it is {labels.dtype}")
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    values, counts = np.unique(labels, return_counts=True)
    if key == "names" and len(values) < rows:
        raise InputError(f"--model={path}: 'names' has {values[counts.argmax()]} {counts.max()} times")
    return labels


def _unit(rows: np.ndarray) -> np.ndarray:
    """Normalised in float64, some rows at a time: all of them may not fit."""
    unit = np.empty(rows.shape, np.float32)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK].astype(np.float64)
        unit[start : start + BLOCK] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return unit
