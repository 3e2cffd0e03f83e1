"""A hospital's tables read as they are: every cell as text, then checked and put into the study's terms.

A cell that can't be read sets its row aside with a reason; a column that is wrong as a whole ends the run with one
sentence, since no row of it can be trusted.
"""

from __future__ import annotations

import contextlib
import datetime
import difflib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scripts.common.config import EXCLUSIONS, SITES
from scripts.common.errors import StudyError
from scripts.common.plain_text import plain
from scripts.intake.frontal_view import UNKNOWN, view_of
from scripts.intake.identity import normalise_id
from scripts.intake.table_files import plain_heading, read_rows

ROW = "_row"
"""Column with the row's number in the source file (the heading is row 1)."""

_MISSING = {"", "na", "n/a", "n.a.", "nan", "nat", "null", "none", "-", "--", ".", "?", "/", "#n/a", "missing", "unknown", "不详", "未知", "缺失"}

HEIGHT_CM = (100.0, 230.0)
FEWEST_FOR_A_COLUMN = 20
"""Fewest values from which a whole column is judged."""
PLAUSIBLE_MEDIAN_BMI = (15.0, 40.0)
"""A median outside, kg/m2, means a wrong unit."""

USUAL_BMI = (12.0, 45.0)
"""Rows with a body mass index outside are counted as doubtful, and used."""
LEAST_CORRELATION = 0.3
"""T-scores of a site that rise less with the bone density than this are a wrong column, or lack their minus signs."""
LARGEST_RESIDUAL = 2.5
"""A T-score farther than this from the line through its site's T-scores over density is counted as doubtful, and used."""

WEIGHT_KG = (20.0, 300.0)
BMD = (0.1, 2.5)
T_SCORE = (-10.0, 10.0)
AGE = (0.0, 130.0)
YEARS = (1850, 2100)
"""Plausible ranges of adults' values; a row with a value outside is set aside."""


# ------------------------------------------------------------------------------------------------ reading


def read_cells(table: dict, where: str) -> pd.DataFrame:
    """All cells of a table as text, with ``ROW``; empty rows are left out.

    ``table`` is the config's section (``path``, ``sheet``, ``encoding``, column maps), ``where`` its place in the config, for
    messages.
    Raises ``StudyError``.
    """
    rows = read_rows(table["path"], where, table.get("sheet"), table.get("encoding") or "utf-8-sig")
    numbered = [(number, row) for number, row in enumerate(rows, start=1) if any(cell.strip() for cell in row)]
    if len(numbered) < 2:
        raise StudyError(f"{where}.path: the table has no rows below its heading.")
    headings = [plain_heading(text) for text in numbered[0][1]]
    width = len(headings)
    frame = pd.DataFrame(
        [(row + [""] * width)[:width] for _, row in numbered[1:]], columns=range(width), dtype="object"
    )
    frame.insert(0, ROW, [number for number, _ in numbered[1:]])
    frame["_too_long"] = [any(cell.strip() for cell in row[width:]) for _, row in numbered[1:]]
    frame.attrs["headings"] = headings
    mapped = {**table.get("columns", {}), **table.get("exclusions", {})}
    frame.attrs["mapped"] = {plain_heading(name) for name in mapped.values() if name}
    return frame


def column(frame: pd.DataFrame, name: str, where: str) -> pd.Series:
    """The column called ``name``, cells trimmed.

    Raises ``StudyError`` with the nearest name where there is none; a column that the config gives to another field is none.
    """
    headings = frame.attrs["headings"]
    matches = [i for i, heading in enumerate(headings) if heading == plain_heading(name)]
    if not matches:
        free = [heading for heading in headings if heading not in frame.attrs["mapped"]]
        near = difflib.get_close_matches(plain_heading(name), free, n=3, cutoff=0.7)
        letters = sorted(plain_heading(name).casefold())  # other case or swapped letters are nearer than any other word
        near.sort(key=lambda heading: sorted(heading.casefold()) != letters)
        advice = f"did you mean '{near[0]}'?" if near else f"none of its {len(headings)} columns has a like name."
        raise StudyError(f"{where}: the table has no column '{name}'; {advice}")
    if len(matches) > 1:
        raise StudyError(f"{where}: the table has {len(matches)} columns '{name}'; rename all but one.")
    return frame[matches[0]].map(plain).astype("object")


