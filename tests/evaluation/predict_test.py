import numpy as np

from kd_tf.data.pipeline import evaluation_batches
from kd_tf.data.views import ViewConfig
from kd_tf.evaluation.predict import predict
from tests.evaluation.grey_pictures import faces, grey_split
from tests.evaluation.score_test import make_grey_network

VIEW = ViewConfig(image_size=28)


def test_outputs_and_targets_of_every_example_in_order():
    split = grey_split([10, 90, 150, 250, 20], [0, 1, 1, 0, 0], faces(0.5, 0.6, 0.7, 0.8, 0.9))
    found = predict(make_grey_network(), evaluation_batches(split, VIEW, batch_size=2))
    assert found.keys() == {"identity", "predicted_identity", "embedding", "landmarks", "true_landmarks"}
    np.testing.assert_array_equal(found["identity"], [0, 1, 1, 0, 0])
    # Identity 1 is said from level 100 on.
    np.testing.assert_array_equal(found["predicted_identity"], [0, 0, 1, 1, 0])
    np.testing.assert_allclose(found["embedding"][:, 0], [10, 90, 150, 250, 20])
    # Noses of the image to noses of the crop: (32 y - 2) / 28.
    np.testing.assert_allclose(found["true_landmarks"][:, 2, 1], (32 * np.array([0.5, 0.6, 0.7, 0.8, 0.9]) - 2) / 28, rtol=1e-6)


def test_without_landmarks_and_heads():
    network = make_grey_network(without=("logits", "landmarks"))
    found = predict(network, evaluation_batches(grey_split([10, 90], [0, 1]), VIEW, batch_size=2))
    assert found.keys() == {"identity", "embedding"}
