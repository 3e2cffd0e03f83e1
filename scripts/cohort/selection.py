"""Which patients of a centre are in the study, with which film and DXA exam, and why the others are not.

Every patient of any input is accounted for once: included, or excluded for the first criterion that fails in
the order of ``steps``. Film filters come first, then the tables, then the pair of film and DXA exam, then the
patient's own exclusion criteria. Film filters narrow a patient's films one after the other, so that a patient
with one lateral and one rejected film is excluded at the step at which no film is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scripts.cohort.exam_labels import EXAM, LABELLED, TOO_FEW_SITES, UNDECIDED, as_exams, exam_labels
from scripts.common.contracts.cohort import COHORT, FURTHER_FILMS
from scripts.common.contracts.intake import PATIENTS
from scripts.common.cutoffs import rounded
from scripts.common.errors import StudyError
from scripts.common.intervals import (
    completed_years,
    last_days,
    months_between,
    months_of_days,
    told_ages,
    years_begun,
)
from scripts.common.predictors import CATEGORY
from scripts.common.vocabulary import DEVELOPMENT, OLDEST_AGE, QUARANTINED, REJECT, REJECTED

FILM_STEPS = (
    "no_film",
    "no_usable_film",
    "no_frontal_film",
    "exposure_rejected",
    "no_film_date",
    "outside_enrolment",
)
TABLE_STEPS = ("unreadable_row", "not_in_patients_table", "no_dxa", "conflicting_rows")
PAIR_STEPS = (
    "age_unknown",
    "too_young",
    "no_pair_in_interval",
    "undecided_dxa",
    "too_few_sites",
    "no_t_score",
)

NOTES = ("op_with_unreadable_row", "sex_from_header", "sex_differs", "age_from_header", "age_differs")
"""What the flow also tells of the included patients, without adding it up: rows of the kind ``note``."""

OF_SITES = {c.name: c.type for c in COHORT.optional if c.name.startswith(("t_score_", "label_"))}
"""Columns with each site's T-score and label, and their types."""

AGE_TOLERANCE = 1
"""Years by which the film header's age may differ from the table's before the patient goes under review."""


WHERE_TO_LOOK = {
    "no_film": "the ids of films and tables",
    "not_in_patients_table": "the ids of films and tables",
    "no_dxa": "the ids of the DXA table and site_coding",
    "no_frontal_film": "intake.frontal_view and the films' views",
    "exposure_rejected": "intake.exposure and the contact sheets",
    "outside_enrolment": "the period under 'enrolment'",
    "no_pair_in_interval": "the dates of films and DXA exams, their formats and cohort.interval_months",
    "too_young": "birth dates or ages, their format and cohort.older_than",
    "age_unknown": "the column of the birth date or age",
    "conflicting_rows": "whether one id stands for several people, or one site code for several regions",
    "undecided_dxa": "the T-scores that can't be read",
    "no_t_score": "the column of the T-score",
    "too_few_sites": "site_coding and cohort.min_sites",
}
"""What to check where most patients were lost at a step."""


@dataclass(frozen=True)
class Selection:
    """The outcome for one centre.

    ``cohort``: a row per included patient (COHORT), by patient id. ``flow``: a row per step (FLOW); found is
    included + the sum of the excluded; NOTES follow. ``excluded``: ``patient_id, reason``, by patient id.
    ``further``: the included patients' other films that could have been in the study (FURTHER_FILMS), by
    image id.
    """

    cohort: pd.DataFrame
    flow: pd.DataFrame
    excluded: pd.DataFrame
    further: pd.DataFrame


@dataclass(frozen=True)
class Counted:
    """What a site counted on true dates which the study never sees; of the patients' days the study knows the
    order only.

    FILM_AGES, PAIRS and VISIT_ORDER tables (``scripts/common/contracts``).
    """

    film_ages: pd.DataFrame
    pairs: pd.DataFrame
    visit_order: pd.DataFrame


def steps(settings: dict) -> list[str]:
    """The reasons for exclusion in the order in which the first one counts."""
    pairs = [name for name in PAIR_STEPS if name != "too_few_sites" or settings["min_sites"] > 1]
    names = [*FILM_STEPS, *TABLE_STEPS, *pairs, *settings["exclusions"]]
    if settings["missing_flag"] == "exclude":
        names.append("exclusion_flag_missing")
    if settings["review"] == "exclude":
        names.append("under_review")
    return names


