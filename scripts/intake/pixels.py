"""Stored pixel values of a film, and the 16-bit image that is made of them.

The image keeps the full stored range: ``v << (16 - bits)``, no window and no stretching per film. What a
value means is settled in this order (PS3.3 C.11.1, C.7.6.3.1.2): stored value, modality LUT or the sign of
the rescale slope, photometric interpretation. MONOCHROME1 (low is bright) is inverted, so that in every image
bright is dense.

The way back: ``Mapping`` holds all that ``film_image`` did, stands in the row of ``png/batch_<b>.csv``, and
is read from it by
``Mapping.of_row``. ``stored_values`` then gives the stored values of an image and ``modality_values`` what
these mean.
"""

from __future__ import annotations

import base64
import functools
import zlib
from collections.abc import Mapping as Row
from dataclasses import asdict, dataclass, fields

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from scripts.common.standards import JPEG_LOSSY, RLE

_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_LOSSY = (*JPEG_LOSSY, "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203")
_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")


class UnreadablePixels(ValueError):
    """The pixel data can't be turned into the image that the header describes."""


class ShortPixels(UnreadablePixels):
    """There are fewer pixels than the header says."""


def _geometry(dataset: Dataset) -> tuple[int, int, int, int, int, bool]:
    allocated = int(dataset.BitsAllocated)
    stored = int(dataset.get("BitsStored") or allocated)
    high = dataset.get("HighBit")
    high = stored - 1 if high is None else int(high)
    return (
        int(dataset.Rows),
        int(dataset.Columns),
        allocated,
        stored,
        high,
        int(dataset.get("PixelRepresentation") or 0) == 1,
    )


