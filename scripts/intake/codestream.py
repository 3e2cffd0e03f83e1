"""Compressed pixel data without passengers: no comments, no application data, nothing behind the end.

JPEG and JPEG-LS streams may carry text in APPn and COM segments, JPEG 2000 streams in COM segments (ITU-T
T.81 B.2.4, T.87 C.2, T.800 A.9), and files may carry bytes behind the end-of-image marker. The coded image
itself isn't touched.
"""

from __future__ import annotations

from scripts.common.standards import JPEG_LOSSY, RLE


class BrokenStream(ValueError):
    """The stream ends early or holds no image."""


_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} | {0xF7})
"""SOF0 to SOF15 (T.81 table B.1) and SOF55 (T.87): they give the image's size."""

_JPEG_KEPT = _FRAMES | {0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xF8}
"""Segments that a decoder needs: DHT, DAC, SOS, DQT, DNL, DRI, LSE.

All else (APPn, COM, JPGn, reserved) is left out.
"""

_STANDALONE = {0x01, *range(0xD0, 0xD8)}

_J2K_MAIN_KEPT = frozenset({0x50, 0x51, 0x52, 0x53, 0x55, 0x56, 0x57, 0x59, 0x5C, 0x5D, 0x5E, 0x5F, 0x60})
"""CAP, SIZ, COD, COC, TLM, PRF, PLM, CPF, QCD, QCC, RGN, POC, PPM (T.800 table A.2, T.814).

COM and CRG are left out.
"""

_J2K_TILE_KEPT = frozenset({0x52, 0x53, 0x58, 0x5C, 0x5D, 0x5E, 0x5F, 0x61})
"""COD, COC, PLT, QCD, QCC, RGN, POC, PPT."""


def _clean_jpeg(data: bytes) -> bytes:
    """A JPEG or JPEG-LS stream from SOI to EOI: the segments that a decoder needs and no other."""
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
        if marker in _STANDALONE:  # means nothing outside coded data
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(data):
            raise BrokenStream("segment beyond the end")
        if marker in _JPEG_KEPT:
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


def _segments(data: bytes, at: int, stop: bytes, kept: frozenset[int]) -> tuple[list[bytes], int]:
    """The kept marker segments of a JPEG 2000 header from ``at`` up to the marker ``stop``, and where that
    stands.
    """
    out = []
    while data[at : at + 2] != stop:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(data) or data[at] != 0xFF:
            raise BrokenStream("broken header")
        if data[at + 1] in kept:
            out.append(data[at:end])
        at = end
    return out, at


def _clean_jpeg2000(data: bytes) -> bytes:
    """A JPEG 2000 codestream from SOC to EOC: the segments that a decoder needs and no other.

    Where a tile-part's header gets shorter, its length is written anew and TLM, a table of the old lengths,
    is left out.
    """
    if data[:12] == b"\x00\x00\x00\x0cjP  \r\n\x87\n":  # wrapped in a file format, against PS3.5 8.2.4
        start = data.find(b"\xff\x4f\xff\x51")
        if start < 0:
            raise BrokenStream("no codestream in the box")
        data = data[start:]
    if data[:2] != b"\xff\x4f":
        raise BrokenStream("no SOC")
    main, at = _segments(data, 2, b"\xff\x90", _J2K_MAIN_KEPT)
    tiles, shortened = [], False
    while data[at : at + 2] == b"\xff\x90":  # tile-parts
        length = int.from_bytes(data[at + 6 : at + 10], "big")
        header, coded = _segments(data, at + 12, b"\xff\x93", _J2K_TILE_KEPT)
        # without a length the part goes to EOC, which can't stand within coded data (T.800 A.1: nothing above
        # FF8F does)
        end = at + length if length else data.find(b"\xff\xd9", coded)
        if end <= coded or end > len(data):
            raise BrokenStream("tile-part beyond the end")
        part = b"".join([*header, data[coded:end]])
        shortened |= 12 + len(part) != end - at
        tiles.append(data[at : at + 6] + (12 + len(part)).to_bytes(4, "big") + data[at + 10 : at + 12] + part)
        at = end
    if not tiles or data[at : at + 2] != b"\xff\xd9":
        raise BrokenStream("no EOC")
    if shortened:
        main = [segment for segment in main if segment[1] != 0x55]
    return b"".join([b"\xff\x4f", *main, *tiles, b"\xff\xd9"])


def _clean_rle(data: bytes) -> bytes:
    """An RLE frame (PS3.5 annex G): its header names up to 15 segments; what follows the last is padding."""
    if len(data) < 64 or not 1 <= int.from_bytes(data[:4], "little") <= 15:
        raise BrokenStream("no RLE header")
    return data


