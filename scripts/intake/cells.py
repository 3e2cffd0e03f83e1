"""What a table's cell says: a number, a bound, a date, a code, nothing, or something that can't be read.

The rule of all of them: what has one meaning is read, a cell that says "not measured" is absent, everything
else is unreadable. A number is never taken out of a cell whose meaning is in doubt.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scripts.common.plain_text import code_key, plain, plain_dashes

YEARS = (1850, 2100)
"""Years that a date may have."""


class StoredDate(str):
    """An ISO date (``2024-07-31``) that the file stores as a date, not as text: no format has to be guessed
    for it.
    """

    __slots__ = ()


class Merged(str):
    """The content of a cell that the sheet merges over several rows, as it stands in each of these rows."""

    __slots__ = ()


class Covered(str):
    """The empty cell beside a merged one that covers it: what stood there is gone."""

    __slots__ = ()


# ------------------------------------------------------------------------------------------------ nothing
# there

ABSENT = frozenset(
    {
        "", "na", "n/a", "n.a.", "nan", "nat", "<na>", "null", "none", "nil", "-", "--", "---", ".", "..",
        "/", "//", "\\",
        "missing", "empty", "blank", "n/d", "nd", "n.d.", "ne", "n.e.", "nm", "n.m.", "k.a.", "k. a.", "无",
        "空", "缺失", "缺", "未填",
    }
)  # fmt: skip
"""Whole cells that say that there is nothing, in lower case and with plain dashes."""

UNKNOWN_WORDS = frozenset({"unknown", "unk", "?", "??", "???", "不详", "未知", "不明", "不清"})
"""Whole cells that say that something is not known.

