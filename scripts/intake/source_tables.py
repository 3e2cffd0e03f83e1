"""A hospital's tables put into the study's terms, every row accounted for.

A cell that can't be read never becomes another value: where it decides a label its row says 'undecided', where it is optional
the value is missing, and both are counted. A column that is wrong as a whole ends the run, since no row of it can be trusted;
all such columns of a table are named together.
"""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scripts.common.config import EXCLUSIONS, SITES
from scripts.common.errors import StudyError, StudyErrors, sentences_of
from scripts.common.plain_text import code_key, name_key, plain
from scripts.intake.cells import (
    DENSITY_UNITS,
    LENGTH_UNITS,
    SD_UNITS,
    SENTINELS,
    UNKNOWN_WORDS,
    WEIGHT_UNITS,
    YEAR_UNITS,
    Numbers,
    StoredDate,
    codes,
    is_missing,
    numbers,
    read_date,
    time_of_day,
)
from scripts.intake.frontal_view import UNKNOWN, view_of
from scripts.intake.identity import normalise_id
from scripts.intake.table_columns import ROW, column, form_notes, read_cells

HEIGHT_CM = (100.0, 230.0)
WEIGHT_KG = (20.0, 300.0)
BMD = (0.1, 2.5)
T_SCORE = (-8.99, 8.99)
AGE = (0.0, 130.0)
"""Plausible ranges of adults' values. A T-score outside is unreadable, any other value outside is missing."""

FEWEST_FOR_A_COLUMN = 20
"""Fewest values from which a whole column is judged."""
PLAUSIBLE_MEDIAN_BMI = (15.0, 40.0)
"""A median outside, kg/m2, means a wrong unit."""
USUAL_BMI = (12.0, 45.0)
"""Rows with a body mass index outside are counted as doubtful, and used."""
EXCHANGED_BMI = 80.0
"""From this body mass index on, height and weight are taken for exchanged where the exchange gives a usual one."""

FEW_ROWS = 5
MOST_ROWS_IN_DOUBT = 0.02
"""Rows without an id or with a site code that nobody declared: from both this number and this share of a DXA table on, it can't be used."""

EARLIEST_EXAM = datetime.date(1985, 1, 1)
"""No DXA exam is earlier: the first densitometers by DXA were sold in 1987. An earlier date is unreadable."""

PLACEHOLDER_BIRTHS = frozenset(
    datetime.date(*day) for day in ((1900, 1, 1), (1899, 12, 30), (1899, 12, 31), (1900, 1, 2), (1901, 1, 1))
)
"""Days that programs write where a birth date is unknown."""

OTHER_SITES = frozenset(
    {
        "forearm", "left forearm", "right forearm", "radius", "ulna", "radius+ulna", "r+u", "wrist", "ud", "mid", "1/3", "33%", "ultradistal",
        "distal", "total forearm", "radius ud", "radius 1/3", "radius 33%", "radius total", "radius mid", "1/3 radius",
        "ward", "wards", "ward's", "wards triangle", "ward's triangle", "troch", "trochanter", "troc", "gt", "inter", "intertroch",
        "intertrochanter", "intertrochanteric", "shaft", "femoral shaft", "upper neck", "lower neck", "whole body", "total body", "head", "arms", "legs",
        "trunk", "ribs", "pelvis", "heel", "calcaneus", "lateral spine", "l1", "l2", "l3", "l4", "l1-l2", "l1-l3", "l2-l3", "l2-l4", "l3-l4", "l1-2", "l1-3",
        "l2-3", "l2-4", "l3-4", "前臂", "桡骨", "尺骨", "尺桡骨", "桡骨远端", "桡骨1/3", "超远端", "大转子", "转子", "转子间", "粗隆", "大粗隆", "粗隆间", "ward区",
        "wards区", "ward三角", "ward's区", "ward's三角区", "股骨干", "全身", "跟骨",
    }
)  # fmt: skip
"""Regions of a DXA report that the study doesn't look at, in lower case; a config may add others (``site_coding.other``)."""

_FOREARM = re.compile(r"forearm|radius|ulna|wrist|^1/3$|^33%$|^ud$|^mid$|ultradistal|前臂|桡骨|尺骨|超远端")
"""Codes of the forearm's regions."""

_SHORTENED = re.compile(r"[0-9](?:[.,][0-9]+)?E\+?[0-9]+", re.IGNORECASE)
"""A number as Excel shows a long one (1.10101E+11): its last digits are lost."""


# ------------------------------------------------------------------------------------------------ what is found


