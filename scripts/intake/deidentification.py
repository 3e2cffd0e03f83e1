"""De-identified films: a new dataset from an allow-list, never a source file with parts deleted.

DICOM PS3.15 Annex E: Basic Application Level Confidentiality Profile with the options Retain Patient
Characteristics and Retain Longitudinal Temporal Information with Modified Dates. ``allowed_tags.csv`` names
every tag that may be written, what is done with it, which values may pass (terms of the standard, or a
range), the option that permits it and why it is needed. All else stays behind: private groups, overlays,
sequences, times of day, free text. A code or number outside its values stays behind too, since people type
names and ids into any field.
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

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from scripts.common.standards import EXPLICIT_LITTLE_ENDIAN, JPEG_LOSSY, RLE
from scripts.intake.codestream import NATIVE, BrokenStream, clean_codestream, stream_geometry, syntax_of
from scripts.intake.dicom_reading import Film, Unusable, modality, near, text, transfer_syntax
from scripts.intake.identifier_scan import identifiers_in_stream, identifiers_left
from scripts.intake.identity import Pseudonyms, dicom_date
from scripts.intake.pixels import ShortPixels, decoded_values, has_table, native_values

ALLOWED_TAGS = Path(__file__).with_name("allowed_tags.csv")

METHOD = "DICOM PS3.15 Annex E, allow-list"
METHOD_CODES = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113108", "Retain Patient Characteristics Option"),
)
"""DICOM CID 7050."""

_IMPLEMENTATION_UID = "2.25.190546352318426390513206541278604713991"
_IMPLEMENTATION_NAME = "OSTEOCXR"
_CHEST_CODE = ("51185008", "SCT", "Chest")
_VIEW_CODES = {"PA": ("272479007", "SCT", "postero-anterior"), "AP": ("399348003", "SCT", "antero-posterior")}


@functools.cache
def allowed_tags(path: Path = ALLOWED_TAGS) -> tuple[dict[str, str], ...]:
    """The rows of the allow-list, in the order of tags."""
    with path.open(encoding="utf-8", newline="") as handle:
        return tuple(csv.DictReader(handle))


@functools.cache
def allowed_terms(keyword: str) -> frozenset[str]:
    """The terms that may be written for a code.

    The empty one among them: what is no term is written empty, not left out.
    """
    (row,) = [row for row in allowed_tags() if row["keyword"] == keyword]
    return frozenset(row["values"].split("|"))


@functools.cache
def allowed_range(keyword: str) -> tuple[float, float]:
    """Lowest and highest number that may be written, both included."""
    (row,) = [row for row in allowed_tags() if row["keyword"] == keyword]
    low, high = row["values"].split("..")
    return float(low), float(high)


@dataclass(frozen=True)
class NewFile:
    """A de-identified film: its bytes, and the date written as the film's."""

    content: tuple[bytes, ...]
    film_date: datetime.date