For a measurement that decides a label they are unreadable, not absent.
"""

_NOT_MEASURED = re.compile(
    r"\bnot\s+(?:\w+\s+)?(?:measured|measurable|evaluable|evaluated|assessable|assessed|available|applicable|interpretable|"
    r"analy[sz]able|done|performed|scanned|reported|taken|recorded|obtained|tested|possible|valid)\b|"
    r"\bnon[-"
    r" ]?(?:evaluable|diagnostic|assessable)\b|\bunable\s+to\b|\bun(?:evaluable|measurable|assessable)\b|"
    r"\b(?:no\s+(?:scan|result|data|value|measurement))\b|\b(?:refused|declined|bedridden|amputat\w*|excluded|invalid)\b|"
    r"prosthe\w*|proth[eè]s\w*|pr[oó]tesis|implant\w*|arthroplast\w*|\bmetal\w*|\bhardware\b|\b(?:artefact|artifact)\w*|"
    r"\bnicht\s+(?:gemessen|auswertbar|beurteilbar|bestimmbar|verwertbar|messbar|möglich|durchgeführt)\b|"
    r"\bnicht\s+(?:untersucht|vorhanden|erhoben)\b|"
    r"\bnon\s+(?:mesur\w*|évaluable\w*|interprétable\w*|réalis\w*|disponible\w*|fait\w*|applicable\w*|misurat\w*)\b|"
    r"\bno\s+(?:medid\w*|evaluable\w*|valorable\w*|interpretable\w*|realizad\w*|disponible\w*|aplicable\w*)\b|\bentfällt\b|"
    r"未测|未查|未做|未检|未评|未行|无法|不能|不可评|不可测|不宜|测不出|拒测|拒绝|卧床|假体|置换|内固定|金属|伪影|截肢|无数据|无结果"
)
"""Words of a cell that say that nothing was or could be measured."""


def says_nothing(cell: str, words: Iterable[str] = ()) -> bool:
    """Whether a cell is empty or says that there is no value: NA, -, 'not measured', 'prosthesis', 未测 ...
    or one of ``words``.

    ``words`` are the table's own, from the config. A cell with a digit in it says more than that, unless it
    is one of ``words``.
    """
    text = plain_dashes(plain(cell)).casefold()
    if text in ABSENT or (text and text in {plain_dashes(plain(word)).casefold() for word in words}):
        return True
    if any(character.isdigit() for character in text) or _IN_DOUBT.search(text):
        return False
    return _NOT_MEASURED.search(text) is not None


def is_missing(cells: pd.Series, words: Sequence[str] = ()) -> pd.Series:
    """Which cells hold nothing, or say so (``says_nothing``)."""
    known = {cell: says_nothing(cell, words) for cell in cells.unique()}
    return cells.map(known).astype(bool)


def says_why(cells: pd.Series) -> pd.Series:
    """Which cells say in words that nothing was or could be measured: more than an empty cell, NA or a dash
    does.
    """
    known = {
        cell: plain_dashes(plain(cell)).casefold() not in ABSENT and any(c.isalpha() for c in cell)
        for cell in cells.unique()
    }
    return cells.map(known).astype(bool) & is_missing(cells)


_IN_DOUBT = re.compile(
    r"osteop|osteopor|bone\s+mass|normal|severe|骨质|骨量|正常|other\s+side|elsewhere|contralateral|对侧|另一侧|"
    r"\b(?:left|right|links|rechts|gauche|droite?|izquierd\w*|derech\w*)\b|左|右"
)
"""Words beside 'not measured' that say something of the value or of another site: such a cell is in doubt."""

# ------------------------------------------------------------------------------------------------ numbers

SENTINELS = frozenset(
    {-9.9, -9.99, -99.0, -99.9, -99.99, -999.0, -999.9, -9999.0, 99.9, 99.99, 999.0, 999.9, 9999.0}
)
"""Numbers that exports write for 'no value'. None of them is a T-score or a bone density."""

_NUMBER = r"[-+]?\s?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][-+]?[0-9]+)?"
_BOUND = re.compile(
    rf"(<=|>=|<|>|≤|≥|=<|=>|⩽|⩾|less than|more than|under|over|below|above|低于|高于|小于|大于)\s*({_NUMBER})"
)
_MARK = r"(?:[*†‡§#↓↑!]+|[HhLl]{1,2})"
_REMARK = r"(?:\([^()0-9<>≤≥?~]*\)|\[[^\[\]0-9<>≤≥?~]*\])"
_DIAGNOSIS = re.compile(
    r"[(\[]\s*(?:severe|manifest\w*|重度|严重)?\s*(?:osteopor\w*|osteopen\w*|op|low\s+bone\s+(?:mass|density)|normal\w*|low|high|abnormal|"
    r"left|right|links|rechts|gauche|droite?|l|r|li|re|骨质疏松症?|骨量减少|骨量低下|骨量正常|正常|低|高|左侧?|右侧?)\s*[)\]]"
)
"""Remarks that leave the meaning of the number before them: a diagnosis, low or high, the side.

Any other may void it.
"""
_BEHIND = re.compile(rf"({_NUMBER})\s*({_MARK}|{_REMARK}|{_MARK}\s*{_REMARK})")

SD_UNITS = ("sd", "s.d.", "sds", "σ", "个标准差", "标准差")
DENSITY_UNITS = ("g/cm2", "g/cm^2", "g/cm²", "g/cm**2", "gm/cm2", "g·cm-2")
YEAR_UNITS = (
    "y",
    "yr",
    "yrs",
    "year",
    "years",
    "years old",
    "岁",
    "周岁",
    "歳",
    "a",
    "j",
    "jahre",
    "ans",
    "años",
)
"""Units that may stand behind a number of the kind; the number is then in this unit."""
LENGTH_UNITS = {"cm": 1.0, "厘米": 1.0, "公分": 1.0, "m": 100.0, "米": 100.0, "mm": 0.1}
WEIGHT_UNITS = {
    "kg": 1.0,
    "kgs": 1.0,
    "公斤": 1.0,
    "千克": 1.0,
    "斤": 0.5,
    "lb": 0.45359237,
    "lbs": 0.45359237,
}
"""Units of length and weight that a cell may name, and how many cm and kg they are.

