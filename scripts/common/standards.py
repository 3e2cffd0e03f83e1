"""Bytes and identifiers that file formats fix; this module imports nothing."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
"""First eight bytes of a PNG file (PNG specification, third edition, W3C, 5.2)."""

COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
DX_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
DX_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
MULTI_FRAME_GREY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7.2"
"""SOP classes of films (DICOM PS3.4, B.5)."""

FILMS_FOR_PRESENTATION = (
    COMPUTED_RADIOGRAPHY,
    DX_FOR_PRESENTATION,
    SECONDARY_CAPTURE,
    MULTI_FRAME_GREY_CAPTURE,
)
"""SOP classes of films that are meant to be looked at."""

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
JPEG_LOSSY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
RLE = "1.2.840.10008.1.2.5"
"""Transfer syntaxes (DICOM PS3.5, 10 and annex A): uncompressed, JPEG that always loses, run lengths."""

SHA256_LIST = "MANIFEST.sha256"
"""Name of a list of checksums as ``sha256sum`` writes and checks it."""
