"""All that comes from TensorFlow Addons, in one place."""

import warnings

import tensorflow as tf

with warnings.catch_warnings():
    # It says at import that its development has ended; the version is pinned.
    warnings.simplefilter("ignore")
    import tensorflow_addons


def semi_hard_triplet_loss(identities: tf.Tensor, embeddings: tf.Tensor, margin: float) -> tf.Tensor:
    """TensorFlow Addons' semi-hard triplet loss with squared distances."""
    return tensorflow_addons.losses.triplet_semihard_loss(identities, embeddings, margin=margin, distance_metric="squared-L2")
