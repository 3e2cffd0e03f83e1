"""Source files read with care: what is no DICOM, cut short or unfit is named and never raises.

A reason is a stable word that stands in the study's tables; what it means is said in ``REASONS``.
"""

from __future__ import annotations

import datetime
import io
import logging
import re
import stat
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from scripts.common.standards import DX_FOR_PROCESSING, FILMS_FOR_PRESENTATION
from scripts.intake.codestream import COMPRESSED, NATIVE
from scripts.intake.frontal_view import LATERAL, matches, view_of
from scripts.intake.header_text import declared_sets, decoded, raw_text
from scripts.intake.identifier_scan import institution_in
from scripts.intake.identity import Pseudonyms, dicom_date

REASONS = {
    "unreadable_file": (
        "the file can't be opened or read: its permissions, a link that leads nowhere, a fault of the disk"
    ),
    "not_dicom": "the file is no DICOM file",
    "not_png": "the file is no PNG file",
    "not_in_image_table": "the image table has no row for the file",
    "conflicting_image_rows": "the image table has several rows for the file, and they differ",
    "unreadable_image_row": "the file's row in the image table can't be read",
    "values_beyond_bits": "the file has higher values than 'images.bits' allows",
    "cut_short": "the file ends before its content does",
    "unreadable_header": "the header can't be read",
    "too_large": "larger than any radiograph: above 256 MiB, or 64 million pixels",
    "reader_failed": "reading it took more memory or time than any film needs, or made the reader crash",
    "not_cr_or_dx": "no computed or digital radiograph",
    "for_processing": "raw detector data, not a film for presentation",
    "not_chest": "the body part is not the chest",
    "lateral": "a lateral or oblique view",
    "no_patient_id": "no patient id",
    "no_pixels": "no image in the file",
    "unsupported": (
        "colour, several frames, a coding of pixels that is not read, or a rescale slope that is no plausible"
        " number"
    ),
    "burned_in_text": "the header says that text is burned into the film",
    "unreadable_burned_in": "what the header or the image table says of burned-in text is neither yes nor no",
    "no_film_date": "no readable date of the film",
    "film_dates_differ": "dates of the header lie more than 180 days apart, and nothing says which is right",
    "identifier_left": "an identifying value was found in the new file, which was not written",
    "unreadable_pixels": "the pixels can't be decoded",
    "duplicate": "the same film is there already",
    "conflicting_duplicate": (
        "films that claim to be the same one differ, or one film bears two patients' ids"
    ),
}
"""Why a file is quarantined."""


LARGEST_FILE = 256 << 20
"""Bytes above which a file is no film; a deflated one counts inflated."""

LARGEST_FILM = 64_000_000
"""Pixels above which an image is no film. A long-leg CR of 3.5 x 17 inches at 10 pixels/mm has 40 million."""


class Unusable(Exception):
    """A file that goes to quarantine; ``reason`` is a key of ``REASONS``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def silence_readers() -> None:
    """Keep the DICOM libraries from printing: their warnings quote values of the source."""
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    warnings.filterwarnings("ignore", module=r"pydicom(\..*)?$")
    for name in ("pydicom", "pylibjpeg", "openjpeg", "rle", "libjpeg"):
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)


def _breaks_off(dataset: Dataset, size: int) -> bool:
    """Whether a file without pixels ends within an element's tag, or before what every radiograph has."""
    if "PixelData" in dataset or transfer_syntax(dataset) == "1.2.840.10008.1.2.1.99":
        return False
    sop_class = text(dataset, "SOPClassUID") or str(
        getattr(dataset, "file_meta", {}).get("MediaStorageSOPClassUID", "") or ""
    )
    if not len(dataset) or ("Modality" not in dataset and sop_class in FILMS_FOR_PRESENTATION):
        return True
    last = dataset.get_item(max(dataset.keys())) if len(dataset) else None
    if not isinstance(last, RawDataElement) or last.length == 0xFFFFFFFF:
        return False
    return 0 < size - (last.value_tell + last.length) < 8


