"""The network that is exported, and what it answers itself to some test images: what its files are held against."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kd_tf.data.aligned import view_of_faces
from kd_tf.data.broken import naming_bad_images, sound_records
from kd_tf.data.dataset import FaceData, open_data
from kd_tf.data.source import decode_image
from kd_tf.data.split import Split
from kd_tf.data.views import ViewConfig, evaluation_view, landmarks_in_image, make_canvas
from kd_tf.errors import InputError
from kd_tf.evaluation.score import NEEDS, TASK_PROTOCOLS
from kd_tf.export.config import ExportConfig
from kd_tf.networks.face_network import output_shapes, require_outputs
from kd_tf.networks.precision import in_float32
from kd_tf.networks.stored import load_network

CHECKED_IMAGES = 32


@dataclasses.dataclass(frozen=True)
class AskedNetwork:
    """See `ask_network`.

    Attributes:
      network: computes in float32, as what is exported does.
      view: how it sees images.
      data: what it is checked, calibrated and scored on.
      protocol: that of its task, of `kd_tf.evaluation.score.PROTOCOLS`.
      images: some test images, uint8 `[height, width, 3]` each.
      answers: its own to them; see `network_answers`.
    """

    network: tf.keras.Model
    view: ViewConfig
    data: FaceData
    protocol: str
    images: Sequence[np.ndarray]
    answers: dict[str, np.ndarray]


def ask_network(config: ExportConfig) -> AskedNetwork:
    """Loads the network and asks it.

    Raises:
      InputError: it lacks the head of its task, or the data does not do.
    """
    view = view_of_faces(config.view)
    network = in_float32(load_network(config.model, "model", image_size=view.image_size))
    protocol = _protocol(config, network)
    data = open_data(config.source, config.view, config.split)
    images = photographs(data.test, CHECKED_IMAGES, skip_broken=config.skip_broken)
    return AskedNetwork(network, view, data, protocol, images, network_answers(network, view, images))


def photographs(split: Split, count: int, *, skip_broken: int = 0) -> list[np.ndarray]:
    """Images of a split, evenly spread, as many as there are up to `count`: uint8 `[height, width, 3]` each.

    Raises:
      InputError: one cannot be decoded, beyond the `skip_broken` that may be left out, or none is left.
    """
    # As many more as may be broken.
    looked_at = _spread(split.records, count + skip_broken)
    sound = sound_records(split.source, looked_at, skip_broken=skip_broken)[0] if skip_broken else looked_at
    if not len(sound):
        raise InputError(f"{split.source.name}: all {len(looked_at)} images that were looked at are broken")
    records = _spread(sound, count)
    with naming_bad_images(split.source, lambda: records):
        return [decode_image(encoded).numpy() for encoded in split.source.read(records)]


def _spread(records: np.ndarray, count: int) -> np.ndarray:
    """As many of them as there are up to `count`, evenly spread."""
    return records[np.unique(np.linspace(0, len(records) - 1, min(count, len(records))).round().astype(int))]


def network_answers(network: tf.keras.Model, view: ViewConfig, images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """What an exported model should answer to images of any sizes, by the network itself."""
    views = tf.stack([evaluation_view(make_canvas(tf.constant(image), view), tf.zeros([5, 2]), view)[0] for image in images])
    found = network(views, training=False)
    answers = {}
    if "embedding" in found:
        answers["embedding"] = found["embedding"].numpy()
    if "logits" in found:
        answers["probabilities"] = tf.nn.softmax(found["logits"]).numpy()
    if "landmarks" in found:
        sizes = np.array([[image.shape[1::-1]] for image in images], np.float32)
        answers["landmarks"] = landmarks_in_image(found["landmarks"], view).numpy() * sizes - 0.5
    return answers


def _protocol(config: ExportConfig, network: tf.keras.Model) -> str:
    """That of the run's task; of a network that no run is known of, the first that it has a head for."""
    who, outputs = f"--model={config.model}", output_shapes(network)
    if config.task is not None:
        if config.task not in TASK_PROTOCOLS:
            raise InputError(f"{who} is a run of --task={config.task}, which has no head yet; export the run that goes on from it")
        protocol = TASK_PROTOCOLS[config.task][0]
        require_outputs(network, (NEEDS[protocol],), f"{who}, a run of --task={config.task},")
        return protocol
    for protocol, head in NEEDS.items():
        if head in outputs:
            return protocol
    has = ", ".join(sorted(outputs)) or "none, its output is not a dict"
    raise InputError(f"{who} has no head: it needs one of the outputs {', '.join(NEEDS.values())} (it has: {has})")