_CLEANERS = {
    **dict.fromkeys(
        [
            *JPEG_LOSSY,
            "1.2.840.10008.1.2.4.57",
            "1.2.840.10008.1.2.4.70",
        ],
        _clean_jpeg,
    ),
    **dict.fromkeys(["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"], _clean_jpeg),
    **dict.fromkeys(["1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"], _clean_jpeg2000),
    **dict.fromkeys(
        ["1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"], _clean_jpeg2000
    ),
    RLE: _clean_rle,
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


_JPEG_2000_FILE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_RLE_FIRST = (64).to_bytes(4, "little")
_SEQUENTIAL, _PROGRESSIVE, _LOSSLESS, _JPEG_LS = {0xC0, 0xC1}, {0xC2}, {0xC3}, {0xF7}
_JPEG_NAMES = {
    **dict.fromkeys(("50", "51"), _SEQUENTIAL | _PROGRESSIVE),
    **dict.fromkeys(("57", "70"), _LOSSLESS),
    **dict.fromkeys(("80", "81"), _JPEG_LS),
}


def syntax_of(stream: bytes, declared: str) -> str:
    """The transfer syntax that a coded image is written in: ``declared``, unless the stream's markers say
    another one.

    Archives that code films anew sometimes leave the old name: JPEG baseline as JPEG lossless, any of them as
    uncompressed. A stream whose kind can't be told keeps the declared name, and what reads it says what is
    wrong with it.
    """
    jpeg = "1.2.840.10008.1.2.4."
    if stream[:4] == b"\xff\x4f\xff\x51" or stream[:12] == _JPEG_2000_FILE:
        if _CLEANERS.get(declared) is _clean_jpeg2000:
            return declared
        high_throughput = b"\xff\x50" in stream[:256]  # CAP (T.814)
        return f"{jpeg}203" if high_throughput else f"{jpeg}91"
    if stream[:2] == b"\xff\xd8":
        frame, scan = _first_frame(stream)
        if frame is None:
            return declared
        if frame in _JPEG_NAMES.get(declared.removeprefix(jpeg), ()):
            return declared
        if frame in _JPEG_LS:
            return f"{jpeg}81" if scan else f"{jpeg}80"  # NEAR of the scan (T.87 C.2.3): 0 is lossless
        if frame in _LOSSLESS:
            return f"{jpeg}57"
        if frame == 0xC0:
            return f"{jpeg}50"
        return f"{jpeg}51" if frame in _SEQUENTIAL | _PROGRESSIVE else declared
    if 1 <= int.from_bytes(stream[:4], "little") <= 15 and stream[4:8] == _RLE_FIRST:
        return RLE
    return declared


def _first_frame(stream: bytes) -> tuple[int | None, int]:
    """The marker of a JPEG stream's first frame (None without one), and the third last byte of its scan's
    header: NEAR in JPEG-LS."""
    at, frame = 2, None
    while at + 4 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        if marker in _FRAMES and frame is None:
            frame = marker
        if marker == 0xDA:
            return frame, stream[end - 3] if at + 4 < end <= len(stream) else 0
        at = end
    return frame, 0


def stream_geometry(stream: bytes, transfer_syntax: str) -> tuple[int, int, int]:
    """Rows, columns and bits of the image that a JPEG, JPEG-LS or JPEG 2000 stream says it holds.

    It reads SIZ (T.800 A.5.1) or SOF (T.81 B.2.2, T.87 C.2.2), before a decoder takes memory for the image.
    Raises
    ``BrokenStream`` unless it is one image of one component.
    """
    if _CLEANERS[transfer_syntax] is _clean_jpeg2000:
        size = stream[6:45]
        if stream[2:4] != b"\xff\x51" or len(size) < 39:  # SIZ must be the first segment
            raise BrokenStream("no SIZ")
        right, bottom, left, top = (int.from_bytes(size[2 + 4 * k : 6 + 4 * k], "big") for k in range(4))
        if int.from_bytes(size[34:36], "big") != 1:
            raise BrokenStream("several components")
        return bottom - top, right - left, (size[36] & 0x7F) + 1
    at, found = 2, []
    while at + 4 <= len(stream) and stream[at + 1] != 0xDA:  # segments before the first scan
        if stream[at + 1] in _STANDALONE:
            at += 2
            continue
        if stream[at + 1] in _FRAMES:
            found.append(stream[at + 4 : at + 10])
        at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    if len(found) != 1 or len(found[0]) < 6 or found[0][5] != 1:
        raise BrokenStream("no single image of one component")
    return int.from_bytes(found[0][1:3], "big"), int.from_bytes(found[0][3:5], "big"), found[0][0]
