"""A search of a new file for identifying values of its source.

A second line of defence behind the allow-list. Skipped, since they would cry wolf: values of five bytes or
fewer, UIDs of the standard, values that the software made itself (a new UID holds any six digits sooner or
later), words that makers of devices use, and uncompressed pixels. Capitals and small letters count as the
same. Values are looked for in values: bytes that only two neighbouring elements make together are none.
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator

import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName

SHORTEST = 6
"""Bytes that a value must have to be searched for."""

LONG = 8
"""Bytes that a value must have to be searched for in a coded image, whose bytes look random."""

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
_IDS = {0x00100020, 0x00101000, 0x00080050}
_PATIENTS_NAMES = {0x00100010, 0x00101001}
_MAKERS_WORDS = frozenset(
    """
    ag agfa and angell bv canon careray carestream cawo co company corp corporation del digital
    drgem eastman electric film fuji fujifilm ge general gmbh group health healthcare healthineers
    hologic imaging inc iray kodak konica limited ltd medical mindray minolta neusoft nv of perlove
    philips photo radiography samsung sedecal shimadzu siemens swissray system systems technologies
    technology the toshiba uih united varex varian vieworks wandong
    """.split()
)
"""Words that stand in the names of makers; alone they identify nobody."""

_HOSPITALS_WORDS = frozenset(
    """
    center central centre city clinic clinical college department dept diagnostic diagnostics east
    for hospital image institute klinik klinikum north people peoples provincial radiology ray room
    service services south state university west xray
    """.split()
)
"""Words that stand in the names of hospitals and of makers alike."""

_INSTITUTIONS = {0x00080080, 0x00080081, 0x00081040}
"""InstitutionName, InstitutionAddress, InstitutionalDepartmentName."""

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
            items = _hidden_items(value) if vr == "UN" else []
            for item in items:
                yield from _values(item)
            if value and not items:
                yield int(tag), vr, value


def _hidden_items(value: bytes) -> list[Dataset]:
    """The items of a sequence that is stored as UN, as archives keep private ones: implicit VR (PS3.5 6.2.2).
    None if it is none.

    Read as one text it would give values that run into the next element's tag: false hits, and true ones
    missed.
    """
    if not value or value[:4] != b"\xfe\xff\x00\xe0":
        return []
    try:
        return list(pydicom.filereader.read_sequence(io.BytesIO(value), True, True, len(value), "iso8859"))
    except Exception:  # other bytes that begin like an item
        return []


def _written_values(header: bytes) -> bytes:
    """All values of a file's header, its meta information's too, parted by two zero bytes that no text
    holds."""
    new = pydicom.dcmread(io.BytesIO(header), stop_before_pixels=True)
    found: list[bytes] = []

    def collect(dataset: Dataset) -> None:
        for tag in tuple(dataset.keys()):
            element = dataset.get_item(tag)
            if element.VR == "SQ":
                for item in dataset[tag].value:
                    collect(item)
            else:
                found.append(_encoded(element.value))

    collect(new.file_meta)
    collect(new)
    return b"\0\0".join(found)


def _encoded(value: object) -> bytes:
    """A value that was decoded already, as bytes again."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, PersonName):
        return (
            bytes(value.original_string)
            if isinstance(value.original_string, bytes)
            else str(value).encode("utf-8", "replace")
        )
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, list | tuple) or hasattr(value, "__iter__"):
        return b"\\".join(_encoded(part) for part in value)
    return str(value).encode("utf-8", "replace")


def identifying_values(dataset: Dataset) -> tuple[set[bytes], set[bytes]]:
    """Values of the source that must not appear: names and ids of persons and places, and other text, dates
    and UIDs.
    """
    names, others = set(), set()
    for tag, vr, raw in _values(dataset):
        parts = re.split(rb"[\\^=\x00 ,]" if vr == "PN" else rb"[\\\x00]", raw)
        for part in {raw.strip(b" \0"), *(p.strip() for p in parts)}:
            forms = {part, part.lstrip(b"0")} if tag in _IDS else {part}
            for form in forms:
                if SHORTEST <= len(form) <= 256 and not form.startswith(b"1.2.840.10008."):
                    (names if tag in _NAMES or vr == "PN" else others).add(form)
    return names, others


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower())) - _MAKERS_WORDS


