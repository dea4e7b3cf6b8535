"""Writes a data set as a pack: with several threads, and so that a killed process costs the shard it was at and nothing else."""

import dataclasses
import json
import os
from typing import Any

import cv2
import numpy as np

from kd_tf.data.packed.contact_sheet import draw_contact_sheet
from kd_tf.data.packed.image import JPEG_QUALITY
from kd_tf.data.packed.shards import Shard, plan_shards, write_shards
from kd_tf.data.packed.source import CONTACT_SHEET, MANIFEST, RECORDS, VERSION, PackedSource, fingerprint_of
from kd_tf.data.packed.workspace import open_workspace
from kd_tf.data.source import Source
from kd_tf.errors import InputError
from kd_tf.files import PARTIAL, place


@dataclasses.dataclass(frozen=True)
class PackConfig:
    """How a data set is packed.

    Attributes:
      output: the folder.
      shard_records: records in a shard; the last may have fewer.
      resize: see `read_image`.
      workers: threads.
      skip_broken: how many images that cannot be read or decoded may be left out.
    """

    output: str
    shard_records: int = 8192
    resize: int | None = None
    workers: int = 2
    skip_broken: int = 0


def pack(source: Source, config: PackConfig) -> dict[str, int]:
    """Packs `source`; goes on where an interrupted call stopped.

    Returns:
      Counts: `records`, `identities`, `shards`, `skipped`, `bytes` (of the shards).

    Raises:
      InputError: an image cannot be read or decoded (beyond `skip_broken`), the folder holds something else, another process is
        writing it, or it cannot be written.
    """
    plan = {"data": _data(source), "shard_records": config.shard_records, "resize": config.resize}
    try:
        with open_workspace(config.output, plan) as work:
            shards = plan_shards(len(source), config.shard_records, config.output, work)
            write_shards(source, shards, resize=config.resize, workers=config.workers, skip_broken=config.skip_broken)
            return _finish(source, config, shards, work)
    except OSError as error:
        raise InputError(f"--output={config.output} cannot be written: {error}") from error


def _data(source: Source) -> str:
    """What, in the plan, says which data set."""
    try:
        return f"{source.fingerprint()}, version {VERSION}"
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}") from error


def _finish(source: Source, config: PackConfig, shards: list[Shard], work: str) -> dict[str, int]:
    notes = [shard.read_notes() for shard in shards]
    records = _records(source, *(np.concatenate([note[name] for note in notes]) for name in ("records", "checksums")))
    manifest = {
        "version": VERSION,
        "source": source.name,
        "resize": config.resize,
        "aspect_ratio": source.aspect_ratio,
        "shards": [len(note["records"]) for note in notes],
        "identity_names": list(source.identity_names),
        "labelled": source.labelled,
        "fingerprint": fingerprint_of(source.identity_names, records),
    }
    _write(records, manifest, config.output, work)
    return {
        "records": len(records["identities"]),
        "identities": len(np.unique(records["identities"])),
        "shards": len(shards),
        "skipped": len(source) - len(records["identities"]),
        "bytes": sum(os.path.getsize(shard.path) for shard in shards),
    }


def _records(source: Source, kept: np.ndarray, checksums: np.ndarray) -> dict[str, np.ndarray]:
    """What `records.npz` holds."""
    if not len(kept):
        raise InputError(f"{source.name}: none of its {len(source)} images can be read")
    known = {name: getattr(source, name) for name in ("identities", "landmarks", "official_test", "folds")}
    return {name: array[kept] for name, array in known.items() if array is not None} | {"checksums": checksums}


def _write(records: dict[str, np.ndarray], manifest: dict[str, Any], output: str, work: str) -> None:
    """All but the shards."""
    with open(os.path.join(work, RECORDS + PARTIAL), "wb") as file:
        np.savez(file, **records)
    with open(os.path.join(work, CONTACT_SHEET + PARTIAL), "wb") as file:
        sheet = draw_contact_sheet(PackedSource(output, manifest, records))
        file.write(cv2.imencode(".jpg", sheet[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes())
    with open(os.path.join(work, MANIFEST + PARTIAL), "w", encoding="utf-8") as file:
        json.dump(manifest, file)
    for name in (RECORDS, CONTACT_SHEET, MANIFEST):
        place(os.path.join(work, name + PARTIAL), os.path.join(output, name))
