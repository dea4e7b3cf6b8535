"""Datasets that TensorFlow does not tune while they are read."""

import tensorflow as tf


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The same elements, with `AUTOTUNE` meaning a call a core (at most 16).

    Whoever is done with a tuned iterator may have to wait for its tuner, which sleeps twice as long after each look, up to a minute:
    as long as the iterator was used, at the end of each `fit`, `evaluate` and `predict`.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
