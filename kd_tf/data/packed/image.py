"""One image on its way into a pack."""

import cv2
import numpy as np
import tensorflow as tf

from kd_tf.data.broken import reason
from kd_tf.data.source import Source, decode_image
from kd_tf.errors import InputError

JPEG_QUALITY = 95


def read_image(source: Source, record: int, resize: int | None = None) -> bytes | InputError:
    """Reads, decodes and perhaps resizes a record.

    Args:
      source: where it is.
      record: its index.
      resize: the shorter side of larger images is made this long, in pixels, and they become JPEGs of quality 95; others keep their
        bytes, and all do where it is None.

    Returns:
      The encoded image, or why there is none: whether that is the end of the pack, the caller decides.
    """
    try:
        encoded = source.read([record])[0]
        image = decode(encoded)
    except InputError as error:
        return error
    except OSError as error:
        return InputError(f"{source.describe(record)} cannot be read: {error.strerror}")
    except tf.errors.OpError as error:
        return InputError(f"{source.describe(record)} is not an image that can be decoded: {reason(error)}")
    shorter = min(image.shape[:2])
    return encoded if resize is None or shorter <= resize else _shrunk(image, resize / shorter)


def decode(encoded: bytes) -> np.ndarray:
    """Uint8 RGB `[height, width, 3]`, by the decoder that training uses: another one takes other files, and turns some."""
    with tf.device("CPU"):
        return decode_image(tf.constant(encoded)).numpy()


def _shrunk(image: np.ndarray, scale: float) -> bytes:
    height, width = (round(side * scale) for side in image.shape[:2])
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", resized[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
