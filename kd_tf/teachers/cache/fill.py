"""Fills a cache, part by part."""

import time
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from kd_tf.data.broken import naming_bad_images
from kd_tf.data.pipeline import batches_of_view
from kd_tf.data.source import Source
from kd_tf.data.split import Split
from kd_tf.data.views import ViewConfig
from kd_tf.networks.face_network import output_shapes
from kd_tf.progress import with_progress
from kd_tf.teachers.cache.store import TeacherCache
from kd_tf.teachers.embedding.teacher import EmbeddingTeacher

_PROBE_IMAGES = 8


class HiddenLayer(tf.keras.Model):
    """Images to float32 K of a network, in inference mode.

    Args:
      network: has the output `hidden`.
    """

    def __init__(self, network: tf.keras.Model):
        super().__init__(name="hidden_layer")
        self.network = network

    def call(self, images, training=None):
        """K `[batch, width]`."""
        return tf.cast(self.network(images, training=False)["hidden"], tf.float32)


def fill_cache(
    cache: TeacherCache,
    teacher: HiddenLayer | EmbeddingTeacher,
    source: Source,
    view: ViewConfig,
    *,
    batch_size: int,
    worker: tuple[int, int] = (0, 1),
) -> tuple[int, float]:
    """Computes and stores the parts that are not there.

    Args:
      cache: as it was begun.
      teacher: answers batches with K_T.
      source: the data set.
      view: how the teacher sees its records.
      batch_size: images at a time.
      worker: which of how many processes that share the work; each has parts of its own.

    Returns:
      How many outputs were computed, and in how many seconds.

    Raises:
      InputError: an image cannot be read, an output cannot be stored, or one of a teacher from elsewhere has no direction.
    """
    index, workers = worker
    mine = [part for place, part in enumerate(cache.parts()) if place % workers == index]
    missing = [(number, rows, part) for number, rows, part in mine if not rows.has(part)]

    def filled() -> Iterator[int]:
        for number, rows, part in missing:
            records = rows.records_of(part)
            batches = batches_of_view(Split(source, records), view, number, batch_size=batch_size)
            with naming_bad_images(source, lambda records=records: records):
                hidden = teacher.predict(batches, verbose=0)
            if isinstance(teacher, EmbeddingTeacher):
                teacher.check_rows(hidden, [source.describe(int(record)) for record in records])
            rows.write(part, hidden)
            yield len(records)

    begun = time.perf_counter()
    return sum(with_progress(filled(), len(missing), "parts")), time.perf_counter() - begun


def linear_head(network: tf.keras.Model, image_size: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Kernel `[width, identities]` and bias `[identities]` that make a network's `logits` of its `hidden`; None: no layer does.

    The layer is the one whose product is right on random images, so that networks of any making will do.
    """
    if "logits" not in output_shapes(network):
        return None
    images = np.random.default_rng(0).uniform(0, 255, [_PROBE_IMAGES, image_size, image_size, 3]).astype(np.float32)
    outputs = network(images, training=False)
    hidden, logits = (tf.cast(outputs[key], tf.float32).numpy() for key in ("hidden", "logits"))
    for layer in network.submodules:
        if not isinstance(layer, tf.keras.layers.Dense) or layer.kernel.shape != (hidden.shape[1], logits.shape[1]):
            continue
        kernel = layer.kernel.numpy()
        bias = layer.bias.numpy() if layer.use_bias else np.zeros(len(kernel[0]), np.float32)
        if np.allclose(hidden @ kernel + bias, logits, rtol=1e-3, atol=1e-3 * np.abs(logits).max()):
            return kernel, bias
    return None
