"""One reader and one writer for the study's own tables: declared columns, declared types, the same bytes each
time.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from scripts.common.errors import StudyError
from scripts.common.files import atomic_path

Columns = dict[str, str]
"""Column name to type: ``text``, ``int`` (missing allowed), ``float`` or ``date`` (ISO text)."""

FILES: Columns = {"center": "text", "image_id": "text", "status": "text", "reason": "text"}
"""``results/intake/files.csv``: one row per file found; status is accepted, quarantined or rejected."""

FILMS: Columns = {
    "image_id": "text",
    "patient_id": "text",
    "status": "text",
    "reason": "text",
    "film_date": "date",
    "same_day_order": "int",
    "view": "text",
    "sex": "text",
    "manufacturer": "text",
    "enrolled": "int",
    "burned_in": "text",
    "verdict": "text",
    "verdict_reason": "text",
    "png": "text",
}
"""``results/intake/<center>/films.csv``: one row per file whose patient is known, quarantined and rejected
ones too.

``film_date`` is shifted; ``same_day_order`` ranks a patient's films of one day by acquisition time (1 first);
``view`` is PA, AP, lateral or unknown; ``sex`` is the film header's; ``enrolled`` is 0 outside the
enrolment period; ``burned_in`` is NO or unknown (where the tag is absent, or words were read in the borders);
``verdict`` is pass, review or reject, the reader's override included; ``png`` is the film's path from the
repository's root, empty where there is none.
"""

HEADER_AGES: Columns = {"image_id": "text", "age": "int"}
"""``private/<center>/header_ages.csv``: age by the film's header, 90 for all above 89.

It stands in no result: 85 at one film, and the days to another film, would tell an age above 89.
"""

FILMS_WITH_AGES: Columns = {**FILMS, **HEADER_AGES}
"""FILMS with HEADER_AGES, as selection takes them."""

PATIENTS: Columns = {
    "patient_id": "text",
    "sex": "text",
    "age": "float",
    "height_cm": "float",
    "weight_kg": "float",
    "measured_on": "date",
    "secondary_osteoporosis": "int",
    "high_density_foreign_body": "int",
    "abnormal_spine": "int",
    "orthopaedic_surgery": "int",
    "poor_image_quality": "int",
    "conflict": "int",
}
"""``results/intake/<center>/patients.csv``: pseudonymous, one row per patient and visit; empty where unknown.

``age`` only where the hospital gives ages instead of birth dates (shifted birth dates lie in
``private/<center>/birth_dates.csv``: patient_id, birth_date); ``conflict`` is 1 where the source has
contradicting rows for the patient.
"""

BIRTH_DATES: Columns = {"patient_id": "text", "birth_date": "date", "shift_days": "int"}
"""``private/<center>/birth_dates.csv``: one row per patient of the tables; ``birth_date`` is shifted, empty
where unknown.

``shift_days`` is what was added to the patient's dates. Calendar months and birthdays are counted on true
dates, since the shift moves them over months of other lengths; true dates are written nowhere.
"""

FILM_AGES: Columns = {"patient_id": "text", "film_date": "date", "age": "int"}
"""``results/intake/<center>/film_ages.csv`` of a centre that was handed over: completed years at each film,
by the birth date.

90 stands for all above 89, and for ages that would tell them (``intervals.told_ages``). At a film that is in
none of the patient's PAIRS it only tells whether the patient is old enough (``older_than``, or one year
more). No row where the birth date is unknown. """

PAIRS: Columns = {"patient_id": "text", "film_date": "date", "exam_date": "date", "days": "int"}
"""``results/intake/<center>/pairs.csv`` of a centre that was handed over: each film and exam of a patient
that lie within the calendar months of the hand-over (true dates, which stay at the site), and the days
between them, exam minus film. """

VISIT_ORDER: Columns = {
    "patient_id": "text",
    "film_date": "date",
    "measured_on": "date",
    "nearness": "int",
    "years": "int",
}
"""``results/intake/<center>/visit_order.csv`` of a centre that was handed over: which dated row of the
patient table lies nearest each film (1), next nearest (2) ...; rows equally near share a number. ``years``
between them, begun ones counted, only where the row gives an age. """

DXA: Columns = {
    "patient_id": "text",
    "exam_date": "date",
    "site": "text",
    "bmd": "float",
    "t_score": "float",
    "t_below": "float",
    "t_above": "float",
    "unreadable": "int",
    "conflict": "int",
}
"""``results/intake/<center>/dxa.csv``: pseudonymous, one row per patient, exam and measurement of a site;
dates shifted.

