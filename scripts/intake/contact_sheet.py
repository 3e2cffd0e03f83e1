"""Contact sheets: small pictures of the films that were rejected or flagged, each with its reason.

Blind to label and score: neither exists yet when the sheet is made. A film that may not be shown
(``film_policy``) has an empty place with its id and reasons.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from scripts.common.files import atomic_path
from scripts.common.film_policy import showable

_TILE, _TEXT, _GAP, _HEAD = 200, 68, 12, 60
_COLUMNS = 5
_LINES = 3
FILMS_A_SHEET = 60
"""Films on one sheet, 1072 x 3432 pixels; further ones go on further sheets."""

_EMPTY = 225
"""Grey of the place of a film that may not be shown."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX


def _write(sheet: np.ndarray, words: str, x: int, y: int, size: float, shade: int = 20) -> None:
    cv2.putText(sheet, words, (x, y), _FONT, size, (shade, shade, shade), 1, cv2.LINE_AA)


def _width(words: str, size: float = 0.4) -> int:
    return cv2.getTextSize(words, _FONT, size, 1)[0][0]


def _fitted(words: str, size: float, width: int) -> str:
    while words and _width(words, size) > width:
        words = words[:-4] + "..." if len(words) > 7 else ""
    return words


def _thumbnail(path: str | Path) -> np.ndarray:
    """A square 8-bit picture of a 16-bit film, stretched from P1 to P99 for the eye."""
    film = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    scale = _TILE / max(film.shape)
    size = (max(int(film.shape[1] * scale), 1), max(int(film.shape[0] * scale), 1))
    small = cv2.resize(film, size, interpolation=cv2.INTER_AREA).astype(np.float64)
    low, high = np.percentile(small, [1, 99])
    small = np.clip((small - low) / max(high - low, 1.0), 0, 1) * 255
    tile = np.zeros((_TILE, _TILE), np.uint8)
    top, left = (_TILE - size[1]) // 2, (_TILE - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = small.astype(np.uint8)
    return tile


def films_of_sheet(
    films: pd.DataFrame, exposure: pd.DataFrame, verdict: str, policy: str
) -> list[tuple[str, str, str]]:
    """What ``draw_contact_sheets`` draws of a centre's films with ``verdict``: without a path where one may
    not be shown.

    ``films`` is the centre's ``films.csv``, ``exposure`` its ``exposure.csv``, ``policy``
    ``report.show_films``.
    """
    paths = films["png"].where(showable(films["burned_in"], policy), "")
    path_of = dict(zip(films["image_id"], paths))
    on_sheet = exposure[exposure["verdict"] == verdict]
    named = zip(on_sheet["image_id"], on_sheet["reason"])
    return [(image, reason, path_of[image]) for image, reason in named]


def draw_contact_sheets(
    films: list[tuple[str, str, str]],
    title: str,
    synthetic: bool,
    first: str | Path,
    further: str | Path,
    name: str,
) -> int:
    """Draw all films on sheets of at most ``FILMS_A_SHEET`` and return the number of sheets.

    ``films`` holds (image id, reasons joined by ``;``, path of the PNG, or empty where it may not be shown).
    The first sheet is written to ``first``, the others to ``further/<name>_02.png`` and so on; without a film
    the first one says ``none``. ``synthetic`` puts SYNTHETIC on the face of each.
    """
    pages = [films[at : at + FILMS_A_SHEET] for at in range(0, len(films), FILMS_A_SHEET)] or [[]]
    count = f"{len(films)} film{'' if len(films) == 1 else 's'}"
    hidden = sum(not path for _, _, path in films)
    count += f", {hidden} not shown (report.show_films)" if hidden else ""
    for number, page in enumerate(pages, start=1):
        path = Path(first) if number == 1 else Path(further) / f"{name}_{number:02d}.png"
        words = f"{title}: {count}" + (f", page {number} of {len(pages)}" if len(pages) > 1 else "")
        note = (
            f"the other pages: contact_sheets/{name}_02.png and on" if number == 1 and len(pages) > 1 else ""
        )
        _draw(page, words, note, synthetic, path)
    return len(pages)


def _reasons(joined: str) -> list[str]:
    """A film's reasons, as many to a line as fit below its picture; all that the rules can give fit in
    ``_LINES`` lines.
    """
    lines: list[str] = []
    for reason in joined.replace("_", " ").split(";"):
        if lines and _width(f"{lines[-1]}, {reason},") <= _TILE:
            lines[-1] += f", {reason}"
        else:
            lines = [*lines[:-1], lines[-1] + ",", reason] if lines else [reason]
    return lines[:_LINES]


def _draw(films: list[tuple[str, str, str]], title: str, note: str, synthetic: bool, path: Path) -> None:
    rows = max(-(-len(films) // _COLUMNS), 1)
    width = _COLUMNS * (_TILE + _GAP) + _GAP
    sheet = np.full((_HEAD + rows * (_TILE + _TEXT + _GAP) + _GAP, width, 3), 255, np.uint8)
    _write(sheet, _fitted(title, 0.6, width - 2 * _GAP), _GAP, 26, 0.6)
    below = "; ".join(filter(None, ("SYNTHETIC DATA, not patients" if synthetic else "", note)))
    _write(sheet, _fitted(below, 0.55, width - 2 * _GAP), _GAP, 50, 0.55)
    if not films:
        _write(sheet, "none", _GAP, _HEAD + _TILE // 2, 0.8, 120)
    for number, (image_id, reason, png) in enumerate(films):
        x = _GAP + number % _COLUMNS * (_TILE + _GAP)
        y = _HEAD + number // _COLUMNS * (_TILE + _TEXT + _GAP)
        if png:
            sheet[y : y + _TILE, x : x + _TILE] = _thumbnail(png)[:, :, None]
        else:
            sheet[y : y + _TILE, x : x + _TILE] = _EMPTY
            _write(sheet, "not shown", x + 64, y + _TILE // 2, 0.45, 90)
        for line, part in enumerate((image_id, *_reasons(reason))):
            _write(sheet, _fitted(part, 0.4, _TILE), x, y + _TILE + 14 + 16 * line, 0.4)
    done, data = cv2.imencode(".png", sheet)
    assert done
    with atomic_path(path) as part:
        part.write_bytes(data.tobytes())
