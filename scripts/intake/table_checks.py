"""What a centre's tables say of each other: joins, births against exams, T-scores against densities, one
person under two ids.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from scripts.common.errors import StudyError
from scripts.intake import progress
from scripts.intake.readings import FEWEST_FOR_A_COLUMN, Reading, is_note
from scripts.intake.row_owners import with_other_forms, with_strays
from scripts.intake.table_columns import ROW

LEAST_CORRELATION = 0.3
"""T-scores of a site that rise less with the bone density than this are a wrong column, or lack their minus
signs.
"""
LARGEST_RESIDUAL = 0.2
"""A T-score farther than this from its group's line through T-score over density is counted as doubtful.

The T-score is the density's distance from a young mean in SDs, so that it is linear in the density for one
device, site and sex; rounding to 0.1 and 0.001 g/cm2 leaves less than 0.07.
"""


def _with_notes(reading: Reading, rows: pd.Series, reason: str) -> Reading:
    """The reading with a note of ``reason`` for each row number."""
    if rows.empty:
        return reading
    issues = pd.concat([reading.issues, pd.DataFrame({ROW: rows.astype(int), "reason": reason})])
    return replace(reading, issues=issues.sort_values([ROW, "reason"], ignore_index=True))


# ------------------------------------------------------------------------------------------------ joins


def id_form(text: str) -> str:
    """The form of an id, which tells nobody's: digits as 9, letters as A, anything else as it is
    (``A99-9999``).
    """
    return re.sub(r"[^\W\d_]", "A", re.sub(r"\d", "9", text))


def usual_form(ids: Iterable[str]) -> str:
    """The commonest form of ids, and how many have it; runs of letters and digits are counted (``A1
    9x8``).
    """
    forms = Counter(id_form(text) for text in ids)
    form, often = forms.most_common(1)[0]
    shown = re.sub(
        r"9{4,}", lambda run: f"9(x{len(run[0])})", re.sub(r"A{4,}", lambda run: f"A(x{len(run[0])})", form)
    )
    return f"'{shown}' ({often} of {sum(forms.values())})"


def refuse_unjoined(one: Iterable[str], other: Iterable[str], names: tuple[str, str], where: str) -> None:
    """Raise ``StudyError`` where no id of one source is in the other; it names the forms of their ids, no
    id.
    """
    one, other = set(one) - {""}, set(other) - {""}
    if not one or not other or one & other:
        return
    raise StudyError(
        f"{where}: no patient of the {names[0]} is in the {names[1]}. Most ids have the form"
        f" {usual_form(one)} there and {usual_form(other)} here (9 is a digit, A a letter); make them alike"
        " by 'ids' (leading_zeros, upper, separators), or in a column of the table that holds the other's"
        " ids."
    )


# ------------------------------------------------------------------------------------------------ births


def without_impossible_births(patients: Reading, dxa: Reading, images: Reading | None, where: str) -> Reading:
    """The patient table without birth dates that lie after an exam, a visit or (of PNG films) a film of the
    same patient.

    Such dates, mostly of years with two digits, would make too young patients; they are missing then, and
    noted. ``where`` is the patient table's place in the config. Raises ``StudyError`` where most of the dates
    that can be compared are such.
    """
    rows = patients.rows
    told = [dxa.rows[["source_id", "exam_date"]], rows[["source_id", "measured_on"]]]
    if images is not None:
        told.append(images.cells[["source_id", "film_date"]])
    days = pd.concat(
        [part.set_axis(["source_id", "day"], axis=1).astype("object") for part in told], ignore_index=True
    ).dropna()
    earliest = {} if days.empty else days.groupby("source_id")["day"].min().to_dict()
    late, known = [], 0
    for label, source, born in zip(rows.index, rows["source_id"], rows["birth_date"]):
        day = earliest.get(source)
        if day is not None and born is not None and not pd.isna(born):
            known += 1
            late += [label] if born > day else []
    if 2 * len(late) > known:
        raise StudyError(
            f"{where}.columns.birth_date: most birth dates lie after the patients' exams; check the column"
            f" and {where}.date_format: a year of two digits (%y) below 69 is read as 20.., so give years"
            " with four."
        )
    if not late:
        return patients
    dates = rows["birth_date"].astype("object").copy()
    dates[late] = None
    return _with_notes(
        replace(patients, rows=rows.assign(birth_date=dates)), rows.loc[late, ROW], "born_after_exam"
    )


# ------------------------------------------------------------------------------------------------ T-scores


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Intercept and slope of the line through points, few of which may lie anywhere (Theil 1950, Sen 1968).

    Of many points, evenly many over ``x`` are taken.
    """
    taken = np.argsort(x, kind="stable")[np.unique(np.linspace(0, len(x) - 1, min(len(x), 300)).astype(int))]
    one, other = np.triu_indices(len(taken), 1)
    run, rise = np.subtract(x[taken][other], x[taken][one]), np.subtract(y[taken][other], y[taken][one])
    slope = float(np.median(rise[run > 0] / run[run > 0]))
    return float(np.median(y - slope * x)), slope


