"""Images a second that are read, decoded, resized and augmented, by data set, beside a tf.data pipeline written by hand.

    python benchmarks/read_images.py --lfw=DIR

Takes the images of LFW (250x250 JPEGs) as a folder, a RecordIO pack and a pack of kd-prepare, and gives batches of 64 crops of 112x112,
flipped and jittered. The pipeline by hand reads the same files with the same augmentation in plain tf.data, with tf.image's random ops.
Each is measured in turn, several times; printed are medians, and ratios to the pipeline by hand within a round.
"""

import os
import statistics
import struct
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from absl import app, flags

from kd_tf.data.folder import open_folder
from kd_tf.data.order import epoch_order
from kd_tf.data.packed.pack import PackConfig, pack
from kd_tf.data.packed.source import open_packed
from kd_tf.data.pipeline import training_batches
from kd_tf.data.recordio.source import open_recordio
from kd_tf.data.source import Source
from kd_tf.data.split import Split
from kd_tf.data.views import JITTER, ViewConfig

LFW = flags.DEFINE_string("lfw", os.environ.get("KD_TF_LFW", "../shared/data/lfw"), "LFW deep-funneled.")
ROUNDS = flags.DEFINE_integer("rounds", 5, "How often each is measured.")
BATCH_SIZE, BATCHES, WARM_UP = 64, 40, 10
VIEW = ViewConfig(image_size=112)


def by_hand(paths: list[str]) -> tf.data.Dataset:
    """The same in plain tf.data."""

    def load(path):
        image = tf.image.decode_jpeg(tf.io.read_file(path), channels=3)
        image = tf.image.resize(image, [VIEW.canvas_size] * 2, antialias=True)
        image = tf.image.random_flip_left_right(tf.image.random_crop(image, [VIEW.image_size, VIEW.image_size, 3]))
        image = tf.image.random_brightness(image, 255 * JITTER)
        image = tf.image.random_contrast(image, 1 - JITTER, 1 + JITTER)
        return tf.image.random_saturation(image / 255.0, 1 - JITTER, 1 + JITTER)

    files = tf.data.Dataset.from_tensor_slices(paths).shuffle(len(paths)).repeat()
    return files.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH_SIZE).prefetch(4)


def ours(source: Source) -> tf.data.Dataset:
    """The training batches of a data set."""
    split = Split(source, np.arange(len(source)))
    return training_batches(split, epoch_order(len(split), seed=0), VIEW, batch_size=BATCH_SIZE)


def write_recordio(source: Source, directory: str) -> str:
    """The source as a pack without a header record."""
    with open(os.path.join(directory, "train.rec"), "wb") as records, open(os.path.join(directory, "train.idx"), "w") as index:
        for key in range(len(source)):
            body = struct.pack("<IfQQ", 0, float(source.identities[key]), key, 0) + source.read([key])[0]
            index.write(f"{key}\t{records.tell()}\n")
            records.write(struct.pack("<II", 0xCED7230A, len(body)) + body + bytes(-len(body) % 4))
    return directory


def images_per_second(batches: tf.data.Dataset) -> float:
    """Of `BATCHES` batches, after a warm-up."""
    iterator = iter(batches)
    for _ in range(WARM_UP):
        next(iterator)
    begun = time.perf_counter()
    for _ in range(BATCHES):
        next(iterator)
    return BATCHES * BATCH_SIZE / (time.perf_counter() - begun)


def main(_) -> None:
    """Measures and prints a table."""
    folder = open_folder(os.path.join(LFW.value, "lfw-deepfunneled"))
    with tempfile.TemporaryDirectory() as directory:
        os.mkdir(f"{directory}/recordio")
        pack(folder, PackConfig(f"{directory}/packed"))
        recordio = open_recordio(write_recordio(folder, f"{directory}/recordio"))
        packed = open_packed(f"{directory}/packed")
        pipelines = {
            "by hand": by_hand([folder.describe(record) for record in range(len(folder))]),
            **{name: ours(source) for name, source in (("folder", folder), ("recordio", recordio), ("packed", packed))},
        }
        rounds = [{name: images_per_second(batches) for name, batches in pipelines.items()} for _ in range(ROUNDS.value)]
    print("| pipeline | images/s | to the one by hand |\n| --- | ---: | ---: |")
    for name in pipelines:
        ratio = statistics.median(found[name] / found["by hand"] for found in rounds)
        print(f"| {name} | {statistics.median(found[name] for found in rounds):,.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    sys.exit(app.run(main))
