"""Writes RecordIO packs as MXNet does, for tests."""

import struct
from typing import NamedTuple

import numpy as np

MAGIC = struct.pack("<I", 0xCED7230A)


class Record(NamedTuple):
    """`labels`: a number for the header's own label and flag 0, a list for labels after the header."""

    key: int
    labels: float | list
    body: bytes = b""
    id: int | None = None


def payload(record):
    """Header, labels and body; the id is the key unless it is given."""
    several = isinstance(record.labels, list)
    own = record.key if record.id is None else record.id
    header = struct.pack("<IfQQ", len(record.labels) if several else 0, 0.0 if several else record.labels, own, 0)
    return header + (struct.pack(f"<{len(record.labels)}f", *record.labels) if several else b"") + record.body


def chunk(kind, data):
    return MAGIC + struct.pack("<I", kind << 29 | len(data)) + data + b"\0" * (-len(data) % 4)


def chunks(data):
    """One chunk, or several around each magic at a multiple of 4."""
    written, begin = b"", 0
    for place in range(0, len(data) - 3, 4):
        if data[place : place + 4] == MAGIC:
            written += chunk(2 if begin else 1, data[begin:place])
            begin = place + 4
    return written + chunk(3 if begin else 0, data[begin:])


def face_pack(images, classes):
    """The records of a face pack: images 1 to N, and after them the header record and a range of keys for each run of a class."""
    records = [Record(number, [label, 1.0], image) for number, (image, label) in enumerate(zip(images, classes, strict=True), start=1)]
    starts = [1 + place for place in range(len(classes)) if place == 0 or classes[place] != classes[place - 1]]
    ends = [*starts[1:], len(images) + 1]
    header = Record(0, [len(images) + 1.0, len(images) + 1.0 + len(starts)])
    ranges = [
        Record(len(images) + 1 + place, [float(start), float(end)]) for place, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    return [*records, header, *ranges]


def plain_pack(images, classes):
    """The records of a pack without a header record: images from key 0, one label each."""
    return [Record(key, float(label), image) for key, (image, label) in enumerate(zip(images, classes, strict=True))]


def write_pack(folder, records, *, name="train", idx_order=None, newline="\n", idx=True, property_text=None):
    """Writes `name.rec` and `name.idx` in write order or `idx_order`, a permutation; returns offset and end of each key."""
    folder.mkdir(parents=True, exist_ok=True)
    data, places = bytearray(), {}
    for record in records:
        begin = len(data)
        data += chunks(payload(record))
        places[record.key] = (begin, len(data))
    (folder / f"{name}.rec").write_bytes(data)
    if idx:
        lines = [f"{key}\t{begin}{newline}" for key, (begin, _) in places.items()]
        order = range(len(lines)) if idx_order is None else idx_order
        (folder / f"{name}.idx").write_bytes("".join(lines[place] for place in order).encode())
    if property_text is not None:
        (folder / "property").write_text(property_text)
    return places


def random_bodies(count, seed=0):
    """Bodies of 1 to 60 bytes, of all lengths modulo 4."""
    generator = np.random.default_rng(seed)
    return [generator.bytes(int(length)) for length in generator.integers(1, 61, count)]