def native_values(dataset: Dataset, transfer_syntax: str) -> np.ndarray:
    """Stored values (rows, columns) of uncompressed pixel data, int16 or uint16, cleared of bits that are no
    pixel.

    Bytes behind the image are left out. Raises ``ShortPixels`` where there are too few.
    """
    rows, columns, allocated, stored, high, signed = _geometry(dataset)
    raw = dataset.PixelData
    need = rows * columns * allocated // 8
    if len(raw) < need:
        raise ShortPixels("fewer pixels than declared")
    big = transfer_syntax == _BIG_ENDIAN
    if allocated == 8:
        cells = np.frombuffer(raw, np.uint8)
        if big and dataset["PixelData"].VR == "OW":  # bytes stand in swapped pairs (PS3.5 8.1.1)
            cells = cells[: len(cells) // 2 * 2].reshape(-1, 2)[:, ::-1].reshape(-1)
        cells = cells[: rows * columns].astype(np.uint16)
    else:
        cells = np.frombuffer(raw, ">u2" if big else "<u2", count=rows * columns).astype(
            np.uint16, copy=False
        )
    return canonical(cells.reshape(rows, columns), stored, high, signed)


def canonical(cells: np.ndarray, stored: int, high: int, signed: bool) -> np.ndarray:
    """The stored bits of 16-bit cells as int16 (signed) or uint16; overlay and filling bits are cleared."""
    shift = high + 1 - stored
    mask = (1 << stored) - 1
    if shift:
        cells = cells >> shift
    if signed:
        move = 16 - stored
        return (cells << move).astype(np.uint16).view(np.int16) >> move
    if stored < 16 and int(cells.max(initial=0)) > mask:
        cells = cells & np.uint16(mask)
    return cells


def decoded_values(dataset: Dataset, transfer_syntax: str) -> np.ndarray:
    """Stored values (rows, columns), int16 or uint16, in any transfer syntax that is taken.

    Raises ``UnreadablePixels``; a decoder's own errors pass through.
    """
    from scripts.intake.codestream import NATIVE, stream_geometry

    if transfer_syntax in NATIVE:
        return native_values(dataset, transfer_syntax)
    rows, columns, _, stored, high, signed = _geometry(dataset)
    frame = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    if transfer_syntax != RLE and stream_geometry(frame, transfer_syntax)[:2] != (rows, columns):
        raise UnreadablePixels("another image than the header describes")
    if transfer_syntax in _JPEG_LOSSLESS:
        import imagecodecs

        cells = imagecodecs.jpegsof3_decode(frame)
    elif transfer_syntax in JPEG_LOSSY:
        import imagecodecs

        cells = imagecodecs.jpeg8_decode(frame)
    elif transfer_syntax in _JPEG_LS:
        import imagecodecs

        cells = imagecodecs.jpegls_decode(frame)  # takes a zero byte before the end, which pyjpegls refuses
    elif transfer_syntax == RLE:
        from pydicom.pixels import get_decoder

        # pydicom's clearing of unused bits would take HighBit for BitsStored - 1
        cells, _ = get_decoder(RLE).as_array(dataset, raw=True, index=0, correct_unused_bits=False)
    else:
        import openjpeg

        cells = openjpeg.decode_array(frame) if hasattr(openjpeg, "decode_array") else openjpeg.decode(frame)
    cells = np.asarray(cells)
    if cells.shape != (rows, columns) or cells.dtype.kind not in "iu" or cells.dtype.itemsize > 2:
        raise UnreadablePixels("another image than the header describes")
    if cells.dtype.itemsize == 1:
        cells = cells.astype(np.int16 if cells.dtype.kind == "i" else np.uint16)
    if transfer_syntax == RLE:  # codes the bytes of the cells (PS3.5 G.1), so HighBit counts
        return canonical(np.ascontiguousarray(cells).view(np.uint16), stored, high, signed)
    # the other codecs give values: the lowest bit is the value's, whatever HighBit says
    if transfer_syntax in _LOSSY:  # a lossy codec may overshoot the stored range
        if not signed:
            return np.minimum(np.maximum(cells, 0).astype(np.uint16), np.uint16((1 << stored) - 1))
        if cells.dtype.kind == "i":
            return np.clip(cells, -(1 << (stored - 1)), (1 << (stored - 1)) - 1).astype(np.int16)
    return canonical(np.ascontiguousarray(cells).view(np.uint16), stored, stored - 1, signed)


@dataclass(frozen=True)
class LookupTable:
    """A modality LUT (PS3.3 C.11.1.1): ``entries`` (uint16), the first stored value mapped, bits of an entry.

    Stored values below the first one mapped take the first entry, those behind the last one the last.
    """

    entries: np.ndarray
    first: int
    bits: int

    def __call__(self, stored: np.ndarray) -> np.ndarray:
        """The entries (uint16) of stored values."""
        return self.entries[np.clip(stored.astype(np.int32) - self.first, 0, len(self.entries) - 1)]

    def as_text(self) -> str:
        """The entries for a table's cell: differences, 16 bits little-endian, zlib (RFC 1950), base64 (RFC
        4648).
        """
        steps = np.diff(self.entries, prepend=np.uint16(0))
        return base64.b64encode(zlib.compress(steps.astype("<u2").tobytes(), 9)).decode()

    @staticmethod
    def of_text(text: str, first: int, bits: int) -> LookupTable:
        """The inverse of ``as_text``."""
        steps = np.frombuffer(zlib.decompress(base64.b64decode(text)), "<u2")
        return LookupTable(np.cumsum(steps, dtype=np.uint16), first, bits)


@dataclass(frozen=True)
class Mapping:
    """How stored values became 16-bit values, so that any pixel can be traced back.

    ``value16 = level << shift``, where ``level`` is ``stored + offset`` (or the LUT's entry), inverted as
    ``2**bits - 1 - level`` where ``inverted`` is 1. Padding is written as 0.

    Attributes
    ----------
    rows, columns
        Size of the image.
    bits, offset, shift, inverted
        As above; ``bits`` are a level's, so the LUT's where there is one.
    modality_lut
        1 where a modality LUT was applied.
    padding_pixels
        How many pixels were padding and are 0 in the image.
    stored_bits, signed
        BitsStored and PixelRepresentation of the film.
    padding_low, padding_high
        Lowest and highest stored value among the padding pixels; None without any.
    rescale_slope, rescale_intercept
        The film's, which the image doesn't hold but for the slope's sign; None where there are none or a LUT
        stands in their place.
    rescale_type
        Unit of modality values (PS3.3 C.11.1.1.2), of the rescale or of the LUT; empty where the film names
        none.
    lut_first, lut_data
        First stored value that the LUT maps, and its entries (``LookupTable.as_text``); None and empty
        without a LUT.
    """

    rows: int
    columns: int
    bits: int
    offset: int
    shift: int
    inverted: int
    modality_lut: int
    padding_pixels: int
    stored_bits: int
    signed: int
    padding_low: int | None = None
    padding_high: int | None = None
    rescale_slope: float | None = None
    rescale_intercept: float | None = None
    rescale_type: str = ""
    lut_first: int | None = None
    lut_data: str = ""

    def as_row(self) -> dict[str, int | float | str | None]:
        """The columns of a table's row."""
        return asdict(self)

    @staticmethod
    def of_row(row: Row) -> Mapping:
        """The mapping in a row of ``png/batch_<b>.csv``, as numbers and text or as the CSV's own text;
        missing is None or empty.
        """

        def value(kind: str, cell: object) -> int | float | str | None:
            written = "" if cell is None or str(cell) in ("nan", "<NA>") else str(cell)
            if kind == "str":
                return written
            if written == "":
                return None
            return float(written) if kind.startswith("float") else int(float(written))

        return Mapping(**{f.name: value(f.type, row[f.name]) for f in fields(Mapping)})

    @functools.cached_property
    def lookup_table(self) -> LookupTable | None:
        """The modality LUT, or None."""
        if not self.modality_lut:
            return None
        assert self.lut_first is not None
        return LookupTable.of_text(self.lut_data, self.lut_first, self.bits)


def has_table(item: Dataset) -> bool:
    """Whether an item of ModalityLUTSequence holds a table; one with neither descriptor nor data means no
    LUT."""
    return any(keyword in item and item[keyword].VM > 0 for keyword in ("LUTDescriptor", "LUTData"))


def _lookup_table(dataset: Dataset) -> LookupTable | None:
    """The modality LUT of a header, None without one."""
    sequence = dataset.get("ModalityLUTSequence")
    if not sequence or not has_table(sequence[0]):
        return None
    entries, first, bits = (int(v) for v in sequence[0].LUTDescriptor)
    entries = entries & 0xFFFF or 65536
    data = sequence[0].LUTData
    if isinstance(data, bytes):
        width = 2 if len(data) >= 2 * entries else 1
        if len(data) < width * entries:
            raise UnreadablePixels("broken modality LUT")
        table = np.frombuffer(data, "<u2" if width == 2 else np.uint8, count=entries)
    else:
        table = np.array(data, np.int64) & 0xFFFF
    table = table.astype(np.uint16)
    if len(table) < entries or not 8 <= bits <= 16:
        raise UnreadablePixels("broken modality LUT")
    # the descriptor's second value is signed as the pixels are, whatever VR it was written with (PS3.3
    # C.11.1.1)
    if dataset.get("PixelRepresentation"):
        first = first - 0x10000 if first > 0x7FFF else first
    elif first < 0:
        first += 0x10000
    return LookupTable(table[:entries] & np.uint16((1 << bits) - 1), first, bits)


def _padding(dataset: Dataset, stored: np.ndarray) -> np.ndarray | None:
    """Which pixels are padding (PS3.3 C.7.5.1.1.2); None where there is none."""
    value = dataset.get("PixelPaddingValue")
    if value is None or value == "":
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit in (None, "") else limit)))
    kind = np.iinfo(stored.dtype)
    if stored.dtype == np.uint16:
        low, high = low & 0xFFFF, high & 0xFFFF
        low, high = min(low, high), max(low, high)
    if high < kind.min or low > kind.max:
        return None
    found = (stored >= max(low, kind.min)) & (stored <= min(high, kind.max))
    return found if found.any() else None


