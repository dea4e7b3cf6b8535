"""An exported file is loaded again and compared with its network on photographs before it gets its name.

The difference is a mean over the images: of the distance between embeddings (unit vectors, so at most 2); of half the summed differences of
the probabilities (at most 1); of the distance of the landmarks, ten times as a share of the image's longer side.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kd_tf.data.broken import naming_bad_images, sound_records
from kd_tf.data.source import decode_image
from kd_tf.data.split import Split
from kd_tf.data.views import ViewConfig, evaluation_view, landmarks_in_image, make_canvas
from kd_tf.errors import InputError
from kd_tf.evaluation.programs import open_program
from kd_tf.export.kinds import Kind

CHECKED_IMAGES = 32


class Difference(NamedTuple):
    """Of one output: the mean over the images, and that of the worst of them."""

    mean: float
    largest: float


def photographs(split: Split, count: int, *, skip_broken: int = 0) -> list[np.ndarray]:
    """Images of a split, evenly spread, as many as there are up to `count`: uint8 `[height, width, 3]` each.

    Raises:
      InputError: one cannot be decoded, beyond the `skip_broken` that may be left out.
    """
    places = np.unique(np.linspace(0, len(split) - 1, min(count, len(split))).round().astype(int))
    records = split.records[places]
    if skip_broken:
        records, _ = sound_records(split.source, records, skip_broken=skip_broken)
    with naming_bad_images(split.source, lambda: records):
        return [decode_image(encoded).numpy() for encoded in split.source.read(records)]


def network_answers(network: tf.keras.Model, view: ViewConfig, images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """What an exported model should answer to images of any sizes, by the network itself."""
    views = tf.stack([evaluation_view(make_canvas(tf.constant(image), view), tf.zeros([5, 2]), view)[0] for image in images])
    found = network(views, training=False)
    answers = {}
    if "embedding" in found:
        answers["embedding"] = tf.cast(found["embedding"], tf.float32).numpy()
    if "logits" in found:
        answers["probabilities"] = tf.nn.softmax(tf.cast(found["logits"], tf.float32)).numpy()
    if "landmarks" in found:
        sizes = np.array([[image.shape[1::-1]] for image in images], np.float32)
        answers["landmarks"] = landmarks_in_image(tf.cast(found["landmarks"], tf.float32), view).numpy() * sizes - 0.5
    return answers


def check_file(kind: Kind, folder: str, images: Sequence[np.ndarray], wanted: dict[str, np.ndarray]) -> dict[str, Difference]:
    """Asks a file in the folder of an export about images one by one, and about those of the first one's size together.

    Returns:
      How far each output is from `wanted`, the network's.

    Raises:
      InputError: it cannot be loaded, has other outputs, or one that is further away than the kind's tolerance.
    """
    program = open_program(kind.path(folder))
    if set(program.outputs) != set(wanted):
        raise InputError(f"{kind.title}: its outputs are {', '.join(sorted(program.outputs))} instead of {', '.join(sorted(wanted))}")
    singles = [program.answer_image(image) for image in images]
    alike = [place for place, image in enumerate(images) if image.shape == images[0].shape]
    batch = program.answer_batch(np.stack([images[place] for place in alike]))
    differences = {}
    for key, rows in wanted.items():
        sides = np.array([max(image.shape) for image in images])
        together = _difference(key, batch[key], rows[alike], sides[alike])
        differences[key] = _difference(key, np.stack([answer[key] for answer in singles]), rows, sides)
        worse = max(together.mean, differences[key].mean)
        # What is no number is not within either.
        if not (together.mean <= kind.tolerance and differences[key].mean <= kind.tolerance):
            raise InputError(
                f"{kind.title}: its {key} differ from the network's by {worse:.2g} on {len(images)} images, more than the tolerance of "
                f"{kind.tolerance:g}; nothing is written"
            )
    return differences


def _difference(key: str, found: np.ndarray, wanted: np.ndarray, sides: np.ndarray) -> Difference:
    if key == "embedding":
        distances = np.linalg.norm(found - wanted, axis=1)
    elif key == "probabilities":
        distances = np.abs(found - wanted).sum(axis=1) / 2
    else:
        distances = 10 * np.linalg.norm(found - wanted, axis=2).mean(axis=1) / sides
    return Difference(float(distances.mean()), float(distances.max()))