# ------------------------------------------------------------------------------------------------ cells


def is_missing(cells: pd.Series) -> pd.Series:
    """Which cells hold nothing: empty, NA, - and the like."""
    return cells.str.casefold().isin(_MISSING)


def numbers(cells: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Values (NaN where missing or unreadable) and which cells are unreadable. A decimal comma is understood."""
    missing = is_missing(cells)
    plain = cells.str.replace("\u2212", "-").str.replace(r"^([-+]?\d*),(\d+)$", r"\1.\2", regex=True)
    fits = plain.str.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?") & ~missing
    values = pd.Series(np.nan, index=cells.index, dtype="float64")
    values[fits] = plain[fits].astype("float64")
    return values, ~fits & ~missing


def read_date(cell: str, date_format: str | None) -> datetime.date | None:
    """The date of a cell: by ``date_format``, else ISO (2024-07-31, 2024/7/31, 20240731, with a time behind or not).

    Excel's own dates come as ISO and are read under any format. None where it is no date or outside ``YEARS``.
    """
    found = None
    if date_format is not None:
        with contextlib.suppress(ValueError):
            found = datetime.datetime.strptime(cell, unicodedata.normalize("NFKC", date_format)).date()
    match = re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})([T ][\d:.]+)?", cell)
    if match is None and date_format is None:
        match = re.fullmatch(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})([T ][\d:.]+)?", cell) or re.fullmatch(
            r"(\d{4})(\d{2})(\d{2})(\.0)?", cell
        )
    if found is None and match is not None:
        try:
            found = datetime.date(*(int(part) for part in match.groups()[:3]))
        except ValueError:
            return None
    return found if found is not None and YEARS[0] <= found.year <= YEARS[1] else None


def dates(cells: pd.Series, date_format: str | None) -> tuple[pd.Series, pd.Series]:
    """Dates (None where missing or unreadable) and which cells are unreadable."""
    missing = is_missing(cells)
    values = pd.Series(
        [None if gone else read_date(cell, date_format) for cell, gone in zip(cells, missing)],
        index=cells.index,
        dtype="object",
    )
    return values, values.isna() & ~missing


def codes(cells: pd.Series, coding: dict[str, list[str]]) -> tuple[pd.Series, pd.Series]:
    """Meanings by the config's coding (empty where missing or unknown) and which cells hold no known code.

    ``1.0`` counts as ``1``, letters' case counts only where the coding tells two meanings apart by it.
    """
    exact: dict[str, str] = {}
    for meaning, written in coding.items():
        for code in written:
            exact[plain(code)] = meaning
    folded: dict[str, set[str]] = {}
    for code, meaning in exact.items():
        folded.setdefault(code.casefold(), set()).add(meaning)

    def meaning_of(cell: str) -> str:
        if cell in exact:
            return exact[cell]
        short = cell.removesuffix(".0")
        if short in exact:
            return exact[short]
        several = folded.get(cell.casefold(), set())
        return next(iter(several)) if len(several) == 1 else ""

    values = cells.map(meaning_of).astype("object")
    return values, (values == "") & ~is_missing(cells)


# ------------------------------------------------------------------------------------------------ tables


@dataclass
class Reading:
    """A table in the study's terms, source ids and true dates still in it: never written to ``results/``.

    ``rows``: the rows that can be used, with ``ROW``. ``issues``: ``ROW, reason``, one per row set aside (its first reason)
    and, for reasons in ``NOTES``, per cell that was left empty though its row is used. ``cells``: every row that was
    read, in the study's terms, with unreadable cells empty (for counting). ``set_aside``: source ids, sorted, that stand in
    the table with rows set aside alone; rows of sites that aren't studied count neither way. ``other_site``: source ids,
    sorted, of whom there are only rows of such sites.
    """

    rows: pd.DataFrame
    issues: pd.DataFrame
    cells: pd.DataFrame
    set_aside: list[str]
    other_site: list[str]


NOTES = ("unreadable_flag", "other_site", "identical_row", "unknown_sex_code", "unreadable_age", "unknown_view", "unreadable_time", "doubtful_bmi", "doubtful_t_score")
"""Reasons that leave no row of use out: a cell left empty, a value to be looked at, a site that isn't studied, a row that is there twice.

A sex that can't be read is a note in the image table alone, whose sex only confirms the patient table's.
"""


class _Issues:
    def __init__(self, frame: pd.DataFrame) -> None:
        self.first = pd.Series("", index=frame.index, dtype="object")
        self.notes: list[tuple[int, str]] = []
        self._rows = frame[ROW]

    def aside(self, which: pd.Series, reason: str) -> None:
        self.first[which & (self.first == "")] = reason

    def note(self, which: pd.Series, reason: str) -> None:
        self.notes.extend((int(row), reason) for row in self._rows[which])

    def table(self) -> pd.DataFrame:
        bad = self.first != ""
        listed = [*zip(self._rows[bad].astype(int), self.first[bad]), *self.notes]
        return pd.DataFrame(sorted(listed), columns=[ROW, "reason"])


def _mostly(which: pd.Series, among: pd.Series) -> bool:
    """Whether more than half of ``among`` (at least one) are ``which``."""
    return bool(among.any()) and int((which & among).sum()) * 2 > int(among.sum())


def _measured(
    cells: pd.Series, low_high: tuple[float, float], issues: _Issues, name: str, scale: float = 1.0, fault: Callable | None = None
) -> pd.Series:
    """Numbers in the study's unit; unreadable and implausible cells set their rows aside. ``fault`` names a wrong unit."""
    values, unreadable = numbers(cells)
    if _mostly(unreadable, ~is_missing(cells)) and fault is not None:
        fault(None)
    outside = values.notna() & ~(values * scale).between(*low_high)
    if _mostly(outside, values.notna()) and fault is not None:
        fault(values[values.notna()])
    issues.aside(unreadable, f"unreadable_{name}")
    issues.aside(outside, f"implausible_{name}")
    return (values * scale).where(~outside)


def _dated(cells: pd.Series, table: dict, issues: _Issues, name: str, where: str) -> pd.Series:
    values, unreadable = dates(cells, table.get("date_format"))
    if _mostly(unreadable, ~is_missing(cells)):
        said = f"as '{table['date_format']}'" if table.get("date_format") else "as ISO dates (2024-07-31 or 20240731)"
        key = where.split(".columns")[0] + ".date_format"
        raise StudyError(f"{where}: most of its dates can't be read {said}; give their format in {key}, e.g. '%d/%m/%Y'.")
    issues.aside(unreadable, f"unreadable_{name}")
    return values


def _coded(cells: pd.Series, coding: dict, where: str, key: str) -> tuple[pd.Series, pd.Series]:
    values, unknown = codes(cells, coding)
    if _mostly(unknown, ~is_missing(cells)):
        raise StudyError(f"{where}: most of its cells hold none of the codes in {key}; add the codes that the table uses there.")
    return values, unknown


def _ids(frame: pd.DataFrame, name: str, ids: dict, issues: _Issues, where: str) -> pd.Series:
    cells = column(frame, name, where)
    numbers_of_excel = cells.str.fullmatch(r"\d(\.\d+)?E\+\d+", flags=re.IGNORECASE)
    if _mostly(numbers_of_excel, ~is_missing(cells)):
        raise StudyError(f"{where}: Excel has shortened the ids (1.2E+10); format the column as text and export it again.")
    found = cells.map(lambda cell: "" if cell.casefold() in _MISSING else normalise_id(cell, ids)).astype("object")
    issues.aside(found == "", "no_patient_id")
    return found


def read_patients(table: dict, ids: dict, where: str) -> Reading:
    """A patient table: ``source_id, sex, birth_date, age, height_cm, weight_kg, measured_on`` and the exclusion flags (0, 1, NaN).

    ``table`` is the config's ``patients`` section, ``where`` its place. Raises ``StudyError`` for faults of whole columns.
    """
    frame = read_cells(table, where)
    names, issues = table["columns"], _Issues(frame)
    at = f"{where}.columns"
    out = pd.DataFrame({ROW: frame[ROW]})
    issues.aside(frame["_too_long"], "too_many_cells")
    out["source_id"] = _ids(frame, names["patient_id"], ids, issues, f"{at}.patient_id")

    out["sex"], unknown = _coded(column(frame, names["sex"], f"{at}.sex"), table["sex_coding"], f"{at}.sex", f"{where}.sex_coding")
    issues.aside(unknown, "unknown_sex_code")

    out["birth_date"] = None
    out["age"] = np.nan
    if names.get("birth_date"):
        cells = column(frame, names["birth_date"], f"{at}.birth_date")
        out["birth_date"] = _dated(cells, table, issues, "birth_date", f"{at}.birth_date")
    else:
        def age_fault(values: pd.Series | None) -> None:
            raise StudyError(f"{at}.age: most of its cells are no ages in years.")

        out["age"] = _measured(column(frame, names["age"], f"{at}.age"), AGE, issues, "age", fault=age_fault)

    unit = table["height_unit"]

    def height_fault(values: pd.Series | None) -> None:
        if values is not None:
            other, scale = ("m", 100.0) if unit == "cm" else ("cm", 1.0)
            if (values * scale).between(*HEIGHT_CM).mean() > 0.5:
                raise StudyError(f"{at}.height: heights look like {other}, not {unit}: set {where}.height_unit to {other}.")
        raise StudyError(f"{at}.height: most of its cells are no heights in {unit}; check the column and {where}.height_unit.")

    def weight_fault(values: pd.Series | None) -> None:
        raise StudyError(f"{at}.weight: most of its cells are no weights in kg; check the column and its unit.")

    heights = column(frame, names["height"], f"{at}.height")
    out["height_cm"] = _measured(heights, HEIGHT_CM, issues, "height", 1.0 if unit == "cm" else 100.0, height_fault).round(6)
    weights = column(frame, names["weight"], f"{at}.weight")
    out["weight_kg"] = _measured(weights, WEIGHT_KG, issues, "weight", fault=weight_fault)
    bmi = (out["weight_kg"] / (out["height_cm"] / 100) ** 2).dropna()
    doubtful = ~bmi.between(*USUAL_BMI).reindex(frame.index, fill_value=True)
    if len(bmi) >= FEWEST_FOR_A_COLUMN and not PLAUSIBLE_MEDIAN_BMI[0] <= bmi.median() <= PLAUSIBLE_MEDIAN_BMI[1]:
        raise StudyError(
            f"{at}.weight: the median body mass index is {bmi.median():.0f} kg/m2; check that weights are in kg and heights in {unit}."
        )

    out["measured_on"] = None
    if names.get("measured_on"):
        cells = column(frame, names["measured_on"], f"{at}.measured_on")
        out["measured_on"] = _dated(cells, table, issues, "measured_on", f"{at}.measured_on")
    for flag in EXCLUSIONS:
        out[flag] = np.nan
        if table["exclusions"].get(flag):
            place = f"{where}.exclusions.{flag}"
            cells = column(frame, table["exclusions"][flag], place)
            meaning, unknown = _coded(cells, table["flag_coding"], place, f"{where}.flag_coding")
            out[flag] = meaning.map({"yes": 1.0, "no": 0.0})
            issues.note(unknown & (issues.first == ""), "unreadable_flag")
    issues.note(doubtful & (issues.first == ""), "doubtful_bmi")
    return _finished(out, issues)


def without_impossible_births(patients: Reading, dxa: Reading, images: Reading | None, where: str) -> Reading:
    """The patient table without rows whose birth date lies after an exam, a visit or (of PNG films) a film of the same patient.

    Such rows, mostly of years with two digits, would pass for too young patients. ``where`` is the patient table's place in the config.
    Raises ``StudyError`` where most of the rows that can be compared are such.
    """
    rows = patients.rows
    told = [dxa.rows[["source_id", "exam_date"]], rows[["source_id", "measured_on"]]]
    if images is not None:
        told.append(images.cells[["source_id", "film_date"]])
    days = pd.concat([part.set_axis(["source_id", "day"], axis=1) for part in told], ignore_index=True).dropna()
    first = rows["source_id"].map(days.groupby("source_id")["day"].min())
    known = first.notna() & rows["birth_date"].notna()
    late = pd.Series(False, index=rows.index)
    late[known] = [born > day for born, day in zip(rows.loc[known, "birth_date"], first[known])]
    if _mostly(late, known):
        raise StudyError(
            f"{where}.columns.birth_date: most birth dates lie after the patients' exams; check the column and {where}.date_format: "
            "a year of two digits (%y) below 69 is read as 20.., so give years with four."
        )
    if not late.any():
        return patients
    left = rows[~late]
    issues = pd.concat([patients.issues, pd.DataFrame({ROW: rows.loc[late, ROW], "reason": "born_after_exam"})])
    aside = {*patients.set_aside, *rows.loc[late, "source_id"]} - set(left["source_id"])
    return Reading(left, issues.sort_values([ROW, "reason"], ignore_index=True), patients.cells, sorted(aside), patients.other_site)


def read_dxa(table: dict, ids: dict, where: str) -> Reading:
    """A DXA table: ``source_id, exam_date, site, bmd, t_score``; sites that aren't studied are left aside."""
    frame = read_cells(table, where)
    names, issues = table["columns"], _Issues(frame)
    at = f"{where}.columns"
    out = pd.DataFrame({ROW: frame[ROW]})
    issues.aside(frame["_too_long"], "too_many_cells")
    out["source_id"] = _ids(frame, names["patient_id"], ids, issues, f"{at}.patient_id")
    out["exam_date"] = _dated(column(frame, names["exam_date"], f"{at}.exam_date"), table, issues, "exam_date", f"{at}.exam_date")
    issues.aside(out["exam_date"].isna(), "no_exam_date")

    cells = column(frame, names["site"], f"{at}.site")
    out["site"], other = codes(cells, {site: table["site_coding"][site] for site in SITES})
    if not (out["site"] != "").any():
        raise StudyError(f"{at}.site: none of its cells holds a code of {where}.site_coding; add the codes that the table uses there.")
    issues.aside(out["site"].eq("") & ~other, "no_site")

    def bmd_fault(values: pd.Series | None) -> None:
        if values is not None and (values / 1000).between(*BMD).mean() > 0.5:
            raise StudyError(f"{at}.bmd: the densities look like mg/cm2, not g/cm2; divide the column by 1000.")
        raise StudyError(f"{at}.bmd: most of its cells are no bone densities in g/cm2; check the column and its unit.")

    def t_fault(values: pd.Series | None) -> None:
        raise StudyError(f"{at}.t_score: most of its cells are no T-scores (-10 to 10); check the column.")

    out["bmd"] = _measured(column(frame, names["bmd"], f"{at}.bmd"), BMD, issues, "bmd", fault=bmd_fault)
    out["t_score"] = _measured(column(frame, names["t_score"], f"{at}.t_score"), T_SCORE, issues, "t_score", fault=t_fault)
    out["t_below"], out["t_above"], out["unreadable"] = np.nan, np.nan, 0
    known = out["t_score"].dropna()
    if len(known) >= FEWEST_FOR_A_COLUMN and not (known < 0).any():
        raise StudyError(f"{at}.t_score: no T-score of {len(known)} is below 0; check the column and its minus signs.")
    doubtful = _unlike_density(out, at)
    issues.note(other & (issues.first == ""), "other_site")
    issues.note(doubtful & (issues.first == ""), "doubtful_t_score")
    reading = _finished(out, issues, studied=~other)
    reading.rows = reading.rows[reading.rows["site"] != ""]
    return reading


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Intercept and slope of the line through points, few of which may lie anywhere (Theil 1950, Sen 1968).

    Of many points, evenly many over ``x`` are taken.
    """
    taken = np.argsort(x, kind="stable")[np.unique(np.linspace(0, len(x) - 1, min(len(x), 300)).astype(int))]
    one, other = np.triu_indices(len(taken), 1)
    run, rise = np.subtract(x[taken][other], x[taken][one]), np.subtract(y[taken][other], y[taken][one])
    slope = float(np.median(rise[run > 0] / run[run > 0]))
    return float(np.median(y - slope * x)), slope


def _unlike_density(out: pd.DataFrame, at: str) -> pd.Series:
    """Rows whose T-score is far from what its site's other rows with that density have.

    The T-score is the density's distance from a young mean in SDs, so it rises with it, whatever the device and reference. Raises
    ``StudyError`` for a site of which it doesn't.
    """
    doubtful = pd.Series(False, index=out.index)
    for site in SITES:
        rows = out[(out["site"] == site) & out["bmd"].notna() & out["t_score"].notna()]
        x, y = rows["bmd"].to_numpy("float64"), rows["t_score"].to_numpy("float64")
        if len(rows) < FEWEST_FOR_A_COLUMN or x.min() == x.max() or y.min() == y.max():
            continue
        r = float(np.corrcoef(x, y)[0, 1])
        if r < LEAST_CORRELATION:
            raise StudyError(
                f"{at}.t_score: the T-scores of site '{site}' don't rise with the bone density (correlation {r:.2f} in {len(rows)} rows); check both "
                "columns, and whether T-scores have lost their minus signs."
            )
        start, slope = _line(x, y)
        doubtful[rows.index] = np.abs(y - start - slope * x) > LARGEST_RESIDUAL
    return doubtful


def read_images(table: dict, ids: dict, patterns: dict[str, list[str]], where: str) -> Reading:
    """An image table: ``file, source_id, film_date, film_time, view, sex, age, manufacturer, burned_in``.

    ``table`` is the config's ``images`` section, ``patterns`` its ``intake.frontal_view``. ``file`` is written as
    ``file_key`` does; ``view`` is PA, AP, lateral or unknown; ``burned_in`` YES, NO, unknown where the cell is empty, or unreadable where it holds
    no code of ``flag_coding``: such a film is not taken for one without text.
    """
    frame = read_cells(table, where)
    names, issues = table["columns"], _Issues(frame)
    at = f"{where}.columns"
    out = pd.DataFrame({ROW: frame[ROW]})
    issues.aside(frame["_too_long"], "too_many_cells")
    cells = column(frame, names["file"], f"{at}.file")
    out["file"] = cells.where(~is_missing(cells), "").map(file_key).astype("object")
    issues.aside(out["file"] == "", "no_file_name")
    out["source_id"] = _ids(frame, names["patient_id"], ids, issues, f"{at}.patient_id")
    out["film_date"] = _dated(column(frame, names["film_date"], f"{at}.film_date"), table, issues, "film_date", f"{at}.film_date")
    issues.aside(out["film_date"].isna(), "no_film_date")

    def optional(name: str) -> pd.Series:
        given = names.get(name)
        return column(frame, given, f"{at}.{name}") if given else pd.Series("", index=frame.index, dtype="object")

    cells = optional("film_time")
    out["film_time"] = cells.map(_time_of_day).astype("object")
    issues.note((out["film_time"] == "") & ~is_missing(cells) & (issues.first == ""), "unreadable_time")
    cells = column(frame, names["view"], f"{at}.view")
    out["view"] = views(cells, table["view_coding"], patterns)
    issues.note(out["view"].eq(UNKNOWN) & ~is_missing(cells) & (issues.first == ""), "unknown_view")
    cells = optional("sex")
    out["sex"], unknown = _coded(cells, table["sex_coding"], f"{at}.sex", f"{where}.sex_coding")
    issues.note(unknown & (issues.first == ""), "unknown_sex_code")
    values, unreadable = numbers(optional("age"))
    out["age"] = np.floor(values.where(values.between(*AGE)))
    issues.note((unreadable | (values.notna() & out["age"].isna())) & (issues.first == ""), "unreadable_age")
    out["manufacturer"] = optional("manufacturer")
    told, unreadable = _coded(optional("burned_in"), table["flag_coding"], f"{at}.burned_in", f"{where}.flag_coding")
    out["burned_in"] = told.map({"yes": "YES", "no": "NO"}).fillna(UNKNOWN).astype("object").mask(unreadable, "unreadable")
    issues.aside(unreadable, "unreadable_burned_in")
    return _finished(out, issues)


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


def _finished(out: pd.DataFrame, issues: _Issues, studied: pd.Series | bool = True) -> Reading:
    """Rows of use without identical copies, the issues, and whom no row of use is left of among those ``studied``."""
    usable = issues.first == ""
    in_use = {*out.loc[usable & studied, "source_id"], ""}
    set_aside = set(out.loc[~usable & studied, "source_id"]) - in_use
    other_site = set(out["source_id"]) - in_use - set_aside
    used = out[usable]
    content = [name for name in out.columns if name != ROW]
    again = used.duplicated(content, keep="first")
    issues.note(again.reindex(out.index, fill_value=False), "identical_row")
    return Reading(rows=used[~again], issues=issues.table(), cells=out, set_aside=sorted(set_aside), other_site=sorted(other_site))
