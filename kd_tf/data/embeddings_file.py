"""Embeddings made elsewhere, in a `.npz` file.

| array | shape | what |
| --- | --- | --- |
| `embeddings` | `[n, width]` | finite numbers, not all of a row 0 |
| `names` | `[n]` | relative path of each row's image, as the data set has it; optional |
| `kernel`, `bias` | `[width, people]`, `[people]` | the identity head that makes logits of the rows; optional, for a teacher cache |
| `identities` | `[n]` | who it is, a number or a name; optional, for retrieval among the file's rows without a data set |

Without `names` the rows are the records of the data set in its order.
"""

import zipfile
import zlib

import numpy as np

from kd_tf.data.source import Source
from kd_tf.errors import InputError, first_line

_LABELS = ("names", "identities")


def read_embeddings(path: str, flag: str) -> dict[str, np.ndarray]:
    """The arrays of a file that are there.

    Args:
      path: the file.
      flag: named in messages.

    Raises:
      InputError: it cannot be read or is not as above.
    """
    where = f"--{flag}={path}"
    arrays, has = _load(where, path, ("embeddings", *_LABELS))
    if "embeddings" not in arrays:
        raise InputError(f"{where} lacks the array 'embeddings' (it has: {has})")
    arrays["embeddings"] = _checked_rows(where, arrays["embeddings"])
    return arrays | {key: _checked_labels(where, key, arrays[key], len(arrays["embeddings"])) for key in _LABELS if key in arrays}


def read_head(path: str, flag: str, width: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Kernel and bias of the identity head over rows of `width`; None: the file has none. The rest as in `read_embeddings`."""
    where = f"--{flag}={path}"
    arrays, _ = _load(where, path, ("kernel", "bias"))
    if "kernel" not in arrays:
        return None
    kernel = arrays["kernel"]
    bias = arrays.get("bias", np.zeros(kernel.shape[-1:], np.float32))
    if kernel.ndim != 2 or kernel.shape[0] != width or bias.shape != kernel.shape[1:]:
        raise InputError(f"{where}: 'kernel' {list(kernel.shape)} and 'bias' {list(bias.shape)} do not fit 'embeddings' of width {width}")
    return kernel, bias


def rows_of_records(arrays: dict[str, np.ndarray], source: Source, file: str) -> np.ndarray:
    """The row of each record, int64 `[records]`; -1: it has none.

    Raises:
      InputError: nothing says which row is whose.
    """
    rows = len(arrays["embeddings"])
    if "names" not in arrays:
        if rows != len(source):
            raise InputError(
                f"{file} has {rows} rows and {source.name} {len(source)} images: without an array 'names' there must be one row for each "
                "image of the data set, in its order"
            )
        return np.arange(rows)
    paths = getattr(source, "paths", None)
    if paths is None:
        raise InputError(f"the images of {source.name} have no names to join with 'names' of {file}: leave that array out")
    places = {str(name): place for place, name in enumerate(arrays["names"])}
    return np.array([places.get(path, -1) for path in paths], np.int64)


def _load(where: str, path: str, keys: tuple[str, ...]) -> tuple[dict[str, np.ndarray], str]:
    """Those of the arrays that are there, and what there is, in words."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in keys if key in file.files}, ", ".join(file.files) or "none"
    except FileNotFoundError as error:
        raise InputError(f"{where} does not exist") from error
    except (OSError, ValueError, EOFError, TypeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{where} cannot be read as .npz: {first_line(error)}") from error


def _checked_rows(where: str, rows: np.ndarray) -> np.ndarray:
    if rows.ndim != 2 or not rows.size or rows.dtype.kind not in "fiu":
        raise InputError(f"{where}: 'embeddings' must be numbers of shape [n, width], it is {rows.dtype} {list(rows.shape)}")
    with np.errstate(over="ignore"):
        rows = rows.astype(np.float32, copy=False)
    for fault, wrong in (("not finite", ~np.isfinite(rows).all(axis=1)), ("all 0 and has no direction", ~rows.any(axis=1))):
        if wrong.any():
            raise InputError(f"{where}: 'embeddings' row {wrong.argmax()} is {fault} ({wrong.sum()} of {len(rows)} rows)")
    return rows


def _checked_labels(where: str, key: str, labels: np.ndarray, rows: int) -> np.ndarray:
    if labels.shape != (rows,):
        raise InputError(f"{where}: {key!r} must be of shape [{rows}], as there are rows; it is {list(labels.shape)}")
    kinds, expected = ("US", "text") if key == "names" else ("USiu", "text or whole numbers")
    if labels.dtype.kind not in kinds:
        raise InputError(f"{where}: {key!r} must be {expected}, it is {labels.dtype}")
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    values, counts = np.unique(labels, return_counts=True)
    if key == "names" and len(values) < rows:
        raise InputError(f"{where}: 'names' has {values[counts.argmax()]} {counts.max()} times")
    return labels
