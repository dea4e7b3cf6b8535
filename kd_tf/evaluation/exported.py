"""An exported model, asked only through its signature for image files: what stands in front of its network is scored with it."""

import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from kd_tf.data.broken import naming_bad_images
from kd_tf.data.source import decode_image
from kd_tf.data.split import Split
from kd_tf.data.synthetic.source import encode_bmp
from kd_tf.errors import InputError, first_line
from kd_tf.evaluation.answers import Answers, whole_pictures
from kd_tf.evaluation.predict import collect, kept

SIGNATURE = "encoded_images"
BATCH_SIZE = 64


def is_exported(path: str) -> bool:
    """Whether `path` is a SavedModel of `kd_tf.export`, and not one that Keras can load."""
    return os.path.exists(os.path.join(path, "saved_model.pb")) and not os.path.exists(os.path.join(path, "keras_metadata.pb"))


class ExportedModel:
    """A SavedModel that takes image files and returns landmarks as fractions of the whole image.

    Its `probabilities` stand for logits, which it does not give: ranks among very unlikely identities may be lost in rounding.

    Args:
      path: its folder.

    Raises:
      InputError: it cannot be loaded or lacks the signature.
    """

    def __init__(self, path: str):
        self.name = path
        try:
            # The signature does not keep alive what it was loaded with.
            self._model = tf.saved_model.load(path)
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise InputError(f"--model={path} cannot be loaded: {first_line(error)}") from error
        if SIGNATURE not in self._model.signatures:
            has = ", ".join(sorted(self._model.signatures)) or "none"
            raise InputError(f"--model={path} lacks the signature {SIGNATURE!r} that kd-export writes (it has: {has})")
        self._signature = self._model.signatures[SIGNATURE]
        shapes = {key: tuple(spec.shape) for key, spec in self._signature.structured_outputs.items()}
        self.outputs = {"logits" if key == "probabilities" else key: shape for key, shape in shapes.items()}

    def answers(self, split: Split, outputs: tuple[str, ...], *, flip: bool = False) -> Answers:
        """See `ScoredModel.answers`; what is flipped is the whole image."""
        with naming_bad_images(split.source, lambda: split.records):
            found = collect(self._parts(split, outputs, flip))
        if "landmarks" in outputs:
            found["true_landmarks"] = split.landmarks
        return Answers(
            identities=split.identities,
            identity_names=split.identity_names,
            aspect_ratio=split.source.aspect_ratio,
            picture=whole_pictures(split),
            **found,
        )

    def _parts(self, split: Split, outputs: tuple[str, ...], flip: bool) -> Iterator[dict[str, tf.Tensor]]:
        for start in range(0, len(split), BATCH_SIZE):
            records = split.records[start : start + BATCH_SIZE]
            encoded = split.source.read(records)
            flipped = self._ask([_flip(image) for image in encoded], outputs) if flip else None
            yield kept(self._ask(encoded, outputs), flipped, split.identities[start : start + BATCH_SIZE])

    def _ask(self, encoded: list[bytes], outputs: tuple[str, ...]) -> dict[str, tf.Tensor]:
        found = self._signature(encoded_images=tf.constant(encoded))
        wanted = {key: found[key] for key in outputs if key in found}
        return wanted | ({key: found["probabilities"] for key in ("logits", "probabilities")} if "logits" in outputs else {})


def _flip(encoded: bytes) -> bytes:
    return encode_bmp(np.ascontiguousarray(decode_image(encoded).numpy()[:, ::-1]))
