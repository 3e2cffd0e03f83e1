"""Columns of a hospital's table in the study's terms: numbers, dates, codes, ids and ages, with what was read
with care noted.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from scripts.common.errors import StudyError
from scripts.intake.cells import (
    SENTINELS,
    UNKNOWN_WORDS,
    YEAR_UNITS,
    Numbers,
    StoredDate,
    codes,
    is_missing,
    numbers,
    read_date,
    time_of_day,
)
from scripts.intake.identity import normalise_id
from scripts.intake.readings import FEW_ROWS, FEWEST_FOR_A_COLUMN, Issues, mostly, too_many
from scripts.intake.table_columns import column

AGE = (0.0, 130.0)
"""Plausible ages, years; a value outside is missing."""
MOST_DIGITS = 1e7
"""A number that has no plausible range and is as great as this may be a date, an id or a phone number."""
USUAL_FORMATS = (
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d.%m.%y",
)
"""Formats that are tried to name the right one; none is taken without the user."""
FEWEST_MISFITS = 0.05
"""Largest share of a column that a format which is named may leave unread."""
_SHORTENED = re.compile(r"[0-9](?:[.,][0-9]+)?E\+?[0-9]+", re.IGNORECASE)
"""A number as Excel shows a long one (1.10101E+11): its last digits are lost."""


def measured(
    read: Numbers,
    low_high: tuple[float, float] | None,
    issues: Issues,
    name: str,
    scale: float = 1.0,
    fault: Callable[[pd.Series | None], None] | None = None,
) -> pd.Series:
    """Numbers in the study's unit; an unreadable or implausible cell is missing, and noted.

    ``fault`` names a wrong unit.

    A bound is no number. A number that stands for 'no value' in exports (999 ...) is missing; where no
    plausible range is known (``low_high`` is None) it is never taken for a measured one.
    """
    told, values = ~read.absent, read.values * read.scales.fillna(scale)
    unreadable = read.unreadable | read.below.notna() | read.above.notna()
    if mostly(unreadable, told) and fault is not None:
        fault(None)
    sentinel = read.values.isin(SENTINELS)
    if low_high is None:
        outside = sentinel | (values.abs() >= MOST_DIGITS)
    else:
        outside = values.notna() & ~values.between(*low_high)
        sentinel &= outside
    if mostly(outside & ~sentinel, values.notna() & ~sentinel) and fault is not None:
        fault(read.values[values.notna() & ~sentinel])
    issues.note(unreadable, f"unreadable_{name}")
    issues.note(outside & ~sentinel, f"implausible_{name}")
    issues.note(sentinel, "no_value_code")
    issues.note(read.remarked, "remark_behind_number")
    return values.where(~outside)


def look_like_dates(values: pd.Series) -> bool:
    """Whether most numbers are days written without separators: 20240731."""
    told = values.dropna()
    days = [v == int(v) and read_date(str(int(v)), None) is not None for v in told.abs()]
    return mostly(pd.Series(days, dtype=bool), pd.Series(True, index=range(len(days))))


def dates(
    cells: pd.Series, date_format: str | None, words: Sequence[str] = ()
) -> tuple[pd.Series, pd.Series]:
    """Dates (None where missing or unreadable) and which cells are unreadable."""
    missing = is_missing(cells, words) | cells.str.casefold().isin(UNKNOWN_WORDS)
    known: dict[tuple[str, bool], datetime.date | None] = {}
    found = []
    for cell, gone in zip(cells, missing):
        key = (cell, isinstance(cell, StoredDate))
        if not gone and key not in known:
            known[key] = read_date(cell, date_format)
        found.append(None if gone else known[key])
    values = pd.Series(found, index=cells.index, dtype="object")
    return values, values.isna() & ~missing


def _day_numbers(
    cells: pd.Series, unreadable: pd.Series, base: datetime.datetime | None, where: str
) -> pd.Series:
    """Dates of cells that hold Excel's day numbers (43166), where a column is of such; else None.

    Five digits (1927 to 2091) can be nothing else in a column of dates; then four digits are day numbers too.
    Raises
    ``StudyError`` in a text file, which doesn't tell from which day they count.
    """
    digits = cells.where(unreadable, "").str.fullmatch(r"[1-9][0-9]{3,4}(\.[0-9]+)?")
    long = digits & cells.str.fullmatch(r"[1-6][0-9]{4}(\.[0-9]+)?")
    if not mostly(long, digits) or not mostly(digits, unreadable):
        return pd.Series(None, index=cells.index, dtype="object")
    if base is None:
        raise StudyError(
            f"{where}: {int(digits.sum())} of its cells hold Excel's day numbers (such as 43000) in place of"
            " dates; give the column a date format in Excel and export it again, or map the .xlsx file"
            " itself."
        )
    days = [
        base + datetime.timedelta(days=int(float(cell))) if ok else None for cell, ok in zip(cells, digits)
    ]
    return pd.Series([None if day is None else day.date() for day in days], index=cells.index, dtype="object")


def _moved_by_zone(cells: pd.Series, values: pd.Series) -> bool:
    """Whether a column's days are midnights of another time zone, told as the evening of the day before.

    All its cells have a time of day, it is the same full or half hour from 13:00 on everywhere (two hours
    with daylight saving time), and the days differ.
    """
    told = values.notna()
    if told.sum() < FEWEST_FOR_A_COLUMN or values[told].nunique() < 3:
        return False
    times = [time_of_day(cell) for cell in cells[told]]
    if None in times:
        return False
    several = set(times)
    hours = {hour for hour, _ in several}
    return (
        len(several) <= 2
        and min(hours) >= 13
        and max(hours) - min(hours) <= 1
        and all(m in (0, 30, 45) for _, m in several)
    )


def _exchanged(cells: pd.Series, values: pd.Series, date_format: str | None) -> pd.Series:
    """Which dates are stored with day and month exchanged by an Excel of another country.

    It takes 05/03 for the third of May, and leaves as text what it can't: then all stored dates have a day up
    to 12, and all dates left as text one above. By chance ten dates lie so once in ten thousand times.
    """
    stored = pd.Series([isinstance(cell, StoredDate) for cell in cells], index=cells.index) & values.notna()
    text = values.notna() & ~stored
    none = pd.Series(False, index=cells.index)
    if date_format is None or stored.sum() < 10 or text.sum() < 5:
        return none
    first = values[stored].map(lambda day: day.day <= 12)
    second = values[text].map(lambda day: day.day > 12)
    return stored if first.all() and second.all() else none


def dated(
    cells: pd.Series, table: dict, issues: Issues, where: str, base: datetime.datetime | None
) -> tuple[pd.Series, pd.Series]:
    """Dates of a column and which cells are unreadable; what was read with care is noted."""
    date_format = table.get("date_format")
    values, unreadable = dates(cells, date_format, table.get("missing") or ())
    counted = _day_numbers(cells, unreadable, base, where)
    if counted.notna().any():
        values, unreadable = values.where(counted.isna(), counted), unreadable & counted.isna()
        issues.note(counted.notna(), "date_stored_as_number")
    if mostly(unreadable, values.notna() | unreadable):
        said = (
            f"as '{date_format}'"
            if date_format
            else "with the year first (2024-07-31, 2024/7/31 or 20240731)"
        )
        key = where.split(".columns")[0] + ".date_format"
        fits = [
            f"'{form}'"
            for form in USUAL_FORMATS
            if dates(cells, form, table.get("missing") or ())[1].mean() < FEWEST_MISFITS
        ]
        cure = (
            f"they can be read as {' and as '.join(fits)}: give the right one in {key}."
            if fits
            else f"give their format in {key}, e.g. '%d/%m/%Y'."
        )
        raise StudyError(f"{where}: most of its dates can't be read {said}; {cure}")
    if _moved_by_zone(cells, values):
        moved = values.notna()
        values = values.map(lambda day: None if day is None else day + datetime.timedelta(days=1)).astype(
            "object"
        )
        issues.note(moved, "date_moved_by_time_zone")
    exchanged = _exchanged(cells, values, date_format)
    if exchanged.any():
        values[exchanged] = [day.replace(month=day.day, day=day.month) for day in values[exchanged]]
        issues.note(exchanged, "day_and_month_exchanged")
    return values.where(values.notna(), None), unreadable


def coded(
    cells: pd.Series, coding: dict, where: str, key: str, words: Sequence[str] = ()
) -> tuple[pd.Series, pd.Series]:
    values, unknown = codes(cells, coding, words)
    if mostly(unknown, ~is_missing(cells, words)):
        raise StudyError(
            f"{where}: most of its cells hold none of the codes in {key}; add the codes that the table uses"
            " there."
        )
    return values, unknown


def patient_ids(frame: pd.DataFrame, name: str, ids: dict, issues: Issues, where: str) -> pd.Series:
    """Normalised ids; empty, and the row set aside, where there is none or it is damaged."""
    cells = column(frame, name, where)
    missing = is_missing(cells) | cells.str.casefold().isin(UNKNOWN_WORDS)
    told = ~missing
    decimals = cells.str.fullmatch(r"[0-9]+\.0") & told
    if mostly(decimals, told):  # whole numbers that a program took for numbers with decimals
        cells = cells.where(~decimals, cells.str.removesuffix(".0"))
    shortened = cells.str.fullmatch(_SHORTENED) & told
    long = cells.str.fullmatch(r"[0-9]{16,}") & told
    rounded = long & cells.str.endswith("000")
    if (
        too_many(shortened, told)
        or mostly(shortened, told)
        or (long.sum() >= FEW_ROWS and mostly(rounded, long))
    ):
        raise StudyError(
            f"{where}: Excel has shortened ids of the column (1.2E+10, or zeros at the end of 16 digits and"
            " more), so that patients can't be told apart; format the column as text before the ids are"
            " entered, and export it again."
        )
    issues.aside(shortened, "shortened_id")
    damaged = cells.str.contains("\ufffd") & told
    issues.aside(damaged, "damaged_id")
    lost = missing | shortened | damaged
    known = {cell: normalise_id(cell, ids) for cell in cells[~lost].unique()}
    found = cells.where(~lost, "").map(lambda cell: known.get(cell, "")).astype("object")
    issues.aside(found == "", "no_patient_id")
    return found


def ages(cells: pd.Series, words: Sequence[str]) -> Numbers:
    """Ages in years: ``67``, ``67 years``, ``067Y``, ``67岁``; ``90+`` and ``>89`` are 90."""
    plus = cells.str.replace(r"^\s*([0-9]{2,3})\s*\+$", r"\1", regex=True)
    read = numbers(plus, dict.fromkeys(YEAR_UNITS, 1.0), words)
    old = read.above.between(88.9, 90.1)  # '>= 90' is a bound a little below 90
    values = read.values.where(~old, np.ceil(read.above.where(old, 0.0) + 0.01))
    return Numbers(
        values, read.below, read.above.where(~old), read.unreadable, read.absent, read.remarked, read.scales
    )