@dataclass
class Reading:
    """A table in the study's terms, source ids and true dates still in it: never written to ``results/``.

    ``rows``: the rows that can be used, with ``ROW``; of a DXA table also those that say 'undecided' (``unreadable`` is 1).
    ``issues``: ``ROW, reason``, one per row set aside (its first reason), and, for reasons in ``NOTES``, per cell that was left
    empty or read with care though its row is used. ``cells``: every row that was read, in the study's terms, with unreadable cells empty (for
    counting). ``set_aside``: source ids, sorted, that stand in the table with rows set aside alone; rows of sites that
    aren't studied count neither way. ``other_site``: source ids, sorted, of whom there are only rows of such sites. ``form``:
    sentences on the file's form.
    """

    rows: pd.DataFrame
    issues: pd.DataFrame
    cells: pd.DataFrame
    set_aside: list[str]
    other_site: list[str]
    form: tuple[str, ...] = ()

    @property
    def n_set_aside(self) -> int:
        """Rows set aside, each with a reason."""
        return int((~self.issues["reason"].isin(NOTES)).sum())

    @property
    def n_left_out(self) -> int:
        """Rows that need not be used: identical to another, of a site that isn't studied, or empty but for an id."""
        return int(self.issues["reason"].isin(LEFT_OUT).sum())


LEFT_OUT = ("identical_row", "other_site", "nothing_measured")
"""Reasons of rows that need not be used."""

NOTES = (
    *LEFT_OUT,
    "unreadable_flag", "unknown_sex_code", "unreadable_age", "implausible_age", "unknown_view", "unreadable_time", "unreadable_birth_date", "placeholder_birth_date",
    "born_after_exam", "unreadable_measured_on", "unreadable_height", "implausible_height", "unreadable_weight", "implausible_weight",
    "exchanged_height_and_weight", "unreadable_bmd", "implausible_bmd", "no_value_code", "remark_behind_number", "doubtful_bmi", "doubtful_t_score",
    "date_stored_as_number", "date_moved_by_time_zone", "day_and_month_exchanged", "person_under_two_ids",
    "id_in_another_form",
)  # fmt: skip
"""Reasons that leave no row of use out: a value left empty or read with care, or one to be looked at.

Of a sex or a birth date that the patient table lacks, the film's header tells (sex, age at the film).
"""


class _Issues:
    """The reasons of a table's rows, and the sentences on columns that are wrong as a whole."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.first = pd.Series("", index=frame.index, dtype="object")
        self.notes: list[tuple[int, str]] = []
        self.faults: list[str] = []
        self._rows = frame[ROW]

    def aside(self, which: pd.Series, reason: str) -> None:
        self.first[which & (self.first == "")] = reason

    def note(self, which: pd.Series, reason: str) -> None:
        self.notes.extend((int(row), reason) for row in self._rows[which & (self.first == "")])

    @contextlib.contextmanager
    def column(self) -> Iterator[None]:
        """Keep a column's fault until all columns were looked at."""
        try:
            yield
        except StudyError as error:
            self.faults += sentences_of(error)

    def refuse(self) -> None:
        """Raise ``StudyErrors`` where columns are wrong as a whole."""
        if self.faults:
            raise StudyErrors(list(dict.fromkeys(self.faults)))

    def table(self) -> pd.DataFrame:
        bad = self.first != ""
        listed = [*zip(self._rows[bad].astype(int), self.first[bad]), *self.notes]
        return pd.DataFrame(sorted(listed), columns=[ROW, "reason"])


def _mostly(which: pd.Series, among: pd.Series) -> bool:
    """Whether more than half of ``among`` (at least one) are ``which``."""
    return bool(among.any()) and int((which & among).sum()) * 2 > int(among.sum())


def _too_many(which: pd.Series, among: pd.Series) -> bool:
    """Whether so many of ``among`` are ``which`` that the table can't be used."""
    return int(which.sum()) >= FEW_ROWS and which.sum() > MOST_ROWS_IN_DOUBT * among.sum()


def _started(table: dict, where: str) -> tuple[pd.DataFrame, _Issues, pd.DataFrame]:
    """The table's cells, its issues (rows of another length among them), and the frame that is filled."""
    frame = read_cells(table, where)
    issues = _Issues(frame)
    issues.aside(frame["_too_long"], "too_many_cells")
    issues.aside(frame["_too_short"], "too_few_cells")
    return frame, issues, pd.DataFrame({ROW: frame[ROW]})


# ------------------------------------------------------------------------------------------------ columns


def _measured(
    read: Numbers,
    low_high: tuple[float, float],
    issues: _Issues,
    name: str,
    scale: float = 1.0,
    fault: Callable[[pd.Series | None], None] | None = None,
) -> pd.Series:
    """Numbers in the study's unit; an unreadable or implausible cell is missing, and noted. ``fault`` names a wrong unit.

    A bound is no number. A number that stands for 'no value' in exports (999 ...) is missing.
    """
    told, values = ~read.absent, read.values * read.scales.fillna(scale)
    unreadable = read.unreadable | read.below.notna() | read.above.notna()
    if _mostly(unreadable, told) and fault is not None:
        fault(None)
    outside = values.notna() & ~values.between(*low_high)
    coded = outside & read.values.isin(SENTINELS)
    if _mostly(outside & ~coded, values.notna() & ~coded) and fault is not None:
        fault(read.values[values.notna() & ~coded])
    issues.note(unreadable, f"unreadable_{name}")
    issues.note(outside & ~coded, f"implausible_{name}")
    issues.note(coded, "no_value_code")
    issues.note(read.remarked, "remark_behind_number")
    return values.where(~outside)


