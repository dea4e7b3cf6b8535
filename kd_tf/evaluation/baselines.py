"""What needs no network: a network below these has not learned."""

import numpy as np
import tensorflow as tf

from kd_tf.data.pipeline import evaluation_batches
from kd_tf.data.split import Split
from kd_tf.data.views import ViewConfig, evaluation_landmarks
from kd_tf.evaluation.classification import top1_accuracy
from kd_tf.evaluation.landmarks import in_pixels, landmark_scores
from kd_tf.evaluation.predict import predict
from kd_tf.evaluation.retrieval import nearest_rows, rank1_retrieval

BASELINE_PIXELS = 32


def pixel_network() -> tf.keras.Model:
    """A network without weights, whose `hidden` and `embedding` are the pixels of its images at 32x32.

    They are 0 to 255, neither centred nor made a unit vector, and both outputs are the same.
    """
    images = tf.keras.Input([None, None, 3])
    pixels = tf.keras.layers.Flatten(dtype=tf.float32)(tf.image.resize(images, [BASELINE_PIXELS] * 2, method="area"))
    return tf.keras.Model(images, {"hidden": pixels, "embedding": pixels}, name="pixels")


def pixel_baseline(train: Split, test: Split, view: ViewConfig) -> dict[str, float]:
    """`top1` of the identity of the nearest training image, and `rank1`, by raw pixels at 32x32 and squared distance."""
    network = pixel_network()
    train_pixels, train_identities = _pixels(network, train, view)
    pixels, identities = _pixels(network, test, view)
    nearest = nearest_rows(pixels, train_pixels)
    return {"top1": top1_accuracy(train_identities[nearest], identities), "rank1": rank1_retrieval(pixels, identities).rank1}


def majority_baseline(train: Split, test: Split) -> float:
    """`top1` of always naming the identity that has the most training images."""
    return top1_accuracy(np.bincount(train.identities).argmax(), test.identities)


def mean_shape_baseline(train: Split, test: Split, view: ViewConfig) -> dict[str, float]:
    """`nrmse` and `failure_rate` of always answering the training images' mean landmarks."""
    true_landmarks = evaluation_landmarks(test.with_landmarks().landmarks, view)
    answers = np.broadcast_to(mean_shape(train, view), true_landmarks.shape)
    return landmark_scores(*(in_pixels(landmarks, test.source.aspect_ratio) for landmarks in (true_landmarks, answers)))


def mean_shape(split: Split, view: ViewConfig) -> np.ndarray:
    """The mean landmarks of a split in the evaluation view, float32 `[5, 2]`, fractions of the crop."""
    return evaluation_landmarks(split.with_landmarks().landmarks, view).mean(axis=0)


def _pixels(network: tf.keras.Model, split: Split, view: ViewConfig) -> tuple[np.ndarray, np.ndarray]:
    found = predict(network, evaluation_batches(split, view, batch_size=256), ("hidden",))
    return found["hidden"], found["identities"]
