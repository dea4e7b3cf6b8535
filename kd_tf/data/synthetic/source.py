"""`synthetic`: drawn faces, made from the record index when they are read (docs/SYNTHETIC.md)."""

import functools
from collections.abc import Iterable

import cv2
import numpy as np

from kd_tf.data.synthetic.picture import draw_picture, face_landmarks
from kd_tf.errors import InputError

# Raise it whenever a face comes out differently: stored images and teacher outputs of the old drawing are then refused.
DRAWING_VERSION = 1


class SyntheticSource:
    """Photographs of drawn people.

    A record depends only on `seed`, its identity and its number within the identity: other totals give the same pictures.

    Args:
      identities: how many people.
      pictures: photographs of each person.
      picture_size: height and width in pixels.
      seed: another seed is another world of people.
    """

    official_test = None
    labelled = True
    folds = None
    trusted = True
    aspect_ratio = 1.0

    def __init__(self, *, identities: int = 100, pictures: int = 50, picture_size: int = 64, seed: int = 1):
        for flag, value in (("identities", identities), ("pictures", pictures), ("picture_size", picture_size)):
            if value < 1:
                raise InputError(f"--{flag}={value} must be at least 1")
        self.name = f"synthetic ({identities} identities x {pictures} pictures of {picture_size} pixels, seed {seed})"
        # Another world, other people; those of the usual one keep the names that runs have recorded.
        world = "synthetic" if seed == 1 else f"synthetic_{seed}"
        self.identity_names = [f"{world}_{identity:06d}" for identity in range(identities)]
        self.identities = np.repeat(np.arange(identities, dtype=np.int32), pictures)
        self._pictures = pictures
        self._picture_size = picture_size
        self._seed = seed

    def __len__(self) -> int:
        return len(self.identities)

    @functools.cached_property
    def landmarks(self) -> np.ndarray:
        """Exact landmarks, as in `Source`."""
        return np.stack([face_landmarks(self._seed, *self._identity_and_image(record)) for record in range(len(self))])

    def read(self, indices: Iterable[int]) -> list[bytes]:
        """See `Source.read`; the images are BMP."""
        return [encode_bmp(draw_picture(self._seed, *self._identity_and_image(index), self._picture_size)) for index in indices]

    def describe(self, index: int) -> str:
        """Which photograph of whom."""
        identity, image = self._identity_and_image(index)
        return f"{self.identity_names[identity]}, image {image}"

    def fingerprint(self) -> str:
        """The parameters, and the version of the drawing."""
        return f"{self.name}, drawing {DRAWING_VERSION}"

    def _identity_and_image(self, record: int) -> tuple[int, int]:
        return divmod(int(record), self._pictures)


def encode_bmp(image: np.ndarray) -> bytes:
    """A uint8 RGB image `[height, width, 3]` as the bytes of a BMP file: lossless, and next to free to decode."""
    return cv2.imencode(".bmp", image[:, :, ::-1])[1].tobytes()