def select_cohort(
    films: pd.DataFrame,
    patients: pd.DataFrame,
    dxa: pd.DataFrame,
    set_aside: pd.DataFrame,
    birth_dates: pd.DataFrame,
    settings: dict,
    counted: Counted | None = None,
    predictors: Mapping[str, str] | None = None,
) -> Selection:
    """Apply the study's criteria to one centre.

    Parameters
    ----------
    films, patients, dxa, set_aside
        The centre's FILMS_WITH_AGES, PATIENTS, DXA and SET_ASIDE tables (``scripts/common/contracts``), in
        any order of rows.
    birth_dates
        ``patient_id, birth_date`` (ISO, shifted as all dates) and, where known, ``shift_days``: then ages and
        calendar months are counted on the true dates. None of these is written.
    settings
        The config's ``cohort`` section and ``center`` (name) and ``role``.
    predictors
        The predictors among the columns of ``patients``, and their types.
    counted
        For a centre that was handed over: what its site counted, in place of ``birth_dates``.

    Raises
    ------
    StudyError
        When nobody is included; the message says where most patients were lost.
    """
    films = films[films["patient_id"] != ""]
    contradicting = _conflicting(patients, dxa, birth_dates)
    birth_dates = birth_dates.sort_values("birth_date").drop_duplicates("patient_id")
    inputs = (films, patients, dxa, set_aside)
    known = sorted({name for rows in inputs for name in rows["patient_id"]} - {""})
    if not known:
        raise StudyError(
            f"Centre '{settings['center']}' has no patient at all: neither a film nor a table row was "
            "accepted. The reasons stand in "
            f"results/intake/{settings['center']}/files.csv and table_issues.csv."
        )
    everybody = pd.Index(known, name="patient_id")
    shift = _shifts(birth_dates)
    films = films.assign(day=_days(films, "film_date", shift))
    visits = patients[list(PATIENTS)].assign(day=_days(patients, "measured_on", shift))
    # an unreadable row may be of any site; one without a date may be of any exam
    exams = dxa[dxa["site"].isin(settings["sites"]) | dxa["site"].eq("")]
    exams = exams.assign(day=_days(exams, "exam_date", shift))
    has_date = exams["day"].notna()
    undated, exams = exams[~has_date], as_exams(exams[has_date], settings["exam_window_days"])
    birth = _days(birth_dates, "birth_date", shift).set_axis(birth_dates["patient_id"].to_numpy())

    failing = pd.DataFrame(False, index=everybody, columns=steps(settings))
    alone = failing.copy()

    def without(rows: pd.DataFrame) -> np.ndarray:
        return ~everybody.isin(rows["patient_id"])

    # Films, one filter after the other. `alone` judges each criterion on the films that it is about.
    failing["no_film"] = alone["no_film"] = without(films)
    lateral = films["view"].eq("lateral") | films["reason"].str.startswith("lateral")
    usable = films[films["status"].ne(QUARANTINED) | lateral]
    failing["no_usable_film"] = without(usable)
    alone["no_usable_film"] = failing["no_usable_film"] & ~failing["no_film"]
    frontal = usable[~lateral.loc[usable.index]]
    failing["no_frontal_film"] = without(frontal)
    alone["no_frontal_film"] = failing["no_frontal_film"] & ~failing["no_usable_film"]
    frontal_patient = ~failing["no_frontal_film"]
    exposed = frontal["status"].ne(REJECTED) & frontal["verdict"].ne(REJECT)
    dated = frontal["day"].notna()
    enrolled = frontal["enrolled"].fillna(1).ne(0)
    left = frontal
    for step, passes in (
        ("exposure_rejected", exposed),
        ("no_film_date", dated),
        ("outside_enrolment", enrolled),
    ):
        left = left[passes.loc[left.index]]
        failing[step] = without(left)
        alone[step] = without(frontal[passes]) & frontal_patient
    if left["image_id"].duplicated().any():
        raise StudyError(
            f"Two accepted films of centre '{settings['center']}' have the same image id. Delete its folder "
            "under "
            "results/intake and run again."
        )

    # Tables.
    listed, examined = ~without(patients), ~without(exams)
    rows_aside = ~without(set_aside[set_aside["table"] == "patients"])
    # a row that can't be read but has a date is an exam that is judged with its film, below
    exams_aside = ~examined & (~without(set_aside[set_aside["table"] == "dxa"]) | ~without(undated))
    failing["unreadable_row"] = alone["unreadable_row"] = rows_aside | exams_aside
    failing["not_in_patients_table"] = alone["not_in_patients_table"] = ~listed & ~rows_aside
    failing["no_dxa"] = alone["no_dxa"] = ~examined & ~exams_aside
    failing["conflicting_rows"] = alone["conflicting_rows"] = everybody.isin(contradicting)

    # Age at each film, then pairs of film and exam.
    people = everybody[listed]
    last = last_days(films, visits, dxa.assign(day=_days(dxa, "exam_date", shift)))
    ages = _ages(frontal[dated], visits, birth, last, counted, people)
    old = ages["age"] > settings["older_than"]
    for step, passes in (("age_unknown", ages["age"].notna()), ("too_young", old)):
        left = left[passes.reindex(left.index, fill_value=False)]
        failing[step] = without(left)
    unknown = without(frontal[dated & ages["age"].notna().reindex(frontal.index, fill_value=False)])
    alone["age_unknown"] = unknown & everybody.isin(frontal.loc[dated, "patient_id"]) & listed
    alone["too_young"] = (
        without(frontal[old.reindex(frontal.index, fill_value=False)]) & ~unknown & frontal_patient
    )

    labels = exam_labels(exams, undated, settings)
    exam_days = exams[[*EXAM, "day"]].drop_duplicates().rename(columns={"day": "exam_day"})
    pairs = frontal[dated].merge(exam_days, on="patient_id")
    if counted is None:
        pairs = pairs.assign(days=(pairs["exam_day"] - pairs["day"]).dt.days)
        pairs = pairs[months_between(pairs["day"], pairs["exam_day"]) <= settings["interval_months"]]
    else:
        by = ["patient_id", "film_date", "exam_date"]
        pairs = pairs.merge(counted.pairs, on=by, validate="many_to_one")
    paired_patient = everybody.isin(frontal.loc[dated, "patient_id"]) & everybody.isin(exams["patient_id"])
    alone["no_pair_in_interval"] = without(pairs) & paired_patient
    failing["no_pair_in_interval"] = without(pairs[pairs["image_id"].isin(left["image_id"])])

    # The first pair decides, whether or not its exam has a label: to pass over an exam since it is damaged
    # would choose patients by the damage. Only an exam without any measured T-score gives way to a later one.
    pairs = pairs.merge(labels, on=EXAM)
    eligible = pairs[pairs["image_id"].isin(left["image_id"])]
    rows = _first_pairs(eligible, settings["first_pair_by"])
    of_any_film = _first_pairs(pairs, settings["first_pair_by"])
    for step, outcome in (("undecided_dxa", UNDECIDED), ("too_few_sites", TOO_FEW_SITES)):
        if step in failing:
            failing[step] = ~without(rows[rows["outcome"] == outcome])
            alone[step] = ~without(of_any_film[of_any_film["outcome"] == outcome])
    failing["no_t_score"] = without(rows)
    alone["no_t_score"] = without(labels) & examined
    rows = rows[rows["outcome"] == LABELLED]
    ages = ages.set_axis(frontal.loc[ages.index, "image_id"])
    values = _nearest_values(rows, visits, patients, predictors or {}, counted)
    rows = _described(rows, visits, ages, settings, counted)

    # The patient's own exclusion criteria.
    flags = patients.groupby("patient_id")[list(settings["exclusions"])].max().reindex(everybody)
    for step in settings["exclusions"]:
        failing[step] = alone[step] = flags[step].eq(1).fillna(False).to_numpy(dtype=bool)
    if settings["missing_flag"] == "exclude":
        missing = flags.isna().any(axis=1) & listed
        failing["exclusion_flag_missing"] = alone["exclusion_flag_missing"] = missing
    if settings["review"] == "exclude":
        under = everybody.isin(rows.loc[rows["review"].eq(1), "patient_id"])
        failing["under_review"] = alone["under_review"] = under

    reason = _first_failing(failing)
    included = rows[rows["patient_id"].isin(everybody[reason == ""])]
    optional = [column.name for column in COHORT.optional]
    columns = (included[list(COHORT)], values.loc[included.index], included[optional])
    cohort = pd.concat(columns, axis=1).sort_values("patient_id", ignore_index=True)
    flow = pd.concat([_flow(reason, alone, rows, settings), _notes(included, settings)], ignore_index=True)
    if cohort.empty:
        raise StudyError(_nobody(reason, settings))
    excluded = pd.DataFrame({"patient_id": everybody, "reason": reason.to_numpy()})
    excluded = excluded[excluded["reason"] != ""].reset_index(drop=True)

    others = _first_pairs(eligible, settings["first_pair_by"], of="image_id")
    others = others[others["patient_id"].isin(cohort["patient_id"])]
    others = others[~others["image_id"].isin(cohort["image_id"])]
    if settings["review"] == "exclude":
        others = others[_described(others, visits, ages, settings, counted)["review"].ne(1)]
    others["label"] = others["label"].where(others["outcome"] == LABELLED)
    further = others[list(FURTHER_FILMS)].sort_values("image_id", ignore_index=True)
    return Selection(cohort, flow, excluded, further)


