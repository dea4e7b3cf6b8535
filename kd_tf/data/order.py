"""Which record stands at which position of training: arithmetic of the seed, without state or stored permutations.

Position `p` of the stream belongs to global step `p // batch_size`. Everything here maps a position to a `(place, view)` pair:
the place in the list of training records, and the view (which crop, flip and jitter) under which it is seen. All
functions take and give int64 scalars and run inside `tf.data`.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from kd_tf.errors import InputError

Order = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def shuffled(index: tf.Tensor, count: tf.Tensor, *key) -> tf.Tensor:
    """Where a permutation of `0 .. count - 1`, chosen by `key` (up to three integers), sends `index`."""
    words = [tf.cast(word, tf.int64) for word in key]
    seed = tf.stack([words[0], words[1] if len(words) < 3 else words[1] * 1_000_003 + words[2]])
    last = tf.cast(count, tf.int64) - 1
    # One permutation of the generator leaves short ranges nearly sorted; a rotation by a random offset mends it.
    offset = tf.random.stateless_uniform([], seed, 0, last + 1, tf.int64)
    return tf.random.experimental.index_shuffle((index + offset) % (last + 1), seed, last)


def epoch_order(count: int, *, seed: int) -> Order:
    """Shuffled epochs: every place once an epoch, in another order in each; the view is the epoch."""

    def place_and_view(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        epoch = position // count
        return shuffled(position % count, count, seed, epoch), epoch

    return place_and_view


@dataclasses.dataclass(frozen=True)
class IdentityBatches:
    """Batches of `identities` people with `images` pictures each, for losses that compare pictures."""

    identities: int
    images: int

    def __post_init__(self):
        if self.identities < 2 or self.images < 2:
            raise InputError(f"--identities_per_batch={self.identities} and --images_per_identity={self.images} must both be at least 2")

    @property
    def batch_size(self) -> int:
        """Pictures in a batch."""
        return self.identities * self.images


def identity_order(labels: np.ndarray, batches: IdentityBatches, *, seed: int) -> Order:
    """Batches of P identities with K images.

    The identities pass in shuffled epochs of whole batches, their images in shuffled cycles of whole visits, so that no batch
    has an identity twice and no visit an image twice; who is left over sits that epoch out, another one the next time, and
    images likewise. Every image of an identity is so used at the same rate on average. The view counts the cycles. An identity with
    fewer than K images shows some of them again, under another view; one with a single image has no positives and never
    comes.

    Args:
      labels: int `[records]`, the identity at each place.
      batches: P and K.
      seed: chooses the permutations.

    Raises:
      InputError: fewer than P identities have two images.
    """
    places = np.argsort(labels, kind="stable")
    _, starts, counts = np.unique(labels[places], return_index=True, return_counts=True)
    usable = counts >= 2
    starts, counts = starts[usable], counts[usable]
    if len(starts) < batches.identities:
        raise InputError(
            f"--identities_per_batch={batches.identities} needs as many identities with two images or more; the split has {len(starts)}"
        )
    places, starts, counts = (tf.constant(array, tf.int64) for array in (places, starts, counts))
    people = int(starts.shape[0])
    people_in_epoch = people // batches.identities * batches.identities
    visits_in_cycle = tf.maximum(counts // batches.images, 1)
    views_in_cycle = -(-batches.images // counts)

    def place_and_view(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        slot, image = position // batches.images, position % batches.images
        epoch = slot // people_in_epoch
        person = shuffled(slot % people_in_epoch, people, seed, epoch)
        cycle = epoch // visits_in_cycle[person]
        turn = epoch % visits_in_cycle[person] * batches.images + image
        within = shuffled(turn % counts[person], counts[person], seed + 1, person, cycle)
        return places[starts[person] + within], cycle * views_in_cycle[person] + turn // counts[person]

    return place_and_view