def dates(cells: pd.Series, date_format: str | None, words: Sequence[str] = ()) -> tuple[pd.Series, pd.Series]:
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


def _day_numbers(cells: pd.Series, unreadable: pd.Series, base: datetime.datetime | None, where: str) -> pd.Series:
    """Dates of cells that hold Excel's day numbers (43166), where a column is of such; else None.

    Five digits (1927 to 2091) can be nothing else in a column of dates; then four digits are day numbers too. Raises
    ``StudyError`` in a text file, which doesn't tell from which day they count.
    """
    digits = cells.where(unreadable, "").str.fullmatch(r"[1-9][0-9]{3,4}(\.[0-9]+)?")
    long = digits & cells.str.fullmatch(r"[1-6][0-9]{4}(\.[0-9]+)?")
    if not _mostly(long, digits) or not _mostly(digits, unreadable):
        return pd.Series(None, index=cells.index, dtype="object")
    if base is None:
        raise StudyError(
            f"{where}: {int(digits.sum())} of its cells hold Excel's day numbers (such as 43000) in place of dates; give the column a date "
            "format in Excel and export it again, or map the .xlsx file itself."
        )
    days = [base + datetime.timedelta(days=int(float(cell))) if ok else None for cell, ok in zip(cells, digits)]
    return pd.Series([None if day is None else day.date() for day in days], index=cells.index, dtype="object")


def _moved_by_zone(cells: pd.Series, values: pd.Series) -> bool:
    """Whether a column's days are midnights of another time zone, told as the evening of the day before.

    All its cells have a time of day, it is the same full or half hour from 13:00 on everywhere (two hours with daylight saving
    time), and the days differ.
    """
    told = values.notna()
    if told.sum() < FEWEST_FOR_A_COLUMN or values[told].nunique() < 3:
        return False
    times = [time_of_day(cell) for cell in cells[told]]
    if None in times:
        return False
    several = set(times)
    hours = {hour for hour, _ in several}
    return len(several) <= 2 and min(hours) >= 13 and max(hours) - min(hours) <= 1 and all(m in (0, 30, 45) for _, m in several)


def _exchanged(cells: pd.Series, values: pd.Series, date_format: str | None) -> pd.Series:
    """Which dates are stored with day and month exchanged by an Excel of another country.

    It takes 05/03 for the third of May, and leaves as text what it can't: then all stored dates have a day up to 12, and all
    dates left as text one above. By chance ten dates lie so once in ten thousand times.
    """
    stored = pd.Series([isinstance(cell, StoredDate) for cell in cells], index=cells.index) & values.notna()
    text = values.notna() & ~stored
    none = pd.Series(False, index=cells.index)
    if date_format is None or stored.sum() < 10 or text.sum() < 5:
        return none
    first = values[stored].map(lambda day: day.day <= 12)
    second = values[text].map(lambda day: day.day > 12)
    return stored if first.all() and second.all() else none


def _dated(cells: pd.Series, table: dict, issues: _Issues, where: str, base: datetime.datetime | None) -> tuple[pd.Series, pd.Series]:
    """Dates of a column and which cells are unreadable; what was read with care is noted."""
    date_format = table.get("date_format")
    values, unreadable = dates(cells, date_format, table.get("missing") or ())
    counted = _day_numbers(cells, unreadable, base, where)
    if counted.notna().any():
        values, unreadable = values.where(counted.isna(), counted), unreadable & counted.isna()
        issues.note(counted.notna(), "date_stored_as_number")
    if _mostly(unreadable, values.notna() | unreadable):
        said = f"as '{date_format}'" if date_format else "with the year first (2024-07-31, 2024/7/31 or 20240731)"
        key = where.split(".columns")[0] + ".date_format"
        raise StudyError(f"{where}: most of its dates can't be read {said}; give their format in {key}, e.g. '%d/%m/%Y'.")
    if _moved_by_zone(cells, values):
        moved = values.notna()
        values = values.map(lambda day: None if day is None else day + datetime.timedelta(days=1)).astype("object")
        issues.note(moved, "date_moved_by_time_zone")
    exchanged = _exchanged(cells, values, date_format)
    if exchanged.any():
        values[exchanged] = [day.replace(month=day.day, day=day.month) for day in values[exchanged]]
        issues.note(exchanged, "day_and_month_exchanged")
    return values.where(values.notna(), None), unreadable


