"""Stored pixel values of a film, and the 16-bit image that is made of them.

The image keeps the full stored range: ``v << (16 - bits)``, no window and no stretching per film. What a value means is
settled in this order (PS3.3 C.11.1, C.7.6.3.1.2): stored value, modality LUT or the sign of the rescale slope,
photometric interpretation. MONOCHROME1 (low is bright) is inverted, so that in every image bright is dense.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pydicom
from pydicom.dataset import Dataset

RLE = "1.2.840.10008.1.2.5"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
_JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_LOSSY = (*_JPEG, "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203")
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
    return int(dataset.Rows), int(dataset.Columns), allocated, stored, high, int(dataset.get("PixelRepresentation") or 0) == 1


def native_values(dataset: Dataset, transfer_syntax: str) -> np.ndarray:
    """Stored values (rows, columns) of uncompressed pixel data, int16 or uint16, cleared of bits that are no pixel.

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
        cells = np.frombuffer(raw, ">u2" if big else "<u2", count=rows * columns).astype(np.uint16, copy=False)
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
    from scripts.intake.codestream import NATIVE, coded_shape

    if transfer_syntax in NATIVE:
        return native_values(dataset, transfer_syntax)
    rows, columns, _, stored, _, signed = _geometry(dataset)
    frame = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    if transfer_syntax != RLE and coded_shape(frame, transfer_syntax) != (rows, columns, 1):
        raise UnreadablePixels("another image than the header describes")
    if transfer_syntax in _JPEG_LOSSLESS:
        import imagecodecs

        cells = imagecodecs.jpegsof3_decode(frame)
    elif transfer_syntax in _JPEG:
        import imagecodecs

        cells = imagecodecs.jpeg8_decode(frame)
    elif transfer_syntax in _JPEG_LS:
        import jpeg_ls

        cells = np.asarray(jpeg_ls.decode(np.frombuffer(frame, np.uint8)))
    elif transfer_syntax == RLE:
        from pydicom.pixels import get_decoder

        cells, _ = get_decoder(RLE).as_array(dataset, raw=True, index=0)
    else:
        import openjpeg

        cells = openjpeg.decode_array(frame) if hasattr(openjpeg, "decode_array") else openjpeg.decode(frame)
    cells = np.asarray(cells)
    if cells.shape != (rows, columns) or cells.dtype.kind not in "iu" or cells.dtype.itemsize > 2:
        raise UnreadablePixels("another image than the header describes")
    if cells.dtype.itemsize == 1:
        cells = cells.astype(np.int16 if cells.dtype.kind == "i" else np.uint16)
    # a codec gives values, not cells: the lowest bit is the value's, whatever HighBit says
    if transfer_syntax in _LOSSY and not signed:  # a lossy codec may overshoot the stored range
        return np.minimum(np.maximum(cells, 0).astype(np.uint16), np.uint16((1 << stored) - 1))
    return canonical(np.ascontiguousarray(cells).view(np.uint16), stored, stored - 1, signed)


@dataclass(frozen=True)
class Mapping:
    """How stored values became 16-bit values, so that any pixel can be traced back.

    ``value16 = level << shift``, where ``level`` is ``stored + offset`` (or the LUT's entry), inverted as
    ``2**bits - 1 - level`` where ``inverted`` is 1. Padding is written as 0.
    """

    rows: int
    columns: int
    bits: int
    offset: int
    shift: int
    inverted: int
    modality_lut: int
    padding_pixels: int

    def as_row(self) -> dict[str, int]:
        return asdict(self)


def _lookup_table(dataset: Dataset) -> tuple[np.ndarray, int, int] | None:
    """The modality LUT (PS3.3 C.11.1.1): entries, first stored value mapped, bits of an entry. None without one."""
    sequence = dataset.get("ModalityLUTSequence")
    if not sequence:
        return None
    entries, first, bits = (int(v) for v in sequence[0].LUTDescriptor)
    entries = entries & 0xFFFF or 65536
    data = sequence[0].LUTData
    if isinstance(data, bytes):
        table = np.frombuffer(data, "<u2" if len(data) >= 2 * entries else np.uint8, count=entries)
    else:
        table = np.array(data, np.int64) & 0xFFFF
    table = table.astype(np.uint16)
    if len(table) < entries or not 8 <= bits <= 16:
        raise UnreadablePixels("broken modality LUT")
    if not dataset.get("PixelRepresentation") and first < 0:
        first += 65536
    return table[:entries], first, bits


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
    bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    padding = _padding(dataset, stored)
    lut = _lookup_table(dataset)
    flip = str(dataset.PhotometricInterpretation) == "MONOCHROME1"
    offset = 0
    if lut is not None:
        table, first, bits = lut
        index = np.clip(stored.astype(np.int32) - first, 0, len(table) - 1)
        level = table[index] & np.uint16((1 << bits) - 1)
    else:
        if stored.dtype == np.int16:
            offset = 1 << (bits - 1)
            level = (stored.astype(np.int32) + offset).astype(np.uint16)
        else:
            level = stored
        slope = dataset.get("RescaleSlope")
        if slope not in (None, "") and float(slope) < 0:
            flip = not flip
    if flip:
        level = np.uint16((1 << bits) - 1) - level
    image = level << (16 - bits) if bits < 16 else level.copy()
    n_padding = 0
    if padding is not None:
        image[padding] = 0
        n_padding = int(padding.sum())
    rows, columns = stored.shape
    return image, padding, Mapping(rows, columns, bits, offset, 16 - bits, int(flip), int(lut is not None), n_padding)
