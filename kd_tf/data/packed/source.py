"""`packed:PATH`: a data set in shards of random-access records, as `kd-prepare` writes it.

| file | holds |
| --- | --- |
| `images-00000-of-00012.array_record` | the encoded images of consecutive records |
| `records.npz` | `identities`, `checksums` (CRC-32 of each encoded image) and, where there are any, `landmarks`, `official_test`, `folds` |
| `contact_sheet.jpg` | up to 64 of the images, with names, for a person to look at |
| `packed.json` | what was packed: `version`, `source`, `resize`, `shards` (records in each), `identity_names`, `labelled`, `fingerprint` |

`packed.json` is written last: where it is, the pack is whole. `fingerprint` is a digest of the names and of `records.npz`, and so, through
the checksums, of every image: it finds a damaged `records.npz`, and stays what it is when the same records are packed again.
"""

import bisect
import functools
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Sequence
from typing import Any
from zlib import crc32

import numpy as np
from array_record.python import array_record_module

from kd_tf.errors import InputError, first_line

MANIFEST, RECORDS, CONTACT_SHEET = "packed.json", "records.npz", "contact_sheet.jpg"
VERSION = 1
# At one time, however many there are.
OPEN_SHARDS = 512
_READER_OPTIONS = "readahead_buffer_size:0,max_parallelism:0"
AGAIN = "restore it from a copy, or delete the folder and pack the data again"


class PackedSource:
    """The records of a pack; see `Source`. Every image is checked against its checksum when it is read.

    Args:
      path: the folder.
      manifest: of `packed.json`.
      records: of `records.npz`.
    """

    trusted = True

    def __init__(self, path: str, manifest: dict[str, Any], records: dict[str, np.ndarray]):
        self.name = f"packed:{path}"
        self.identity_names = manifest["identity_names"]
        self.identities = records["identities"]
        self.landmarks = records.get("landmarks")
        self.official_test = records.get("official_test")
        # Packs of earlier versions do not say.
        self.labelled = manifest.get("labelled", True)
        self.folds = records.get("folds")
        self.aspect_ratio = manifest["aspect_ratio"]
        self._path = path
        self._fingerprint = manifest["fingerprint"]
        self._checksums = records["checksums"]
        self._starts = [0, *itertools.accumulate(manifest["shards"])]
        self._open = functools.lru_cache(OPEN_SHARDS)(_open)

    def __len__(self) -> int:
        return len(self.identities)

    @property
    def shards(self) -> list[range]:
        """The records of each shard."""
        return [range(first, end) for first, end in itertools.pairwise(self._starts)]

    def read(self, indices: Iterable[int]) -> list[bytes]:
        """See `Source.read`; several threads may call it.

        Raises:
          InputError: an image is not the one that was packed.
        """
        indices = [int(index) for index in indices]
        shards = [self._shard(index) for index in indices]
        images = {}
        for shard in set(shards):
            wanted = [index for index, other in zip(indices, shards, strict=True) if other == shard]
            images.update(zip(wanted, self._read(shard, wanted), strict=True))
        return [images[index] for index in indices]

    def describe(self, index: int) -> str:
        """The shard and the place in it."""
        shard = self._shard(index)
        return f"{self._shard_path(shard)} record {index - self._starts[shard]}"

    def fingerprint(self) -> str:
        """A digest of the records."""
        return self._fingerprint

    def open_shard(self, shard: int) -> array_record_module.ArrayRecordReader:
        """The reader of a shard, for all threads.

        Raises:
          InputError: the file is missing or broken.
        """
        return self._open(self._shard_path(shard), self._starts[shard + 1] - self._starts[shard])

    def _shard(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} records, there is no {index}")
        return bisect.bisect_right(self._starts, index) - 1

    def _shard_path(self, shard: int) -> str:
        return os.path.join(self._path, shard_name(shard, len(self._starts) - 1))

    def _read(self, shard: int, indices: Sequence[int]) -> list[bytes]:
        """Some records of one shard."""
        reader = self.open_shard(shard)
        try:
            images = reader.read([index - self._starts[shard] for index in indices])
        except RuntimeError as error:
            if len(indices) > 1:
                # Which of them it is, the error does not say.
                return [self._read(shard, [index])[0] for index in indices]
            raise InputError(f"{self.describe(indices[0])} cannot be read: {first_line(error)}; {AGAIN}") from error
        for index, image in zip(indices, images, strict=True):
            if crc32(image) != self._checksums[index]:
                raise InputError(f"{self.describe(index)} is not the image that was packed, its checksum differs; {AGAIN}")
        return images


def open_packed(path: str) -> PackedSource:
    """Opens what `kd-prepare` wrote to the folder `path`.

    Raises:
      InputError: it is no pack, one that is not finished or of another version, or its lists are damaged. Images are looked at
        when they are read.
    """
    manifest = _read_manifest(path)
    records = _read_records(path)
    try:
        whole = fingerprint_of(manifest["identity_names"], records) == manifest["fingerprint"]
        whole &= sum(manifest["shards"]) == len(records["identities"]) == len(records["checksums"])
    except (KeyError, TypeError):
        whole = False
    if not whole:
        raise InputError(f"{path}: {MANIFEST} and {RECORDS} are not of one pack, or one is damaged; {AGAIN}")
    return PackedSource(path, manifest, records)


def fingerprint_of(identity_names: Sequence[str], records: dict[str, np.ndarray]) -> str:
    """A digest of all that is in a pack; of the images by their checksums."""
    digest = hashlib.sha256(json.dumps(identity_names).encode())
    for name, array in sorted(records.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def shard_name(shard: int, shards: int) -> str:
    """The file of a shard."""
    return f"images-{shard:05d}-of-{shards:05d}.array_record"


def _open(path: str, expected: int) -> array_record_module.ArrayRecordReader:
    if not os.path.exists(path):
        raise InputError(f"{path} is missing; {AGAIN}")
    try:
        reader = array_record_module.ArrayRecordReader(path, _READER_OPTIONS)
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from error
    # A file that was cut short opens without an error.
    if not reader.ok() or reader.num_records() != expected:
        raise InputError(f"{path} has {reader.num_records()} records that can be read, {MANIFEST} says {expected}; {AGAIN}")
    return reader


def _read_manifest(path: str) -> dict[str, Any]:
    file = os.path.join(path, MANIFEST)
    try:
        with open(file, encoding="utf-8") as text:
            manifest = json.load(text)
    except FileNotFoundError as error:
        raise InputError(f"{path} has no {MANIFEST}: it is no pack, or one that kd-prepare has not finished") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read: {first_line(error)}; {AGAIN}") from error
    version = manifest.get("version") if isinstance(manifest, dict) else None
    if version != VERSION:
        raise InputError(f"{file} is of version {version}, this program reads {VERSION}: delete the folder and pack the data again")
    return manifest


def _read_records(path: str) -> dict[str, np.ndarray]:
    file = os.path.join(path, RECORDS)
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    # Garbage raises anything.
    except Exception as error:
        raise InputError(f"{file} cannot be read ({type(error).__name__}: {first_line(error)}); {AGAIN}") from error