def _shifts(birth_dates: pd.DataFrame) -> pd.Series:
    """Days that were added to each patient's dates; zero where the table doesn't say."""
    if "shift_days" not in birth_dates.columns:
        return pd.Series(dtype="float64")
    return pd.Series(
        birth_dates["shift_days"].astype("float64").to_numpy(), index=birth_dates["patient_id"].to_numpy()
    ).fillna(0.0)


def _looked_up(values: pd.Series, names: pd.Series) -> pd.Series:
    """``values`` at each of ``names`` (patient or image ids), indexed as ``names``; else missing."""
    return values.reindex(names).set_axis(names.index)


def _days(frame: pd.DataFrame, column: str, shift: pd.Series) -> pd.Series:
    """A column of shifted ISO dates as days, the shift undone where it is known; NaT where empty."""
    text = frame[column].astype("object")
    shifted = pd.to_datetime(text.where(text.ne("") & text.notna(), None), format="%Y-%m-%d")
    moved = _looked_up(shift, frame["patient_id"]).fillna(0.0)
    return (shifted - pd.to_timedelta(moved, unit="D")).astype("datetime64[ns]")


def _conflicting(patients: pd.DataFrame, dxa: pd.DataFrame, birth_dates: pd.DataFrame) -> set[str]:
    """Patients whose rows contradict each other: marked so by intake, or with two sexes or two birth dates.

    Several results of one exam and site are no contradiction by themselves (left and right); intake tells
    those that are.
    """
    marked = {
        *patients.loc[patients["conflict"].eq(1).fillna(False), "patient_id"],
        *dxa.loc[dxa["conflict"].eq(1).fillna(False), "patient_id"],
    }
    sexes = patients[patients["sex"].ne("")].groupby("patient_id")["sex"].nunique()
    births = birth_dates[birth_dates["birth_date"].ne("")].groupby("patient_id")["birth_date"].nunique()
    return {*marked, *sexes.index[sexes > 1], *births.index[births > 1]}


