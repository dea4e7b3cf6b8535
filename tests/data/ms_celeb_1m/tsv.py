"""Small files in the formats of MS-Celeb-1M."""

import base64
import struct

import cv2
import numpy as np

from tests.images import smooth_image

RECTANGLE = base64.b64encode(struct.pack("<4f", 0.25, 0.25, 0.75, 0.75))
PEOPLE = [("m.0b_c", "0"), ("m.0b_c", "11"), ("m.0109kg", "14"), ("m.0zz", "2"), ("m.0109kg", "3"), ("m.0b_c", "12")]


def jpeg(seed):
    """Another small JPEG for each seed."""
    return cv2.imencode(".jpg", smooth_image(seed, 12, 12))[1].tobytes()


def crop_row(mid, rank, image, face="FaceId-0"):
    """A row of seven columns, without its line end."""
    urls = [f"http://example.org/{mid}/{rank}.jpg", "http://example.org/käse page"]
    return b"\t".join([*(text.encode() for text in (mid, rank, *urls, face)), RECTANGLE, base64.b64encode(image)])


def people_rows():
    """A row for each of `PEOPLE`, with `jpeg` of its place."""
    return [crop_row(mid, rank, jpeg(place)) for place, (mid, rank) in enumerate(PEOPLE)]


def drop_column(row, column):
    """The row without one of its columns."""
    columns = row.split(b"\t")
    return b"\t".join(columns[:column] + columns[column + 1 :])


def write_rows(path, rows, end=b"\n"):
    """Writes a file; each row gets the line end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(row + end for row in rows))
    return path


def mutate(data, random):
    """A byte changed, or a piece lost, doubled, moved, or replaced by garbage."""
    start, end = np.sort(random.integers(0, len(data) + 1, 2))
    end = min(end, start + random.choice([1, 2, 30, 1000]))
    piece = data[start:end]
    return [
        lambda: data[:start],
        lambda: data[:start] + data[end:],
        lambda: data[:start] + piece + piece + data[end:],
        lambda: data[:start] + random.bytes(len(piece)) + data[end:],
        lambda: data[:start] + bytes(random.choice(list(b"\t\n\r\0 /=a0\xff\xef"), 1).tolist()) + data[end:],
        lambda: data[end:] + piece + data[:start],
    ][random.integers(6)]()
