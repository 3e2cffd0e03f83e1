"""Text as it is compared: what a person writes in a config and what a table or a film's header holds."""

from __future__ import annotations

import re
import unicodedata

_DASHES = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
"""Hyphens, dashes and minus signs of all kinds (U+2010 to U+2015, the minus U+2212, small and full-width
forms).
"""

_SOFT_MINUS = re.compile(r"^[\s\u200b-\u200f\ufeff]*\u00ad(?=\s*[.,]?\d)")


def plain(text: str) -> str:
    """``text`` in Unicode's compatibility form (NFKC: full-width digits and letters as plain ones), without
    spaces around it.

    Characters that nobody sees (zero-width spaces, byte order marks, direction marks, soft hyphens; Unicode's
    class Cf) are left out. A soft hyphen in front of a number is the minus sign that text taken from a PDF
    has there.
    """
    normal = _SOFT_MINUS.sub("-", unicodedata.normalize("NFKC", text))
    shown = "".join(c for c in normal if unicodedata.category(c) != "Cf")
    return shown.strip()


def plain_dashes(text: str) -> str:
    """``text`` with every dash and minus sign written as the hyphen ``-``."""
    return _DASHES.sub("-", text)


def code_key(text: str) -> str:
    """A code as it is compared: plain, with plain dashes, single spaces, and none around a dash or a slash.

    Case is kept.
    """
    spaced = re.sub(r"\s+", " ", plain_dashes(plain(text)))
    return re.sub(r" ?([-/]) ?", r"\1", spaced)


def name_key(text: str) -> str:
    """A heading as near names are found by it: letters and digits alone, in lower case."""
    return re.sub(r"[\W_]+", "", plain(text).casefold())
