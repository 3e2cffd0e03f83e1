"""Text of a header, read whatever character set it was written in.

DICOM says the set in SpecificCharacterSet (PS3.3 C.12.1.1.2). Devices leave it out or name a wrong one, and
write Chinese into code strings (CS), which have no set at all. So the declared set is tried first, then
UTF-8, then GB18030; what none of them reads is told as uncertain, never as an error.

Two things are better evidence than a declaration. Bytes that form characters of UTF-8 of three bytes and more
are UTF-8: the same bytes in GB18030 or in a Latin set are gibberish. A Latin set reads any bytes, so it says
little; where the bytes above 127 come in pairs as GB18030 writes Chinese, they are Chinese.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

import pydicom
from pydicom.charset import CODES_TO_ENCODINGS, decode_bytes, python_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

_TEXT = frozenset({"CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""Value representations whose bytes are read here. CS is ASCII by the standard (PS3.5 6.2) and not so in
files."""

_LATIN = frozenset(
    codecs.lookup(name).name
    for name in ("latin_1", "iso8859_2", "iso8859_3", "iso8859_4", "iso8859_9", "iso8859_15", "cp1252")
)
_ASCII = codecs.lookup("ascii").name
_WRITTEN_SETS = {
    re.sub(r"[^a-z0-9]", "", name): name
    for name in (
        "utf8",
        "gb18030",
        "gbk",
        "gb2312",
        "cp936",
        "big5",
        "shift_jis",
        "euc_jp",
        "euc_kr",
        "cp949",
        "cp1252",
    )
} | {re.sub(r"[^a-z0-9]", "", term.lower()): codec for term, codec in python_encoding.items() if term}
"""Sets by what devices write besides the standard's terms: usual names, terms without space or underscore."""

_ESCAPE = b"\x1b"
_ESCAPED = ("iso_ir_58", "iso2022_jp", "iso2022_jp_2", "euc_kr", "iso_ir_144")
"""Sets that a text with escape sequences may name itself (PS3.3 table C.12-3), tried where the header
declares no set."""

_SEQUENCES = re.compile("|".join(re.escape(code.decode("ascii")) for code in CODES_TO_ENCODINGS))

_CUT = {15, 16, *range(60, 65)}
"""Lengths in bytes of a text that may have been cut within a character: CS holds 16, LO 64, and devices count
bytes."""

_CONTROL = re.compile("[\x80-\x9f]")
_PAIR = rb"(?:[\x81-\xfe][\x80-\xfe])"
_LONELY = re.compile(
    rb"(?<=[A-Za-z])" + _PAIR + rb"(?![\x80-\xff])|(?<![\x80-\xff])" + _PAIR + rb"(?=[A-Za-z])"
)


def _codec(term: str) -> str:
    """Python's name of a declared set; empty where the term is none that is known."""
    if term in ("", "ISO_IR 6", "ISO 2022 IR 6"):
        return _ASCII
    written = python_encoding.get(term) or _WRITTEN_SETS.get(re.sub(r"[^a-z0-9]", "", term.lower()), "")
    return codecs.lookup(written).name if written else ""


def _strict(raw: bytes, codec: str) -> str | None:
    """The text, None where the bytes are none of the set. A character that a text was cut in is left out."""
    decoder = codecs.getincrementaldecoder(codec)("strict")
    try:
        found = decoder.decode(raw)
        if len(raw) not in _CUT:
            found += decoder.decode(b"", final=True)
    except (UnicodeError, ValueError):
        return None
    return found


def _chinese(raw: bytes) -> str | None:
    """The text by GB18030 where its bytes come in pairs, as Chinese does; None where they rather are accented
    letters.

    A single pair beside a Latin letter is taken for two letters (``Grosse`` with its umlaut and sharp s), and
    so is a pair whose second byte is ASCII, unless it stands among others.
    """
    found = _strict(raw, "gb18030")
    if found is None or _LONELY.search(raw):
        return None
    above = re.findall(rb"[\x80-\xff]+", raw)
    if sum(len(run) % 2 for run in above) and not any(len(run) >= 4 for run in above):
        return None
    return found


def decoded(raw: bytes, declared: Sequence[str] = ()) -> tuple[str, bool]:
    """The text of a value's bytes, and whether a character set is known that reads it.

    ``declared`` holds the terms of SpecificCharacterSet. An uncertain text holds the ASCII of the value; what
    it has beyond is a guess by Latin-1.
    """
    if _ESCAPE in raw:
        sets = [name for name in map(_codec, declared) if name] or ["ascii"]
        found = decode_bytes(raw, [*sets, *_ESCAPED], {ord("\\"), ord("^"), ord("=")})
        found = _SEQUENCES.sub("", found)  # Python's GB2312 leaves them in
        return found, "\ufffd" not in found and "\x1b" not in found
    if raw.isascii():
        return raw.decode("ascii"), True
    codec = _codec(declared[0]) if declared else _ASCII
    own = _strict(raw, codec) if codec not in (_ASCII, "", "utf-8") else None
    if own is not None and _CONTROL.search(own):
        own = None
    utf8 = _strict(raw, "utf-8")
    if utf8 is not None and (own is None or codec in _LATIN or max(utf8) > "\u07ff"):
        if max(utf8) <= "\xff":  # a gateway may have taken Chinese for Latin-1 and written that as UTF-8
            return _chinese(utf8.encode("latin-1")) or utf8, True
        return utf8, True
    if own is not None and codec not in _LATIN:
        return own, True
    found = _chinese(raw) or own
    return (raw.decode("latin-1"), False) if found is None else (found, True)


def declared_sets(dataset: Dataset) -> list[str]:
    """The terms of SpecificCharacterSet; none where it is absent."""
    try:
        value = dataset.get("SpecificCharacterSet")
    except Exception:  # the value can't be decoded
        return []
    several = value if isinstance(value, pydicom.multival.MultiValue | list) else [value or ""]
    terms = [str(term).strip(" \0").upper() for term in several]
    return terms if any(terms) else []


def raw_text(dataset: Dataset, keyword: str) -> bytes | None:
    """The bytes of a text as the file has them; None where the value is absent, no text, or was not read from
    a file."""
    tag = tag_for_keyword(keyword)
    if tag is None or tag not in dataset:
        return None
    element = dataset.get_item(tag)
    if not isinstance(element, RawDataElement) or not isinstance(element.value, bytes):
        return None
    written = element.VR if element.VR not in (None, "UN") else dictionary_VR(tag)
    return element.value if written in _TEXT else None