def _judged(dxa: Reading, patients: Reading) -> pd.DataFrame:
    """The DXA rows with density and T-score of patients whose sex is known, and the sex.

    The T-scores of women and men have no line in common.
    """
    rows = dxa.rows[dxa.rows["bmd"].notna() & dxa.rows["t_score"].notna()]
    sexes = patients.rows.loc[patients.rows["sex"] != "", ["source_id", "sex"]].drop_duplicates("source_id")
    sex = rows["source_id"].map(sexes.set_index("source_id")["sex"])
    return rows.assign(sex=sex.astype("object"))[sex.notna()]


def t_score_lines(dxa: Reading, patients: Reading) -> pd.DataFrame:
    """The line T = intercept + slope * density of each site, code, device and sex with enough rows.

    ``site, code, device, sex, n, slope, intercept, n_off``: ``n_off`` rows lie farther than
    ``LARGEST_RESIDUAL`` from it.
    """
    lines = []
    for (site, code, device, sex), rows in _judged(dxa, patients).groupby(["site", "code", "device", "sex"]):
        x, y = rows["bmd"].to_numpy("float64"), rows["t_score"].to_numpy("float64")
        if len(rows) < FEWEST_FOR_A_COLUMN or x.min() == x.max():
            continue
        intercept, slope = _line(x, y)
        off = int((np.abs(y - intercept - slope * x) > LARGEST_RESIDUAL).sum())
        lines.append((site, code, device, sex, len(rows), slope, intercept, off))
    return pd.DataFrame(lines, columns=["site", "code", "device", "sex", "n", "slope", "intercept", "n_off"])


def with_odd_t_scores(dxa: Reading, patients: Reading, table: dict, where: str) -> Reading:
    """The DXA table with its doubtful T-scores noted: those that the density of the row contradicts.

    Raises ``StudyError`` for a site whose T-scores don't rise with the density, and where more than
    ``most_odd_t_scores`` of the rows that can be judged are doubtful.
    """
    at = f"{where}.columns.t_score"
    rows = _judged(dxa, patients)
    for site, part in rows.groupby("site"):
        x, y = part["bmd"].to_numpy("float64"), part["t_score"].to_numpy("float64")
        if len(part) < FEWEST_FOR_A_COLUMN or x.min() == x.max() or y.min() == y.max():
            continue
        r = float(np.corrcoef(x, y)[0, 1])
        if r < LEAST_CORRELATION:
            raise StudyError(
                f"{at}: the T-scores of site '{site}' don't rise with the bone density (correlation {r:.2f}"
                f" in {len(part)} rows); check both columns, and whether T-scores have lost their minus"
                " signs."
            )
    lines = t_score_lines(dxa, patients)
    if lines.empty:
        return dxa
    fitted = rows.merge(lines, on=["site", "code", "device", "sex"])
    off = (fitted["t_score"] - fitted["intercept"] - fitted["slope"] * fitted["bmd"]).abs() > LARGEST_RESIDUAL
    share = float(off.mean())
    if share > table["most_odd_t_scores"]:
        raise StudyError(
            f"{at}: {int(off.sum())} of {len(off)} T-scores ({100 * share:.1f} %) don't fit the bone density"
            f" of their row as those of the same site and sex do (off by more than {LARGEST_RESIDUAL}). Usual"
            " causes: Z-scores, exchanged columns, one code for two regions (Hologic's 'Total' of hip and"
            " forearm: give columns.scan), several devices (give columns.device), another unit. If the table"
            f" is right, raise {where}.most_odd_t_scores."
        )
    return _with_notes(dxa, fitted.loc[off, ROW], "doubtful_t_score")


