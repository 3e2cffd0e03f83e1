"""Whether a film is frontal: by ViewPosition, else by ViewCodeSequence, else by patterns in
SeriesDescription.

What names two views, as an order does (``CHEST PA AND LATERAL``, ``胸部正侧位``), says nothing of the one
film: unknown. Where the view would stay unknown, another description of the film that names a lateral one
alone makes it lateral.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

PA, AP, LATERAL, UNKNOWN = "PA", "AP", "lateral", "unknown"

_POSITIONS = {
    **dict.fromkeys(["PA", "POSTEROANTERIOR", "POSTERO-ANTERIOR"], PA),
    **dict.fromkeys(["AP", "ANTEROPOSTERIOR", "ANTERO-POSTERIOR"], AP),
    **dict.fromkeys(
        [
            "LL",
            "RL",
            "LAT",
            "LATERAL",
            "LLD",
            "RLD",
            "LLO",
            "RLO",
            "LPO",
            "RPO",
            "LAO",
            "RAO",
            "ML",
            "LM",
            "LLAT",
            "RLAT",
        ],
        LATERAL,
    ),
}
"""Defined terms of View Position (0018,5101), PS3.3 C.8.1.3 and C.8.7.6, and what devices write beside
them.
"""

_CODES = {
    ("SCT", "272479007"): PA,
    ("SRT", "R-10214"): PA,
    ("SNM3", "R-10214"): PA,
    ("99SDM", "R-10214"): PA,
    ("SRT", "R-40888"): PA,
    ("SCT", "399348003"): AP,
    ("SRT", "R-10206"): AP,
    ("SNM3", "R-10206"): AP,
    ("99SDM", "R-10206"): AP,
    **{("SCT", code): LATERAL for code in ("399067008", "399173006", "399198007", "399352003", "399260004")},
    **{("SRT", code): LATERAL for code in ("R-102CD", "R-10236", "R-10232", "R-10228", "R-10224")},
}
"""Codes of DICOM CID 4010 (DX View) that decide."""


def _plain(text: str) -> str:
    """Text as patterns are looked for in it: full-width signs as plain ones (NFKC), underscores as spaces."""
    return unicodedata.normalize("NFKC", text).replace("_", " ")


def _without_accents(text: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFD", text) if not unicodedata.combining(sign))


def matches(text: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns is found in a text, in capitals or small letters, with accents or
    without."""
    plain = _plain(text)
    bare = _without_accents(plain)
    return any(re.search(p, plain, re.IGNORECASE) or re.search(p, bare, re.IGNORECASE) for p in patterns)


def _by_pattern(text: str, patterns: dict[str, list[str]]) -> str:
    """The one kind whose patterns match ``text``; unknown when none or several match.

    A word for frontal that says neither PA nor AP makes no kind by itself, and beside one for lateral it
    names two views.
    """
    if not text:
        return UNKNOWN
    kinds = {"pa": PA, "ap": AP, "lateral": LATERAL}
    found = [kind for key, kind in kinds.items() if matches(text, patterns.get(key, ()))]
    if len(found) != 1 or (found == [LATERAL] and matches(text, patterns.get("frontal", ()))):
        return UNKNOWN
    return found[0]


def view_of(
    position: str,
    codes: Sequence[tuple[str, ...]],
    description: str,
    patterns: dict[str, list[str]],
    further: Sequence[str] = (),
) -> str:
    """PA, AP, lateral or unknown.

    ``position`` is ViewPosition, ``codes`` holds (scheme, value, meaning) of ViewCodeSequence,
    ``description`` is SeriesDescription, ``patterns`` the config's ``intake.frontal_view`` (pa, ap, lateral,
    frontal). ``further`` are other descriptions of the film; they only ever say lateral.
    """
    known = _POSITIONS.get(_plain(position).strip().upper())
    if known is not None:
        return known
    for scheme, value, meaning in codes:
        found = _CODES.get((scheme.strip().upper(), value.strip()), UNKNOWN)
        if found == UNKNOWN:
            found = _by_pattern(meaning, patterns)
        if found != UNKNOWN:
            return found
    found = _by_pattern(position, patterns)
    if found == UNKNOWN:
        found = _by_pattern(description, patterns)
    if found == UNKNOWN and any(_by_pattern(text, patterns) == LATERAL for text in further):
        return LATERAL
    return found
