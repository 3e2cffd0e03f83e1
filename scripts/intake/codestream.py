"""Compressed pixel data without passengers: no comments, no application data, nothing behind the end.

JPEG and JPEG-LS streams may carry text in APPn and COM segments, JPEG 2000 streams in COM segments (ITU-T T.81 B.2.4,
T.87 C.2, T.800 A.9), and files may carry bytes behind the end-of-image marker. The coded image itself isn't touched.
"""

from __future__ import annotations


class BrokenStream(ValueError):
    """The stream ends early or holds no image."""


_STANDALONE = {0x01, *range(0xD0, 0xD8)}


def _clean_jpeg(data: bytes) -> bytes:
    """A JPEG or JPEG-LS stream from SOI to EOI without APPn and COM segments."""
    if data[:2] != b"\xff\xd8":
        raise BrokenStream("no SOI")
    out, at, scanned = [b"\xff\xd8"], 2, False
    while True:
        if at + 2 > len(data) or data[at] != 0xFF:
            raise BrokenStream("no marker where one must be")
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0xD9:
            if not scanned:
                raise BrokenStream("no image before EOI")
            out.append(b"\xff\xd9")
            return b"".join(out)
        if marker in _STANDALONE:
            out.append(data[at : at + 2])
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(data):
            raise BrokenStream("segment beyond the end")
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            out.append(data[at:end])
        at = end
        if marker == 0xDA:
            scanned = True
            start = at
            while True:  # coded data: 0xFF is followed by a stuffed byte below 0x80 or by a restart marker
                at = data.find(b"\xff", at)
                if at < 0 or at + 1 >= len(data):
                    raise BrokenStream("no EOI")
                if data[at + 1] >= 0x80 and not 0xD0 <= data[at + 1] <= 0xD7 and data[at + 1] != 0xFF:
                    break
                at += 1 if data[at + 1] == 0xFF else 2
            out.append(data[start:at])


def _clean_jpeg2000(data: bytes) -> bytes:
    """A JPEG 2000 codestream from SOC to EOC without COM segments in its main header."""
    if data[:12] == b"\x00\x00\x00\x0cjP  \r\n\x87\n":  # wrapped in a file format, against PS3.5 8.2.4
        start = data.find(b"\xff\x4f\xff\x51")
        if start < 0:
            raise BrokenStream("no codestream in the box")
        data = data[start:]
    if data[:2] != b"\xff\x4f":
        raise BrokenStream("no SOC")
    out, at = [b"\xff\x4f"], 2
    while data[at : at + 2] != b"\xff\x90":
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(data) or data[at] != 0xFF:
            raise BrokenStream("broken main header")
        if data[at + 1] != 0x64:
            out.append(data[at:end])
        at = end
    while data[at : at + 2] == b"\xff\x90":  # tile-parts
        length = int.from_bytes(data[at + 6 : at + 10], "big")
        end = at + length if length else data.rfind(b"\xff\xd9")
        if end <= at or end > len(data):
            raise BrokenStream("tile-part beyond the end")
        out.append(data[at:end])
        at = end
    if data[at : at + 2] != b"\xff\xd9":
        raise BrokenStream("no EOC")
    out.append(b"\xff\xd9")
    return b"".join(out)


def _clean_rle(data: bytes) -> bytes:
    """An RLE frame (PS3.5 annex G): its header names up to 15 segments; what follows the last is padding."""
    if len(data) < 64 or not 1 <= int.from_bytes(data[:4], "little") <= 15:
        raise BrokenStream("no RLE header")
    return data


_CLEANERS = {
    **dict.fromkeys(
        ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"], _clean_jpeg
    ),
    **dict.fromkeys(["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"], _clean_jpeg),
    **dict.fromkeys(["1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"], _clean_jpeg2000),
    **dict.fromkeys(["1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"], _clean_jpeg2000),
    "1.2.840.10008.1.2.5": _clean_rle,
}

COMPRESSED = frozenset(_CLEANERS)
"""Compressed transfer syntaxes that are taken."""

NATIVE = frozenset(
    ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"]
)
"""Transfer syntaxes with uncompressed pixels: implicit, explicit, deflated, big endian."""


def clean_codestream(frame: bytes, transfer_syntax: str) -> bytes:
    """The coded image of one frame and nothing else. Raises ``BrokenStream`` where it is cut or isn't one."""
    return _CLEANERS[transfer_syntax](frame)


_FRAME_HEADERS = {0xF7, *range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def coded_shape(frame: bytes, transfer_syntax: str) -> tuple[int, int, int]:
    """Rows, columns and components that a cleaned stream says it holds, before a decoder takes memory for them.

    From SIZ of JPEG 2000 (T.800 A.5.1), from SOF of JPEG and JPEG-LS (T.81 B.2.2, T.87 C.2.2); an RLE frame names none,
    it gives (0, 0, 0). Raises ``BrokenStream`` where there is no such segment, or more than one.
    """
    clean = _CLEANERS[transfer_syntax]
    if clean is _clean_rle:
        return 0, 0, 0
    if clean is _clean_jpeg2000:
        if frame[2:4] != b"\xff\x51" or len(frame) < 44:
            raise BrokenStream("no SIZ")
        right, bottom, left, top = (int.from_bytes(frame[at : at + 4], "big") for at in (8, 12, 16, 20))
        return bottom - top, right - left, int.from_bytes(frame[40:42], "big")
    found, at = [], 2
    while at + 4 <= len(frame) and frame[at + 1] != 0xDA:  # segments before the first scan
        if frame[at + 1] in _STANDALONE:
            at += 2
            continue
        if frame[at + 1] in _FRAME_HEADERS:
            found.append(frame[at : at + 10])
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    if len(found) != 1 or len(found[0]) < 10:
        raise BrokenStream("not one frame header")
    return int.from_bytes(found[0][5:7], "big"), int.from_bytes(found[0][7:9], "big"), found[0][9]
