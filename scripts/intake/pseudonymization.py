"""A centre's clinical tables under the films' pseudonyms, dates shifted by the same number of days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from scripts.common.contracts.intake import BIRTH_DATES, DXA, PATIENTS, SET_ASIDE, TABLE_ISSUES, TABLE_ROWS
from scripts.common.intervals import last_days, told_ages
from scripts.common.predictors import CATEGORY
from scripts.common.vocabulary import EXCLUSIONS
from scripts.intake.identity import Pseudonyms
from scripts.intake.readings import Reading
from scripts.intake.table_columns import ROW


@dataclass(frozen=True)
class Pseudonymous:
    """PATIENTS, DXA, BIRTH_DATES, SET_ASIDE, TABLE_ISSUES and TABLE_ROWS of one centre."""

    patients: pd.DataFrame
    dxa: pd.DataFrame
    birth_dates: pd.DataFrame
    set_aside: pd.DataFrame
    issues: pd.DataFrame
    rows: pd.DataFrame


def _disagree(rows: pd.DataFrame, by: list[str], values: list[str]) -> pd.Series:
    """Which rows are of a group of ``by`` in which two rows have different contents of one of ``values``.

    An empty cell contradicts nothing. Numbers that differ by rounding errors of a spreadsheet (1e-6) agree.
    """
    if rows.empty:
        return pd.Series(False, index=rows.index)
    keys = [rows[name].astype("object").where(rows[name].notna(), "").astype(str) for name in by]
    found = pd.Series(False, index=rows.index)
    for name in values:
        content = (
            rows[name].astype("float64").round(6)
            if pd.api.types.is_numeric_dtype(rows[name])
            else rows[name].replace("", None)
        )
        found |= content.groupby(keys).transform("nunique") > 1
    return found


VISIT = ("source_id", "measured_on")
BODY = ("age", "height_cm", "weight_kg", *EXCLUSIONS)
EXAM = ("source_id", "exam_date", "site", "code", "unreadable")
RESULT = ("bmd", "t_score", "t_below", "t_above")


def _filled(texts: pd.Series) -> pd.Series:
    """Texts with an empty one where there is none."""
    return texts.astype("object").where(texts.notna(), "")


def patient_conflicts(rows: pd.DataFrame, predictors: Sequence[str] = ()) -> pd.Series:
    """Which rows are of a patient with contradicting rows.

    Sex and birth date must agree in all rows of a patient where given; height, weight, age, flags and
    predictors in all rows of one visit (``measured_on``).
    """
    conflict = _disagree(rows, ["source_id"], ["sex", "birth_date"]) | _disagree(
        rows, list(VISIT), [*BODY, *predictors]
    )
    return rows["source_id"].isin(set(rows.loc[conflict, "source_id"]))


def dxa_conflicts(rows: pd.DataFrame) -> pd.Series:
    """Which rows contradict another of the same patient, date and code of a site.

    Rows of other codes are other measurements of the site (left and right, several ranges of vertebrae) and
    contradict nothing.
    """
    sure = rows["unreadable"].eq(0)
    return (_disagree(rows[sure], list(EXAM), list(RESULT)).reindex(rows.index, fill_value=False)) & sure


def _joined(rows: pd.DataFrame, conflict: pd.Series, by: list[str]) -> pd.DataFrame:
    """``rows`` with those of one group of ``by`` put into one, each cell the first that is filled;
    ``conflict`` ones stay as they are.
    """
    rows = rows.assign(conflict=conflict.astype(int))
    marked, rest = rows[conflict], rows[~conflict]
    if rest.empty:
        return rows
    empty = {name: rest[name].astype("object").where(rest[name].notna(), "").astype(str) for name in by}
    filled = (
        rest.replace("", None).groupby([empty[name] for name in by], sort=False)[list(rows.columns)].first()
    )
    parts = [part for part in (marked, filled.reset_index(drop=True)) if not part.empty]
    numeric = {name: "float64" for name in rows.columns if pd.api.types.is_numeric_dtype(rows[name])}
    return pd.concat(parts, ignore_index=True).astype(numeric)


def visits_of(rows: pd.DataFrame, predictors: Sequence[str] = ()) -> pd.DataFrame:
    """One row per patient and visit, with ``conflict``; sex and birth date of a patient stand in all of
    them.
    """
    conflict = patient_conflicts(rows, predictors)
    for name in ("sex", "birth_date"):
        told = (
            rows[rows[name].notna() & (rows[name] != "") & ~conflict]
            .drop_duplicates("source_id")
            .set_index("source_id")[name]
        )
        known = rows["source_id"].map(told.to_dict())
        gap = rows[name].isna() | (rows[name] == "")
        rows = rows.assign(**{name: rows[name].astype("object").where(~gap, known)})
    joined = _joined(rows, conflict, list(VISIT))
    return joined.assign(sex=_filled(joined["sex"]))


def exams_of(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per patient, exam and code of a site, with ``conflict``."""
    joined = _joined(rows, dxa_conflicts(rows), list(EXAM))
    return joined.assign(site=_filled(joined["site"]))


