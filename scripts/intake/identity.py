"""Patient ids of films and tables, made alike and replaced by pseudonyms."""

from __future__ import annotations

import datetime
import re
import unicodedata

from scripts.common.key import StudyKey

_PADDING = "\0"


def normalise_id(text: str, ids: dict) -> str:
    """The id as ``centers[].ids`` says: spaces around it left out, leading zeros dropped, letters as
    capitals.

    First, in films and tables alike, full-width letters and digits become plain ones (Unicode's NFKC), and
    signs that nobody sees (zero-width spaces, byte order marks, the category Cf) are left out.

    ``ids`` holds ``strip``, ``separators`` and ``leading_zeros`` (keep or drop) and ``upper``. An id of zeros
    only stays ``0``.
    """
    text = unicodedata.normalize("NFKC", text.rstrip(_PADDING))
    text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    if ids["strip"]:
        text = text.strip()
    if ids.get("separators") == "drop":
        text = re.sub(
            r"[-./_\\\s]", "", re.sub(r"^([0-9]+)\.0$", r"\1", text)
        )  # no zero of an exported number joins the id
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
    """The date of a DA or DT value, None where there is none that is certain.

    ``20240731`` with a time behind or not, and what files hold against the standard: ``2024.07.31`` (PS3.5
    6.2, old files), ``2024-07-31``, ``2024/7/31``. Days before 1801 are refused: no film is older, and a
    shift must not leave the calendar.
    """
    text = unicodedata.normalize("NFKC", text).strip()
    match = re.match(r"(\d{4})(\d{2})(\d{2})", text) or re.match(
        r"(\d{4})([-./])(\d{1,2})\2(\d{1,2})(?!\d)", text
    )
    if match is None:
        return None
    try:
        day = datetime.date(*(int(part) for part in match.groups() if part.isdecimal()))
    except ValueError:
        return None
    return day if day.year > 1800 else None
