"""What a page is made of: sections of paragraphs, tables and figures. The template turns them into HTML."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

_MIME = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}


WIDE = 8
"""A table with more columns than this is set closer."""


@dataclass
class Column:
    """A table's column.

    A numeric one stands at the right and sorts by number; one of prose keeps a readable width.
    """

    title: str
    numeric: bool = True
    prose: bool = False

    @property
    def kind(self) -> str:
        """The class of its cells: ``number``, ``prose`` or none."""
        return "number" if self.numeric else "prose" if self.prose else ""


@dataclass
class Cell:
    """What is shown, with its interval, and what the column sorts by (the text itself where ``sort`` is
    None).
    """

    text: str
    sort: float | None = None
    interval: str = ""
    links: Sequence[tuple[str, str]] = ()
    """Text and ``#anchor`` of places in the page, shown after the text."""


@dataclass
class Table:
    """A sortable table; ``collapsed`` shows only its caption until it is opened."""

    id: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    collapsed: bool = False
    kind: ClassVar[str] = "table"

    @property
    def wide(self) -> bool:
        """True where intervals stand below their values, so that the table fits the page."""
        return len(self.columns) > WIDE


@dataclass
class Figure:
    """An inlined image that enlarges on a click.

    A bitmap is shown no larger than it is, a drawing fills the width.
    """

    id: str
    caption: str
    uri: str
    alt: str
    narrow: bool = False
    kind: ClassVar[str] = "figure"

    @property
    def bitmap(self) -> bool:
        return not self.uri.startswith("data:image/svg")


@dataclass
class Paragraph:
    """Running text; ``tone`` is '', 'note' or 'warning'."""

    text: str
    tone: str = ""
    kind: ClassVar[str] = "paragraph"


@dataclass
class Bullets:
    """A list of sentences."""

    items: Sequence[str]
    kind: ClassVar[str] = "bullets"


@dataclass
class Heading:
    """A heading within a section."""

    text: str
    kind: ClassVar[str] = "heading"


@dataclass
class Section:
    """A part of the page with a title that the navigation lists."""

    id: str
    title: str
    blocks: list[Any] = field(default_factory=list)


def data_uri(source: str | Path | bytes, suffix: str | None = None) -> str:
    """An image as a ``data:`` URI; ``suffix`` (``.svg`` ...) is needed where ``source`` is bytes."""
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    suffix = suffix or Path(source).suffix  # type: ignore[arg-type]
    return f"data:{_MIME[suffix]};base64,{base64.b64encode(data).decode('ascii')}"
