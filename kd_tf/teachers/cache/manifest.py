"""What a teacher cache holds, and of what."""

import dataclasses
import json
import os

from kd_tf.data.aligned import unaligned
from kd_tf.data.digest import data_digest
from kd_tf.data.source import Source
from kd_tf.data.views import VIEW_FUNCTION, ViewConfig
from kd_tf.errors import InputError

MANIFEST_FILE = "manifest.json"
CACHE_DTYPES = ("float16", "float32")
FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a cache holds.

    Attributes:
      teacher: a digest of the teacher's weights.
      data: a digest of the data set's records.
      data_name: the data set, for messages.
      view: what chose the views (`view_facts`); None: the teacher saw the images in a way of its own.
      views: how many training views there are, from view 0 on; 0: there is the evaluation view alone.
      width: of K_T.
      dtype: of K_T, `float16` or `float32`.
      part_rows: rows in a part; the last part of a view may have fewer.
      precision: what the teacher's layers computed in.
      format: of the files.
    """

    teacher: str
    data: str
    data_name: str
    view: dict | None
    views: int
    width: int
    dtype: str
    part_rows: int
    precision: str = "float32"
    format: int = FORMAT

    def __post_init__(self):
        if self.format != FORMAT:
            raise ValueError(f"it has format {self.format}, and this program reads format {FORMAT}")
        if self.dtype not in CACHE_DTYPES:
            raise ValueError(f"dtype {self.dtype!r} is none of {', '.join(CACHE_DTYPES)}")
        if not (self.views >= 0 and self.width > 0 and self.part_rows > 0):
            raise ValueError(f"views {self.views}, width {self.width} or part_rows {self.part_rows} cannot be")


def read_manifest(path: str) -> Manifest:
    """That of the cache in directory `path`.

    Raises:
      InputError: there is none, or it cannot be read.
    """
    file = os.path.join(path, MANIFEST_FILE)
    try:
        with open(file, encoding="utf-8") as text:
            return Manifest(**json.load(text))
    except FileNotFoundError as error:
        raise InputError(f"{path} is no teacher cache (no {MANIFEST_FILE})") from error
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error


def records_digest(source: Source, facts: dict | None) -> str:
    """Of the records that a teacher saw: aligned as its students see them, or, where it sees them in its own way, as they are.

    Args:
      source: as the students' data set is opened.
      facts: the manifest's `view`.
    """
    if facts is None:
        return data_digest(unaligned(source))
    if "align" in facts:
        return data_digest(source)
    # By which it may align faces.
    return data_digest(unaligned(source), unaligned(source).landmarks)


def view_facts(view: ViewConfig, *, own_view: bool = False) -> dict:
    """What the views of a record are chosen by; a teacher with a view of its own does not see its students' sizes."""
    sizes = () if own_view else ("image_size", "central_fraction", "align")
    return {name: getattr(view, name) for name in (*sizes, "jitter", "seed")} | {"view_function": VIEW_FUNCTION}
