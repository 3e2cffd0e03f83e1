"""Text as it is compared: what a person writes in a config and what a table holds."""

from __future__ import annotations

import unicodedata


def plain(text: str) -> str:
    """``text`` in Unicode's compatibility form (NFKC: full-width digits and letters as plain ones), without spaces around it."""
    return unicodedata.normalize("NFKC", text).strip()
