"""A search of a new file's header for identifying values of its source.

A second line of defence behind the allow-list. Skipped: values of five bytes or fewer, UIDs of the standard, and values
kept on purpose; pixel data isn't searched, since any short value is found in noise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

SHORTEST = 6
"""Bytes that a value must have to be searched for."""

_SEARCHED = {"PN", "LO", "SH", "ST", "LT", "UT", "UC", "UI", "AE", "DA", "DT", "UN"}
_NAMES = {
    0x00100010,  # PatientName
    0x00100020,  # PatientID
    0x00101000,  # OtherPatientIDs
    0x00101001,  # OtherPatientNames
    0x00080050,  # AccessionNumber
    0x00080090,  # ReferringPhysicianName
    0x00081050,  # PerformingPhysicianName
    0x00081070,  # OperatorsName
    0x00080080,  # InstitutionName
    0x00101040,  # PatientAddress
}
_NEVER_NAMES = {0x00080016, 0x00080060, 0x00080008}


def _values(dataset: Dataset) -> Iterator[tuple[int, str, bytes]]:
    """(tag, VR, raw bytes) of every element searched, those in sequences too."""
    for tag in list(dataset.keys()):
        if tag >= 0x7FE00000 or tag in _NEVER_NAMES or tag.element == 0:
            continue
        element = dataset.get_item(tag)
        vr = element.VR
        if vr is None:  # implicit VR
            try:
                vr = dictionary_VR(tag)
            except KeyError:
                vr = "UN"
        if vr == "SQ":
            try:
                items = list(dataset[tag].value)
            except Exception:  # a broken sequence holds nothing that could be kept
                continue
            for item in items:
                yield from _values(item)
        elif vr in _SEARCHED:
            value = element.value if isinstance(element, RawDataElement) else _encoded(element.value)
            if value:
                yield int(tag), vr, value


def _encoded(value: object) -> bytes:
    """A value that was decoded already, as bytes again."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, list | tuple) or hasattr(value, "__iter__"):
        return b"\\".join(_encoded(part) for part in value)
    return str(value).encode("utf-8", "replace")


def identifying_values(dataset: Dataset) -> tuple[set[bytes], set[bytes]]:
    """Values of the source that must not appear: names and ids of persons and places, and other text, dates and UIDs."""
    names, others = set(), set()
    for tag, vr, raw in _values(dataset):
        parts = re.split(rb"[\\^=\x00]", raw) if vr == "PN" else re.split(rb"[\\\x00]", raw)
        for part in {raw.strip(b" \0"), *(p.strip() for p in parts)}:
            if len(part) < SHORTEST or len(part) > 256 or part.startswith(b"1.2.840.10008."):
                continue
            (names if tag in _NAMES or vr == "PN" else others).add(part)
    return names, others


def identifiers_left(source: Dataset, header: bytes, kept: list[str]) -> int:
    """How many identifying values of ``source`` stand in the new file's ``header``.

    ``kept`` holds the values that were copied or written on purpose. A name or id counts wherever it stands; any other
    value counts unless it is part of a value in ``kept`` (a description that repeats the manufacturer's name).
    """
    names, others = identifying_values(source)
    purposely = [value.encode("ascii", "ignore") for value in kept]
    fixed = {value for value in purposely}
    found = {value for value in names if value in header and value not in fixed}
    found |= {value for value in others - names if value in header and not any(value in text for text in purposely)}
    return len(found)