def _nearest_visits(films: pd.DataFrame, visits: pd.DataFrame, counted: Counted | None) -> pd.DataFrame:
    """For each film its patient's row nearest in time; rows without a date come last. Indexed as ``films``.

    Of rows equally near the earlier one counts. ``years`` is the time between both, begun years counted.
    """
    numbered = films[["patient_id", "film_date", "day"]].assign(film=np.arange(len(films)))
    both = numbered.merge(visits, on="patient_id", suffixes=("", "_measured"))
    if counted is None:
        gap = (both["day_measured"] - both["day"]).abs()
        both = both.assign(nearness=gap, years=years_begun(gap))
    else:
        by = ["patient_id", "film_date", "measured_on"]
        both = both.merge(counted.visit_order, on=by, how="left", validate="many_to_one")
    order = ["film", "nearness", "day_measured", "height_cm", "weight_kg", "age"]
    nearest = both.sort_values(order, na_position="last").drop_duplicates("film").set_index("film")
    return nearest.reindex(numbered["film"]).set_axis(films.index)


def _nearest_values(
    films: pd.DataFrame,
    visits: pd.DataFrame,
    patients: pd.DataFrame,
    predictors: Mapping[str, str],
    counted: Counted | None,
) -> pd.DataFrame:
    """Each predictor's value from the row nearest the film that has one, indexed as ``films``.

    ``visits`` are the rows of ``patients`` without predictors, with their ``day``.
    """
    found = pd.DataFrame(index=films.index)
    for name, kind in predictors.items():
        values = patients[name]
        told = visits[values.notna() & values.ne("")]
        row = _nearest_visits(films, told.assign(row=told.index), counted)["row"]
        nearest = values.reindex(row).set_axis(films.index)
        found[name] = nearest.fillna("") if kind == CATEGORY else nearest
    return found