A site measured several times in one exam (left and right, several ranges of vertebrae) has several rows; that
is no conflict. ``t_below`` and ``t_above`` stand for a T-score of which only a bound is known ("<-3.0",
">-1.0"): it is at most
``t_below``, above ``t_above``; ``t_score`` is then empty. ``unreadable`` is 1 where the row's T-score, site
or date can't be read: ``t_score`` is then empty, an empty ``site`` may be any site, an empty ``exam_date``
any exam of the patient. Such a row never proves that a site is normal.
"""

SET_ASIDE: Columns = {"patient_id": "text", "table": "text"}
"""``results/intake/<center>/set_aside.csv``: who stands in a table with no row that can be used.

One row per patient and table. ``table`` is ``patients``, ``dxa`` or ``images`` where each of his rows there
was unreadable (of the DXA table only rows of sites that can be studied count; of the image table rows that
name no file, or one that rows of other patients name too), ``dxa_other_site`` where all his DXA rows are of
other sites. Rows without an id belong to nobody here.
"""

COHORT: Columns = {
    "patient_id": "text",
    "center": "text",
    "set": "text",
    "fold": "int",
    "label": "int",
    "sex": "text",
    "age": "int",
    "height_cm": "float",
    "weight_kg": "float",
    "bmi": "float",
    "bmd": "float",
    "t_score": "float",
    "dxa_site": "text",
    "n_sites": "int",
    "image_id": "text",
    "dxa_interval_days": "int",
    "manufacturer": "text",
    "review": "int",
}
"""``results/cohort/cohort.csv`` and each set's part of it."""

COHORT_FURTHER: Columns = {
    "dxa_interval_months": "int",
    "t_score_lumbar": "float",
    "t_score_femoral_neck": "float",
    "t_score_total_hip": "float",
    "label_lumbar": "int",
    "label_femoral_neck": "int",
    "label_total_hip": "int",
}
"""Columns behind COHORT that the sensitivity analyses read where they stand: the fewest calendar months
within which so many days can lie (``intervals.months_of_days``), and of each site of the paired exam the
T-score and the label by that site alone. Both are empty where the site was not measured or is not studied;
the T-score also where it isn't certainly the lowest (a bound, an unreadable row), the label where an
unreadable row may tell another one."""

FLOW: Columns = {
    "center": "text",
    "step": "text",
    "n_patients": "int",
    "n_op": "int",
    "kind": "text",
    "n_any": "int",
}
"""``results/cohort/flow.csv``: ``kind`` is found, excluded or included; ``n_any`` counts a reason
non-exclusively.

Rows of the kind ``set`` divide the included patients, rows of the kind ``note`` tell something of some of
them; neither is added up.
"""

PREDICTIONS: Columns = {
    "patient_id": "text",
    "center": "text",
    "set": "text",
    "fold": "int",
    "label": "int",
    "deep": "float",
    "clinical": "float",
    "combined": "float",
}
"""``results/predictions.csv``: probabilities; train rows are out of fold."""

_DTYPES = {"text": "object", "date": "object", "int": "Int64", "float": "float64"}


def write_table(frame: pd.DataFrame, path: str | Path, columns: Columns, mode: int | None = None) -> None:
    """Write ``frame`` as CSV, atomically: the declared columns first and in order, any further ones behind.

    ``mode`` is the file's (0600 of a private one). Floats keep full precision, missing values are empty.
    Raises ``KeyError`` for an absent declared column."""
    absent = [name for name in columns if name not in frame.columns]
    if absent:
        raise KeyError(f"{Path(path).name}: columns not made: {', '.join(absent)}")
    extra = [name for name in frame.columns if name not in columns]
    out = frame[[*columns, *extra]].copy()
    for name, kind in columns.items():
        if kind == "int":
            out[name] = out[name].astype("Int64")
        elif kind == "float":
            out[name] = out[name].astype("float64")
    with atomic_path(path, mode=mode) as part:
        out.to_csv(part, index=False, lineterminator="\n", encoding="utf-8")


def empty_table(columns: Columns) -> pd.DataFrame:
    """A table without rows, its columns of the declared types."""
    return pd.DataFrame({name: pd.Series(dtype=_DTYPES[kind]) for name, kind in columns.items()})


def read_table(path: str | Path, columns: Columns) -> pd.DataFrame:
    """Read one of the study's own tables with the declared types; further columns come as pandas reads them.

    Raises ``StudyError`` where a declared column is absent (a file of another version, or edited by hand).
    """
    types = {name: _DTYPES[kind] for name, kind in columns.items()}
    frame = pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""], encoding="utf-8")
    absent = [name for name in columns if name not in frame.columns]
    if absent:
        raise StudyError(
            f"'{path}' lacks the column '{absent[0]}'. Delete the file and run again; it is made anew."
        )
    for name, kind in columns.items():
        if kind in ("text", "date"):
            frame[name] = frame[name].where(frame[name].notna(), "")
    return frame
