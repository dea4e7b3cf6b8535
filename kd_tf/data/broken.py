"""Images that cannot be read or decoded: found before a run starts, and called by their name, which TensorFlow does not know."""

import contextlib
import logging
import re
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from kd_tf.data.source import Source, decode_image
from kd_tf.data.untuned import untuned
from kd_tf.errors import InputError, first_line

# Of larger data sets so many images, evenly spread, are looked at before a run: the others are named when they are met.
CHECKED_IMAGES = 20_000
# What comes of an image that cannot be read or decoded while TensorFlow reads: of its decoders, and of `Source.read` inside it.
_READING_ERRORS = (OSError, tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError, tf.errors.UnknownError)
_LOGGER = logging.getLogger(__name__)


def broken_images(source: Source, records: np.ndarray) -> Iterator[tuple[int, str]]:
    """Decodes each of the records once; gives those that cannot be, in that order, with the reason."""

    def failure(record):
        try:
            decode_image(source.read([int(record)])[0])
        except InputError as error:
            found = str(error)
        except (tf.errors.OpError, OSError) as error:
            found = f"{source.describe(int(record))} is not an image that can be decoded: {reason(error)}"
        else:
            found = ""
        return found.encode(errors="surrogateescape")

    checked = tf.data.Dataset.from_tensor_slices(np.asarray(records, np.int64)).map(
        lambda record: (record, tf.py_function(failure, [record], tf.string)), num_parallel_calls=tf.data.AUTOTUNE
    )
    for record, found in untuned(checked).as_numpy_iterator():
        if found:
            yield int(record), found.decode(errors="surrogateescape")


def reason(error: Exception) -> str:
    """What a message says, without the names of TensorFlow's functions and the state of its library."""
    return re.sub(r"^(\{\{.*?\}\} )+|\.? \[Op:.*", "", first_line(error))


def verify_images(source: Source, records: np.ndarray | None = None) -> None:
    """Decodes every record (or those given) once.

    Raises:
      InputError: naming the first image that cannot be read or decoded.
    """
    for _, fault in broken_images(source, np.arange(len(source)) if records is None else records):
        raise InputError(fault)


def sound_records(source: Source, records: np.ndarray, *, skip_broken: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """The records that can be read and decoded, and what is wrong with each of the others.

    Args:
      source: where they are.
      records: int64 `[n]`.
      skip_broken: how many may be left out; each is logged. With 0 only `CHECKED_IMAGES` of them are looked at.

    Raises:
      InputError: naming a broken image, the first one too many.
    """
    if not skip_broken:
        verify_images(source, records[:: -(-len(records) // CHECKED_IMAGES)])
        return records, ()
    _LOGGER.info("%s: looking at all %d images", source.name, len(records))
    broken = {}
    for record, fault in broken_images(source, records):
        if len(broken) == skip_broken:
            raise InputError(f"{fault}; it is one more than --skip_broken={skip_broken} allows")
        _LOGGER.warning("left out: %s", fault)
        broken[record] = fault
    return np.setdiff1d(records, list(broken)), tuple(broken.values())


@contextlib.contextmanager
def naming_bad_images(source: Source, records: Callable[[], np.ndarray]) -> Iterator[None]:
    """While images are read: one that cannot be becomes an `InputError` with its name.

    Args:
      source: where they are.
      records: gives those that may have been read when it went wrong; the most likely ones first.
    """
    try:
        yield
    except _READING_ERRORS:
        verify_images(source, records())
        raise
