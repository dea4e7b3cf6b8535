"""Runs a network over a split once and keeps what the protocols score."""

import numpy as np
import tensorflow as tf


def predict(network: tf.keras.Model, batches: tf.data.Dataset) -> dict[str, np.ndarray]:
    """The network's outputs and the targets of every example.

    Args:
      network: keeps the output contract.
      batches: pairs `(images, targets)` of `kd_tf.data.pipeline.evaluation_batches`.

    Returns:
      Arrays over the examples: `identity` and, as far as there are any, `predicted_identity` int64 `[n]`, `embedding` and `landmarks`
      float32, and `true_landmarks`.
    """

    @tf.function
    def step(images):
        outputs = network(images, training=False)
        kept = {key: tf.cast(outputs[key], tf.float32) for key in ("embedding", "landmarks") if key in outputs}
        return kept | ({"predicted_identity": tf.argmax(outputs["logits"], axis=-1)} if "logits" in outputs else {})

    parts = []
    for images, targets in batches:
        known = {"identity": targets["identity"]}
        if "landmarks" in targets:
            known["true_landmarks"] = targets["landmarks"]
        parts.append({key: value.numpy() for key, value in (known | step(images)).items()})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
