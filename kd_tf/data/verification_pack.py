"""`bin:PATH`: pairs of faces in one file, as LFW, CFP-FP, AgeDB-30 and others are passed around: a pickle of (images, flags)."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from kd_tf.data.aligned import TEMPLATE_LANDMARKS
from kd_tf.data.pairs import Pairs
from kd_tf.data.pickle_notes import Note, Refused, kind_of, load_notes, noted_array, noted_scalar
from kd_tf.errors import InputError
from kd_tf.files import other_file

FOLDS = 10


class PackSource:
    """A `Source` of the images in a pack, all of them of one unknown identity.

    Args:
      path: the pack, for messages.
      images: encoded.
    """

    identity_names = ("unknown",)
    official_test = None
    labelled = False
    folds = None
    trusted = False
    aspect_ratio = 1.0

    def __init__(self, path: str, images: list[bytes]):
        self.name = f"bin:{path}"
        self.identities = np.zeros(len(images), np.int32)
        # Faces in packs are aligned to the template.
        self.landmarks = np.broadcast_to(TEMPLATE_LANDMARKS, [len(images), 5, 2])
        self._path = path
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def read(self, indices: Iterable[int]) -> list[bytes]:
        """See `Source.read`."""
        return [self._images[index] for index in indices]

    def describe(self, index: int) -> str:
        """The pack and the entry in it, from 0."""
        return f"{self._path} entry {index}"

    def fingerprint(self) -> str:
        """A digest of the images."""
        digest = hashlib.sha256()
        for image in self._images:
            digest.update(hashlib.sha256(image).digest())
        return digest.hexdigest()


def open_pack(path: str) -> tuple[PackSource, Pairs]:
    """The images of a pack as a source, and its pairs as records of that.

    Raises:
      InputError: see `read_pack`.
    """
    images, pairs = read_pack(path)
    return PackSource(path, images), pairs


def read_pack(path: str) -> tuple[list[bytes], Pairs]:
    """Reads a pack: pair `i` is the entries `2 i` and `2 i + 1`, and the folds are ten runs of pairs, in order.

    Returns:
      The encoded images, and the pairs by their places.

    Raises:
      InputError: the file is missing, cut short or something else, asks for what a pack does not need, or holds an entry that is
        neither bytes nor a uint8 array of one axis.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if not data:
        raise InputError(f"{path} is empty: copy it again")
    if what := other_file(data[:200]):
        raise InputError(f"{path} is {what}, not the data")
    try:
        return _read(path, data)
    except Refused as refused:
        raise InputError(f"{path} asks for {refused}, which image packs do not need: refused, nothing was run") from refused
    except InputError:
        raise
    # Garbage raises anything.
    except Exception as error:
        raise InputError(f"{path} is not a whole pickle of (images, flags) ({type(error).__name__}): copy it again") from error


def _read(path: str, data: bytes) -> tuple[list[bytes], Pairs]:
    pack = load_notes(data)
    if not isinstance(pack, tuple | list) or len(pack) != 2:
        raise InputError(f"{path} holds {kind_of(pack)}: expected a tuple of 2, (images, flags)")
    entries, flags = (_entries(path, *part) for part in zip(("images", "flags"), pack, strict=True))
    if len(entries) != 2 * len(flags):
        raise InputError(f"{path} has {len(entries)} images and {len(flags)} flags: expected two images for each flag")
    if len(flags) < FOLDS:
        raise InputError(f"{path} has {len(flags)} pairs: {FOLDS} folds need {FOLDS} or more")
    images = [_image(f"{path} entry {number}", entry) for number, entry in enumerate(entries)]
    same = np.array([_flag(f"{path} flag {number}", flag) for number, flag in enumerate(flags)])
    places = np.arange(len(images))
    folds = [np.full(len(part), fold) for fold, part in enumerate(np.array_split(same, FOLDS))]
    return images, Pairs(places[::2], places[1::2], same, np.concatenate(folds))


def _entries(path: str, name: str, part: Any) -> list:
    if isinstance(part, list | tuple):
        return list(part)
    array = noted_array(part)
    if array is None or len(array.shape) != 1:
        raise InputError(f"{path} has {kind_of(part)} for its {name}: expected a list")
    return array.content if array.dtype.hasobject else np.frombuffer(array.content, array.dtype).tolist()


def _image(where: str, entry: Any) -> bytes:
    if isinstance(entry, bytes):
        return entry
    array = noted_array(entry)
    if array is None or array.dtype != np.uint8 or len(array.shape) != 1:
        raise InputError(f"{where} is {kind_of(entry)}: expected an encoded image, as bytes or a uint8 array of one axis")
    return array.content


def _flag(where: str, flag: Any) -> bool:
    if isinstance(flag, Note) and flag.name == "scalar":
        flag = noted_scalar(flag)
    if not isinstance(flag, int) or flag not in (0, 1):
        raise InputError(f"{where} is {'another number' if isinstance(flag, int) else kind_of(flag)}: expected True or False, 1 or 0")
    return bool(flag)
