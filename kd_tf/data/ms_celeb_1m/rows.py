"""The rows of MS-Celeb-1M's files: TABs between columns, the first the MID, the last the image in base64.

There are crops (MID, rank, image URL, page URL, face id, rectangle, image), the same without the rectangle, and thumbnails (MID, name,
rank, image URL, page URL, image).
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from kd_tf.data.ms_celeb_1m.line_scan import LONGEST_ROW, BrokenRow
from kd_tf.errors import InputError
from kd_tf.files import other_file

_NAME = re.compile(rb"[!-.0-~]{1,64}/[0-9]{1,9}(-[!-.0-~]{1,64})?")
_EXPECTED = "expected 7 columns (MID, rank, image URL, page URL, face id, rectangle, image), or 6"
_END_OF_JPEG = b"\xff\xd9"


class RowLayout(NamedTuple):
    """What is where in a row.

    Attributes:
      columns: how many there are.
      rank: the column of the rank, from 0.
      face: the column of the face id; None: there is none.
    """

    columns: int
    rank: int
    face: int | None

    def name(self, columns: Sequence[bytes]) -> bytes:
        """`MID/RANK-FACE`: the image's path in lists of such rows, without the ending."""
        name = columns[0] + b"/" + columns[self.rank]
        return name if self.face is None else name + b"-" + columns[self.face]

    def parse(self, row: bytes, *, ended: bool) -> tuple[str, bytes]:
        """The MID and the digest of the name; see `ParseRow`."""
        columns = row.split(b"\t")
        if len(columns) != self.columns:
            raise BrokenRow(f"{len(columns)} columns, line 1 has {self.columns}; it starts with {shown(row)}")
        name = self.name(columns)
        if not _NAME.fullmatch(name):
            raise BrokenRow(f"MID, rank and face id make {shown(name)}, not something like 'm.0109kg/14-FaceId-0'")
        if not columns[-1]:
            raise BrokenRow(f"column {self.columns}, the image, is empty")
        if not ended and not decode_image_column(columns[-1]).endswith(_END_OF_JPEG):
            raise BrokenRow("no line end, and the image ends early")
        return columns[0].decode(), name_digest(name)


def read_layout(path: str) -> RowLayout:
    """The layout of a file, from its first row.

    Raises:
      InputError: the row has another number of columns, or the file is something else.
    """
    try:
        with open(path, "rb") as file:
            row = file.readline(LONGEST_ROW)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if not row:
        raise InputError(f"{path} is empty: copy it again")
    if what := other_file(row):
        raise InputError(f"{path} line 1 (offset 0): this is {what}, not the data")
    columns = row.rstrip(b"\r\n").split(b"\t")
    if len(columns) not in (6, 7):
        raise InputError(f"{path} line 1 (offset 0): {_EXPECTED}; found {len(columns)}: {shown(row)}")
    if len(columns) == 6 and columns[2].isdigit():
        return RowLayout(6, rank=2, face=None)
    return RowLayout(len(columns), rank=1, face=4)


def name_digest(name: bytes) -> bytes:
    """16 bytes for a name. Two of ten million names share theirs by chance in one of 10^24 files."""
    return hashlib.blake2b(name, digest_size=16).digest()


def decode_image_column(column: bytes) -> bytes:
    """The encoded image.

    Raises:
      BrokenRow: the column is not strictly base64.
    """
    try:
        return base64.b64decode(column, validate=True)
    except binascii.Error as error:
        raise BrokenRow(f"the image is not base64 ({error})") from error


def shown(text: bytes) -> str:
    """The start of a line, printable."""
    return ascii(text[:80].decode("latin-1"))
