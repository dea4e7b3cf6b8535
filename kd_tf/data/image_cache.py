"""A source's canvases, decoded and resized once into a memory-mapped file: the price is paid once, not in every epoch."""

import dataclasses
import hashlib
import logging
import os
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from kd_tf.data.broken import naming_bad_images
from kd_tf.data.source import DerivedSource, Source, decode_image, read_records
from kd_tf.data.synthetic.source import encode_bmp
from kd_tf.data.untuned import untuned
from kd_tf.data.views import ViewConfig, canvas_landmarks, make_canvas
from kd_tf.errors import InputError
from kd_tf.files import partial_path

_LOGGER = logging.getLogger(__name__)


class CachedSource(DerivedSource):
    """A source whose images are the canvases of another's.

    Args:
      source: what was cached.
      canvases: uint8 `[records, canvas, canvas, 3]`.
      config: the view whose canvases they are.
    """

    def __init__(self, source: Source, canvases: np.ndarray, config: ViewConfig):
        super().__init__(source)
        self.landmarks = None if source.landmarks is None else canvas_landmarks(source.landmarks, config)
        self.trusted = True
        self._canvases = canvases

    def read(self, indices: Iterable[int]) -> list[bytes]:
        """See `Source.read`; the images are BMP."""
        return [encode_bmp(self._canvases[index]) for index in indices]


def cache_images(source: Source, config: ViewConfig, directory: str, records: np.ndarray | None = None) -> tuple[CachedSource, ViewConfig]:
    """Opens the canvases of `source` in `directory`, making them first where they are not there or not of these files.

    Args:
      source: the data set.
      config: how its images are seen.
      directory: the folder.
      records: int64 `[n]`, those that will be read, the canvases of the others stay black; None: all.

    Returns:
      The cached source, and the view that gives from it what `config` gives from `source`, bit for bit.

    Raises:
      InputError: an image cannot be decoded, or the directory cannot be written; nothing is left behind.
    """
    key = f"{source.fingerprint()} canvas {config.canvas_size} of the central {config.central_fraction}"
    records = np.arange(len(source)) if records is None else records
    if len(records) < len(source):
        key += f" records {hashlib.sha256(records.tobytes()).hexdigest()}"
    path = os.path.join(directory, f"canvases-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy")
    if not os.path.exists(path):
        _write(source, config, path, records)
    canvases = np.load(path, mmap_mode="r")
    return CachedSource(source, canvases, config), dataclasses.replace(config, central_fraction=1.0)


def _write(source: Source, config: ViewConfig, path: str, records: np.ndarray) -> None:
    _LOGGER.info("%s: decoding %d images once into %s", source.name, len(records), path)
    partial = partial_path(path)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shape = (len(source), config.canvas_size, config.canvas_size, 3)
        canvases = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
        for record, canvas in zip(records, _canvases(source, config, records), strict=True):
            canvases[record] = canvas
        canvases.flush()
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"cannot write the image cache {path}: {error}") from error
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def _canvases(source: Source, config: ViewConfig, records: np.ndarray) -> Iterable[np.ndarray]:
    batches = tf.data.Dataset.from_tensor_slices(np.asarray(records, np.int64)).batch(64)
    encoded = batches.map(lambda batch: read_records(source, batch)).unbatch()
    canvases = encoded.map(lambda image: make_canvas(decode_image(image), config), num_parallel_calls=tf.data.AUTOTUNE)
    with naming_bad_images(source, lambda: records):
        yield from untuned(canvases.prefetch(64)).as_numpy_iterator()