def _coded(cells: pd.Series, coding: dict, where: str, key: str, words: Sequence[str] = ()) -> tuple[pd.Series, pd.Series]:
    values, unknown = codes(cells, coding, words)
    if _mostly(unknown, ~is_missing(cells, words)):
        raise StudyError(f"{where}: most of its cells hold none of the codes in {key}; add the codes that the table uses there.")
    return values, unknown


def _ids(frame: pd.DataFrame, name: str, ids: dict, issues: _Issues, where: str) -> pd.Series:
    """Normalised ids; empty, and the row set aside, where there is none or it is damaged."""
    cells = column(frame, name, where)
    missing = is_missing(cells) | cells.str.casefold().isin(UNKNOWN_WORDS)
    told = ~missing
    decimals = cells.str.fullmatch(r"[0-9]+\.0") & told
    if _mostly(decimals, told):  # whole numbers that a program took for numbers with decimals
        cells = cells.where(~decimals, cells.str.removesuffix(".0"))
    shortened = cells.str.fullmatch(_SHORTENED) & told
    long = cells.str.fullmatch(r"[0-9]{16,}") & told
    rounded = long & cells.str.endswith("000")
    if _too_many(shortened, told) or _mostly(shortened, told) or (long.sum() >= FEW_ROWS and _mostly(rounded, long)):
        raise StudyError(
            f"{where}: Excel has shortened ids of the column (1.2E+10, or zeros at the end of 16 digits and more), so that patients can't be told "
            "apart; format the column as text before the ids are entered, and export it again."
        )
    issues.aside(shortened, "shortened_id")
    damaged = cells.str.contains("\ufffd") & told
    issues.aside(damaged, "damaged_id")
    lost = missing | shortened | damaged
    known = {cell: normalise_id(cell, ids) for cell in cells[~lost].unique()}
    found = cells.where(~lost, "").map(lambda cell: known.get(cell, "")).astype("object")
    issues.aside(found == "", "no_patient_id")
    return found


# ------------------------------------------------------------------------------------------------ patients


def _age(cells: pd.Series, words: Sequence[str]) -> Numbers:
    """Ages in years: ``67``, ``67 years``, ``067Y``, ``67岁``; ``90+`` and ``>89`` are 90."""
    plus = cells.str.replace(r"^\s*([0-9]{2,3})\s*\+$", r"\1", regex=True)
    read = numbers(plus, dict.fromkeys(YEAR_UNITS, 1.0), words)
    old = read.above.between(88.9, 90.1)  # '>= 90' is a bound a little below 90
    values = read.values.where(~old, np.ceil(read.above.where(old, 0.0) + 0.01))
    return Numbers(values, read.below, read.above.where(~old), read.unreadable, read.absent, read.remarked, read.scales)


def read_patients(table: dict, ids: dict, where: str) -> Reading:
    """A patient table: ``source_id, sex, birth_date, age, height_cm, weight_kg, measured_on`` and the exclusion flags (0, 1, NaN).

    ``table`` is the config's ``patients`` section, ``where`` its place. Raises ``StudyError`` for faults of whole columns.
    """
    frame, issues, out = _started(table, where)
    names, at, words = table["columns"], f"{where}.columns", table.get("missing") or ()
    base = frame.attrs["file"].serial_base
    for name, empty in (("source_id", ""), ("sex", ""), ("birth_date", None), ("age", np.nan), ("height_cm", np.nan), ("weight_kg", np.nan)):
        out[name] = empty
    out["measured_on"] = None
    with issues.column():
        out["source_id"] = _ids(frame, names["patient_id"], ids, issues, f"{at}.patient_id")
    with issues.column():
        cells = column(frame, names["sex"], f"{at}.sex")
        out["sex"], unknown = _coded(cells, table["sex_coding"], f"{at}.sex", f"{where}.sex_coding", words)
        issues.note(unknown, "unknown_sex_code")
    with issues.column():
        if names.get("birth_date"):
            cells = column(frame, names["birth_date"], f"{at}.birth_date")
            born, unreadable = _dated(cells, table, issues, f"{at}.birth_date", base)
            issues.note(unreadable, "unreadable_birth_date")
            placeholder = born.isin(PLACEHOLDER_BIRTHS)
            issues.note(placeholder, "placeholder_birth_date")
            out["birth_date"] = born.where(~placeholder, None).astype("object")
        else:

            def age_fault(values: pd.Series | None) -> None:
                raise StudyError(f"{at}.age: most of its cells are no ages in years.")

            out["age"] = _measured(_age(column(frame, names["age"], f"{at}.age"), words), AGE, issues, "age", fault=age_fault)
    _read_body(frame, table, where, issues, out)
    with issues.column():
        if names.get("measured_on"):
            cells = column(frame, names["measured_on"], f"{at}.measured_on")
            out["measured_on"], unreadable = _dated(cells, table, issues, f"{at}.measured_on", base)
            issues.note(unreadable, "unreadable_measured_on")
    for flag in EXCLUSIONS:
        out[flag] = np.nan
        if table["exclusions"].get(flag):
            place = f"{where}.exclusions.{flag}"
            with issues.column():
                cells = column(frame, table["exclusions"][flag], place)
                meaning, unknown = _coded(cells, table["flag_coding"], place, f"{where}.flag_coding", words)
                out[flag] = meaning.map({"yes": 1.0, "no": 0.0})
                issues.note(unknown, "unreadable_flag")
    issues.refuse()
    return _finished(out, issues, frame, where)