def _ages(
    films: pd.DataFrame,
    visits: pd.DataFrame,
    birth: pd.Series,
    last: pd.Series,
    counted: Counted | None,
    listed: pd.Index,
) -> pd.DataFrame:
    """Completed years at each film, indexed as ``films``: ``age``, ``told`` (as it may be written),
    ``from_header`` and ``differs``.

    By the birth date, else by the age given, else, of patients who are ``listed`` in the patient table, by
    the film's header. ``differs`` is true where the header's age lies further from the table's than
    AGE_TOLERANCE and the years between the film and the visit at which the age was given. ``last`` is the
    last day of each patient; of a centre that was handed over the site has told the ages by it.
    """
    if counted is None:
        by_birth = completed_years(_looked_up(birth, films["patient_id"]), films["day"])
        last = _looked_up(last, films["patient_id"])
    else:
        last = films["day"]
        told = films[["patient_id", "film_date"]].merge(
            counted.film_ages, on=["patient_id", "film_date"], how="left", validate="many_to_one"
        )
        by_birth = told["age"].astype("float64").set_axis(films.index)
    visit = _nearest_visits(films, visits[visits["age"].notna()], counted)
    given = np.floor(rounded(visit["age"].astype("float64")))
    table, header = by_birth.fillna(given), films["age"].astype("float64")
    told_table, told_header = (told_ages(years, films["day"], last) for years in (by_birth, header))
    told_table = told_table.fillna(given)
    from_header = table.isna() & header.notna() & films["patient_id"].isin(listed)
    gap = visit["years"].astype("float64").where(by_birth.isna()).fillna(0.0)
    return pd.DataFrame(
        {
            "age": table.where(~from_header, header),
            "told": told_table.where(~from_header, told_header).clip(upper=OLDEST_AGE),
            "from_header": from_header,
            "differs": (told_table - told_header).abs() > AGE_TOLERANCE + gap,
        }
    )


def _first_pairs(pairs: pd.DataFrame, first_by: list[str], of: str = "patient_id") -> pd.DataFrame:
    """One pair per patient, or ``of`` each film: the first by the configured keys, then by image id and exam
    date.
    """
    keys = pd.DataFrame(
        {
            "film_date": pairs["day"],
            "dxa_date": pairs["exam_day"],
            "view": pairs["view"].map({"PA": 0, "AP": 1}).fillna(2),
            "acquisition_time": pairs["same_day_order"].astype("float64").fillna(np.inf),
        }
    )
    order = pd.concat([pairs["patient_id"], keys[first_by], pairs["image_id"], pairs["exam_date"]], axis=1)
    first = order.sort_values(list(order.columns)).drop_duplicates(of).index
    return pairs.loc[first]


def _described(
    rows: pd.DataFrame, visits: pd.DataFrame, ages: pd.DataFrame, settings: dict, counted: Counted | None
) -> pd.DataFrame:
    """Chosen pairs with every column of COHORT, the optional ones too, and of NOTES (true or false).

    ``ages`` as ``_ages`` gives them, by image id. Development has no ``set`` yet.
    """
    measured = visits[visits["height_cm"].notna() | visits["weight_kg"].notna()]
    body = _nearest_visits(rows, measured, counted)
    told = (
        visits[visits["sex"].ne("")]
        .sort_values("sex")
        .drop_duplicates("patient_id")
        .set_index("patient_id")["sex"]
    )
    sex = _looked_up(told.astype("object"), rows["patient_id"]).fillna("")
    other_sex = rows["sex"].ne("") & rows["sex"].ne(sex)
    age = ages.reindex(rows["image_id"]).set_axis(rows.index)
    in_doubt = rows["verdict"].eq("review") | ~rows["view"].isin(["PA", "AP"])
    in_doubt |= other_sex | age["differs"].eq(True)
    from_header = sex.eq("") & rows["sex"].isin(["F", "M"])
    height = body["height_cm"].astype("float64")
    weight = body["weight_kg"].astype("float64")
    return pd.DataFrame(
        {
            "patient_id": rows["patient_id"],
            "center": settings["center"],
            "set": "" if settings["role"] == DEVELOPMENT else settings["center"],
            "fold": pd.array([pd.NA] * len(rows), dtype="Int64"),
            "label": rows["label"].astype("Int64"),
            "sex": sex.where(~from_header, rows["sex"]),
            "age": age["told"].astype("Int64"),
            "height_cm": height,
            "weight_kg": weight,
            "bmi": weight / (height / 100) ** 2,
            "bmd": rows["bmd"].astype("float64"),
            "t_score": rows["t_score"].astype("float64"),
            "dxa_site": rows["dxa_site"],
            "n_sites": rows["n_sites"].astype("Int64"),
            "image_id": rows["image_id"],
            "dxa_interval_days": rows["days"].astype("Int64"),
            "manufacturer": rows["manufacturer"],
            "review": in_doubt.astype("Int64"),
            "dxa_interval_months": months_of_days(rows["days"]),
            **{name: _of_site(rows, name, kind) for name, kind in OF_SITES.items()},
            "op_with_unreadable_row": rows["label"].eq(1) & rows["unreadable"].eq(1),
            "sex_from_header": from_header,
            "sex_differs": sex.ne("") & other_sex,
            "age_from_header": age["from_header"].eq(True),
            "age_differs": age["differs"].eq(True),
        }
    )


