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
    # A sum of padded parts: TensorFlow's own `all_gather` fails in a graph under `MultiWorkerMirroredStrategy`.
    replica = tf.distribute.get_replica_context()
    own = tf.one_hot(replica.replica_id_in_sync_group, replica.num_replicas_in_sync, dtype=tf.int32)
    sizes = replica.all_reduce(tf.distribute.ReduceOp.SUM, own * tf.shape(tensor)[0])
    before = tf.reduce_sum(tf.math.cumsum(sizes, exclusive=True) * own)
    after = tf.reduce_sum(sizes) - before - tf.shape(tensor)[0]
    padded = tf.pad(tensor, [[before, after]] + [[0, 0]] * (tensor.shape.rank - 1))
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, padded)
