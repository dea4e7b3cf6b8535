import numpy as np
import tensorflow as tf

from kd_tf.distillers.replicas import gather_global_batch, global_batch_size, replica_count


def _local_batches(strategy):
    """Replica 0 has rows (1, 2), replica 1 the row (3)."""
    rows = [tf.constant([[1.0], [2.0]]), tf.constant([[3.0]])]
    return strategy.experimental_distribute_values_from_function(lambda context: rows[context.replica_id_in_sync_group])


def test_on_one_device():
    rows = tf.constant([[1.0], [2.0]])
    assert replica_count() == 1
    assert float(global_batch_size(rows)) == 2.0
    np.testing.assert_array_equal(gather_global_batch(rows), rows)


def test_on_two_devices_with_unequal_parts(mirrored):
    @tf.function
    def step(local):
        with tf.GradientTape() as tape:
            tape.watch(local)
            gathered = gather_global_batch(local)
            # Each replica weighs the rows with 1, 10 and 100.
            loss = tf.reduce_sum(gathered[:, 0] * tf.constant([1.0, 10.0, 100.0]))
        return tf.constant(replica_count()), global_batch_size(local), gathered, tape.gradient(loss, local)

    results = mirrored.run(step, (_local_batches(mirrored),))
    counts, sizes, gathered, gradients = (mirrored.experimental_local_results(value) for value in results)
    assert [int(count) for count in counts] == [2, 2]
    assert [float(size) for size in sizes] == [3.0, 3.0]
    for replica in gathered:
        np.testing.assert_array_equal(replica, [[1.0], [2.0], [3.0]])
    # Both replicas' losses reach a row: 1 + 1, 10 + 10 and 100 + 100.
    np.testing.assert_array_equal(gradients[0], [[2.0], [20.0]])
    np.testing.assert_array_equal(gradients[1], [[200.0]])
