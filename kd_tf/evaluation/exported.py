"""An exported model, asked only about whole photographs: what stands in front of its network is scored with it."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from kd_tf.data.broken import naming_bad_images
from kd_tf.data.source import decode_image
from kd_tf.data.split import Split
from kd_tf.evaluation.answers import Answers, whole_pictures
from kd_tf.evaluation.predict import collect, kept
from kd_tf.evaluation.programs import open_program

BATCH_SIZE = 64


class ExportedModel:
    """A file or folder of `kd-export`.

    Its `probabilities` stand for logits, which it does not give: ranks among very unlikely identities may be lost in rounding.

    Args:
      path: see `open_program`.

    Raises:
      InputError: see `open_program`.
    """

    def __init__(self, path: str):
        self.name = path
        self._program = open_program(path)
        self.outputs = {"logits" if key == "probabilities" else key: shape for key, shape in self._program.outputs.items()}

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
            images = [decode_image(encoded).numpy() for encoded in split.source.read(records)]
            flipped = self._ask([image[:, ::-1] for image in images], outputs) if flip else None
            yield kept(self._ask(images, outputs), flipped, split.identities[start : start + BATCH_SIZE])

    def _ask(self, images: list[np.ndarray], outputs: tuple[str, ...]) -> dict[str, tf.Tensor]:
        """The answers to images of any sizes, those of one size together; landmarks as fractions."""
        shapes = [image.shape for image in images]
        found: list[dict] = [{}] * len(images)
        for shape in set(shapes):
            places = [place for place, other in enumerate(shapes) if other == shape]
            answers = self._program.answer_batch(np.stack([images[place] for place in places]))
            if "landmarks" in answers:
                answers["landmarks"] = (answers["landmarks"] + 0.5) / np.array(shape[1::-1], np.float32)
            for row, place in enumerate(places):
                found[place] = {key: value[row] for key, value in answers.items()}
        together = {key: tf.constant(np.stack([answer[key] for answer in found])) for key in found[0]}
        wanted = {key: together[key] for key in outputs if key in together}
        return wanted | ({key: together["probabilities"] for key in ("logits", "probabilities")} if "logits" in outputs else {})