def _code_item(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_MOST_VALUES = 8
"""Values of an element without a fixed number of them (several windows); no film needs more."""


def _count_fits(keyword: str, count: int) -> bool:
    """Whether an element may have so many values (PS3.6)."""
    vm = pydicom.datadict.dictionary_VM(keyword)
    return 1 <= count <= _MOST_VALUES if vm == "1-n" else count == int(vm)


def _numbers(dataset: Dataset, keyword: str) -> list[str]:
    """The values in their shortest form, empty unless every one is a number in the element's range.

    Neither a date nor an id of six digits fits into any range; leading zeros, of which ids are full, don't
    survive.
    """
    parts = text(dataset, keyword).split("\\")
    if not _count_fits(keyword, len(parts)) or not all(len(p) <= 64 and _NUMBER.fullmatch(p) for p in parts):
        return []
    low, high = allowed_range(keyword)
    values = [float(part) for part in parts]
    if not all(low <= value <= high for value in values):
        return []
    if pydicom.datadict.dictionary_VR(keyword) == "DS":
        return [f"{value + 0.0:.10g}" for value in values]
    return [str(int(value)) for value in values] if all(value.is_integer() for value in values) else []


class _Builder:
    """Writes each allowed tag of one film. One method per action of the allow-list."""

    def __init__(self, source: Dataset, film: Film, names: Pseudonyms) -> None:
        self.source, self.film, self.names = source, film, names
        self.pseudonymous_id = names.patient(film.patient_id)
        self.copied: list[str] = []
        self.made: list[str] = [self.pseudonymous_id, METHOD, _IMPLEMENTATION_UID, _IMPLEMENTATION_NAME]

    def build(self) -> Dataset:
        new = Dataset()
        for row in allowed_tags():
            if not row["parent"] and row["action"] != "pixels":
                getattr(self, row["action"])(new, self.source, row["keyword"])
        if _multiplicity(new, "WindowCenter") != _multiplicity(new, "WindowWidth"):  # half a window is none
            for keyword in ("WindowCenter", "WindowWidth"):
                if keyword in new:
                    del new[keyword]
        return new

    def _set(self, new: Dataset, keyword: str, value: object) -> None:
        """Write a value that is the source's own."""
        setattr(new, keyword, value)
        parts = [str(part) for part in value] if isinstance(value, list) else [str(value)]
        self.copied.extend({*parts, "\\".join(parts)})

    def _make(self, new: Dataset, keyword: str, value: str) -> None:
        """Write a value that doesn't come from the source as it stands."""
        setattr(new, keyword, value)
        self.made.append(value)

    def _code(self, new: Dataset, keyword: str, code: tuple[str, str, str]) -> None:
        setattr(new, keyword, Sequence([_code_item(*code)]))
        self.made.extend(code)

    def image_type(self, new: Dataset, source: Dataset, keyword: str) -> None:
        parts = [*text(source, keyword).upper().split("\\"), "", ""]
        first = parts[0] if parts[0] in ("ORIGINAL", "DERIVED") else ""
        second = parts[1] if parts[1] in ("PRIMARY", "SECONDARY") else ""
        if first and second:
            self._set(new, keyword, [first, second, ""] if modality(source) == "DX" else [first, second])

    def standard_uid(self, new: Dataset, source: Dataset, keyword: str) -> None:
        value = text(source, keyword)
        if re.fullmatch(r"1\.2\.840\.10008\.[0-9.]{1,50}", value):
            self._set(new, keyword, value)

    def new_uid(self, new: Dataset, source: Dataset, keyword: str) -> None:
        kind = keyword.removesuffix("InstanceUID").lower().replace("sop", "instance")
        # a film without the UID gets one of its own patient and kind
        origin = text(source, keyword) or f"none for {self.pseudonymous_id}"
        self._make(new, keyword, self.names.uid(kind, origin))

    def shift_date(self, new: Dataset, source: Dataset, keyword: str) -> None:
        day = dicom_date(text(source, keyword))
        # a date far from the film's is a wrong clock's: the first day of a reset one is known and tells the
        # shift
        if day is not None and (self.film.film_date is None or near(day, self.film.film_date)):
            self._make(
                new, keyword, self.names.shifted(day, self.film.patient_id).strftime("%Y%m%d").zfill(8)
            )
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
        said = modality(source) if keyword == "Modality" else text(source, keyword).upper()
        parts, terms = said.split("\\"), allowed_terms(keyword)
        if _count_fits(keyword, len(parts)) and terms.issuperset(parts):
            self._set(new, keyword, parts if len(parts) > 1 else parts[0])
        elif "" in terms:
            setattr(new, keyword, "")

    def view_position(self, new: Dataset, source: Dataset, keyword: str) -> None:
        if keyword in source:
            self._set(new, keyword, self.film.view if self.film.view in _VIEW_CODES else "")

    def orientation(self, new: Dataset, source: Dataset, keyword: str) -> None:
        if keyword in source:
            parts = text(source, keyword).upper().split("\\")
            known = len(parts) == 2 and all(re.fullmatch(r"[ALRPHF]{1,3}", part) for part in parts)
            self._set(new, keyword, parts if known else "")

    def copy_text(self, new: Dataset, source: Dataset, keyword: str) -> None:
        self._set(new, keyword, self.film.manufacturer)

    def copy_number(self, new: Dataset, source: Dataset, keyword: str) -> None:
        numbers = _numbers(source, keyword) if keyword in source else []
        if not numbers:
            if keyword == "RescaleSlope" and text(source, keyword):
                raise Unusable("unsupported")  # its sign decides which end is bright
            return
        whole = pydicom.datadict.dictionary_VR(keyword) in ("US", "SS", "UL", "SL")
        values = [int(n) if whole else n for n in numbers]
        self._set(new, keyword, values if len(values) > 1 else values[0])

    def copy_pixel_value(self, new: Dataset, source: Dataset, keyword: str) -> None:
        numbers = _numbers(source, keyword) if keyword in source else []
        if len(numbers) == 1:
            signed = int(source.get("PixelRepresentation") or 0) == 1
            value = int(numbers[0])
            value = (value + 0x8000) % 0x10000 - 0x8000 if signed else value % 0x10000
            new.add_new(pydicom.datadict.tag_for_keyword(keyword), "SS" if signed else "US", value)

    def sex(self, new: Dataset, source: Dataset, keyword: str) -> None:
        new.PatientSex = self.film.sex

    def body_part(self, new: Dataset, source: Dataset, keyword: str) -> None:
        self._set(new, keyword, "CHEST" if text(source, keyword) else "")

    def code_of_chest(self, new: Dataset, source: Dataset, keyword: str) -> None:
        if keyword in source:
            self._code(new, keyword, _CHEST_CODE)

    def code_of_view(self, new: Dataset, source: Dataset, keyword: str) -> None:
        if keyword in source and self.film.view in _VIEW_CODES:
            self._code(new, keyword, _VIEW_CODES[self.film.view])

    def constant(self, new: Dataset, source: Dataset, keyword: str) -> None:
        if keyword == "DeidentificationMethodCodeSequence":
            new.DeidentificationMethodCodeSequence = Sequence(
                [_code_item(v, "DCM", m) for v, m in METHOD_CODES]
            )
            self.made.extend(part for code in METHOD_CODES for part in code)
        else:
            value = {
                "PatientIdentityRemoved": "YES",
                "DeidentificationMethod": METHOD,
                "LongitudinalTemporalInformationModified": "MODIFIED",
            }[keyword]
            self._make(new, keyword, value)

    def sequence(self, new: Dataset, source: Dataset, keyword: str) -> None:
        items = source.get(keyword)
        if not isinstance(items, Sequence) or not items or not has_table(items[0]):
            return
        item = Dataset()
        for row in allowed_tags():
            if row["parent"] == keyword:
                getattr(self, row["action"])(item, items[0], row["keyword"])
        setattr(new, keyword, Sequence([item]))

    def lut(self, new: Dataset, source: Dataset, keyword: str) -> None:
        if (
            keyword == "ModalityLUTType"
        ):  # required (type 1); what is no term of the standard is "unspecified"
            kind = text(source, keyword).upper()
            new.ModalityLUTType = kind if kind in allowed_terms(keyword) else "US"
            return
        if "LUTData" not in source or _multiplicity(source, "LUTDescriptor") != 3:  # half a table
            raise Unusable("unreadable_pixels")
        descriptor = [int(v) for v in source.LUTDescriptor]
        if keyword == "LUTDescriptor":
            signed = int(self.source.get("PixelRepresentation") or 0) == 1
            values = [v - 0x10000 if signed and v > 0x7FFF else v for v in descriptor]
            if not signed:
                values = [v % 0x10000 for v in values]
            new.add_new(0x00283002, "SS" if signed else "US", values)
            return
        data = source.LUTData
        if not isinstance(data, bytes):
            if not isinstance(data, pydicom.multival.MultiValue | list):  # one entry, or none
                raise Unusable("unreadable_pixels")
            data = struct.pack(f"<{len(data)}H", *(int(v) & 0xFFFF for v in data))
        elif transfer_syntax(self.source) == "1.2.840.10008.1.2.2":
            data = struct.pack(
                f"<{len(data) // 2}H", *struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2])
            )
        entries = descriptor[0] & 0xFFFF or 65536
        width = 2 if len(data) >= 2 * entries else 1
        data = data[: entries * width]
        if width == 2 and 0 < descriptor[2] < 16:  # the bits above an entry's own
            data = (np.frombuffer(data, "<u2") & np.uint16((1 << descriptor[2]) - 1)).astype("<u2").tobytes()
        new.add_new(0x00283006, "OW", data + b"\0" * (len(data) % 2))