def _read_body(frame: pd.DataFrame, table: dict, where: str, issues: _Issues, out: pd.DataFrame) -> None:
    """Fill ``height_cm`` and ``weight_kg`` of ``out``; both are missing where they seem to be exchanged."""
    names, at, unit, words = table["columns"], f"{where}.columns", table["height_unit"], table.get("missing") or ()

    def height_fault(values: pd.Series | None) -> None:
        if values is not None:
            other, scale = ("m", 100.0) if unit == "cm" else ("cm", 1.0)
            if (values * scale).between(*HEIGHT_CM).mean() > 0.5:
                raise StudyError(f"{at}.height: heights look like {other}, not {unit}: set {where}.height_unit to {other}.")
        raise StudyError(f"{at}.height: most of its cells are no heights in {unit}; check the column and {where}.height_unit.")

    def weight_fault(values: pd.Series | None) -> None:
        raise StudyError(f"{at}.weight: most of its cells are no weights in kg; check the column and its unit.")

    scale, heights, weights = 1.0 if unit == "cm" else 100.0, None, None
    with issues.column():
        heights = numbers(column(frame, names["height"], f"{at}.height"), LENGTH_UNITS, words)
        out["height_cm"] = _measured(heights, HEIGHT_CM, issues, "height", scale, height_fault).round(6)
    with issues.column():
        weights = numbers(column(frame, names["weight"], f"{at}.weight"), WEIGHT_UNITS, words)
        out["weight_kg"] = _measured(weights, WEIGHT_KG, issues, "weight", fault=weight_fault)
    if heights is None or weights is None:
        return
    with issues.column():
        given = heights.values * heights.scales.fillna(scale)
        as_told, exchanged = out["weight_kg"] / (given / 100) ** 2, given / (out["weight_kg"] / 100) ** 2
        swapped = (as_told > EXCHANGED_BMI) & exchanged.between(*USUAL_BMI) & out["weight_kg"].between(*HEIGHT_CM)
        issues.note(swapped, "exchanged_height_and_weight")
        for name in ("height_cm", "weight_kg"):
            out[name] = out[name].where(~swapped)
        bmi = (out["weight_kg"] / (out["height_cm"] / 100) ** 2).dropna()
        issues.note(~bmi.between(*USUAL_BMI).reindex(out.index, fill_value=True), "doubtful_bmi")
        if len(bmi) >= FEWEST_FOR_A_COLUMN and not PLAUSIBLE_MEDIAN_BMI[0] <= bmi.median() <= PLAUSIBLE_MEDIAN_BMI[1]:
            raise StudyError(
                f"{at}.weight: the median body mass index is {bmi.median():.0f} kg/m2; check that weights are in kg and heights in {unit}."
            )


# ------------------------------------------------------------------------------------------------ DXA


def site_codes(frame: pd.DataFrame, names: dict, at: str) -> pd.Series:
    """What tells the site in each row: the site column's cell, with the scan column's before it (``scan / site``) where there is one."""
    cells = column(frame, names["site"], f"{at}.site")
    if not names.get("scan"):
        return cells
    scans = column(frame, names["scan"], f"{at}.scan")
    both = [f"{scan} / {cell}" if scan and cell else "" for scan, cell in zip(scans, cells)]
    return pd.Series(both, index=cells.index, dtype="object")


def _sites(frame: pd.DataFrame, table: dict, at: str, where: str) -> tuple[pd.Series, pd.Series, pd.Series, pd.Series]:
    """Site of each row (empty where it isn't a studied one), its code, whether the site is another one, and whether nobody knows."""
    cells = site_codes(frame, table["columns"], at)
    coding = table["site_coding"]
    sites, unknown = codes(cells, {site: coding[site] for site in SITES}, table.get("missing") or ())
    if not (sites != "").any():
        raise StudyError(f"{at}.site: none of its cells holds a code of {where}.site_coding; add the codes that the table uses there.")
    others = {code_key(code).casefold() for code in coding.get("other", ())} | OTHER_SITES
    keys = cells.map(lambda cell: code_key(cell).casefold())
    last = keys.map(lambda key: key.rpartition("/")[2]) if table["columns"].get("scan") else keys
    other = unknown & (keys.isin(others) | last.isin(others))
    nobody = unknown & ~other
    if _too_many(nobody, sites.ne("") | unknown):
        raise StudyError(
            f"{at}.site: {int(nobody.sum())} rows hold {keys[nobody].nunique()} code(s) of which the config doesn't say whether they are of a studied "
            f"site; add each to {where}.site_coding, to its site or to 'other' (make check-data lists them)."
        )
    return sites, keys, other, nobody


