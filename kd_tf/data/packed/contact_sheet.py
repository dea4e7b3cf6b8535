"""`contact_sheet.jpg`: what is in a pack, at a glance."""

import cv2
import numpy as np

from kd_tf.data.packed.image import decode
from kd_tf.data.source import Source

COLUMNS = 8
# Pixels.
CELL, CAPTION, GAP = 128, 16, 8
_FONT, _FONT_SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.36
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def draw_contact_sheet(source: Source) -> np.ndarray:
    """Up to 8 x 8 images, evenly spread over the records, with the identity's name under each; uint8 RGB."""
    count = min(len(source), COLUMNS * COLUMNS)
    records = np.linspace(0, len(source) - 1, count).round().astype(int).tolist()
    names = [source.identity_names[identity] for identity in source.identities[records]]
    cells = [_cell(image, name) for image, name in zip(source.read(records), names, strict=True)]
    columns = min(count, COLUMNS)
    cells += [np.full_like(cells[0], 255)] * (-count % columns)
    rows = [np.hstack(cells[first : first + columns]) for first in range(0, len(cells), columns)]
    return cv2.copyMakeBorder(np.vstack(rows), GAP, 0, GAP, 0, cv2.BORDER_CONSTANT, value=_WHITE)


def _cell(encoded: bytes, name: str) -> np.ndarray:
    """The image in a square, its caption, and the gap to the right and below."""
    image = decode(encoded)
    scale = CELL / max(image.shape[:2])
    height, width = (max(round(side * scale), 1) for side in image.shape[:2])
    cell = np.full([CELL + CAPTION + GAP, CELL + GAP, 3], 255, np.uint8)
    top, left = CELL - height, (CELL - width) // 2
    cell[top:CELL, left : left + width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    caption = _fitting(name.encode("ascii", "replace").decode())
    left = (CELL - _text_width(caption)) // 2
    return cv2.putText(cell, caption, (left, CELL + CAPTION - 5), _FONT, _FONT_SIZE, _BLACK, lineType=cv2.LINE_AA)


def _fitting(name: str) -> str:
    """The name, or the beginning of it that has room."""
    while _text_width(name) > CELL:
        name = name.rstrip(".")[:-1] + ".."
    return name


def _text_width(text: str) -> int:
    return cv2.getTextSize(text, _FONT, _FONT_SIZE, 1)[0][0]