def _multiplicity(dataset: Dataset, keyword: str) -> int:
    """How many values an element has; 0 where it is absent."""
    return dataset[keyword].VM if keyword in dataset else 0


_ITEM = b"\xfe\xff\x00\xe0"


def _coded_image(source: Dataset, declared: str) -> tuple[str, bytes]:
    """The transfer syntax of a film's pixels and their coded frame; no bytes where they are not coded.

    The name that a file gives its syntax is no proof: the stream's own markers are
    (``codestream.syntax_of``).
    """
    if declared in NATIVE and not (source["PixelData"].is_undefined_length and source.PixelData[:4] == _ITEM):
        return declared, b""
    try:
        frame = pydicom.encaps.get_frame(source.PixelData, 0, number_of_frames=1)
    except Exception:  # broken items around the stream
        raise Unusable("unreadable_pixels") from None
    return syntax_of(frame, declared), frame


def _pixel_element(source: Dataset, new: Dataset) -> tuple[str, tuple[bytes, ...]]:
    """The new file's transfer syntax and the bytes of its pixel element.

    May correct the pixel module of ``new``.
    """
    if "PixelData" not in source or not source.PixelData:
        raise Unusable("no_pixels")
    stored = int(source.get("BitsStored") or source.BitsAllocated)
    declared = transfer_syntax(source)
    syntax, frame = _coded_image(source, declared)
    if syntax not in NATIVE and syntax != RLE:
        try:
            frame = clean_codestream(frame, syntax)
            rows, columns, precision = stream_geometry(frame, syntax)
        except BrokenStream:
            raise Unusable("cut_short") from None
        if (rows, columns) != (
            int(source.Rows),
            int(source.Columns),
        ):  # more than the film may stand beside it
            raise Unusable("unreadable_pixels")
        if identifiers_in_stream(source, frame):
            raise Unusable("identifier_left")
        if syntax != declared and syntax in JPEG_LOSSY:
            new.LossyImageCompression, new.LossyImageCompressionMethod = "01", "ISO_10918_1"
    # a coded image with more bits than are stored may bear an overlay in them: it is written uncompressed,
    # without
    if syntax in NATIVE or syntax == RLE or precision > stored:
        try:
            values = native_values(source, syntax) if syntax in NATIVE else decoded_values(source, syntax)
        except ShortPixels:
            raise Unusable("cut_short") from None
        except Exception:  # a decoder's own error
            raise Unusable("unreadable_pixels") from None
        new.BitsStored, new.HighBit = stored, stored - 1
        if int(source.BitsAllocated) == 8:
            body = values.astype("u1" if values.dtype == "uint16" else "i1").tobytes()
        else:
            body = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        body += b"\0" * (len(body) % 2)
        return EXPLICIT_LITTLE_ENDIAN, (struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, len(body)), body)
    if precision < stored:  # the stream knows its bits; a header of more would make the film pale
        if int(source.get("PixelRepresentation") or 0) == 1:  # where the sign then stands nobody can say
            raise Unusable("unreadable_pixels")
        new.BitsStored, new.HighBit, new.BitsAllocated = precision, precision - 1, 8 if precision <= 8 else 16
    frame += b"\0" * (len(frame) % 2)
    start = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0
    )
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(frame))
    return syntax, (start, item, frame, struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))


