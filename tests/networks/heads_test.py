import numpy as np
import tensorflow as tf

from kd_tf.networks import heads
from kd_tf.training.strategy import precision_policy


def _outputs(make_output, values):
    hidden = tf.keras.Input([np.shape(values)[1]])
    network = tf.keras.Model(hidden, make_output(hidden))
    return network, network(tf.constant(values, tf.float32))


def test_landmarks_start_at_the_mean_shape():
    mean_shape = np.arange(10, dtype=np.float64).reshape(5, 2) / 10
    _, landmarks = _outputs(lambda hidden: heads.landmark_head(hidden, mean_shape), np.zeros([2, 4]))
    np.testing.assert_array_equal(landmarks, np.stack([mean_shape.astype(np.float32)] * 2))


def test_landmarks_start_at_a_typical_face():
    _, landmarks = _outputs(heads.landmark_head, np.zeros([1, 4]))
    np.testing.assert_array_equal(landmarks[0], heads.TYPICAL_LANDMARKS)
    # Eyes beside each other and above the nose, the nose above the mouth.
    assert landmarks[0, 0, 0] < landmarks[0, 1, 0] and landmarks[0, 0, 1] < landmarks[0, 2, 1] < landmarks[0, 3, 1]


def test_landmark_head_passes_a_gradient():
    network, _ = _outputs(heads.landmark_head, np.zeros([1, 4]))
    kernel, _ = network.get_weights()
    assert 0 < np.abs(kernel).max() < 0.1


def test_embedding_by_hand():
    # (3, 4) / 5; all zeros stay zeros.
    _, embedding = _outputs(heads.embedding_head, [[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(embedding, [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6)


def test_gradient_of_the_embedding_of_zeros_is_finite():
    network, _ = _outputs(heads.embedding_head, np.zeros([1, 3]))
    hidden = tf.zeros([1, 3])
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        embedding = network(hidden)
    assert np.isfinite(tape.gradient(embedding, hidden).numpy()).all()


def test_heads_compute_in_float32_under_a_mixed_policy():
    values = np.random.RandomState(0).normal(size=[3, 64]).astype(np.float32)
    with precision_policy("mixed_bfloat16"):
        network, logits = _outputs(lambda hidden: heads.identity_head(hidden, 7), values)
        _, landmarks = _outputs(heads.landmark_head, values)
        _, embedding = _outputs(heads.embedding_head, values)
    kernel, bias = network.get_weights()
    assert logits.dtype == landmarks.dtype == embedding.dtype == tf.float32
    # bfloat16 would be off by 1%.
    np.testing.assert_allclose(logits, values @ kernel + bias, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-6)
