"""Whether a film is frontal: by ViewPosition, else by ViewCodeSequence, else by patterns in SeriesDescription."""

from __future__ import annotations

import re

PA, AP, LATERAL, UNKNOWN = "PA", "AP", "lateral", "unknown"

_POSITIONS = {
    **dict.fromkeys(["PA", "POSTEROANTERIOR", "POSTERO-ANTERIOR"], PA),
    **dict.fromkeys(["AP", "ANTEROPOSTERIOR", "ANTERO-POSTERIOR"], AP),
    **dict.fromkeys(
        ["LL", "RL", "LAT", "LATERAL", "LLD", "RLD", "LLO", "RLO", "LPO", "RPO", "LAO", "RAO", "ML", "LM", "LLAT", "RLAT"], LATERAL
    ),
}
"""Defined terms of View Position (0018,5101), PS3.3 C.8.1.3 and C.8.7.6, and what devices write beside them."""

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


def _by_pattern(text: str, patterns: dict[str, list[str]]) -> str:
    """The one kind whose patterns match ``text``; unknown when none or several match."""
    kinds = {"pa": PA, "ap": AP, "lateral": LATERAL}
    found = {
        kinds[kind] for kind, several in patterns.items() if any(re.search(p, text, re.IGNORECASE) for p in several)
    }
    return found.pop() if len(found) == 1 else UNKNOWN


def view_of(position: str, codes: list[tuple[str, str, str]], description: str, patterns: dict[str, list[str]]) -> str:
    """PA, AP, lateral or unknown.

    ``position`` is ViewPosition, ``codes`` holds (scheme, value, meaning) of ViewCodeSequence, ``description`` is
    SeriesDescription, ``patterns`` the config's ``intake.frontal_view`` (pa, ap, lateral).
    """
    known = _POSITIONS.get(position.strip().upper())
    if known is not None:
        return known
    for scheme, value, meaning in codes:
        found = _CODES.get((scheme.strip().upper(), value.strip()), UNKNOWN)
        if found == UNKNOWN:
            found = _by_pattern(meaning, patterns)
        if found != UNKNOWN:
            return found
    return _by_pattern(description, patterns)
