"""A film that another site de-identified, compared with what de-identification would make of it.

De-identification leaves its own films as they are: with the ids, UIDs and dates taken as they stand, a film
of a hand-over must come out byte for byte. So every element, value, and byte around them is held against the
allow-list, and none is trusted because the film says that it is de-identified.
"""

from __future__ import annotations

import datetime
import io
import re
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from scripts.intake.deidentification import written_anew
from scripts.intake.dicom_reading import Film, Unusable, film_of, read_source, silence_readers
from scripts.intake.identity import Pseudonyms

PREAMBLE = "preamble"
"""Stands for what lies outside the elements: the first 128 bytes, or bytes behind the last element."""


class _AsTheyStand(Pseudonyms):
    """Ids, UIDs and dates that are the site's pseudonyms and shifted dates already."""

    def __init__(self) -> None:
        pass

    def normalised(self, patient_id: str) -> str:
        return patient_id

    def patient(self, normalised_id: str) -> str:
        return normalised_id if re.fullmatch(r"P[0-9A-F]{16}", normalised_id) else ""

    def uid(self, kind: str, source: str) -> str:
        return source if re.fullmatch(r"2\.25\.\d{1,39}", source) else "2.25.0"

    def shifted(self, day: datetime.date, normalised_id: str) -> datetime.date:
        return day


class _OfDay(_AsTheyStand):
    """As they stand, but for every date, in whose place ``day`` stands."""

    def __init__(self, day: datetime.date) -> None:
        self._day = day

    def shifted(self, day: datetime.date, normalised_id: str) -> datetime.date:
        return self._day


def write_of_day(source: Path, target: Path, day: datetime.date) -> None:
    """Write a de-identified film again, with ``day`` in the place of each of its dates. The pixels stay."""
    silence_readers()
    dataset = read_source(source)
    header, pixels = written_anew(dataset, film_of(dataset, _AsTheyStand(), {}), _OfDay(day))
    with target.open("wb") as handle:
        handle.writelines((header, *pixels))


def _differs(received: Dataset, expected: Dataset) -> str:
    """Keyword (or number, of an unknown one) of the first element that only one of both has, or that differs;
    empty if none.
    """
    for tag in sorted(
        {*received.keys(), *expected.keys()} - {0x00020000}
    ):  # the group length follows from the others
        try:
            same = tag in received and tag in expected and received[tag] == expected[tag]
            same = same and str(received[tag].value) == str(
                expected[tag].value
            )  # 0120 is the number 120, yet not what was written
        except Exception:  # a value that can't be decoded isn't one that was written here
            same = False
        if not same:
            return pydicom.datadict.keyword_for_tag(tag) or str(tag)
    return ""


def examined(path: str | Path) -> tuple[Film | None, str]:
    """What a film's header says, and the keyword of an element that is not as de-identification writes it;
    empty where all are.

    ``PREAMBLE`` stands for bytes outside the elements. The facts are None where the file can't be read.
    """
    silence_readers()
    try:
        source = read_source(path)
        film = film_of(source, _AsTheyStand(), {})
        if film.film_date is None:
            return film, "StudyDate"
        header, pixels = written_anew(source, film, _AsTheyStand())
    except Unusable as error:
        return None, "PixelData" if error.reason != "unsupported" else "RescaleSlope"
    except Exception:  # a header that was written here holds nothing that could raise
        return None, "header"
    content = Path(path).read_bytes()
    body = b"".join(pixels)
    if content == header + body:
        return film, ""
    new = pydicom.dcmread(io.BytesIO(header), stop_before_pixels=True)
    elements = Dataset({tag: source.get_item(tag) for tag in tuple(source.keys()) if tag != 0x7FE00010})
    fault = _differs(elements, new) or _differs(source.file_meta, new.file_meta)
    return film, fault or ("PixelData" if not content.endswith(body) else PREAMBLE)