def _ends_early(dataset: Dataset) -> bool:
    """Whether a value of the dataset is shorter than its declared length."""
    for tag in tuple(dataset.keys()):
        element = dataset.get_item(tag)
        if (
            isinstance(element, RawDataElement)
            and element.length not in (0, 0xFFFFFFFF)
            and element.value is not None
            and len(element.value) < element.length
        ):
            return True
    return False


_META = 4096
"""Bytes at the beginning in which the file meta information is looked for."""

_DEFLATED = b"1.2.840.10008.1.2.1.99"


def _inflates_beyond(data: bytes, limit: int) -> bool:
    """Whether what follows the file meta information (PS3.10 7.1) inflates to more than ``limit`` bytes."""
    at = 132
    while data[at : at + 2] == b"\x02\x00" and at + 8 <= len(data):
        if data[at + 4 : at + 6] in (b"OB", b"OW", b"UN", b"UT", b"SQ"):
            at += 12 + int.from_bytes(data[at + 8 : at + 12], "little")
        else:
            at += 8 + int.from_bytes(data[at + 6 : at + 8], "little")
    inflater, total, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, data[at:]
    try:
        while rest and not inflater.eof:
            total += len(inflater.decompress(rest, 1 << 20))
            if total > limit:
                return True
            rest = inflater.unconsumed_tail
    except zlib.error:  # the parser says what it is
        pass
    return False


class _Measured(io.BufferedReader):
    """A file that is never asked for more than it holds: memory for 4 GB would be taken before the claim is
    found false.
    """

    def __init__(self, path: Path, size: int) -> None:
        super().__init__(io.FileIO(path))
        self._size = size

    def read(self, size: int | None = -1) -> bytes:
        left = max(self._size - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))


def read_source(path: str | Path, with_pixels: bool = True) -> Dataset:
    """Read a source file; ``with_pixels=False`` reads no further than the header.

    Raises ``Unusable`` (unreadable_file, not_dicom, too_large, cut_short, unreadable_header), and
    ``MemoryError`` where a file that is no larger than a film fills the memory. Call ``silence_readers``
    first.
    """
    path = Path(path)
    data = None
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe or a device would be read without end
            raise Unusable("not_dicom")
        size = status.st_size
        with path.open("rb") as handle:
            head = handle.read(_META)
            if size > LARGEST_FILE:
                raise Unusable("too_large" if head[128:132] == b"DICM" else "not_dicom")
            if with_pixels or _DEFLATED in head:
                handle.seek(0)
                data = handle.read()
    except OSError:
        raise Unusable("unreadable_file") from None
    if data is not None and _DEFLATED in head and _inflates_beyond(data, LARGEST_FILE):
        raise Unusable("too_large")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            if data is not None:
                dataset = _parse(io.BytesIO(data), stop=not with_pixels)
            else:
                with _Measured(path, size) as handle:
                    dataset = _parse(handle, stop=True)
            cut = _ends_early(dataset) or (with_pixels and _breaks_off(dataset, size))
        except (Unusable, MemoryError):
            raise
        except EOFError:
            raise Unusable("cut_short") from None
        except Exception:  # a broken header may raise anything from a parser; the file is named unreadable
            raise Unusable("unreadable_header") from None
    if cut or any(" in file " in str(w.message) for w in said):
        raise Unusable("cut_short")
    return dataset


def _parse(handle, stop: bool) -> Dataset:
    try:
        return pydicom.dcmread(handle, stop_before_pixels=stop)
    except InvalidDicomError:
        handle.seek(0)
    try:  # files of old archives lack the preamble; then the content must speak for itself
        dataset = pydicom.dcmread(handle, stop_before_pixels=stop, force=True)
        if "SOPClassUID" in dataset and "Modality" in dataset and len(str(dataset.Modality)) <= 16:
            return dataset
    except MemoryError:
        raise
    except Exception:  # whatever the parser met, it was no DICOM file
        pass
    raise Unusable("not_dicom")