def read_dxa(table: dict, ids: dict, where: str) -> Reading:
    """A DXA table: ``source_id, exam_date, site, code, device, bmd, t_score, t_below, t_above, unreadable``.

    Rows of sites that aren't studied are left aside. A row whose T-score, date or site can't be read stays, as ``unreadable``: the
    exam must not say 'no osteoporosis' without it. A row without an id is taken for one of the patient above it, undecided.
    """
    frame, issues, out = _started(table, where)
    names, at, words = table["columns"], f"{where}.columns", table.get("missing") or ()
    for name, empty in (("source_id", ""), ("exam_date", None), ("site", ""), ("code", ""), ("device", ""), ("bmd", np.nan)):
        out[name] = empty
    none = pd.Series(False, index=frame.index)
    undated, other, nobody, given, read = none, none, none, None, None
    with issues.column():
        out["source_id"] = _ids(frame, names["patient_id"], ids, issues, f"{at}.patient_id")
    with issues.column():
        cells = column(frame, names["exam_date"], f"{at}.exam_date")
        out["exam_date"], undated = _dated(cells, table, issues, f"{at}.exam_date", frame.attrs["file"].serial_base)
        early = out["exam_date"].map(lambda day: day is not None and day < EARLIEST_EXAM).astype(bool)
        out["exam_date"], undated = out["exam_date"].where(~early, None).astype("object"), undated | early
        if out["exam_date"].isna().all():
            raise StudyError(f"{at}.exam_date: no row of the table has a date; check the column.")
    with issues.column():
        out["site"], out["code"], other, nobody = _sites(frame, table, at, where)
    with issues.column():
        out["bmd"], given = _bmd(frame, names, at, issues, words)
    with issues.column():
        read = _t_scores(frame, names, at, words)
    if names.get("device"):
        with issues.column():
            out["device"] = column(frame, names["device"], f"{at}.device")
    issues.refuse()
    assert read is not None and given is not None
    exchanged = given.between(T_SCORE[0], -1e-6) & read.values.between(*BMD)
    return _exams(out, issues, frame, where, _Doubts(undated, other, nobody, exchanged, read))


def _bmd(frame: pd.DataFrame, names: dict, at: str, issues: _Issues, words: Sequence[str]) -> tuple[pd.Series, pd.Series]:
    """The densities, and the numbers of all cells, plausible or not."""

    def fault(values: pd.Series | None) -> None:
        if values is not None and (values / 1000).between(*BMD).mean() > 0.5:
            raise StudyError(f"{at}.bmd: the densities look like mg/cm2, not g/cm2; divide the column by 1000.")
        raise StudyError(f"{at}.bmd: most of its cells are no bone densities in g/cm2; check the column and its unit.")

    read = numbers(column(frame, names["bmd"], f"{at}.bmd"), dict.fromkeys(DENSITY_UNITS, 1.0), words)
    return _measured(read, BMD, issues, "bmd", fault=fault), read.values


def _t_scores(frame: pd.DataFrame, names: dict, at: str, words: Sequence[str]) -> Numbers:
    """The T-scores; of cells that hold 'unknown' it isn't known that nothing was measured, so they are unreadable."""
    heading = name_key(names["t_score"])
    if re.search(r"z(score|值|wert)", heading) and not re.search(r"t(score|值|wert)", heading):
        raise StudyError(f"{at}.t_score: the column is called a Z-score; the label needs T-scores. Map the column of the T-score.")
    cells = column(frame, names["t_score"], f"{at}.t_score")
    read = numbers(cells, dict.fromkeys(SD_UNITS, 1.0), words, unknown_is_absent=False)
    pointless = cells.map(lambda cell: re.match(r"\W?\s?0[0-9]+(?![0-9.,])", cell) is not None).astype(bool)  # -08 was -0.8
    read = replace(read, values=read.values.where(~pointless), unreadable=read.unreadable | pointless)
    told, known = ~read.absent, read.values.dropna()
    if not told.any():
        raise StudyError(f"{at}.t_score: the column is empty; labels need T-scores. Check the column.")
    coded = read.values.isin(SENTINELS)
    outside = read.values.notna() & ~read.values.between(*T_SCORE) & ~coded
    bad = read.unreadable | outside
    if _mostly(bad, told):
        raise StudyError(f"{at}.t_score: most of its cells are no T-scores (-9 to 9); check the column.")
    if len(known) >= FEWEST_FOR_A_COLUMN and not (known < 0).any() and read.below.isna().all():
        raise StudyError(f"{at}.t_score: no T-score of {len(known)} is below 0; check the column and its minus signs.")
    return read


