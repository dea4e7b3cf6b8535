"""Asks a network or a function like one, batch by batch, and keeps of its outputs what the protocols score."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf


def predict(network: tf.keras.Model, batches: tf.data.Dataset, outputs: tuple[str, ...], *, flip: bool = False) -> dict[str, np.ndarray]:
    """The network's answers to every example.

    Args:
      network: keeps the output contract.
      batches: pairs `(images, targets)` of `kd_tf.data.pipeline.evaluation_batches`.
      outputs: which of `logits`, `embedding`, `hidden` and `landmarks` are wanted.
      flip: adds embedding and hidden layer of the flipped image; see `kept`.

    Returns:
      `identities` int32 `[n]`, what `kept` keeps, and with `landmarks` the targets' `true_landmarks`.
    """

    @tf.function
    def step(images: tf.Tensor, identities: tf.Tensor) -> dict[str, tf.Tensor]:
        found = {key: tf.cast(value, tf.float32) for key, value in network(images, training=False).items() if key in outputs}
        if "logits" in found:
            found["probabilities"] = tf.nn.softmax(found["logits"])
        return kept(found, network(tf.reverse(images, [2]), training=False) if flip else None, identities)

    def parts():
        for images, targets in batches:
            known = {"identities": targets["identity"]}
            if "landmarks" in outputs:
                known["true_landmarks"] = targets["landmarks"]
            yield known | step(images, targets["identity"])

    return collect(parts())


def kept(found: dict[str, tf.Tensor], flipped: dict[str, tf.Tensor] | None, identities: tf.Tensor) -> dict[str, tf.Tensor]:
    """What of a batch's outputs is kept; logits of many identities are not.

    Args:
      found: some of `embedding`, `hidden`, `landmarks`, and `logits` together with `probabilities`.
      flipped: of the flipped images, whose `embedding` is added and the sum made a unit vector again, and whose `hidden` is added.
      identities: int `[batch]`, the true labels.

    Returns:
      `ranks`, `predicted` and `probability` for the logits; `embedding`, `hidden` and `landmarks`.
    """
    answer = {key: found[key] for key in ("embedding", "hidden", "landmarks") if key in found}
    if "logits" in found:
        answer["ranks"] = identity_ranks(found["logits"], identities)
        answer["predicted"] = tf.argmax(found["logits"], axis=-1)
        answer["probability"] = tf.reduce_max(found["probabilities"], axis=-1)
    if flipped is not None:
        answer |= {key: answer[key] + tf.cast(flipped[key], tf.float32) for key in ("embedding", "hidden") if key in answer}
        if "embedding" in answer:
            answer["embedding"] = tf.math.l2_normalize(answer["embedding"], axis=-1)
    return answer


def identity_ranks(logits: tf.Tensor, identities: tf.Tensor) -> tf.Tensor:
    """How many identities come before the true one, int64 `[batch]`: of equal logits the lower label, as for `argmax`.

    Where the true identity's logit is no number its rank is the last.
    """
    identities = tf.cast(identities, tf.int64)[:, tf.newaxis]
    true_logits = tf.gather(logits, identities, axis=1, batch_dims=1)
    labels = tf.range(tf.shape(logits, tf.int64)[1])
    not_before = (logits < true_logits) | ((logits == true_logits) & (labels >= identities))
    return tf.math.count_nonzero(~(not_before | (labels == identities)), axis=1)


def collect(parts: Iterable[dict[str, tf.Tensor]]) -> dict[str, np.ndarray]:
    """The batches' answers as one array a key."""
    parts = [{key: value.numpy() for key, value in part.items()} for part in parts]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
