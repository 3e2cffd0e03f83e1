"""What a page is made of: sections of paragraphs, tables and figures. The template turns them into HTML."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

_MIME = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}


@dataclass
class Column:
    """A table's column. A numeric one stands at the right and sorts by number."""

    title: str
    numeric: bool = True


@dataclass
class Cell:
    """What is shown, and what the column sorts by (the text itself where ``sort`` is None)."""

    text: str
    sort: float | None = None
    strong: bool = False


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


@dataclass
class Figure:
    """An inlined image that enlarges on a click."""

    id: str
    caption: str
    uri: str
    alt: str
    wide: bool = True
    kind: ClassVar[str] = "figure"


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
