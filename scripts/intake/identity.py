"""Patient ids of films and tables, made alike and replaced by pseudonyms."""

from __future__ import annotations

import datetime
import re

from scripts.common.key import StudyKey

_PADDING = "\0"


def normalise_id(text: str, ids: dict) -> str:
    """The id as ``centers[].ids`` says: spaces around it left out, leading zeros dropped, letters as capitals.

    ``ids`` holds ``strip``, ``separators`` and ``leading_zeros`` (keep or drop) and ``upper``. An id of zeros only stays ``0``.
    """
    text = text.rstrip(_PADDING)
    if ids["strip"]:
        text = text.strip()
    if ids.get("separators") == "drop":
        text = re.sub(r"[-./_\\\s]", "", text)
    if ids["leading_zeros"] == "drop" and text:
        text = text.lstrip("0") or "0"
    if ids["upper"]:
        text = text.upper()
    return text


class Pseudonyms:
    """What stands for a centre's patients, films and dates. The same in DICOM, in tables and in every run."""

    def __init__(self, key: StudyKey, center: str, ids: dict) -> None:
        self._key, self._center, self._ids = key, center, ids

    def normalised(self, patient_id: str) -> str:
        """The id as it joins films and tables; empty where there is none."""
        return normalise_id(patient_id, self._ids)

    def patient(self, normalised_id: str) -> str:
        """Pseudonym of a patient, from the normalised id."""
        return self._key.patient(self._center, normalised_id)

    def image_of_uid(self, uid: str) -> str:
        """Image id from the source SOP Instance UID."""
        return self._key.image(self._center, uid)

    def image_of_path(self, path: str) -> str:
        """Image id of a file without a usable UID, or of a further copy."""
        return self._key.image(self._center, "path:" + path)

    def uid(self, kind: str, source: str) -> str:
        """New UID in place of ``source``; ``kind`` is study, series or instance."""
        return self._key.uid(kind, self._center, source)

    def shift_days(self, normalised_id: str) -> int:
        """Days added to every date of the patient."""
        return self._key.shift_days(self._center, normalised_id)

    def shifted(self, day: datetime.date, normalised_id: str) -> datetime.date:
        """``day`` moved by the patient's shift."""
        return day + datetime.timedelta(days=self.shift_days(normalised_id))


def dicom_date(text: str) -> datetime.date | None:
    """The date of a DA or DT value (``20240731...``; ``2024.07.31`` of old files), None where there is none.

    Days before 1801 are refused: no film is older, and a shift must not leave the calendar.
    """
    match = re.match(r"\s*(\d{4})\.?(\d{2})\.?(\d{2})", text)
    if match is None:
        return None
    try:
        day = datetime.date(*map(int, match.groups()))
    except ValueError:
        return None
    return day if day.year > 1800 else None
