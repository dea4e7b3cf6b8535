import numpy as np
import pytest
import tensorflow as tf

from kd_tf.data.pipeline import evaluation_batches
from kd_tf.data.views import ViewConfig
from kd_tf.evaluation.predict import identity_ranks, predict
from tests.evaluation.grey_pictures import faces, grey_split
from tests.evaluation.score_test import make_grey_network
from tests.networks_for_tests import make_batch, make_network

VIEW = ViewConfig(image_size=28)
ALL = ("logits", "embedding", "hidden", "landmarks")


def test_outputs_and_targets_of_every_example_in_order():
    split = grey_split([10, 90, 150, 250, 20], [0, 1, 1, 0, 0], faces(0.5, 0.6, 0.7, 0.8, 0.9))
    found = predict(make_grey_network(), evaluation_batches(split, VIEW, batch_size=2), ALL)
    assert found.keys() == {"identities", "ranks", "predicted", "probability", "embedding", "hidden", "landmarks", "true_landmarks"}
    np.testing.assert_array_equal(found["identities"], [0, 1, 1, 0, 0])
    # Identity 1 is said from level 100 on.
    np.testing.assert_array_equal(found["predicted"], [0, 0, 1, 1, 0])
    np.testing.assert_array_equal(found["ranks"], [0, 1, 0, 1, 0])
    # Logits 100 and the level: 1 / (1 + exp(-10)) at 90.
    assert found["probability"][1] == pytest.approx(1 / (1 + np.exp(-10)), rel=1e-5)
    np.testing.assert_allclose(found["embedding"][:, 0], [10, 90, 150, 250, 20])
    # Noses of the image to noses of the crop: (32 y - 2) / 28.
    np.testing.assert_allclose(found["true_landmarks"][:, 2, 1], (32 * np.array([0.5, 0.6, 0.7, 0.8, 0.9]) - 2) / 28, rtol=1e-6)


def test_only_what_is_asked_for():
    network = make_grey_network(without=("logits", "landmarks"))
    found = predict(network, evaluation_batches(grey_split([10, 90], [0, 1], faces(0.5, 0.5)), VIEW, batch_size=2), ("embedding",))
    assert found.keys() == {"identities", "embedding"}


def test_ranks_equal_a_stable_sort():
    random = np.random.RandomState(0)
    # Four values in nine places: most are tied.
    logits, identities = random.randint(0, 4, [200, 9]).astype(np.float32), random.randint(0, 9, 200)
    order = np.argsort(-logits, axis=1, kind="stable")
    expected = [list(row).index(identity) for row, identity in zip(order, identities, strict=True)]
    ranks = identity_ranks(tf.constant(logits), tf.constant(identities, tf.int32)).numpy()
    np.testing.assert_array_equal(ranks, expected)
    np.testing.assert_array_equal(ranks == 0, np.argmax(logits, axis=1) == identities)


def test_what_is_no_number_is_never_right():
    logits = tf.constant([[np.nan] * 3, [1.0, np.nan, 0.0], [np.nan, 1.0, 0.0]])
    # All but the true one come before it; the second's true logit is no number; the third has one above, at least as likely as not.
    np.testing.assert_array_equal(identity_ranks(logits, tf.constant([0, 1, 1])), [2, 2, 1])


def test_flip_adds_the_flipped_image():
    network = make_network(0)
    images, targets = make_batch(0, size=5)
    batches = tf.data.Dataset.from_tensor_slices((images, targets)).batch(2)
    found = predict(network, batches, ALL, flip=True)
    seen, flipped = network(images), network(np.ascontiguousarray(images[:, :, ::-1]))
    total = (seen["embedding"] + flipped["embedding"]).numpy()
    np.testing.assert_allclose(found["embedding"], total / np.linalg.norm(total, axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(found["hidden"], seen["hidden"] + flipped["hidden"], atol=1e-6)
    # Not what a flip is for: one answer, to the image as it is.
    np.testing.assert_allclose(found["landmarks"], seen["landmarks"], atol=1e-6)
    np.testing.assert_array_equal(found["predicted"], np.argmax(seen["logits"], axis=1))
