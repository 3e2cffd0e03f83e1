"""A centre's clinical tables under the films' pseudonyms, dates shifted by the same number of days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scripts.common.config import EXCLUSIONS
from scripts.common.tables import BIRTH_DATES, DXA, PATIENTS, SET_ASIDE, Columns
from scripts.intake.identity import Pseudonyms
from scripts.intake.source_tables import ROW, Reading

OLDEST_AGE = 90
"""Ages above 89 are written as this."""

TABLE_ISSUES: Columns = {"table": "text", "reason": "text", "n_rows": "int"}
"""``results/intake/<center>/table_issues.csv``."""

TABLE_ROWS: Columns = {"table": "text", "row": "int", "reason": "text"}
"""``private/<center>/table_rows.csv``: which rows of the source they were (the heading is row 1)."""


@dataclass(frozen=True)
class Pseudonymous:
    """PATIENTS, DXA, BIRTH_DATES, SET_ASIDE, TABLE_ISSUES and TABLE_ROWS of one centre."""

    patients: pd.DataFrame
    dxa: pd.DataFrame
    birth_dates: pd.DataFrame
    set_aside: pd.DataFrame
    issues: pd.DataFrame
    rows: pd.DataFrame


def _contradicting(rows: pd.DataFrame, by: list[str], values: list[str]) -> pd.Series:
    """Which rows belong to a group of ``by`` that has more than one content of ``values``; missing counts as a content."""
    text = rows[values].astype("object").where(rows[values].notna(), "").astype(str).agg("\x1f".join, axis=1)
    return text.groupby([rows[name].astype(str) for name in by]).transform("nunique") > 1


def patient_conflicts(rows: pd.DataFrame) -> pd.Series:
    """Which rows are of a patient with contradicting rows.

    Sex and birth date must agree in all rows of a patient where given; height, weight, age and flags in all rows of one
    visit (``measured_on``).
    """
    conflict = pd.Series(False, index=rows.index)
    for name in ("sex", "birth_date"):
        given = rows[rows[name].notna() & (rows[name] != "")]
        several = given[name].astype(str).groupby(given["source_id"]).nunique()
        conflict |= rows["source_id"].isin(several.index[several > 1])
    visits = rows.assign(measured_on=rows["measured_on"].astype("object").where(rows["measured_on"].notna(), ""))
    within = _contradicting(visits, ["source_id", "measured_on"], ["age", "height_cm", "weight_kg", *EXCLUSIONS])
    return conflict | rows["source_id"].isin(set(rows.loc[within, "source_id"]))


def dxa_conflicts(rows: pd.DataFrame) -> pd.Series:
    """Which rows contradict another of the same patient, date and site."""
    return _contradicting(rows, ["source_id", "exam_date", "site"], ["bmd", "t_score"])


def _shifted(day: object, source_id: str, names: Pseudonyms) -> str:
    return "" if day is None or pd.isna(day) else names.shifted(day, source_id).isoformat()


def pseudonymize(patients: Reading, dxa: Reading, names: Pseudonyms, images: Reading | None = None) -> Pseudonymous:
    """Replace ids and shift dates. All tables are sorted by pseudonym, so that the source's order is lost.

    Of ``images``, the image table of a centre with PNG films, only the issues and who is set aside are taken.
    """
    readings = {"patients": patients, "dxa": dxa, **({} if images is None else {"images": images})}
    everybody = sorted(set(patients.rows["source_id"]) | set(dxa.rows["source_id"]))
    pseudonym = {source: names.patient(source) for source in everybody}

    rows = patients.rows
    visits = pd.DataFrame(
        {
            "patient_id": rows["source_id"].map(pseudonym),
            "sex": rows["sex"],
            "age": np.where(rows["age"] >= OLDEST_AGE, OLDEST_AGE, rows["age"]).astype(float),
            "height_cm": rows["height_cm"],
            "weight_kg": rows["weight_kg"],
            "measured_on": [_shifted(d, s, names) for d, s in zip(rows["measured_on"], rows["source_id"])],
            **{flag: rows[flag] for flag in EXCLUSIONS},
            "conflict": patient_conflicts(rows).astype(int),
        }
    )
    exams = pd.DataFrame(
        {
            "patient_id": dxa.rows["source_id"].map(pseudonym),
            "exam_date": [_shifted(d, s, names) for d, s in zip(dxa.rows["exam_date"], dxa.rows["source_id"])],
            "site": dxa.rows["site"],
            "bmd": dxa.rows["bmd"],
            "t_score": dxa.rows["t_score"],
            "t_below": dxa.rows["t_below"],
            "t_above": dxa.rows["t_above"],
            "unreadable": dxa.rows["unreadable"],
            "conflict": dxa_conflicts(dxa.rows).astype(int),
        }
    )
    born = rows[rows["birth_date"].notna()].drop_duplicates("source_id").set_index("source_id")["birth_date"].to_dict()
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
            for table, sources in [*((name, reading.set_aside) for name, reading in readings.items()), ("dxa_other_site", dxa.other_site)]
            for source in sources
        ],
        columns=list(SET_ASIDE),
    )
    listed = pd.concat(
        [reading.issues.assign(table=table) for table, reading in readings.items()], ignore_index=True
    ).rename(columns={ROW: "row"})
    counts = listed.groupby(["table", "reason"], sort=True).size().rename("n_rows").reset_index()
    return Pseudonymous(
        patients=visits.sort_values(list(PATIENTS), ignore_index=True),
        dxa=exams.sort_values(list(DXA), ignore_index=True),
        birth_dates=births.sort_values("patient_id", ignore_index=True),
        set_aside=set_aside.sort_values(list(SET_ASIDE), ignore_index=True),
        issues=counts[list(TABLE_ISSUES)],
        rows=listed[list(TABLE_ROWS)].sort_values(list(TABLE_ROWS), ignore_index=True),
    )