# ------------------------------------------------------------------------------------------------ persons


def _results(exams: pd.DataFrame) -> Iterable[tuple]:
    return exams[["exam_date", "site", "bmd", "t_score"]].itertuples(index=False, name=None)


def with_double_persons(patients: Reading, dxa: Reading) -> Reading:
    """The patient table with rows noted whose person seems to stand there under another id, too.

    Same birth date, sex, height and DXA results (day, site, density, T-score): two people don't agree in all
    of these. Such a person could be in the training set and in the test set.
    """
    rows = patients.rows
    known = rows[rows["birth_date"].notna() & (rows["sex"] != "")]
    exams = dxa.rows[dxa.rows["exam_date"].notna() & dxa.rows["t_score"].notna()]
    results = exams.assign(result=[f"{day}|{site}|{bmd}|{t}" for day, site, bmd, t in _results(exams)])
    signs = results.groupby("source_id")["result"].agg(lambda several: ";".join(sorted(set(several))))
    told = known.assign(exam=known["source_id"].map(signs)).dropna(subset=["exam"])
    by = ["birth_date", "sex", "height_cm", "exam"]
    ids = told.groupby(by, dropna=False)["source_id"].transform("nunique")
    return _with_notes(patients, told.loc[ids > 1, ROW], "person_under_two_ids")


def checked(
    patients: Reading, dxa: Reading, images: Reading | None, table: dict, where: str
) -> tuple[Reading, Reading, list[str]]:
    """A centre's patient and DXA tables after all checks of one against the other, and sentences on what must
    be fixed.

    ``table`` is the config's ``dxa`` section, ``where`` the centre's place in the config.
    """
    faults: list[str] = []
    try:
        ids = patients.rows["source_id"], dxa.rows["source_id"]
        refuse_unjoined(*ids, ("patient table", "DXA table"), f"{where}.patients")
    except StudyError as error:
        faults.append(str(error))
    try:
        patients = without_impossible_births(patients, dxa, images, f"{where}.patients")
    except StudyError as error:
        faults.append(str(error))
    try:
        dxa = with_odd_t_scores(dxa, patients, table, f"{where}.dxa")
    except StudyError as error:
        faults.append(str(error))
    return with_double_persons(patients, dxa), with_other_forms(patients, with_strays(patients, dxa)), faults


# ------------------------------------------------------------------------------------------------ rows


def account(kind: str, reading: Reading) -> str:
    """One line on where a table's rows went.

    Rows in are rows used, rows set aside with a reason, and rows that need not be used.

    Raises ``AssertionError`` where they don't add up.
    """
    n = len(reading.cells)
    undecided = (
        reading.rows["unreadable"].eq(1)
        if "unreadable" in reading.rows
        else pd.Series(False, index=reading.rows.index)
    )
    used = int((~undecided).sum())
    if n != used + reading.n_set_aside + reading.n_left_out:
        raise AssertionError(
            f"{kind}: {n} rows, {used} used, {reading.n_set_aside} set aside, {reading.n_left_out} left out"
        )
    return progress.account(kind, n, used, reading.n_set_aside, reading.n_left_out)


def reasons(reading: Reading) -> list[tuple[str, int, bool]]:
    """(reason, rows, whether they are set aside) of a table, sorted."""
    counted = Counter(reading.issues["reason"])
    return [(reason, n, not is_note(reason)) for reason, n in sorted(counted.items())]
