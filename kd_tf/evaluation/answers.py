"""What a model answers to some images: all that the protocols score and the pictures show."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from kd_tf.data.source import Source, decode_image
from kd_tf.data.split import Split
from kd_tf.data.views import ViewConfig, evaluation_view, make_canvas
from kd_tf.errors import InputError
from kd_tf.evaluation.landmarks import in_pixels
from kd_tf.evaluation.retrieval import nearest_others


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """Arrays over the images of a split, in its order; None where it was not asked for.

    Attributes:
      identities: int32 `[n]`, the true labels.
      identity_names: the name of each label.
      ranks: int64 `[n]`, how many identities the model finds more likely than the true one; 0 is the most probable, and of equally
        likely ones the lowest label.
      predicted: int64 `[n]`, the most probable label.
      probability: float32 `[n]`, that of `predicted`.
      embedding: float32 `[n, width]`, unit vectors.
      hidden: float32 `[n, width]`, the same before it is normalised.
      landmarks: float32 `[n, 5, 2]`, fractions of `picture`.
      true_landmarks: float32 `[n, 5, 2]`, likewise.
      picture: from a place in these arrays to uint8 RGB `[height, width, 3]`, what the model saw there; None: there are no images.
      aspect_ratio: width over height of the images that `landmarks` lie in.
      gallery: what another model, in the same space, answers to the same images: these answers are compared with its own; None: with each
        other.
      alone: what the models that meet here answer by themselves, by name.
    """

    identities: np.ndarray
    identity_names: Sequence[str]
    ranks: np.ndarray | None = None
    predicted: np.ndarray | None = None
    probability: np.ndarray | None = None
    embedding: np.ndarray | None = None
    hidden: np.ndarray | None = None
    landmarks: np.ndarray | None = None
    true_landmarks: np.ndarray | None = None
    picture: Callable[[int], np.ndarray] | None = None
    aspect_ratio: float = 1.0
    gallery: "Answers | None" = None
    alone: Mapping[str, "Answers"] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def nearest_others(self) -> tuple[np.ndarray, np.ndarray]:
        """The queries and the image nearest to each, by `embedding`; see `kd_tf.evaluation.retrieval.nearest_others`."""
        return nearest_others(self.embedding, self.identities, gallery=self.searched.embedding)

    @property
    def searched(self) -> "Answers":
        """Whose rows these answers are compared with."""
        return self if self.gallery is None else self.gallery

    @property
    def rows(self) -> np.ndarray:
        """What pairs are compared by, `[n, width]`: `hidden` where it was asked for, else `embedding`."""
        return self.embedding if self.hidden is None else self.hidden

    def landmarks_in_pixels(self) -> tuple[np.ndarray, np.ndarray]:
        """True landmarks and those found, in a unit that is the same for x and y."""
        return in_pixels(self.true_landmarks, self.aspect_ratio), in_pixels(self.landmarks, self.aspect_ratio)

    def require_finite(self, who: str, split: Split) -> None:
        """Raises `InputError` where the model `who` answers to an image of `split` with something that is no number."""
        for key in ("probability", "embedding", "hidden", "landmarks"):
            values = getattr(self, key)
            bad = () if values is None else np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
            if len(bad):
                first = split.source.describe(split.records[bad[0]])
                raise InputError(f"{who}: its {key} is not finite for {len(bad)} of {len(values)} images, the first is {first}")


def cropped_pictures(source: Source, split: Split, view: ViewConfig) -> Callable[[int], np.ndarray]:
    """The `picture` of a model that sees the images of a split, read from `source`, in the evaluation view."""

    def picture(place: int) -> np.ndarray:
        canvas = make_canvas(decode_image(source.read([split.records[place]])[0]), view)
        return evaluation_view(canvas, tf.zeros([5, 2]), view)[0].numpy().astype(np.uint8)

    return picture


def whole_pictures(split: Split) -> Callable[[int], np.ndarray]:
    """The `picture` of a model that is given the images of a split as they are."""
    return lambda place: decode_image(split.source.read([split.records[place]])[0]).numpy()
