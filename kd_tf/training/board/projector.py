"""Embeddings of test images for TensorBoard's projector, with the identity and a small picture of each."""

import os

import cv2
import numpy as np
from google.protobuf import text_format
from tensorboard.plugins.projector import ProjectorConfig

from kd_tf.evaluation.answers import Answers
from kd_tf.evaluation.pictures import jpeg_bytes
from kd_tf.files import write_whole

# All images of the first people, up to so many.
SHOWN = 500
THUMBNAIL = 32
CONFIG_FILE = "projector_config.pbtxt"
_FOLDER = "projector"


def write_embeddings(directory: str, answers: Answers) -> None:
    """Writes the tensor, its labels, one picture of all thumbnails and the file that names them.

    Args:
      directory: TensorBoard's of the run.
      answers: with `embedding` and `picture`.
    """
    shown = np.argsort(answers.identities, kind="stable")[:SHOWN]
    os.makedirs(os.path.join(directory, _FOLDER), exist_ok=True)
    labels = "".join(f"{_one_line(answers.identity_names[label])}\n" for label in answers.identities[shown])
    config = ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = "embeddings of test images"
    embedding.tensor_shape.extend([len(shown), answers.embedding.shape[1]])
    embedding.tensor_path = _write(directory, "embeddings.bytes", answers.embedding[shown].astype(np.float32).tobytes())
    embedding.metadata_path = _write(directory, "identities.tsv", labels)
    embedding.sprite.image_path = _write(directory, "faces.jpg", _sprite([answers.picture(place) for place in shown]))
    embedding.sprite.single_image_dim.extend([THUMBNAIL, THUMBNAIL])
    write_whole(os.path.join(directory, CONFIG_FILE), text_format.MessageToString(config))


def _write(directory: str, name: str, content: str | bytes) -> str:
    path = os.path.join(_FOLDER, name)
    write_whole(os.path.join(directory, path), content)
    return path


def _one_line(name: str) -> str:
    return " ".join(name.split())


def _sprite(pictures: list[np.ndarray]) -> bytes:
    """A JPEG of as many rows as columns, row by row; places that are left are white."""
    side = int(np.ceil(np.sqrt(len(pictures))))
    sprite = np.full([side * THUMBNAIL, side * THUMBNAIL, 3], 255, np.uint8)
    thumbnails = [cv2.resize(picture, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA) for picture in pictures]
    for number, thumbnail in enumerate(thumbnails):
        row, column = (THUMBNAIL * place for place in divmod(number, side))
        sprite[row : row + THUMBNAIL, column : column + THUMBNAIL] = thumbnail
    return jpeg_bytes(sprite)