def _written(builder: _Builder) -> tuple[bytes, tuple[bytes, ...]]:
    """The bytes of a film's new file up to its pixels, and those of the pixel element."""
    source, new = builder.source, builder.build()
    syntax, pixel_element = _pixel_element(source, new)

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = new.SOPClassUID
    meta.MediaStorageSOPInstanceUID = new.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = _IMPLEMENTATION_UID
    meta.ImplementationVersionName = _IMPLEMENTATION_NAME
    new.file_meta = meta
    new.preamble = b"\0" * 128
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, new, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return buffer.getvalue(), pixel_element


def written_anew(source: Dataset, film: Film, names: Pseudonyms) -> tuple[bytes, tuple[bytes, ...]]:
    """The bytes of a film's new file up to its pixels, and those of the pixel element, not searched for
    identifiers.

    For films that are de-identified already (``handed_film.py``). Raises ``Unusable`` as ``deidentified``.
    """
    return _written(_Builder(source, film, names))


def deidentified(source: Dataset, film: Film, names: Pseudonyms) -> NewFile:
    """Build the new file of a usable film.

    Raises ``Unusable``: no_pixels, cut_short, unreadable_pixels, unsupported, or identifier_left where an
    identifying value of the source is found in the new header or in a coded image.
    """
    builder = _Builder(source, film, names)
    header, pixel_element = _written(builder)
    if identifiers_left(source, header, builder.made, builder.copied, builder.film.manufacturer):
        raise Unusable("identifier_left")
    assert film.film_date is not None
    return NewFile((header, *pixel_element), names.shifted(film.film_date, film.patient_id))
