"""What a step needs to know of the replicas it runs on."""

import tensorflow as tf


def replica_count() -> int:
    """How many replicas run this step."""
    return tf.distribute.get_replica_context().num_replicas_in_sync


def global_batch_size(images: tf.Tensor) -> tf.Tensor:
    """The images of all replicas together, float32."""
    local = tf.cast(tf.shape(images)[0], tf.float32)
    if replica_count() == 1:
        return local
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, local)


def gather_global_batch(tensor: tf.Tensor) -> tf.Tensor:
    """`[local batch, ...]` to `[global batch, ...]` on every replica; gradients flow back to the replica that a row is from."""
    if replica_count() == 1:
        return tensor
    return tf.distribute.get_replica_context().all_gather(tensor, axis=0)