def _of_site(rows: pd.DataFrame, column: str, kind: str) -> pd.Series:
    """A column of one site; empty where the site is not studied."""
    values = rows[column] if column in rows.columns else pd.Series(pd.NA, index=rows.index, dtype="Int64")
    return values.astype("float64" if kind == "float" else "Int64")


def _first_failing(failing: pd.DataFrame) -> pd.Series:
    """The name of each patient's first failing step, or an empty text."""
    values = failing.to_numpy(dtype=bool)
    names = np.array(failing.columns, dtype=object)
    first = np.where(values.any(axis=1), names[values.argmax(axis=1)], "")
    return pd.Series(first, index=failing.index, dtype="object")


def _flow(reason: pd.Series, alone: pd.DataFrame, rows: pd.DataFrame, settings: dict) -> pd.DataFrame:
    """One row per step. ``n_op`` is given from the first step on at which every patient's label is known.

    ``n_any`` counts the patients whose criterion fails by itself, whether or not an earlier one failed too,
    and those who were excluded by it. A criterion that can't be judged (no film, no date) doesn't fail by
    itself.
    """
    op = set(rows.loc[rows["label"].eq(1), "patient_id"])
    has_op = pd.Series(reason.index.isin(op), index=reason.index)
    names = list(alone.columns)
    labels_from = names.index("no_t_score") + 1
    lines = [("found", len(reason), pd.NA, "found", len(reason))]
    for place, step in enumerate(names):
        here = reason.eq(step)
        n_op = int((here & has_op).sum()) if place >= labels_from else pd.NA
        lines.append((step, int(here.sum()), n_op, "excluded", int((here | alone[step]).sum())))
    included = reason.eq("")
    lines.append(
        ("included", int(included.sum()), int((included & has_op).sum()), "included", int(included.sum()))
    )
    flow = pd.DataFrame(lines, columns=["step", "n_patients", "n_op", "kind", "n_any"])
    flow.insert(0, "center", settings["center"])
    return flow.astype({"n_patients": "Int64", "n_op": "Int64", "n_any": "Int64"})


def _notes(included: pd.DataFrame, settings: dict) -> pd.DataFrame:
    """Rows of the kind ``note``: to how many of the included patients each of NOTES applies."""
    lines = []
    for name in NOTES:
        those = included[included[name].astype(bool)]
        n, n_op = len(those), int(those["label"].eq(1).sum())
        lines.append((settings["center"], name, n, n_op, "note", n))
    flow = pd.DataFrame(lines, columns=["center", "step", "n_patients", "n_op", "kind", "n_any"])
    return flow.astype({"n_patients": "Int64", "n_op": "Int64", "n_any": "Int64"})


def _nobody(reason: pd.Series, settings: dict) -> str:
    center = settings["center"]
    counts = reason.value_counts()
    lost = ", ".join(f"{step} {n}" for step, n in counts.items())
    advice = WHERE_TO_LOOK.get(str(counts.index[0]), "the ids, the dates and the units in its column maps")
    return (
        f"None of the {len(reason)} patient ids of centre '{center}' (films and tables together) can be"
        f" included ({lost}). Check {advice} (centers[{center}] in the config), or leave the centre out."
    )
