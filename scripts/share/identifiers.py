"""What must not leave the hospital, and a search for it in bytes that are about to."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

from scripts.common.errors import StudyError

SHORTEST = 6
"""Bytes that a value must have to be searched for: a shorter one is found by chance."""

_PSEUDONYM = re.compile(rb"(?<![0-9A-Za-z])[PI][0-9A-F]{16}(?![0-9A-Za-z])")


def known_identifiers(private: str | Path) -> set[str]:
    """Patient ids, UIDs and paths of every crosswalk under ``private``, and the contents of key files there.

    Of a path its parts with four digits or more count too: they hold ids and dates. Raises ``StudyError``
    without a crosswalk.
    """
    private = Path(private)
    crosswalks = sorted(private.glob("*/crosswalk/*.csv"))
    if not crosswalks:
        raise StudyError(
            f"'{private}' holds no crosswalk, so no identifier in the archive could be told. Run the study to"
            " its end first, and 'make share' where it ran."
        )
    found: set[str] = set()
    for crosswalk in crosswalks:
        with crosswalk.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                parts = [part for part in row["path"].split("/") if sum(map(str.isdigit, part)) >= 4]
                found |= {row["source_patient_id"], row["source_sop_instance_uid"], row["path"], *parts}
    found |= {path.read_text(encoding="ascii", errors="replace").strip() for path in private.glob("*.key")}
    return {value for value in (value.strip() for value in found) if len(value.encode()) >= SHORTEST}


class Search:
    """Looks for identifiers in bytes.

    A value of digits alone counts only where no digit, letter or point stands beside it.
    """

    def __init__(self, identifiers: set[str]) -> None:
        self._codes: dict[bytes, list[bytes]] = {}
        self._numbers = {value.encode() for value in identifiers if value.isdigit()}
        for value in identifiers:
            if not value.isdigit():
                for encoding in ("utf-8", "gb18030", "utf-16-le"):
                    coded = value.encode(encoding, errors="ignore")
                    if len(coded) >= SHORTEST:
                        self._codes.setdefault(coded[:SHORTEST], []).append(coded)

    def hits(self, content: bytes) -> int:
        """How many identifiers and pseudonyms stand in ``content``; of a zip file (docx) also in its
        parts.
        """
        count = len(_PSEUDONYM.findall(content))
        count += sum(
            number in self._numbers
            for number in re.findall(rb"(?<![0-9A-Za-z.])[0-9]{6,}(?![0-9A-Za-z])", content)
        )
        count += sum(
            content.find(code) >= 0
            for start, codes in self._codes.items()
            if content.find(start) >= 0
            for code in codes
        )
        if content[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(content)) as parts:
                count += sum(
                    self.hits(parts.read(name)) + self.hits(name.encode()) for name in parts.namelist()
                )
        return count
