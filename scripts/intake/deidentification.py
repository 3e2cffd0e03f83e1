"""De-identified films: a new dataset from an allow-list, never a source file with parts deleted.

DICOM PS3.15 Annex E: Basic Application Level Confidentiality Profile with the options Retain Patient Characteristics and
Retain Longitudinal Temporal Information with Modified Dates. ``allowed_tags.csv`` names every tag that may be
written, what is done with it, the option that permits it and why it is needed. All else stays behind: private groups,
overlays, sequences, times of day, free text.
"""

from __future__ import annotations

import csv
import datetime
import functools
import io
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from scripts.intake.codestream import NATIVE, BrokenStream, clean_codestream
from scripts.intake.dicom_reading import Film, Unusable, manufacturer_of, text, transfer_syntax
from scripts.intake.identifier_scan import identifiers_left
from scripts.intake.identity import Pseudonyms, dicom_date
from scripts.intake.pixels import RLE, ShortPixels, decoded_values, native_values

ALLOWED_TAGS = Path(__file__).with_name("allowed_tags.csv")

METHOD = "DICOM PS3.15 Annex E, allow-list"
METHOD_CODES = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113108", "Retain Patient Characteristics Option"),
)
"""DICOM CID 7050."""

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_IMPLEMENTATION_UID = "2.25.190546352318426390513206541278604713991"
_CHEST_CODE = ("51185008", "SCT", "Chest")
_VIEW_CODES = {"PA": ("272479007", "SCT", "postero-anterior"), "AP": ("399348003", "SCT", "antero-posterior")}


@functools.cache
def allowed_tags(path: Path = ALLOWED_TAGS) -> tuple[dict[str, str], ...]:
    """The rows of the allow-list, in the order of tags."""
    with path.open(encoding="utf-8", newline="") as handle:
        return tuple(csv.DictReader(handle))


@dataclass(frozen=True)
class NewFile:
    """A de-identified film: its bytes, and the date written as the film's."""

    content: tuple[bytes, ...]
    film_date: datetime.date


