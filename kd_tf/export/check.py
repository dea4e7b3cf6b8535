"""An exported file is loaded again and compared with its network on photographs before it gets its name.

The difference is a mean over the images: of the distance between embeddings (unit vectors, so at most 2); of half the summed differences of
the probabilities (at most 1); of the distance of the landmarks, ten times as a share of the image's longer side.
"""

from typing import NamedTuple

import numpy as np

from kd_tf.errors import InputError
from kd_tf.evaluation.programs import open_program
from kd_tf.export.asked import AskedNetwork
from kd_tf.export.kinds import Kind


class Difference(NamedTuple):
    """Of one output: the mean over the images, and that of the worst of them."""

    mean: float
    largest: float


def check_file(kind: Kind, folder: str, model: str, asked: AskedNetwork) -> dict[str, Difference]:
    """Asks a file in the folder of an export about images one by one, and about those of the first one's size together.

    Args:
      kind: which file.
      folder: where it is.
      model: where the network is, for messages.
      asked: the network, which was asked the same.

    Returns:
      How far each output is from the network's.

    Raises:
      InputError: it cannot be loaded, has other outputs, or one that is further away than the kind's tolerance.
    """
    program, images, wanted = open_program(kind.path(folder)), asked.images, asked.answers
    if set(program.outputs) != set(wanted):
        raise InputError(f"{kind.title} gives {', '.join(sorted(program.outputs))}, and --model={model} {', '.join(sorted(wanted))}")
    singles = [program.answer_image(image) for image in images]
    alike = [place for place, image in enumerate(images) if image.shape == images[0].shape]
    batch = program.answer_batch(np.stack([images[place] for place in alike]))
    differences = {}
    for key, rows in wanted.items():
        sides = np.array([max(image.shape) for image in images])
        together = _difference(key, batch[key], rows[alike], sides[alike])
        differences[key] = _difference(key, np.stack([answer[key] for answer in singles]), rows, sides)
        # What is no number is not within either.
        if not (together.mean <= kind.tolerance and differences[key].mean <= kind.tolerance):
            raise InputError(
                f"{kind.title}: its {key} differ from those of --model={model} by {max(together.mean, differences[key].mean):.2g} on "
                f"{len(images)} images, more than the tolerance of {kind.tolerance:g}"
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