def film_image(dataset: Dataset, stored: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, Mapping]:
    """The 16-bit image of stored values, which of its pixels are padding, and the mapping.

    Parameters
    ----------
    dataset
        A header with the pixel module's and the modality LUT's attributes.
    stored
        (rows, columns), int16 or uint16.

    Returns
    -------
    image, padding, mapping
        ``image`` is uint16 (rows, columns), bright is dense; ``padding`` is boolean or None.
    """
    stored_bits = bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    padding = _padding(dataset, stored)
    lut = _lookup_table(dataset)
    flip = str(dataset.PhotometricInterpretation) == "MONOCHROME1"
    offset = 0
    slope = intercept = None
    if lut is not None:
        bits = lut.bits
        level = lut(stored)
        unit = _code(dataset.ModalityLUTSequence[0], "ModalityLUTType")
    else:
        if stored.dtype == np.int16:
            offset = 1 << (bits - 1)
            level = (stored.astype(np.int32) + offset).astype(np.uint16)
        else:
            level = stored
        slope, intercept = (_number(dataset, keyword) for keyword in ("RescaleSlope", "RescaleIntercept"))
        if slope is not None and slope < 0:
            flip = not flip
        unit = _code(dataset, "RescaleType")
    if flip:
        level = np.uint16((1 << bits) - 1) - level
    image = level << (16 - bits) if bits < 16 else level.copy()
    rows, columns = stored.shape
    known = {}
    if padding is not None:
        image[padding] = 0
        blanked = stored[padding]
        known = {"padding_low": int(blanked.min()), "padding_high": int(blanked.max())}
    if lut is not None:
        known |= {"lut_first": lut.first, "lut_data": lut.as_text()}
    mapping = Mapping(
        rows=rows,
        columns=columns,
        bits=bits,
        offset=offset,
        shift=16 - bits,
        inverted=int(flip),
        modality_lut=int(lut is not None),
        padding_pixels=0 if padding is None else int(padding.sum()),
        stored_bits=stored_bits,
        signed=int(stored.dtype == np.int16),
        rescale_slope=slope,
        rescale_intercept=intercept,
        rescale_type=unit,
        **known,
    )
    return image, padding, mapping


