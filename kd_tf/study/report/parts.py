"""What the sections of the report are made of."""

import dataclasses
from typing import NamedTuple


class Picture(NamedTuple):
    """An image that is part of the page.

    Attributes:
      uri: its `data:` URI.
      alt: what it shows, for who cannot see it.
      caption: stands under it.
    """

    uri: str
    alt: str
    caption: str = ""


class Card(NamedTuple):
    """Pictures that stand side by side, and a line or more under them."""

    pictures: tuple[Picture, ...]
    lines: tuple[str, ...]


class Gallery(NamedTuple):
    """Cards under a heading, and what the marks in their pictures mean."""

    heading: str
    cards: tuple[Card, ...]
    legend: tuple[Picture, ...] = ()


class NumberTable(NamedTuple):
    """A table of text: its first row is the head, and the first column names the rows."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True)
class Content:
    """A section, in the order of these attributes.

    Attributes:
      text: paragraphs.
      facts: what is known, and what it is.
      tables: HTML of tables.
      numbers: other tables.
      figures: curves.
      galleries: photographs.
      missing: what is not there and why, a line each.
    """

    text: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[str, ...] = ()
    numbers: tuple[NumberTable, ...] = ()
    figures: tuple[Picture, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    missing: tuple[str, ...] = ()