def _given_ages(rows: pd.DataFrame, exams: pd.DataFrame) -> pd.Series:
    """The ages that the table gives, as they may be told beside the days of visits and exams."""
    visits, exams = (
        pd.DataFrame({"patient_id": frame["source_id"], "day": pd.to_datetime(frame[column])})
        for frame, column in ((rows, "measured_on"), (exams, "exam_date"))
    )
    last = last_days(visits, exams).reindex(visits["patient_id"]).set_axis(rows.index)
    return told_ages(rows["age"], visits["day"], last)


def _shifted(day: object, source_id: str, names: Pseudonyms) -> str:
    return "" if day is None or pd.isna(day) else names.shifted(day, source_id).isoformat()


def pseudonymize(
    patients: Reading, dxa: Reading, names: Pseudonyms, images: Reading | None = None
) -> Pseudonymous:
    """Replace ids and shift dates. All tables are sorted by pseudonym, so that the source's order is lost.

    Of ``images``, the image table of a centre with PNG films, only the issues and who is set aside are taken.
    """
    readings = {"patients": patients, "dxa": dxa, **({} if images is None else {"images": images})}
    everybody = sorted(set(patients.rows["source_id"]) | set(dxa.rows["source_id"]))
    pseudonym = {source: names.patient(source) for source in everybody}

    told = patients.predictors
    rows, results = visits_of(patients.rows, list(told)), exams_of(dxa.rows)
    visits = pd.DataFrame(
        {
            "patient_id": rows["source_id"].map(pseudonym),
            "sex": rows["sex"],
            "age": _given_ages(rows, dxa.rows),
            "height_cm": rows["height_cm"],
            "weight_kg": rows["weight_kg"],
            "measured_on": [_shifted(d, s, names) for d, s in zip(rows["measured_on"], rows["source_id"])],
            **{flag: rows[flag] for flag in EXCLUSIONS},
            "conflict": rows["conflict"],
            **{name: _filled(rows[name]) if kind == CATEGORY else rows[name] for name, kind in told.items()},
        }
    )
    exams = pd.DataFrame(
        {
            "patient_id": results["source_id"].map(pseudonym),
            "exam_date": [_shifted(d, s, names) for d, s in zip(results["exam_date"], results["source_id"])],
            **{
                name: results[name]
                for name in ("site", "bmd", "t_score", "t_below", "t_above", "unreadable", "conflict")
            },
        }
    )
    born = (
        rows[rows["birth_date"].notna()]
        .drop_duplicates("source_id")
        .set_index("source_id")["birth_date"]
        .to_dict()
    )
    births = pd.DataFrame(
        [
            {
                "patient_id": pseudonym[source],
                "birth_date": _shifted(born.get(source), source, names),
                "shift_days": names.shift_days(source),
            }
            for source in everybody
        ],
        columns=list(BIRTH_DATES),
    )
    set_aside = pd.DataFrame(
        [
            (names.patient(source), table)
            for table, sources in [
                *((name, reading.set_aside) for name, reading in readings.items()),
                ("dxa_other_site", dxa.other_site),
            ]
            for source in sources
        ],
        columns=list(SET_ASIDE),
    )
    listed = pd.concat(
        [reading.issues.assign(table=table) for table, reading in readings.items()], ignore_index=True
    ).rename(columns={ROW: "row"})
    counts = listed.groupby(["table", "reason"], sort=True).size().rename("n_rows").reset_index()
    return Pseudonymous(
        patients=visits.sort_values([*PATIENTS, *told], ignore_index=True),
        dxa=exams.sort_values(list(DXA), ignore_index=True),
        birth_dates=births.sort_values("patient_id", ignore_index=True),
        set_aside=set_aside.sort_values(list(SET_ASIDE), ignore_index=True),
        issues=counts[list(TABLE_ISSUES)],
        rows=listed[list(TABLE_ROWS)].sort_values(list(TABLE_ROWS), ignore_index=True),
    )