def _code(dataset: Dataset, keyword: str) -> str:
    return str(dataset.get(keyword) or "").strip()


def _number(dataset: Dataset, keyword: str) -> float | None:
    value = dataset.get(keyword)
    return None if value is None or value == "" else float(value)


def stored_values(image: np.ndarray, mapping: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """The stored values of an image of ``film_image``, and which of them are certain.

    Three things can't be undone from the image alone: a LUT that gives several stored values the same level;
    padding of more than one value; padding beside film that is as black. There the second array is False and
    the first holds the lowest stored value that may stand behind the pixel. (The de-identified DICOM file of
    the same image id has it.)

    Parameters
    ----------
    image
        uint16 (rows, columns).
    mapping
        The film's, from ``film_image`` or ``Mapping.of_row``.

    Returns
    -------
    stored, exact
        int16 or uint16 as the film's pixels are, and boolean, both (rows, columns).

    Raises
    ------
    ValueError
        Where the image is not one that the mapping makes.
    """
    if image.dtype != np.uint16 or image.shape != (mapping.rows, mapping.columns):
        raise ValueError("the image is not the one that the mapping describes: another size or type")
    kind = np.int16 if mapping.signed else np.uint16
    lowest = -(1 << (mapping.stored_bits - 1)) if mapping.signed else 0
    every_stored = np.arange(lowest, lowest + (1 << mapping.stored_bits), dtype=np.int32)
    lut = mapping.lookup_table
    every_level = every_stored + mapping.offset if lut is None else lut(every_stored).astype(np.int32)
    if mapping.inverted:
        every_level = (1 << mapping.bits) - 1 - every_level
    origins = np.bincount(every_level, minlength=1 << mapping.bits)  # how many stored values give a level
    origin = np.zeros(len(origins), np.int32)
    origin[every_level[::-1]] = every_stored[::-1]  # the lowest of them

    level = image >> mapping.shift
    n_origins = origins[level]
    black = image == 0
    unexplained = n_origins == 0
    if mapping.padding_pixels:
        unexplained &= ~black
    if (
        (image & ((1 << mapping.shift) - 1)).any()
        or unexplained.any()
        or int(black.sum()) < mapping.padding_pixels
    ):
        raise ValueError(
            "the image is not the one that the mapping describes: it holds values that the mapping never"
            " makes"
        )
    stored, exact = origin[level].astype(kind), n_origins == 1
    if mapping.padding_pixels:
        assert mapping.padding_low is not None and mapping.padding_high is not None
        if int(black.sum()) == mapping.padding_pixels:  # all that is black is padding
            stored[black] = mapping.padding_low
            exact[black] = mapping.padding_low == mapping.padding_high
        else:
            stored[black] = min(mapping.padding_low, int(origin[0]))
            exact[black] = False
    return stored, exact


def modality_values(stored: np.ndarray, mapping: Mapping) -> np.ndarray:
    """Stored values after the modality LUT or the rescale (PS3.3 C.11.1.1), float64, in units of
    ``mapping.rescale_type``.

    ``stored * slope + intercept``, the LUT's entry, or the stored value itself where the film has neither.
    """
    lut = mapping.lookup_table
    if lut is not None:
        return lut(stored).astype(np.float64)
    slope = 1.0 if mapping.rescale_slope is None else mapping.rescale_slope
    return stored.astype(np.float64) * slope + (mapping.rescale_intercept or 0.0)
