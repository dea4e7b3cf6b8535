"""What is in TensorBoard's files."""

import glob
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from tensorflow.python.summary.summary_iterator import summary_iterator


def values_of(folder, plugin: str) -> Iterator[tuple[str, int, np.ndarray]]:
    """Tag, step and value of all that is for one plugin, such as `scalars`."""
    for file in sorted(glob.glob(f"{folder}/events.*")):
        for event in summary_iterator(file):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == plugin:
                    yield value.tag, event.step, tf.make_ndarray(value.tensor)


def written(folder) -> dict[str, dict[int, float]]:
    """Scalars: value by step by tag."""
    found = {}
    for tag, step, value in values_of(folder, "scalars"):
        found.setdefault(tag, {})[step] = float(value)
    return found