def _tokens(text: str) -> set[str]:
    """Runs of letters and, of those with capitals inside (``ZhangSan``), their parts; without makers'
    words.
    """
    runs = re.findall(r"[A-Za-z]+", text)
    parts = [part for run in runs for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", run)]
    return {word.lower() for word in (*runs, *parts)} - _MAKERS_WORDS


def _glued(words: list[str], fewest: int = 4) -> set[str]:
    """Two or three of ``words`` written as one, in any order; of at least ``fewest`` letters."""
    several = (itertools.permutations(dict.fromkeys(words[:8]), n) for n in (2, 3))
    return {joined for parts in several for chosen in parts if len(joined := "".join(chosen)) >= fewest}


def _stands_in(name: str, token: str) -> bool:
    """Whether a name of five letters and more begins or ends a token."""
    return len(name) >= 5 and (token.startswith(name) or token.endswith(name))


def _persons_in(manufacturer: str, dataset: Dataset) -> bool:
    """Whether ``manufacturer`` has a word of a person's name, or a name's words written as one.

    Words of a patient's name count from two letters on, those of other persons from four.
    """
    tokens = _tokens(manufacturer)
    for tag, vr, raw in _values(dataset):
        if vr != "PN":
            continue
        patients = tag in _PATIENTS_NAMES
        for group in re.split(rb"[\\=]", raw):
            words = re.findall(r"[a-z]+", group.decode("latin-1").lower())
            glued = _glued(words)
            plain = {word for word in words if len(word) >= (2 if patients else 4)} - _MAKERS_WORDS
            parts = glued | (plain if patients else set())
            if tokens & (plain | glued) or any(_stands_in(name, token) for name in parts for token in tokens):
                return True
    return False


def institution_in(manufacturer: str, dataset: Dataset) -> bool:
    """Whether ``manufacturer`` has a word of the institution's name, department or address, or several as
    one.

    Makers' words and those that any hospital may have in its name don't count.
    """
    tokens = _tokens(manufacturer) - _HOSPITALS_WORDS
    for tag, _, raw in _values(dataset):
        if tag in _INSTITUTIONS:
            words = re.findall(r"[a-z]+", raw.decode("latin-1").lower())
            plain = {word for word in words if len(word) >= 3} - _MAKERS_WORDS - _HOSPITALS_WORDS
            glued = {name for name in _glued(words) if any(word in name for word in plain)}
            parts = plain | glued
            if tokens & parts or any(_stands_in(name, token) for name in parts for token in tokens):
                return True
    return False


def _says_only_the_maker(value: bytes) -> bool:
    text = value.decode("latin-1")
    return text.isascii() and not re.search(r"\d", text) and not _words(text)


def identifiers_left(
    source: Dataset, header: bytes, made: list[str], copied: list[str], manufacturer: str
) -> int:
    """How many identifying values of ``source`` stand in the new file's ``header``.

    ``made`` holds what the software wrote itself (pseudonyms, new UIDs, shifted dates, fixed terms) and isn't
    searched.
    ``copied`` holds what was taken from the source: a name or id counts there too, any other value only where
    it is no part of one (a description that repeats the manufacturer's name). ``manufacturer``, the one free
    text that is kept, counts where it has a word of a person's name, however short, or such words written as
    one.
    """
    written = _written_values(header)
    for value in sorted(
        {v.encode("ascii", "ignore") for v in made if len(v) >= SHORTEST}, key=len, reverse=True
    ):
        written = written.replace(value, b"\0" * len(value))
    written = written.upper()
    names, others = identifying_values(source)
    purposely = [value.encode("ascii", "ignore").upper() for value in copied]
    found = {value for value in names if value.upper() in written and not _says_only_the_maker(value)}
    found |= {
        value
        for value in others - names
        if value.upper() in written and not any(value.upper() in text for text in purposely)
    }
    return len(found) + _persons_in(manufacturer, source)


def identifiers_in_stream(source: Dataset, stream: bytes) -> int:
    """How many names and ids of ``source`` stand in the bytes of a coded image, which is copied and not made
    anew.

    Only values of at least ``LONG`` bytes: one of these turns up by chance in one of 10^11 films.
    """
    stream = stream.upper()
    names, _ = identifying_values(source)
    return sum(len(value) >= LONG and value.upper() in stream for value in names)
