"""Which installed fonts draw a study's names.

Matplotlib takes each character from the first family of a list that has it.
"""

from __future__ import annotations

import contextlib
import logging
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from scripts.common.errors import StudyError

BASE = "DejaVu Sans"
"""Matplotlib's own font, always there: Latin, Greek, Cyrillic, Arabic and more letters."""

CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Noto Sans SC",
    "Noto Sans CJK JP",
    "SimHei",
    "Microsoft YaHei",
    "PingFang SC",
)
"""Families with Chinese characters, the first choice first."""

CJK_PACKAGE, OTHER_PACKAGES = "fonts-noto-cjk", "fonts-noto-core fonts-noto-extra"
"""Debian's packages of fonts for Chinese, Japanese and Korean, and for all other scripts."""

_CJK = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "FULLWIDTH", "HALFWIDTH")
_NO_TEXT = ("Last Resort", "STIX", "cm", "DejaVu Math", "OpenSymbol")
"""First words of families that stand for any character by a box, or hold symbols alone."""


def _families() -> set[str]:
    from matplotlib import font_manager

    return {font.name for font in font_manager.fontManager.ttflist}


def add_later_fonts() -> None:
    """Add the system's fonts that Matplotlib's stored list lacks; a file that it can't read is left out."""
    from matplotlib import font_manager

    known = {font.fname for font in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        with contextlib.suppress(Exception):  # FreeType's errors have no family of their own
            font_manager.fontManager.addfont(path)


@cache
def _characters(path: str) -> frozenset[int]:
    from matplotlib import font_manager

    font = font_manager.get_font(path)
    return frozenset(font.get_charmap()) if font.scalable else frozenset()


def characters_of(family: str) -> frozenset[int]:
    """The code points that a family can draw, by the file that Matplotlib takes; none where it isn't
    installed.
    """
    from matplotlib import font_manager

    # what it remarks on weights of other families concerns nobody; a character without a font is refused here
    logging.getLogger(font_manager.__name__).setLevel(logging.ERROR)
    try:
        path = font_manager.findfont(font_manager.FontProperties(family=[family]), fallback_to_default=False)
    except ValueError:
        return frozenset()
    try:
        return _characters(path)
    except Exception:  # a damaged file; FreeType's errors have no family of their own
        return frozenset()


def lacking(text: str, families: Sequence[str]) -> set[str]:
    """The characters of ``text`` that none of ``families`` has; a line break needs no glyph."""
    left = set(text) - {"\n"}
    for family in families:
        if not left:
            break
        has = characters_of(family)
        left = {one for one in left if ord(one) not in has}
    return left


def _installed_chinese_font() -> str | None:
    installed = _families()
    return next((name for name in CHINESE_FONTS if name in installed), None)


def chinese_font() -> str:
    """The first installed family that has Chinese characters. ``StudyError`` where there is none.

    Matplotlib keeps a list of fonts from its first use on; one that was installed later is looked for on the
    disk.
    """
    for look_again in (False, True):
        if look_again:
            add_later_fonts()
        name = _installed_chinese_font()
        if name is not None:
            return name
    raise StudyError(
        "study.language is 'zh' but no font with Chinese characters is installed: "
        f"run 'apt-get install -y {CJK_PACKAGE}' "
        "(or install one of: " + ", ".join(CHINESE_FONTS[:5]) + "), or write 'language: en'."
    )


def _best(wanted: set[str]) -> str | None:
    """The installed family with most of ``wanted``; among equals the preferred one, then the first by
    name.
    """
    rank = {name: at for at, name in enumerate(CHINESE_FONTS)}
    found = []
    for name in _families():
        if name.startswith(_NO_TEXT):
            continue
        has = characters_of(name)
        count = sum(ord(one) in has for one in wanted)
        if count:
            found.append((-count, rank.get(name, len(rank)), name))
    return min(found)[2] if found else None


def families_for(names: Mapping[str, str], language: str, words: Iterable[str] = ()) -> list[str]:
    """The families, in their order, that draw ``names`` and ``words`` in a study's language (en or zh).

    An installed Chinese font is always among them.
    ``names`` are what the user chose (labels of centres, models), by the place where each can be changed. A
    name with a character that no installed font has is refused with that place and the package to install
    (``StudyError``).
    """
    chinese = _installed_chinese_font() if language == "en" else chinese_font()
    families = [
        family for family in ((BASE, chinese) if language == "en" else (chinese, BASE)) if family is not None
    ]
    left = lacking("".join([*names.values(), *words]), families)
    for look_again in (False, True):
        if left and look_again:
            add_later_fonts()
        while left and (name := _best(left)) is not None:
            families.append(name)
            left = lacking("".join(left), families)
    for place, name in names.items():
        here = sorted(left & set(name))
        if here:
            raise StudyError(f"{place}: {_cure(here)}")
    return families


def _cure(characters: Sequence[str]) -> str:
    shown = ", ".join(f"U+{ord(one):04X}" for one in characters[:5]) + (
        " and others" if len(characters) > 5 else ""
    )
    scripts = {unicodedata.name(one, "").split(" ")[0].split("-")[0] for one in characters}
    package = CJK_PACKAGE if scripts <= set(_CJK) else OTHER_PACKAGES
    return (
        f"no installed font has the character(s) {shown} of this name, and figures would show boxes; "
        f"run 'apt-get install -y {package}', or write the name in other letters."
    )


def refuse_boxes(texts: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Refuse a figure with a character that its text's families lack (``StudyError``).

    ``texts`` are pairs of a text and its families.
    """
    missing = sorted(set().union(*(lacking(text, families) for text, families in texts)))
    if missing:
        raise StudyError(f"A text of this figure: {_cure(missing)}")


def _plain(text: str) -> bool:
    """Whether every character is Latin, Greek or Cyrillic, which the font that is always there has."""
    return all(ord(one) < 0x0530 for one in text)


def check_labels(labels: Mapping[str, str], language: str) -> None:
    """Refuse, before any job, labels that the fonts of this machine can't draw (``StudyError``).

    ``labels`` are by their places in the config. Matplotlib is imported only where a label or the language
    needs it.
    """
    if language == "zh" or not all(map(_plain, labels.values())):
        families_for(labels, language)
