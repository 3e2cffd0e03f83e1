"""Films that come as PNG, read as if each had a header: its row of the image table.

Only the pixels of a PNG are read. Text, EXIF and all other chunks, and bytes behind the image, stay behind:
what goes on is a new data set, which takes the same way as a DICOM file's (PNG specification, third edition,
W3C, 5.3 and 11.2).
"""

from __future__ import annotations

import hashlib
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset

from scripts.common.standards import EXPLICIT_LITTLE_ENDIAN, PNG_SIGNATURE, SECONDARY_CAPTURE
from scripts.intake.dicom_reading import LARGEST_FILE, LARGEST_FILM, Film, Unusable, film_of, refusal
from scripts.intake.frontal_view import AP, LATERAL, PA
from scripts.intake.identity import Pseudonyms
from scripts.intake.image_table import ImageRow, ImageTable

_GREY, _GREY_ALPHA = 0, 4


@dataclass(frozen=True)
class PngHeader:
    """Size in pixels, bits of a value (8 or 16), and whether there is an alpha channel."""

    rows: int
    columns: int
    depth: int
    alpha: bool


def read_png_header(path: str | Path) -> PngHeader:
    """The header of a grey PNG, and a walk over its chunks, none of which is read.

    Raises ``Unusable``: not_png, unreadable_file, too_large, cut_short, no_pixels, unreadable_header, or
    unsupported for colour, palettes, fewer than 8 bits and animations.
    """
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for without end
            raise Unusable("not_png")
        with Path(path).open("rb") as handle:
            if handle.read(8) != PNG_SIGNATURE:
                raise Unusable("not_png")
            if status.st_size > LARGEST_FILE:
                raise Unusable("too_large")
            opening, first, kinds, kind = b"", b"", set(), b""
            while kind != b"IEND":
                head = handle.read(8)
                if len(head) < 8:
                    raise Unusable("cut_short")
                length, kind = struct.unpack(">I4s", head)
                after = handle.tell() + length + 4
                if after > status.st_size:
                    raise Unusable("cut_short")
                if not kinds:
                    opening, first = kind, handle.read(min(length, 13))
                kinds.add(kind)
                handle.seek(after)
    except OSError:
        raise Unusable("unreadable_file") from None
    if opening != b"IHDR" or len(first) < 13:
        raise Unusable("unreadable_header")
    columns, rows, depth, colour = struct.unpack(">IIBB", first[:10])
    if not rows or not columns or b"IDAT" not in kinds:
        raise Unusable("no_pixels")
    if rows * columns > LARGEST_FILM:
        raise Unusable("too_large")
    if colour not in (_GREY, _GREY_ALPHA) or depth not in (8, 16) or b"acTL" in kinds:
        raise Unusable("unsupported")
    return PngHeader(rows, columns, depth, colour == _GREY_ALPHA or b"tRNS" in kinds)


def read_png_values(path: str | Path, header: PngHeader) -> np.ndarray:
    """The values (rows, columns), uint8 or uint16.

    An alpha channel that is opaque everywhere says nothing and is left out. Raises ``Unusable``:
    unreadable_pixels, or unsupported where a pixel is transparent.
    """
    import imagecodecs

    try:
        values = imagecodecs.png_decode(Path(path).read_bytes())
    except MemoryError:
        raise
    except OSError:
        raise Unusable("unreadable_file") from None
    except Exception:  # the decoder's own error
        raise Unusable("unreadable_pixels") from None
    if header.alpha and values.ndim == 3 and values.shape[2] == 2:
        if (values[..., 1] != np.iinfo(values.dtype).max).any():
            raise Unusable("unsupported")
        values = values[..., 0]
    if values.shape != (header.rows, header.columns) or values.dtype != np.dtype(f"u{header.depth // 8}"):
        raise Unusable("unreadable_pixels")
    return np.ascontiguousarray(values)


def _derived_uid(*parts: str) -> str:
    """A UID under 2.25 (PS3.5 B.2) in place of one that a PNG hasn't; it is replaced by a keyed one like any
    source UID.
    """
    return f"2.25.{int.from_bytes(hashlib.sha256(chr(0).join(parts).encode()).digest()[:16], 'big')}"


def facts_of_row(row: ImageRow, path: str) -> Dataset:
    """What the image table says of a film, as a header. ``path`` only gives the film its own UIDs."""
    facts = Dataset()
    facts.file_meta = FileMetaDataset()
    facts.file_meta.TransferSyntaxUID = EXPLICIT_LITTLE_ENDIAN
    facts.SOPClassUID = SECONDARY_CAPTURE
    facts.SOPInstanceUID = _derived_uid("instance", path)
    facts.SeriesInstanceUID = _derived_uid("series", path)
    facts.ImageType = ["DERIVED", "SECONDARY"]
    facts.Modality = "CR"  # stands for a projection radiograph; a PNG doesn't say which detector made it
    facts.ConversionType = "WSD"
    facts.BodyPartExamined = "CHEST"
    facts.PatientOrientation = ""
    facts.PatientID = row.source_id
    facts.PatientSex = row.sex
    if row.age is not None:
        facts.PatientAge = f"{row.age:03d}Y"
    if row.film_date is not None:
        facts.StudyDate = facts.AcquisitionDate = row.film_date.strftime("%Y%m%d").zfill(8)
        facts.StudyInstanceUID = _derived_uid("study", row.source_id, facts.StudyDate)
    facts.AcquisitionTime = row.film_time
    facts.ViewPosition = {PA: "PA", AP: "AP", LATERAL: "LL"}.get(row.view, "")
    facts.Manufacturer = row.manufacturer
    if row.burned_in != "unknown":
        facts.BurnedInAnnotation = row.burned_in
    return facts


def _add_geometry(facts: Dataset, header: PngHeader, bits: int) -> None:
    facts.Rows, facts.Columns = header.rows, header.columns
    facts.SamplesPerPixel, facts.PhotometricInterpretation, facts.PixelRepresentation = 1, "MONOCHROME2", 0
    facts.BitsAllocated = header.depth
    facts.BitsStored = bits if header.depth == 16 else 8
    facts.HighBit = facts.BitsStored - 1


def examined_png(
    path: Path,
    path_text: str,
    images: ImageTable,
    names: Pseudonyms,
    patterns: dict[str, list[str]],
    with_pixels: bool = True,
) -> tuple[str, Film | None, Dataset | None]:
    """Reason for quarantine (empty where usable), facts and data set of one PNG file; without pixels for a
    look at the header.

    ``path_text`` is the path from the folder, as the listing writes it. The file's own fault is named first.
    """
    rows = images.rows_of(path_text)
    row = rows[0] if rows else None
    facts = film = None
    if row is not None and len({r.source_id for r in rows}) == 1:
        facts = facts_of_row(row, path_text)
        film = film_of(facts, names, patterns)
    try:
        header = read_png_header(path)
    except Unusable as error:
        return error.reason, film, None
    if row is None:
        return "not_in_image_table", None, None
    if len(rows) > 1:
        return "conflicting_image_rows", film, None
    if not row.whole:
        return "unreadable_image_row", None, None
    _add_geometry(facts, header, images.bits)
    reason = refusal(facts, film)
    if reason or not with_pixels:
        return reason, film, facts
    try:
        values = read_png_values(path, header)
        if int(values.max()) >> facts.BitsStored:
            raise Unusable("values_beyond_bits")
    except Unusable as error:
        return error.reason, film, None
    facts.PixelData = values.astype("<u2", copy=False).tobytes() if header.depth == 16 else values.tobytes()
    facts["PixelData"].VR = "OW"
    return "", film, facts
