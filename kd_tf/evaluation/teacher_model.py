"""A teacher from elsewhere, as a model that is scored."""

import dataclasses
from collections.abc import Iterator

import tensorflow as tf

from kd_tf.data.broken import naming_bad_images
from kd_tf.data.pipeline import evaluation_batches
from kd_tf.data.split import Split
from kd_tf.data.views import ViewConfig
from kd_tf.evaluation.answers import Answers, cropped_pictures
from kd_tf.evaluation.predict import collect, kept
from kd_tf.teachers.embedding.teacher import EmbeddingTeacher

BATCH_SIZE = 64


class TeacherModel:
    """See `ScoredModel`; it sees the evaluation view of images as its own view says.

    Args:
      teacher: the teacher.
    """

    def __init__(self, teacher: EmbeddingTeacher):
        self.name = teacher.who
        self.outputs = dict.fromkeys(("embedding", "hidden"), (None, teacher.width))
        self._teacher = teacher

    def answers(self, split: Split, outputs: tuple[str, ...], *, flip: bool = False) -> Answers:
        """See `ScoredModel.answers`."""
        source, view = self._teacher.view.sees(split.source, ViewConfig())
        seen = dataclasses.replace(split, source=source)
        with naming_bad_images(split.source, lambda: split.records):
            found = collect(self._parts(evaluation_batches(seen, view, batch_size=BATCH_SIZE), outputs, flip))
        return Answers(identity_names=split.identity_names, picture=cropped_pictures(source, split, view), **found)

    def _parts(self, batches: tf.data.Dataset, outputs: tuple[str, ...], flip: bool) -> Iterator[dict[str, tf.Tensor]]:
        for images, targets in batches:
            flipped = self._ask(tf.reverse(images, [2]), outputs) if flip else None
            yield {"identities": targets["identity"]} | kept(self._ask(images, outputs), flipped, targets["identity"])

    def _ask(self, images: tf.Tensor, outputs: tuple[str, ...]) -> dict[str, tf.Tensor]:
        hidden = tf.constant(self._teacher.embed(images.numpy()))
        found = {"hidden": hidden, "embedding": tf.math.l2_normalize(hidden, axis=-1)}
        return {key: value for key, value in found.items() if key in outputs}