def text(dataset: Dataset, keyword: str) -> str:
    """A value as one line of text, several values joined by a backslash; empty where absent or unreadable."""
    return certain_text(dataset, keyword, declared_sets(dataset))[0]


def certain_text(dataset: Dataset, keyword: str, declared: Sequence[str]) -> tuple[str, bool]:
    """``text``, and whether a character set is known that reads it. ``declared`` are the header's
    (``declared_sets``)."""
    raw = raw_text(dataset, keyword)
    if raw is not None:
        found, certain = decoded(raw, declared)
        return "\\".join(part.strip(" \0") for part in found.split("\\")).strip(" \0"), certain
    try:
        value = dataset.get(keyword)
    except Exception:  # the value can't be decoded
        return "", False
    if value is None or isinstance(value, pydicom.Sequence | bytes):
        return "", value is None
    if isinstance(value, pydicom.multival.MultiValue | list):
        return "\\".join(str(part).strip() for part in value), True
    return str(value).strip(" \0"), True


def transfer_syntax(dataset: Dataset) -> str:
    """The transfer syntax; for files without file meta the one in which they were found to be written."""
    named = str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", "") or "")
    if named:
        return named
    implicit, little = dataset.original_encoding
    if not little:
        return "1.2.840.10008.1.2.2"
    return "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1"


@dataclass(frozen=True)
class Film:
    """What a header says of a film, in the study's terms. Dates and the id are the source's own.

    ``burned_in`` is YES, NO, unknown where nothing is said, or unreadable where it is neither. ``birth_date``
    is the header's, None where it has none that can be read; it is compared with the patient table. It and
    ``age`` are written nowhere. ``chest`` is False where the header names another part of the body,
    ``dates_differ`` True where its dates lie more than ``DAYS_APART`` days apart: then ``film_date`` is
    None, or the one that the others bear out.
    """

    patient_id: str
    film_date: datetime.date | None
    acquisition_time: str
    view: str
    sex: str
    age: int | None
    manufacturer: str
    burned_in: str
    birth_date: datetime.date | None = None
    chest: bool = True
    dates_differ: bool = False


PLAIN_MANUFACTURER = re.compile(r"[A-Za-z0-9 .,&()/+-]{0,64}")
"""What a manufacturer's name may be made of."""


def manufacturer_of(dataset: Dataset) -> str:
    """Manufacturer in plain ASCII; empty where it holds anything else, a number that may be an id or a
    telephone's, or a part of the institution's name."""
    name = text(dataset, "Manufacturer")
    if not PLAIN_MANUFACTURER.fullmatch(name) or re.search(r"\d{5}|(\d[ .()/+-]*){6}", name):
        return ""
    return "" if institution_in(name, dataset) else name


def _age(dataset: Dataset, born: datetime.date | None, film_date: datetime.date | None) -> int | None:
    """Completed years, 90 for all above 89: PatientAge, else from the birth date."""
    match = re.fullmatch(r"(\d{1,3})([YMWD]?)", text(dataset, "PatientAge").upper())
    years = None
    if match and match[2] in ("", "Y"):
        years = int(match[1])
    elif match:
        years = int(match[1]) // {"M": 12, "W": 52, "D": 365}[match[2]]
    elif born and film_date and born <= film_date:
        years = film_date.year - born.year - ((film_date.month, film_date.day) < (born.month, born.day))
    if years is None or years > 130:
        return None
    return min(years, 90)


_ACQUISITION = ("AcquisitionDate", "AcquisitionDateTime")
_OF_ITS_FILES = ("ContentDate", "SeriesDate")
DATES_OF_A_FILM = (*_ACQUISITION, *_OF_ITS_FILES, "StudyDate")
"""Where a film's date is looked for, in this order."""