The unit in a cell counts for that cell.
"""


@dataclass(frozen=True)
class Number:
    """What a cell says of a number. ``kind`` is value, below, above, absent or unreadable.

    ``value`` is the number of a value, or the bound: the true value is at most it (below) or above it
    (above). ``scale`` is the factor that a unit in the cell demands, else None. ``remark``: a mark or a
    remark stands behind the number.
    """

    kind: str
    value: float = math.nan
    scale: float | None = None
    remark: bool = False


def unit_key(unit: str) -> str:
    """A unit as ``read_number`` looks for it behind a number."""
    return plain_dashes(plain(unit)).casefold()


def _ascii_digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() and not c.isascii() else c for c in text)


def _float(text: str) -> float:
    found = float(re.sub(r"\s", "", text).replace(",", "."))
    return found if math.isfinite(found) else math.nan


def read_number(
    cell: str,
    units: dict[str, float] | None = None,
    words: Sequence[str] = (),
    unknown_is_absent: bool = True,
) -> Number:
    """Read a cell as a number, with a decimal point or comma and any kind of minus sign.

    ``units`` maps units that may stand behind it to their factor. A mark (``*``, an arrow, H or L) or a
    remark in brackets without digits behind the number leaves its meaning (``-2.7*``, ``-2.7
    (osteoporosis)``), unless the remark says that it is no valid measurement. ``<x``, ``>x`` and the like are
    bounds. ``words`` say 'no value' in this table;
    ``unknown_is_absent``: whether ``?`` and 'unknown' do.
    """
    if isinstance(cell, Merged) and not says_nothing(cell, words):
        return Number("unreadable")  # one number over the rows of several measurements
    if isinstance(cell, Covered):
        return Number("unreadable")
    text = _ascii_digits(plain_dashes(plain(cell)))
    if says_nothing(text, words) or (unknown_is_absent and text.casefold() in UNKNOWN_WORDS):
        return Number("absent")
    text = text.removeprefix("'").strip()
    scale = None
    if units:
        for unit in sorted(units, key=len, reverse=True):
            if text.casefold().endswith(unit) and re.search(r"[0-9.,\s)]$", text[: -len(unit)]):
                text, scale = text[: -len(unit)].rstrip(), units[unit]
                break
    if re.fullmatch(_NUMBER, text):
        value = _float(text)
        if value in _numbers_among(words):
            return Number("absent")
        return Number("unreadable") if math.isnan(value) else Number("value", value, scale)
    bound = _BOUND.fullmatch(text.casefold())
    if bound:
        sign, value = bound[1], _float(bound[2])
        if math.isnan(value):
            return Number("unreadable")
        if sign in ("<", "<=", "=<", "≤", "⩽", "less than", "under", "below", "低于", "小于"):
            return Number("below", value, scale)
        # ">= x" may be x itself: it lies above anything smaller than x
        inclusive = sign in (">=", "=>", "≥", "⩾")
        return Number("above", value - 2e-6 if inclusive else value, scale)
    marked = _BEHIND.fullmatch(text)
    remark = re.search(r"[(\[].*", marked[2].casefold()) if marked else None
    if marked and (remark is None or _DIAGNOSIS.fullmatch(remark[0])):
        value = _float(marked[1])
        return Number("unreadable") if math.isnan(value) else Number("value", value, scale, remark=True)
    return Number("unreadable")


def _numbers_among(words: Sequence[str]) -> set[float]:
    """The table's own words for 'no value' that are numbers: ``-5`` is ``-5.0``."""
    return {_float(text) for text in map(plain_dashes, map(plain, words)) if re.fullmatch(_NUMBER, text)}


@dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    ``values``, ``below``, ``above`` (NaN where there is none) and which cells are ``unreadable``, ``absent``,
    ``remarked``; ``scales``: the factor of a unit that the cell names, else NaN."""

    values: pd.Series
    below: pd.Series
    above: pd.Series
    unreadable: pd.Series
    absent: pd.Series
    remarked: pd.Series
    scales: pd.Series


def numbers(
    cells: pd.Series,
    units: dict[str, float] | None = None,
    words: Sequence[str] = (),
    unknown_is_absent: bool = True,
) -> Numbers:
    """Every cell read by ``read_number``."""
    known: dict[tuple[str, type], Number] = {}
    found = []
    for cell in cells:
        key = (cell, type(cell))
        if key not in known:
            known[key] = read_number(cell, units, words, unknown_is_absent)
        found.append(known[key])

    def of(kind: str) -> pd.Series:
        return pd.Series(
            [n.value if n.kind == kind else np.nan for n in found], index=cells.index, dtype="float64"
        )

    def which(kind: str) -> pd.Series:
        return pd.Series([n.kind == kind for n in found], index=cells.index, dtype=bool)

    scales = [np.nan if n.scale is None else n.scale for n in found]
    return Numbers(
        of("value"), of("below"), of("above"), which("unreadable"), which("absent"),
        pd.Series([n.remark for n in found], index=cells.index, dtype=bool),
        pd.Series(scales, index=cells.index, dtype="float64"),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ dates

_TIME = r"(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}}){_TIME}")
_CHINESE = re.compile(rf"(\d{{4}})\s*年\s*(\d{{1,2}})\s*月\s*(\d{{1,2}})\s*[日号]?{_TIME}")
_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})(?:(?:\.0)|(?:\d{6}(?:\.\d+)?))?")


def date_within_years(year: int, month: int, day: int) -> datetime.date | None:
    """The date, or None where there is none or its year is outside of ``YEARS``."""
    with contextlib.suppress(ValueError):
        found = datetime.date(year, month, day)
        return found if YEARS[0] <= year <= YEARS[1] else None
    return None


def read_date(cell: str, date_format: str | None) -> datetime.date | None:
    """The date of a cell: by ``date_format``, else with the year first.

    Year first are ``2024-07-31``, ``2024/7/31``, ``2024.07.31``, ``2024年7月31日`` and ``20240731``, with a
    time of day and a zone behind or not; the day as it is written counts. They are read beside any
    ``date_format`` that doesn't begin with the year itself. A ``StoredDate`` is read under any format. None
    where the cell is no date or outside of ``YEARS``.
    """
    text = plain_dashes(plain(cell))
    stored = isinstance(cell, StoredDate)
    if date_format is not None and not stored:
        wanted = plain_dashes(unicodedata.normalize("NFKC", date_format))
        with contextlib.suppress(ValueError):
            found = datetime.datetime.strptime(text, wanted).date()
            return found if YEARS[0] <= found.year <= YEARS[1] else None
        if wanted.startswith("%Y"):
            return None
    match = _YEAR_FIRST.fullmatch(text)
    if match:
        return date_within_years(int(match[1]), int(match[3]), int(match[4]))
    match = _CHINESE.fullmatch(text) or _DIGITS.fullmatch(text)
    return date_within_years(*(int(part) for part in match.groups()[:3])) if match else None


def time_of_day(cell: str) -> tuple[int, int] | None:
    """Hour and minute behind a year-first date, with a zone or not; None where there is none."""
    match = _YEAR_FIRST.fullmatch(plain_dashes(plain(cell)))
    return (int(match[5]), int(match[6])) if match and match[5] else None


# ------------------------------------------------------------------------------------------------ codes


def codes(
    cells: pd.Series, coding: dict[str, list[str]], words: Sequence[str] = ()
) -> tuple[pd.Series, pd.Series]:
    """Meanings by the config's coding (empty where missing or unknown) and which cells hold no known code.

    ``1.0`` counts as ``1``; dashes of all kinds are one; letters' case counts only where the coding tells two
    meanings apart by it. ``words`` say 'no value' in this table.
    """
    exact: dict[str, str] = {}
    for meaning, written in coding.items():
        for code in written:
            exact[code_key(code)] = meaning
    folded: dict[str, set[str]] = {}
    for code, meaning in exact.items():
        folded.setdefault(code.casefold(), set()).add(meaning)

    def meaning_of(cell: str) -> str:
        key = code_key(cell)
        if key in exact:
            return exact[key]
        short = {"TRUE": "1", "FALSE": "0"}.get(
            key, key.removesuffix(".0")
        )  # yes and no as Excel stores them
        if short in exact:
            return exact[short]
        several = folded.get(key.casefold(), set())
        return next(iter(several)) if len(several) == 1 else ""

    known = {cell: meaning_of(cell) for cell in cells.unique()}
    values = cells.map(known).astype("object")
    return values, (values == "") & ~is_missing(cells, words)
