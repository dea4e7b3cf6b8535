"""From records to batches: reads in batches, decodes in parallel, prefetches.

Batches are pairs `(images, targets)` as `tf.keras.Model.fit` takes them: images float32 `[batch, image_size, image_size, 3]`, 0 to
255, and a dict of `identity` int32 `[batch]`, `landmarks` float32 `[batch, 5, 2]` (fractions of the crop; only where the source has
landmarks), `record` int64 `[batch]` and `view` int64 `[batch]` (-1: the evaluation view). Further targets may be looked up for the
records and views of a batch, such as a teacher's stored outputs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kd_tf.data import views
from kd_tf.data.order import Order
from kd_tf.data.source import decode_image, read_records
from kd_tf.data.split import Split
from kd_tf.data.untuned import untuned

# From records and views, int64 `[batch]` each, to targets.
LookUp = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]


class Share(NamedTuple):
    """Which part of each global batch a process reads: part `index` of `count` equal ones, itself in `pieces` batches."""

    index: int = 0
    count: int = 1
    pieces: int = 1

    def images(self, batch_size: int) -> int:
        """Of this process, in a global batch."""
        return batch_size // self.count

    def positions(self, first_step: int, end_step: int, batch_size: int) -> tf.data.Dataset:
        """Those of this process, of the global steps from the first to before the end."""
        images = self.images(batch_size)
        positions = tf.data.Dataset.range(first_step * images, end_step * images)
        if self.count == 1:
            return positions
        return positions.map(lambda position: position // images * batch_size + self.index * images + position % images)


WHOLE = Share()


def training_batches(
    split: Split,
    order: Order,
    config: views.ViewConfig,
    *,
    batch_size: int,
    first_step: int = 0,
    steps: int | None = None,
    look_up: LookUp | None = None,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """The batches of global steps `first_step .. steps - 1` (without end where `steps` is None).

    Args:
      split: the records.
      order: which of them makes up which position (order.py).
      config: how they are seen.
      batch_size: images a global step.
      first_step: where to begin; the batches from there on are those that an uninterrupted stream has.
      steps: where to end.
      look_up: gives further targets.
      share: of each global batch; nothing else is read.
    """
    end = np.iinfo(np.int64).max // batch_size if steps is None else steps
    positions = share.positions(first_step, end, batch_size)

    def place_and_view(position):
        place, view = order(position)
        return place, views.view_in_turn(view, config)

    images = share.images(batch_size) // share.pieces
    batches = _batches(positions.map(place_and_view), split, config, images, training=config.views != 0, look_up=look_up)
    return batches if steps is None else _with_known_length(batches, (steps - first_step) * share.pieces)


def evaluation_batches(
    split: Split,
    config: views.ViewConfig,
    *,
    batch_size: int,
    order: Order | None = None,
    look_up: LookUp | None = None,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """`batches_of_view` of the evaluation view."""
    return batches_of_view(split, config, views.EVALUATION_VIEW, batch_size=batch_size, order=order, look_up=look_up, share=share)


def batches_of_view(
    split: Split,
    config: views.ViewConfig,
    view: int,
    *,
    batch_size: int,
    order: Order | None = None,
    look_up: LookUp | None = None,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """As many records as the split has, under one view: `0, 1, ..`, or -1 for the evaluation view; the last batch may be smaller.

    Without an `order` each comes once, in ascending order; `look_up` gives further targets; `share` is that of each global batch.
    """

    def place_and_view(position):
        place = position if order is None else order(position)[0]
        return place, tf.constant(view, tf.int64)

    whole_steps, rest = divmod(len(split), batch_size)
    begin, end = (whole_steps * batch_size + rest * index // share.count for index in (share.index, share.index + 1))
    positions = share.positions(0, whole_steps, batch_size).concatenate(tf.data.Dataset.range(begin, end))
    images, read = share.images(batch_size) // share.pieces, whole_steps * share.images(batch_size) + end - begin
    batches = _batches(positions.map(place_and_view), split, config, images, training=view != views.EVALUATION_VIEW, look_up=look_up)
    return _with_known_length(batches, -(-read // images))


def _with_known_length(batches: tf.data.Dataset, length: int) -> tf.data.Dataset:
    """Keras asks a dataset of unknown length for one batch too many, and the optimizer counts that as a step."""
    return batches.apply(tf.data.experimental.assert_cardinality(length))


def _batches(
    places: tf.data.Dataset,
    split: Split,
    config: views.ViewConfig,
    batch_size: int,
    *,
    training: bool,
    look_up: LookUp | None,
) -> tf.data.Dataset:
    records = tf.constant(split.records, tf.int64)
    identities = tf.constant(split.labels[split.source.identities], tf.int32)
    known = split.source.landmarks
    blank = np.full([1, 5, 2], 0.5, np.float32)
    landmarks = tf.constant(blank if known is None else views.canvas_landmarks(known, config), tf.float32)

    def read_batch(place, view):
        record = tf.gather(records, place)
        return read_records(split.source, record), record, view

    def see(encoded, record, view):
        canvas = views.make_canvas(decode_image(encoded), config)
        points = landmarks[0] if known is None else landmarks[record]
        if training:
            image, points = views.training_view(canvas, points, record, view, config)
        else:
            image, points = views.evaluation_view(canvas, points, config)
        targets = {"identity": identities[record], "record": record, "view": view}
        return image, targets if known is None else targets | {"landmarks": points}

    read_batches = places.batch(batch_size).map(read_batch, num_parallel_calls=2)
    seen = read_batches.unbatch().map(see, num_parallel_calls=tf.data.AUTOTUNE)
    batches = seen.batch(batch_size)
    if look_up:
        batches = batches.map(lambda images, targets: (images, targets | look_up(targets["record"], targets["view"])), num_parallel_calls=2)
    return untuned(batches.prefetch(4))