def _code_item(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")


def _numbers(dataset: Dataset, keyword: str) -> list[str]:
    """The values as text, empty unless every one is a plain number of at most 16 characters."""
    parts = text(dataset, keyword).split("\\")
    return parts if all(len(p) <= 16 and _NUMBER.fullmatch(p) for p in parts) else []


def _rescale(dataset: Dataset, keyword: str) -> list[str]:
    """A rescale number longer than the 16 characters of its VR (PS3.5 6.2), shortened to them; empty where there is none.

    Raises ``Unusable``: without the number, black and white may be the wrong way round.
    """
    value = text(dataset, keyword)
    if not value:
        return []
    if len(value) > 64 or not _NUMBER.fullmatch(value):
        raise Unusable("unreadable_header")
    return [f"{float(value):.9g}"]


class _Builder:
    """Writes each allowed tag of one film. One method per action of the allow-list."""

    def __init__(self, source: Dataset, film: Film, names: Pseudonyms) -> None:
        self.source, self.film, self.names = source, film, names
        self.pseudonymous_id = names.patient(film.patient_id)
        self.kept: list[str] = []

    def build(self) -> Dataset:
        new = Dataset()
        for row in allowed_tags():
            if not row["parent"] and row["action"] != "pixels":
                getattr(self, row["action"])(new, self.source, row["keyword"])
        return new

    def _set(self, new: Dataset, keyword: str, value: object) -> None:
        setattr(new, keyword, value)
        parts = [str(part) for part in value] if isinstance(value, list) else [str(value)]
        self.kept.extend({*parts, "\\".join(parts)})

    def image_type(self, new: Dataset, source: Dataset, keyword: str) -> None:
        parts = [*text(source, keyword).upper().split("\\"), "", ""]
        first = parts[0] if parts[0] in ("ORIGINAL", "DERIVED") else ""
        second = parts[1] if parts[1] in ("PRIMARY", "SECONDARY") else ""
        if first and second:
            self._set(new, keyword, [first, second, ""] if text(source, "Modality") == "DX" else [first, second])

    def standard_uid(self, new: Dataset, source: Dataset, keyword: str) -> None:
        value = text(source, keyword)
        if re.fullmatch(r"1\.2\.840\.10008\.[0-9.]{1,50}", value):
            self._set(new, keyword, value)

    def new_uid(self, new: Dataset, source: Dataset, keyword: str) -> None:
        kind = keyword.removesuffix("InstanceUID").lower().replace("sop", "instance")
        # a film without the UID gets one of its own patient and kind
        origin = text(source, keyword) or f"none for {self.pseudonymous_id}"
        setattr(new, keyword, self.names.uid(kind, origin))

    def shift_date(self, new: Dataset, source: Dataset, keyword: str) -> None:
        day = dicom_date(text(source, keyword))
        if day is not None:
            self._set(new, keyword, self.names.shifted(day, self.film.patient_id).strftime("%Y%m%d").zfill(8))
        elif keyword == "StudyDate":
            new.StudyDate = ""

    def empty(self, new: Dataset, source: Dataset, keyword: str) -> None:
        if keyword == "AcquisitionContextSequence":
            if keyword in source:
                new.AcquisitionContextSequence = Sequence()
        else:
            setattr(new, keyword, None if keyword.endswith("Number") and keyword != "AccessionNumber" else "")

    def pseudonym(self, new: Dataset, source: Dataset, keyword: str) -> None:
        setattr(new, keyword, self.pseudonymous_id)

    def copy_code(self, new: Dataset, source: Dataset, keyword: str) -> None:
        if keyword not in source:
            return
        parts = text(source, keyword).upper().split("\\")
        if all(re.fullmatch(r"[A-Z0-9_ ]{0,16}", part) for part in parts):
            self._set(new, keyword, parts if len(parts) > 1 else parts[0])

    def copy_text(self, new: Dataset, source: Dataset, keyword: str) -> None:
        new.Manufacturer = manufacturer_of(source)
        self.kept.append(new.Manufacturer)

    def copy_number(self, new: Dataset, source: Dataset, keyword: str) -> None:
        numbers = _numbers(source, keyword) if keyword in source else []
        if not numbers and keyword in ("RescaleSlope", "RescaleIntercept"):
            numbers = _rescale(source, keyword)
        if not numbers:
            return
        whole = pydicom.datadict.dictionary_VR(keyword) in ("US", "SS", "UL", "SL")
        values = [int(float(n)) if whole else n for n in numbers]
        self._set(new, keyword, values if len(values) > 1 else values[0])

    def copy_pixel_value(self, new: Dataset, source: Dataset, keyword: str) -> None:
        numbers = _numbers(source, keyword) if keyword in source else []
        if len(numbers) == 1:
            signed = int(source.get("PixelRepresentation") or 0) == 1
            value = int(float(numbers[0]))
            value = (value + 0x8000) % 0x10000 - 0x8000 if signed else value % 0x10000
            new.add_new(pydicom.datadict.tag_for_keyword(keyword), "SS" if signed else "US", value)

    def sex(self, new: Dataset, source: Dataset, keyword: str) -> None:
        new.PatientSex = self.film.sex

    def age(self, new: Dataset, source: Dataset, keyword: str) -> None:
        if self.film.age is not None:
            self._set(new, keyword, f"{self.film.age:03d}Y")

    def body_part(self, new: Dataset, source: Dataset, keyword: str) -> None:
        self._set(new, keyword, "CHEST" if text(source, keyword) else "")

    def code_of_chest(self, new: Dataset, source: Dataset, keyword: str) -> None:
        if keyword in source:
            new.AnatomicRegionSequence = Sequence([_code_item(*_CHEST_CODE)])
            self.kept.extend(_CHEST_CODE)

    def code_of_view(self, new: Dataset, source: Dataset, keyword: str) -> None:
        if keyword in source and self.film.view in _VIEW_CODES:
            new.ViewCodeSequence = Sequence([_code_item(*_VIEW_CODES[self.film.view])])
            self.kept.extend(_VIEW_CODES[self.film.view])

    def constant(self, new: Dataset, source: Dataset, keyword: str) -> None:
        if keyword == "DeidentificationMethodCodeSequence":
            new.DeidentificationMethodCodeSequence = Sequence([_code_item(v, "DCM", m) for v, m in METHOD_CODES])
            self.kept.extend(part for code in METHOD_CODES for part in code)
        else:
            value = {
                "PatientIdentityRemoved": "YES",
                "DeidentificationMethod": METHOD,
                "LongitudinalTemporalInformationModified": "MODIFIED",
            }[keyword]
            self._set(new, keyword, value)

    def sequence(self, new: Dataset, source: Dataset, keyword: str) -> None:
        items = source.get(keyword)
        if not isinstance(items, Sequence) or not items:
            return
        item = Dataset()
        for row in allowed_tags():
            if row["parent"] == keyword:
                getattr(self, row["action"])(item, items[0], row["keyword"])
        setattr(new, keyword, Sequence([item]))

    def lut(self, new: Dataset, source: Dataset, keyword: str) -> None:
        if keyword == "LUTDescriptor":
            descriptor = [int(v) for v in source.LUTDescriptor]
            signed = int(self.source.get("PixelRepresentation") or 0) == 1
            values = [v - 0x10000 if signed and v > 0x7FFF else v for v in descriptor]
            if not signed:
                values = [v % 0x10000 for v in values]
            new.add_new(0x00283002, "SS" if signed else "US", values)
            return
        data = source.LUTData
        if not isinstance(data, bytes):
            data = struct.pack(f"<{len(data)}H", *(int(v) & 0xFFFF for v in data))
        elif transfer_syntax(self.source) == "1.2.840.10008.1.2.2":
            data = struct.pack(f"<{len(data) // 2}H", *struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2]))
        entries = int(source.LUTDescriptor[0]) & 0xFFFF or 65536
        width = 2 if len(data) >= 2 * entries else 1
        data = data[: entries * width]
        new.add_new(0x00283006, "OW", data + b"\0" * (len(data) % 2))


