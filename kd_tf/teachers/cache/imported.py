"""A cache from embeddings that were made elsewhere, of clean images."""

import hashlib

import numpy as np

from kd_tf.data.digest import data_digest
from kd_tf.data.embeddings_file import read_embeddings, read_head, rows_of_records
from kd_tf.data.source import Source
from kd_tf.teachers.cache.manifest import Manifest
from kd_tf.teachers.cache.rows import as_stored, rows_of_a_part
from kd_tf.teachers.cache.store import TeacherCache, begin_cache


def import_cache(file: str, source: Source, output: str, *, dtype: str) -> TeacherCache:
    """Stores the embeddings of a file (`kd_tf.data.embeddings_file`) as K_T of the evaluation view, as they are.

    Args:
      file: has `embeddings`, perhaps `names`, and `kernel` and `bias` where the cache is to serve soft targets.
      source: the data set; images that the file lacks are left out.
      output: the cache's directory.
      dtype: `float16` or `float32`.

    Raises:
      InputError: the file cannot be read or does not fit the data set; the directory holds something else.
    """
    arrays = read_embeddings(file, "import")
    embeddings = arrays["embeddings"]
    rows_in_file = rows_of_records(arrays, source, file)
    records = np.flatnonzero(rows_in_file >= 0)
    hidden = as_stored(embeddings[rows_in_file[records]], dtype, records)
    manifest = Manifest(
        teacher=hashlib.sha256(np.ascontiguousarray(embeddings).tobytes()).hexdigest()[:16],
        data=data_digest(source),
        data_name=source.name,
        view=None,
        views=0,
        width=embeddings.shape[1],
        dtype=dtype,
        part_rows=rows_of_a_part(len(records)),
    )
    cache = begin_cache(output, manifest, records[:0], records, read_head(file, "import", manifest.width), None)
    for _, rows, part in cache.parts():
        rows.write(part, hidden[part * manifest.part_rows :][: manifest.part_rows])
    return cache
