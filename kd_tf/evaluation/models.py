"""What can be scored: networks, exported models and embeddings made elsewhere, all behind one interface."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Protocol

import tensorflow as tf

from kd_tf.data.broken import naming_bad_images
from kd_tf.data.image_cache import cache_images
from kd_tf.data.pipeline import evaluation_batches
from kd_tf.data.split import Split
from kd_tf.data.views import ViewConfig
from kd_tf.errors import InputError
from kd_tf.evaluation.answers import Answers, cropped_pictures
from kd_tf.evaluation.baselines import pixel_network
from kd_tf.evaluation.embeddings import StoredEmbeddings
from kd_tf.evaluation.exported import ExportedModel
from kd_tf.evaluation.predict import predict
from kd_tf.evaluation.programs import is_exported
from kd_tf.evaluation.teacher_model import TeacherModel
from kd_tf.networks.face_network import output_shapes
from kd_tf.networks.stored import load_network
from kd_tf.teachers.embedding.teacher import has_view, open_embedding_teacher

# What stands in the place of a model's path, and is none.
PIXELS = "pixels"


class ScoredModel(Protocol):
    """Something that answers to images.

    Attributes:
      name: used in messages.
      outputs: the shapes of what it can be asked for: some of `logits`, `embedding`, `hidden` and `landmarks`.
    """

    name: str
    outputs: Mapping[str, tuple]

    def answers(self, split: Split, outputs: tuple[str, ...], *, flip: bool = False) -> Answers:
        """The answers to the images of a split; `flip` adds those to the flipped images to `embedding` and `hidden`.

        Raises:
          InputError: an image cannot be read, or this model cannot be asked about these images.
        """


class NetworkModel:
    """A Keras network that keeps the output contract; it sees, and its landmarks lie in, the evaluation crop.

    Args:
      network: the network.
      view: how images become its inputs.
      image_cache: see `cache_images`; None: images are read in place.
      cache_all: whether the cache holds all images of a data set, as that of a run does, or only those of the split.
      batch_size: images asked at a time.
    """

    def __init__(
        self,
        network: tf.keras.Model,
        view: ViewConfig,
        image_cache: str | None = None,
        *,
        cache_all: bool = True,
        batch_size: int = 256,
    ):
        self.name = repr(network.name)
        self.outputs = output_shapes(network)
        self._network = network
        self._view = view
        self._image_cache = image_cache
        self._cache_all = cache_all
        self._batch_size = batch_size

    def answers(self, split: Split, outputs: tuple[str, ...], *, flip: bool = False) -> Answers:
        """See `ScoredModel.answers`."""
        source, view = split.source, self._view
        if self._image_cache:
            source, view = cache_images(source, view, self._image_cache, None if self._cache_all else split.records)
        seen = dataclasses.replace(split, source=source)
        with naming_bad_images(split.source, lambda: split.records):
            found = predict(self._network, evaluation_batches(seen, view, batch_size=self._batch_size), outputs, flip=flip)
        return Answers(
            identity_names=split.identity_names,
            aspect_ratio=source.aspect_ratio,
            picture=cropped_pictures(source, split, view),
            **found,
        )


def open_model(path: str, view: ViewConfig, image_cache: str | None = None, *, cache_all: bool = True) -> ScoredModel:
    """Opens what `--model` names.

    Args:
      path: a `.npz` file of embeddings, a SavedModel, `.tflite` or `.onnx` file that `kd-export` wrote, a teacher from elsewhere
        (`open_embedding_teacher`), what `load_network` takes, or `PIXELS`, the images themselves (see `pixel_network`), in the place of a
        network; a path to what is called so is longer.
      view: how a network sees images; exported models and teachers from elsewhere have their own.
      image_cache: for networks.
      cache_all: likewise; see `NetworkModel`.

    Raises:
      InputError: it cannot be read, or cannot use `image_cache`.
    """
    if path == PIXELS or not (has_view(path) or path.endswith(".npz") or is_exported(path)):
        network = pixel_network() if path == PIXELS else load_network(path, "model", image_size=view.image_size)
        return NetworkModel(network, view, image_cache, cache_all=cache_all)
    if image_cache:
        raise InputError(f"--image_cache={image_cache} holds what a network sees, which --model={os.path.basename(path)} does not look at")
    if has_view(path):
        return TeacherModel(open_embedding_teacher(path, "model"))
    return StoredEmbeddings(path) if path.endswith(".npz") else ExportedModel(path)
