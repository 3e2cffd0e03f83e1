"""Prose in Jinja templates: how they are read, and how their wrapped lines become running text."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_STARTS = ("# ", "## ", "- ", "| ")
"""What begins a line of its own: headings, items of a list and rows of a table."""


def template_environment(*folders: Path, autoescape: bool = False) -> Environment:
    """An environment over ``folders`` in which an unknown name is an error; a tag alone on its line leaves
    none.
    """
    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def templates_hash(folder: Path) -> str:
    """Sixteen hex digits over all files below a folder; they stand in a rule's params, since templates are
    no Python.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _between(last: str, first: str, spaced: bool) -> str:
    """What a line break becomes: a space, but where words don't stand apart nothing between two characters of
    full width and nothing beside full-width punctuation.
    """
    if spaced:
        return " "
    punctuation = any(_wide(one) and unicodedata.category(one).startswith("P") for one in (last, first))
    return "" if punctuation or (_wide(last) and _wide(first)) else " "


def unwrapped(text: str, spaced: bool = True) -> str:
    """Rendered Markdown with each paragraph, item and heading on one line; ``spaced``: of a language whose
    words stand apart.
    """
    lines: list[str] = []
    for line in map(str.strip, text.strip().splitlines()):
        if line and lines and lines[-1] and not line.startswith(_STARTS) and not lines[-1].startswith("#"):
            lines[-1] += _between(lines[-1][-1], line[0], spaced) + line
        else:
            lines.append(line)
    return "\n".join(lines)
