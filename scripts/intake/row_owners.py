"""Whose a DXA row may be whose id can't be trusted, so that these patients' exams don't say 'no
osteoporosis' without it.

A row set aside that has no id, or an id that nobody has, may belong to the patient of the row
above or below it; in a table that isn't sorted by patient, to anyone whose exam lacks such a row. A row whose
id differs from a patient's in its writing alone (leading zeros, ``.0``, separators, capitals) is likely that
patient's.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from scripts.intake.readings import NOTES, Reading
from scripts.intake.table_columns import ROW

CONTIGUOUS = 0.9
"""Share of a table's patients whose rows stand together from which on the table counts as sorted by patient.
"""
USUAL = 0.5
"""A code that more than this share of all exams have is missed where an exam lacks it."""


def _loose(source_id: str) -> str:
    """An id without what programs and people add to it or take from it, letters that pass for digits as
    digits.
    """
    plainly = re.sub(r"[\W_]+", "", source_id.removesuffix(".0")).upper()
    return plainly.translate(str.maketrans("OIL", "011")).lstrip("0")


def with_other_forms(patients: Reading, dxa: Reading) -> Reading:
    """The DXA table with an undecided row for each row whose id is a patient's in another form."""
    known = set(patients.rows["source_id"])
    owners: dict[str, list[str]] = {}
    for source in sorted(known):
        owners.setdefault(_loose(source), []).append(source)
    rows = dxa.rows[~dxa.rows["source_id"].isin(known)]
    meant = rows["source_id"].map(lambda source: owners.get(_loose(source), []))
    found = rows.assign(source_id=meant)[meant.map(len) > 0].explode("source_id")
    if found.empty:
        return dxa
    noted = pd.DataFrame({ROW: sorted(set(found[ROW].astype(int))), "reason": "id_in_another_form"})
    issues = pd.concat([dxa.issues, noted]).sort_values([ROW, "reason"], ignore_index=True)
    return replace(dxa, rows=_with(dxa.rows, found), issues=issues)


def with_strays(patients: Reading, dxa: Reading) -> Reading:
    """The DXA table with undecided rows for whoever may own the rows set aside whose id is nobody's.

    An id is nobody's that stands neither in the patient table nor in any row of use: people who aren't in the
    study have other rows.
    """
    known = set(patients.rows["source_id"])
    reasons = dxa.issues[~dxa.issues["reason"].isin(NOTES)].drop_duplicates(ROW).set_index(ROW)["reason"]
    cells = dxa.cells
    used = set(cells.loc[~cells[ROW].isin(reasons.index), "source_id"])
    nobody = ~cells["source_id"].isin((known | used) - {""})
    strays = cells[nobody & cells[ROW].isin(reasons.index)]
    if strays.empty:
        return dxa
    trusted = cells["source_id"].where(~nobody)
    if _sorted_by_patient(trusted.dropna()):
        above, below = trusted.ffill().reindex(strays.index), trusted.bfill().reindex(strays.index)
        whose = [{one, other} for one, other in zip(above, below)]
    else:
        slipped = strays[ROW].map(reasons).isin(("too_many_cells", "too_few_cells"))
        whose = _lacking(dxa, strays.assign(exam_date=strays["exam_date"].where(~slipped, None)), known)
    owners = [sorted(name for name in names if isinstance(name, str)) for names in whose]
    found = strays.assign(source_id=owners).explode("source_id").dropna(subset=["source_id"])
    return replace(dxa, rows=_with(dxa.rows, found.assign(exam_date=None, site="", code="")))


def _sorted_by_patient(ids: pd.Series) -> bool:
    """Whether nearly every patient's rows stand together."""
    runs = (ids != ids.shift()).groupby(ids).sum()
    return bool(len(runs) == 0 or (runs == 1).mean() >= CONTIGUOUS)


def _lacking(dxa: Reading, strays: pd.DataFrame, known: set[str]) -> list[set[str]]:
    """For each stray row the patients whose exam lacks such a row.

    That is an exam of the row's day or a day beside it, of any day where the row has none, that lacks the
    row's code, or any usual one where the row's code is unknown.
    """
    rows = dxa.rows[dxa.rows["source_id"].isin(known) & dxa.rows["unreadable"].eq(0)]
    rows = rows[rows["exam_date"].notna()]
    exams = rows.groupby(["source_id", "exam_date"])["code"].agg(set)
    measured = rows.drop_duplicates(["source_id", "exam_date", "code"])["code"].value_counts()
    shares = measured / max(len(exams), 1)
    usual = set(shares.index[shares > USUAL])
    found = []
    for code, site, day in zip(strays["code"], strays["site"], strays["exam_date"]):
        missed = {code} if site and code in usual else usual
        undated = day is None or pd.isna(day)
        found.append(
            {
                source
                for (source, other), codes in exams.items()
                if missed - codes and (undated or abs((other - day).days) <= 1)
            }
        )
    return found


def _with(rows: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """``rows`` and those ``found``, which have no numbers and decide nothing, in the order of the source's
    rows.
    """
    empty = found.assign(unreadable=1, **{name: np.nan for name in ("bmd", "t_score", "t_below", "t_above")})
    return pd.concat([rows, empty[rows.columns]]).sort_values(ROW, kind="stable", ignore_index=True)