def _pixel_element(source: Dataset, new: Dataset) -> tuple[str, tuple[bytes, ...]]:
    """The new file's transfer syntax and the bytes of its pixel element. May correct the pixel module of ``new``."""
    syntax = transfer_syntax(source)
    if "PixelData" not in source or not source.PixelData:
        raise Unusable("no_pixels")
    if syntax in NATIVE or syntax == RLE:
        try:
            values = native_values(source, syntax) if syntax in NATIVE else decoded_values(source, syntax)
        except ShortPixels:
            raise Unusable("cut_short") from None
        except Exception:  # a decoder's own error
            raise Unusable("unreadable_pixels") from None
        stored = int(source.get("BitsStored") or source.BitsAllocated)
        new.BitsStored, new.HighBit = stored, stored - 1
        if int(source.BitsAllocated) == 8:
            body = values.astype("u1" if values.dtype == "uint16" else "i1").tobytes()
        else:
            body = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        body += b"\0" * (len(body) % 2)
        return EXPLICIT_LITTLE_ENDIAN, (struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, len(body)), body)
    try:
        frame = clean_codestream(pydicom.encaps.get_frame(source.PixelData, 0, number_of_frames=1), syntax)
    except BrokenStream:
        raise Unusable("cut_short") from None
    except Exception:  # broken items around the stream
        raise Unusable("unreadable_pixels") from None
    frame += b"\0" * (len(frame) % 2)
    start = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(frame))
    return syntax, (start, item, frame, struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))


def deidentified(source: Dataset, film: Film, names: Pseudonyms) -> NewFile:
    """Build the new file of a usable film.

    Raises ``Unusable``: no_pixels, cut_short, unreadable_pixels, or identifier_left where an identifying value of the
    source is found in the new header.
    """
    builder = _Builder(source, film, names)
    new = builder.build()
    syntax, pixel_element = _pixel_element(source, new)

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = new.SOPClassUID
    meta.MediaStorageSOPInstanceUID = new.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = _IMPLEMENTATION_UID
    meta.ImplementationVersionName = "OSTEOCXR"
    new.file_meta = meta
    new.preamble = b"\0" * 128
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, new, implicit_vr=False, little_endian=True, enforce_file_format=True)
    header = buffer.getvalue()
    if identifiers_left(source, header, builder.kept):
        raise Unusable("identifier_left")
    assert film.film_date is not None
    return NewFile((header, *pixel_element), names.shifted(film.film_date, film.patient_id))