@dataclass(frozen=True)
class _Doubts:
    """Rows of a DXA table by what is known of them, and its T-scores."""

    undated: pd.Series
    other: pd.Series
    nobody: pd.Series
    exchanged: pd.Series
    read: Numbers


def _exams(out: pd.DataFrame, issues: _Issues, frame: pd.DataFrame, where: str, doubts: _Doubts) -> Reading:
    read = doubts.read
    coded = read.values.isin(SENTINELS)
    outside = read.values.notna() & ~read.values.between(*T_SCORE) & ~coded
    out["t_score"] = read.values.where(~outside & ~coded)
    out["t_below"], out["t_above"] = read.below, read.above
    absent = read.absent | coded
    nothing = absent & out["bmd"].isna()
    issues.note(coded, "no_value_code")
    issues.note(read.remarked, "remark_behind_number")
    no_id = out["source_id"] == ""
    content = ~nothing & ~doubts.other
    if _too_many(no_id & content, content):
        raise StudyError(
            f"{where}.columns.patient_id: {int((no_id & content).sum())} of {int(content.sum())} rows with results have no patient id; were its cells merged, or "
            "left empty below the first row of a patient? Fill the id down in every row, and export the table again."
        )
    empty = nothing & ((out["site"] == "") | out["exam_date"].isna()) & (issues.first == "")
    issues.note(doubts.other & ~empty, "other_site")
    issues.note(empty, "nothing_measured")
    left = doubts.other | empty
    used = ~left
    issues.aside(used & read.unreadable, "unreadable_t_score")
    issues.aside(used & outside, "implausible_t_score")
    issues.aside(used & doubts.exchanged, "exchanged_density_and_t_score")
    issues.aside(used & doubts.undated, "unreadable_exam_date")
    issues.aside(used & out["exam_date"].isna(), "no_exam_date")
    issues.aside(used & doubts.nobody, "unknown_site_code")
    issues.aside(used & (out["site"] == ""), "no_site")
    issues.aside(used & _ambiguous_total(out), "ambiguous_total")
    aside = issues.first != ""
    reading = _finished(out, issues, frame, where, studied=~doubts.other, left_out=left)
    reading.rows = _stacked(reading.rows.assign(unreadable=0), _undecided(out[aside & used].assign(reason=issues.first[aside & used].to_numpy()), out))
    return reading


def _ambiguous_total(out: pd.DataFrame) -> pd.Series:
    """Which rows have the bare code 'total' in an exam that has results of the forearm, too.

    Hologic calls the sum of spine, hip and forearm alike; nobody can say of which of them this one is. A row that belongs to the
    hip beyond doubt (its code says so, or the table has a scan column) is none of these.
    """
    keys = out["source_id"] + "\x1f" + out["exam_date"].astype("object").map(str)
    arm = out["code"].str.contains(_FOREARM)
    return out["code"].isin(("total", "总", "合计", "total bmd")) & keys.isin(set(keys[arm]))


def _stacked(rows: pd.DataFrame, undecided: pd.DataFrame) -> pd.DataFrame:
    """Both in the order of the source's rows."""
    return rows if undecided.empty else pd.concat([rows, undecided[rows.columns]]).sort_values(ROW, kind="stable")


def _undecided(rows: pd.DataFrame, everything: pd.DataFrame) -> pd.DataFrame:
    """Rows set aside, as rows that say 'undecided' of their patient: without their numbers, and without what can't be trusted.

    A row without an id may be of the patient above or below it, so it stands for either, for any site and exam.
    """
    kept = rows.drop(columns="reason").assign(unreadable=1, t_score=np.nan, t_below=np.nan, t_above=np.nan, bmd=np.nan)
    slipped = rows["reason"].isin(("too_many_cells", "too_few_cells"))
    kept["exam_date"] = kept["exam_date"].where(~slipped, None)
    kept["site"] = kept["site"].where(~slipped, "")
    known = everything["source_id"].where(everything["source_id"] != "", None)
    parts = [kept[kept["source_id"] != ""]]
    lost = kept[kept["source_id"] == ""]
    for neighbour in (known.ffill(), known.bfill()):
        names = neighbour.reindex(lost.index).to_numpy()
        parts.append(lost.assign(source_id=names, exam_date=None, site="", code="").dropna(subset=["source_id"]))
    found = pd.concat([part for part in parts if not part.empty] or [kept])
    return found.assign(exam_date=found["exam_date"].astype("object").where(found["exam_date"].notna(), None))


# ------------------------------------------------------------------------------------------------ images


