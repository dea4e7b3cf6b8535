"""What is in TensorBoard's files."""

import glob

import tensorflow as tf
from tensorflow.python.summary.summary_iterator import summary_iterator


def written(folder) -> dict[str, dict[int, float]]:
    """Value by step by tag."""
    found = {}
    for file in glob.glob(f"{folder}/*"):
        for event in summary_iterator(file):
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = float(tf.make_ndarray(value.tensor))
    return found