DAYS_APART = 180
"""Days that two dates of one header may lie apart. Above, a clock was reset (2000-01-01) or set wrong (2099,
another year)."""


def film_date_of(dataset: Dataset) -> tuple[datetime.date | None, bool]:
    """The film's date, and whether dates of the header lie more than ``DAYS_APART`` apart, as a wrong clock
    makes them.

    The first of ``DATES_OF_A_FILM`` counts where StudyDate lies near it. Where it doesn't, one of two must be
    borne out:

    - StudyDate, where all that is told of content and series lies near it: the acquisition's date is left
      out, and the next one counts.
    - The first date, where at least two other than StudyDate are told, none of which contradicts it, and
      StudyDate is later: an older film that was put into a newer study. Not so on a 1 January, from which
      reset clocks count.

    Else none is certain (None), nor is one without StudyDate that another contradicts.
    """
    told = [(keyword, dicom_date(text(dataset, keyword))) for keyword in DATES_OF_A_FILM]
    given = {keyword: day for keyword, day in told if day is not None}
    days = list(given.values())
    if not days:
        return None, False
    first, study = days[0], given.pop("StudyDate", None)
    if (max(days) - min(days)).days <= DAYS_APART:
        return first, False
    if study is None or near(first, study):
        return (None if study is None else first), True
    backing = [day for keyword, day in given.items() if keyword in _OF_ITS_FILES]
    if backing and all(near(day, study) for day in backing):
        return backing[0], True
    agreed = len(given) > 1 and all(near(day, first) for day in given.values())
    older = max(given.values()) < study and (first.month, first.day) != (1, 1)
    return (first if agreed and older else None), True


def near(day: datetime.date, other: datetime.date) -> bool:
    """Whether two dates of one header can both be right: at most ``DAYS_APART`` days apart."""
    return abs((day - other).days) <= DAYS_APART


_TIMES_OF_A_FILM = ("AcquisitionTime", "AcquisitionDateTime", "ContentTime", "SeriesTime", "StudyTime")


def _time(dataset: Dataset) -> str:
    """HHMMSS(.ffffff), empty where none is given."""
    for keyword in _TIMES_OF_A_FILM:
        value = text(dataset, keyword).replace(":", "")
        value = value[8:] if keyword.endswith("DateTime") else value
        match = re.match(r"\d{2,6}(\.\d{1,6})?", value)
        if match:
            return match[0]
    return ""


_OF_A_CODE = ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")
_FURTHER_DESCRIPTIONS = (
    "ProtocolName",
    "AcquisitionDeviceProcessingDescription",
    "PerformedProcedureStepDescription",
    "RequestedProcedureDescription",
    "StudyDescription",
)
"""What else is said of a film or its study; a word for lateral alone settles an unknown view."""


def film_of(dataset: Dataset, names: Pseudonyms, patterns: dict[str, list[str]]) -> Film:
    """Read the facts of a film from its header. ``patterns`` is the config's ``intake.frontal_view``."""
    film_date, dates_differ = film_date_of(dataset)
    born = dicom_date(text(dataset, "PatientBirthDate"))
    declared = declared_sets(dataset)
    codes = []
    sequence = dataset.get("ViewCodeSequence")
    for item in sequence if isinstance(sequence, pydicom.Sequence) else ():
        own = declared_sets(item) or declared
        codes.append(tuple(certain_text(item, keyword, own)[0] for keyword in _OF_A_CODE))
    part, certain = certain_text(dataset, "BodyPartExamined", declared)
    sex = text(dataset, "PatientSex").upper()
    return Film(
        patient_id=names.normalised(text_of_id(dataset)),
        film_date=film_date,
        acquisition_time=_time(dataset),
        view=view_of(
            text(dataset, "ViewPosition"),
            codes,
            text(dataset, "SeriesDescription"),
            patterns,
            [part, *(text(dataset, keyword) for keyword in _FURTHER_DESCRIPTIONS)],
        ),
        sex=sex if sex in ("F", "M") else "",
        age=_age(dataset, born, film_date),
        manufacturer=manufacturer_of(dataset),
        burned_in={"YES": "YES", "NO": "NO", "": "unknown"}.get(
            text(dataset, "BurnedInAnnotation").upper(), "unreadable"
        ),
        birth_date=born,
        chest=not part or not certain or matches(part, patterns.get("chest", ())),
        dates_differ=dates_differ,
    )


