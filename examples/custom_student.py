"""Distils a network of your own, which this package knows nothing of, from a trained run; scores it and exports it.

    python examples/custom_student.py --output=DIR                      # trains a small teacher first: about a minute on 2 cores
    python examples/custom_student.py --output=DIR --teacher=runs/teacher --image_size=32

Any tf.keras.Model takes part whose output is a dict with the keys of its task: `hidden`, the last layer before the heads, and here
`logits`, one for each identity, and `embedding`, for verification. Everything else is as you like; `make_student` below is a small network
of separable convolutions. The data are the drawn faces of `--data=synthetic`; for photographs put another `SourceConfig` in `SOURCE`.

DIR then holds `student.keras`, `projection.npz` (from the student's hidden layer to the teacher's) and `saved_model/`.
"""

import argparse
import os
import sys

import numpy as np
import tensorflow as tf

from kd_tf.data.dataset import FaceData, open_data, prepare_data
from kd_tf.data.order import epoch_order
from kd_tf.data.pipeline import training_batches
from kd_tf.data.sources import SourceConfig
from kd_tf.data.views import ViewConfig
from kd_tf.distillers import ClassificationDistiller
from kd_tf.errors import InputError
from kd_tf.evaluation.score import score_network
from kd_tf.export.saved_model import export_saved_model
from kd_tf.networks.face_network import NetworkConfig
from kd_tf.networks.projection import save_projection
from kd_tf.networks.stored import load_network, save_network
from kd_tf.training.config import RunConfig, TrainingConfig
from kd_tf.training.run import run

SOURCE = SourceConfig(identities=20, pictures=50, picture_size=40)
BATCH_SIZE = 64
LEARNING_RATE = 0.2


def make_student(image_size: int, identities: int) -> tf.keras.Model:
    """From images, float `[batch, image_size, image_size, 3]`, 0 to 255, to the outputs that classification and verification need."""
    images = tf.keras.Input([image_size, image_size, 3])
    x = tf.keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
    for channels in (16, 32, 64):
        x = tf.keras.layers.SeparableConv2D(channels, 3, strides=2, padding="same", use_bias=False)(x)
        x = tf.keras.layers.BatchNormalization(momentum=0.9)(x)
        x = tf.keras.layers.ReLU()(x)
    hidden = tf.keras.layers.Flatten(name="hidden")(x)
    outputs = {
        "hidden": hidden,
        "embedding": tf.keras.layers.UnitNormalization(name="embedding")(hidden),
        "logits": tf.keras.layers.Dense(identities, name="logits")(hidden),
    }
    return tf.keras.Model(images, outputs, name="my_student")


def train_teacher(folder: str, view: ViewConfig, steps: int) -> str:
    """A run as kd-train makes it; gives its directory, where it is kept for the next time."""
    path = os.path.join(folder, "teacher")
    training = TrainingConfig(steps=steps, batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE, evaluations=1)
    config = RunConfig("classification", path, training, source=SOURCE, view=view, network=NetworkConfig("resnet14", 4))
    if not os.path.exists(os.path.join(path, "metrics.json")):
        run(config)
    return path


def distil(student: tf.keras.Model, teacher: tf.keras.Model, data: FaceData, steps: int) -> ClassificationDistiller:
    """Trains the student with the labels, the teacher's soft targets and its hidden layer."""
    distiller = ClassificationDistiller(student, teacher, alpha=1.0, beta=1.0)
    schedule = tf.keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    distiller.compile(optimizer=tf.keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True))
    order = epoch_order(len(data.train), seed=0)
    distiller.fit(training_batches(data.train, order, data.view, batch_size=BATCH_SIZE, steps=steps), verbose=2)
    return distiller


def main() -> None:
    """Teacher, student, scores and export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, help="a folder for the student, and for the teacher that is trained here")
    parser.add_argument("--teacher", help="a classification run on the same people; absent: one is trained")
    parser.add_argument("--image_size", type=int, default=32, help="height and width in pixels of what both networks see")
    parser.add_argument("--steps", type=int, default=200, help="updates of each network")
    given = parser.parse_args()
    try:
        view = ViewConfig(image_size=given.image_size)
        data = prepare_data(open_data(SOURCE, view), image_cache=None)
        teacher_run = given.teacher or train_teacher(given.output, view, given.steps)
        teacher = load_network(teacher_run, "teacher", image_size=given.image_size)
        tf.keras.utils.set_random_seed(0)
        student = make_student(given.image_size, data.train.classes)
        distiller = distil(student, teacher, data, given.steps)
        for name, network in (("teacher", teacher), ("student", student)):
            scores = score_network(network, data.test, data.view, ("classification", "retrieval"))
            parameters = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
            print(f"{name}: {parameters:,} parameters, top-1 {scores['top1']:.1f} %, rank-1 {scores['rank1']:.1f} %")
        os.makedirs(given.output, exist_ok=True)
        save_network(student, os.path.join(given.output, "student.keras"))
        if distiller.projection:
            save_projection(distiller.projection, os.path.join(given.output, "projection.npz"))
        export_saved_model(student, view, os.path.join(given.output, "saved_model"), overwrite=True)
    except InputError as error:
        print(f"custom_student: {error}", file=sys.stderr)
        sys.exit(2)
    served = tf.saved_model.load(os.path.join(given.output, "saved_model")).signatures["encoded_images"]
    answer = served(encoded_images=tf.constant(data.test.source.read(data.test.records[:2])))
    print(f"exported: {given.output}/saved_model, whose embeddings are {answer['embedding'].shape[1]} wide")


if __name__ == "__main__":
    main()