def read_images(table: dict, ids: dict, patterns: dict[str, list[str]], where: str) -> Reading:
    """An image table: ``file, source_id, film_date, film_time, view, sex, age, manufacturer, burned_in``.

    ``table`` is the config's ``images`` section, ``patterns`` its ``intake.frontal_view``. ``file`` is written as
    ``file_key`` does; ``view`` is PA, AP, lateral or unknown; ``burned_in`` YES, NO, unknown where the cell is empty, or unreadable where it holds
    no code of ``flag_coding``: such a film is not taken for one without text.
    """
    frame, issues, out = _started(table, where)
    names, at, words = table["columns"], f"{where}.columns", table.get("missing") or ()
    for name, empty in (("file", ""), ("source_id", ""), ("film_date", None), ("film_time", ""), ("view", UNKNOWN)):
        out[name] = empty
    for name, empty in (("sex", ""), ("age", np.nan), ("manufacturer", ""), ("burned_in", UNKNOWN)):
        out[name] = empty

    def optional(name: str) -> pd.Series:
        given = names.get(name)
        return column(frame, given, f"{at}.{name}") if given else pd.Series("", index=frame.index, dtype="object")

    with issues.column():
        cells = column(frame, names["file"], f"{at}.file")
        out["file"] = cells.where(~is_missing(cells), "").map(file_key).astype("object")
        issues.aside(out["file"] == "", "no_file_name")
    with issues.column():
        out["source_id"] = _ids(frame, names["patient_id"], ids, issues, f"{at}.patient_id")
    with issues.column():
        cells = column(frame, names["film_date"], f"{at}.film_date")
        out["film_date"], unreadable = _dated(cells, table, issues, f"{at}.film_date", frame.attrs["file"].serial_base)
        issues.aside(unreadable, "unreadable_film_date")
        issues.aside(out["film_date"].isna(), "no_film_date")
    with issues.column():
        cells = optional("film_time")
        out["film_time"] = cells.map(_time_of_day).astype("object")
        issues.note((out["film_time"] == "") & ~is_missing(cells), "unreadable_time")
    with issues.column():
        cells = column(frame, names["view"], f"{at}.view")
        out["view"] = views(cells, table["view_coding"], patterns)
        issues.note(out["view"].eq(UNKNOWN) & ~is_missing(cells), "unknown_view")
    with issues.column():
        out["sex"], unknown = _coded(optional("sex"), table["sex_coding"], f"{at}.sex", f"{where}.sex_coding", words)
        issues.note(unknown, "unknown_sex_code")
    with issues.column():
        read = _age(optional("age"), words)
        out["age"] = np.floor(read.values.where(read.values.between(*AGE)))
        issues.note(out["age"].isna() & ~read.absent, "unreadable_age")
    with issues.column():
        out["manufacturer"] = optional("manufacturer")
    with issues.column():
        cells = optional("burned_in")
        told, unreadable = _coded(cells, table["flag_coding"], f"{at}.burned_in", f"{where}.flag_coding", words)
        out["burned_in"] = told.map({"yes": "YES", "no": "NO"}).fillna(UNKNOWN).astype("object").mask(unreadable, "unreadable")
        issues.aside(unreadable, "unreadable_burned_in")
    issues.refuse()
    return _finished(out, issues, frame, where)


def views(cells: pd.Series, coding: dict[str, list[str]], patterns: dict[str, list[str]]) -> pd.Series:
    """PA, AP, lateral or unknown of every cell: by the config's ``view_coding``, else as a film's header is read."""
    coded, _ = codes(cells, coding)
    found = [known or view_of(cell, [], cell, patterns) for known, cell in zip(coded, cells)]
    return pd.Series(found, index=cells.index, dtype="object")


def file_key(path: str) -> str:
    """A path from a folder as films and image tables are joined by it: NFKC, slashes, no ``./`` in front."""
    return plain(path).replace("\\", "/").removeprefix("./")


def _time_of_day(cell: str) -> str:
    """HHMM or HHMMSS(.f) of ``10:15``, ``101500`` or the end of a date with time; empty where there is none."""
    match = re.search(r"(?:^|[T ])(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d{1,6})?))?$", cell) or re.fullmatch(
        r"(\d{2})(\d{2})(\d{2}(?:\.\d{1,6})?)?", cell
    )
    return match[1].zfill(2) + match[2] + (match[3] or "") if match else ""


def _finished(
    out: pd.DataFrame,
    issues: _Issues,
    frame: pd.DataFrame,
    where: str,
    studied: pd.Series | bool = True,
    left_out: pd.Series | bool = False,
) -> Reading:
    """Rows of use without identical copies, the issues, and whom no row of use is left of among those ``studied``."""
    usable = (issues.first == "") & ~pd.Series(left_out, index=out.index)
    in_use = {*out.loc[usable & studied, "source_id"], ""}
    set_aside = set(out.loc[(issues.first != "") & studied, "source_id"]) - in_use
    other_site = set(out["source_id"]) - in_use - set_aside
    used = out[usable]
    content = [name for name in out.columns if name != ROW]
    again = used.duplicated(content, keep="first")
    issues.note(again.reindex(out.index, fill_value=False), "identical_row")
    return Reading(
        used[~again], issues.table(), out, sorted(set_aside), sorted(other_site), tuple(form_notes(frame, where))
    )