def text_of_id(dataset: Dataset) -> str:
    """The patient id as written, without the padding that DICOM puts behind it."""
    raw = raw_text(dataset, "PatientID")
    if raw is not None:
        return decoded(raw, declared_sets(dataset))[0].rstrip(" \0")
    try:
        value = dataset.get("PatientID")
    except Exception:  # the value can't be decoded
        return ""
    if isinstance(value, pydicom.multival.MultiValue | list):
        value = "\\".join(map(str, value))
    return "" if value is None else str(value).rstrip(" \0")


def _number(dataset: Dataset, keyword: str, default: int) -> int:
    try:
        value = dataset.get(keyword)
        return default if value in (None, "") else int(value)
    except (TypeError, ValueError):
        return -1


def modality(dataset: Dataset) -> str:
    """Modality in capitals. ``DR``, which devices write and the standard doesn't know, is read as ``DX``."""
    written = text(dataset, "Modality").upper()
    return "DX" if written == "DR" else written


def refusal(dataset: Dataset, film: Film) -> str:
    """Why a film can't be used, as far as its header says; empty where it can.

    The first reason in a fixed order.
    """
    sop_class = text(dataset, "SOPClassUID")
    if modality(dataset) not in ("CR", "DX"):
        return "not_cr_or_dx"
    if sop_class == DX_FOR_PROCESSING or text(dataset, "PresentationIntentType").upper() == "FOR PROCESSING":
        return "for_processing"
    if sop_class not in FILMS_FOR_PRESENTATION:
        return "not_cr_or_dx"
    if not film.chest:
        return "not_chest"
    if film.view == LATERAL:
        return "lateral"
    if not film.patient_id:
        return "no_patient_id"
    rows, columns = _number(dataset, "Rows", 0), _number(dataset, "Columns", 0)
    if rows == 0 or columns == 0 or _number(dataset, "NumberOfFrames", 1) == 0:
        return "no_pixels"
    if rows * columns > LARGEST_FILM:
        return "too_large"
    if not supported(dataset):
        return "unsupported"
    if film.burned_in == "YES":
        return "burned_in_text"
    if film.burned_in == "unreadable":
        return "unreadable_burned_in"
    if film.film_date is None:
        return "film_dates_differ" if film.dates_differ else "no_film_date"
    return ""


def supported(dataset: Dataset) -> bool:
    """Whether the pixels are grey, one frame, 8 or 16 bits allocated, in a known transfer syntax."""
    allocated = _number(dataset, "BitsAllocated", -1)
    stored = _number(dataset, "BitsStored", allocated)
    high = _number(dataset, "HighBit", stored - 1)
    return (
        transfer_syntax(dataset) in COMPRESSED | NATIVE
        and text(dataset, "PhotometricInterpretation") in ("MONOCHROME1", "MONOCHROME2")
        and _number(dataset, "SamplesPerPixel", 1) == 1
        and _number(dataset, "NumberOfFrames", 1) == 1
        and allocated in (8, 16)
        and 1 <= stored <= allocated
        and stored - 1 <= high < allocated
        and _number(dataset, "PixelRepresentation", 0) in (0, 1)
        and 1 <= _number(dataset, "Rows", 0) <= 65535
        and 1 <= _number(dataset, "Columns", 0) <= 65535
    )
