"""A page that shows the figures and lists the files of statistics made from own tables."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from scripts.common.catalogue import CATALOGUE
from scripts.common.language import Language

_STYLE = """
body{font-family:system-ui,"Noto Sans CJK SC",sans-serif;color:#1a1a1a;margin:2em auto;max-width:60em;
padding:0 1em;line-height:1.4}
.warning{color:#a4001d;font-weight:bold}
img{max-width:100%;height:auto}
figure{margin:1.5em 0}
td{padding:.15em 1.5em .15em 0;vertical-align:top}
"""


def listing_page(files: Sequence[Path], title: str, language: Language, synthetic: bool) -> str:
    """A whole HTML page without scripts.

    ``files`` are relative to the page; a name has one line with all its formats.
    """
    say = html.escape
    titles = {row.name: row.titled(language) for row in CATALOGUE}

    def words(key: str) -> str:
        return say(language.say(f"listing_{key}"))

    by_folder: dict[str, dict[str, list[Path]]] = {}
    for path in files:
        by_folder.setdefault(path.parent.as_posix(), {}).setdefault(path.stem, []).append(path)

    def links(paths: Sequence[Path]) -> str:
        return " ".join(f'<a href="{say(path.as_posix())}">{path.suffix[1:].upper()}</a>' for path in paths)

    def table(folder: str) -> str:
        rows = (
            f"<tr><td>{say(titles[f'{folder}/{name}'])}</td><td>{links(paths)}</td></tr>"
            for name, paths in by_folder[folder].items()
        )
        return "<table>\n" + "\n".join(rows) + "\n</table>\n"

    shown = "".join(
        f'<figure><img src="figures/{name}.svg" alt="{say(title)}"><figcaption>{say(title)}:'
        f" {links(paths)}</figcaption></figure>\n"
        for name, paths in by_folder["figures"].items()
        for title in [titles[f"figures/{name}"]]
    )
    warning = f'<p class="warning">{say(language.say("synthetic"))}</p>\n' if synthetic else ""
    return (
        f'<!DOCTYPE html>\n<html lang="{language.writing.page}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport"'
        ' content="width=device-width, initial-scale=1">\n'
        f"<title>{say(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{warning}<h1>{words('title')}:"
        f" {say(title)}</h1>\n"
        f"<h2>{words('tables')}</h2>\n{table('tables')}<h2>{words('figures')}</h2>\n{shown}"
        f"<h2>{words('numbers')}</h2>\n{table('statistics')}</body>\n</html>\n"
    )
