"""What selection needs of a centre's dates, without the dates: the form in which they leave a site.

Shifted dates hide the true ones from whoever sees one of them. They don't from a study that has many of a
patient's and knows the site's enrolment period: the longer the time between the first and the last, the fewer
shifts put all of them into the period. So no shifted date leaves. A patient's days (films, exams, visits)
stand in their order after ``FIRST_DAY``; equal days stay equal, and days within an exam's window as far apart
as they are. What selection needs of the time between them is counted here, and handed over by itself: ages,
pairs of film and exam that may be used, and which visit is nearest a film."""

from __future__ import annotations

import datetime

import pandas as pd

from scripts.common.intervals import completed_years, last_days, months_between, told_ages, years_begun

FIRST_DAY = datetime.date(1900, 1, 1)
"""Stands for each patient's first day. No film is so old: nobody takes it for a date."""

DATED = {"films": "film_date", "dxa": "exam_date", "patients": "measured_on"}
"""Tables with a date, and its column."""


def _days(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """``patient_id`` and ``column`` of each day of a patient, once."""
    return frame.loc[frame[column] != "", ["patient_id", column]].drop_duplicates()


def _true(days: pd.Series, patients: pd.Series, shifts: pd.Series) -> pd.Series:
    """True days of shifted ISO dates; each patient's shift must be known."""
    shift = shifts.reindex(patients).set_axis(days.index).astype("float64")
    return (pd.to_datetime(days, format="%Y-%m-%d") - pd.to_timedelta(shift, unit="D")).astype(
        "datetime64[ns]"
    )


def pairs_of(
    films: pd.DataFrame, dxa: pd.DataFrame, birth_dates: pd.DataFrame, interval_months: int
) -> pd.DataFrame:
    """PAIRS: each film and exam of a patient at most ``interval_months`` calendar months apart on their true
    dates."""
    shifts = birth_dates.set_index("patient_id")["shift_days"]
    both = _days(films, "film_date").merge(_days(dxa, "exam_date"), on="patient_id")
    both = both.sort_values(["patient_id", "film_date", "exam_date"], ignore_index=True)
    film, exam = (_true(both[name], both["patient_id"], shifts) for name in ("film_date", "exam_date"))
    return both.assign(days=(exam - film).dt.days.astype("Int64"))[
        months_between(film, exam) <= interval_months
    ]


def _last_days(films: pd.DataFrame, dxa: pd.DataFrame, patients: pd.DataFrame) -> pd.Series:
    """The last day of each patient in all tables, shifted."""
    tables = ((films, "film_date"), (dxa, "exam_date"), (patients, "measured_on"))
    listed = [_days(frame, column).set_axis(["patient_id", "day"], axis=1) for frame, column in tables]
    return last_days(*(days.assign(day=pd.to_datetime(days["day"], format="%Y-%m-%d")) for days in listed))


def _to_tell(ages: pd.Series, films: pd.DataFrame, last: pd.Series, older_than: int) -> pd.Series:
    """``ages`` at ``films`` as they may be told; ages that don't pass ``older_than`` as they are."""
    days = pd.to_datetime(films["film_date"], format="%Y-%m-%d")
    last = last.reindex(films["patient_id"]).set_axis(films.index)
    return told_ages(ages, days, last).where(ages > older_than, ages)


def film_ages(
    films: pd.DataFrame,
    dxa: pd.DataFrame,
    patients: pd.DataFrame,
    birth_dates: pd.DataFrame,
    pairs: pd.DataFrame,
    older_than: int,
) -> pd.DataFrame:
    """FILM_AGES by BIRTH_DATES: completed years at films that stand in ``pairs``; at others, whether they
    pass ``older_than``."""
    births = birth_dates[birth_dates["birth_date"] != ""].set_index("patient_id")
    born = _true(births["birth_date"], births.index.to_series(), births["shift_days"])
    rows = _days(films, "film_date")
    rows = rows[rows["patient_id"].isin(births.index)].sort_values(
        ["patient_id", "film_date"], ignore_index=True
    )
    film = _true(rows["film_date"], rows["patient_id"], births["shift_days"])
    years = completed_years(born.reindex(rows["patient_id"]).set_axis(rows.index), film)
    enough = (years > older_than).map({True: older_than + 1, False: older_than})
    paired = pd.MultiIndex.from_frame(rows[["patient_id", "film_date"]]).isin(
        pd.MultiIndex.from_frame(pairs[["patient_id", "film_date"]])
    )
    told = _to_tell(years, rows, _last_days(films, dxa, patients), older_than).where(paired, enough)
    return rows[["patient_id", "film_date"]].assign(age=told.astype("Int64"))


def header_ages_to_tell(
    films: pd.DataFrame, dxa: pd.DataFrame, patients: pd.DataFrame, older_than: int
) -> pd.Series:
    """The ages of the films' headers (``age`` of ``films``) as they may be told, Int64; missing where the
    film has no date.

    A header's age counts where no birth date is known, or to be compared with it.
    """
    dated = films[films["film_date"] != ""]
    ages = dated["age"].astype("float64")
    return (
        _to_tell(ages, dated, _last_days(films, dxa, patients), older_than)
        .reindex(films.index)
        .astype("Int64")
    )


def visit_order(films: pd.DataFrame, patients: pd.DataFrame) -> pd.DataFrame:
    """VISIT_ORDER of every film and dated row of the patient table."""
    aged = set(
        patients.loc[patients["age"].notna(), ["patient_id", "measured_on"]].itertuples(
            index=False, name=None
        )
    )
    both = _days(films, "film_date").merge(_days(patients, "measured_on"), on="patient_id")
    both = both.sort_values(["patient_id", "film_date", "measured_on"], ignore_index=True)
    gap = (pd.to_datetime(both["measured_on"]) - pd.to_datetime(both["film_date"])).abs()
    nearness = gap.groupby([both["patient_id"], both["film_date"]]).rank(method="dense")
    given = [place in aged for place in zip(both["patient_id"], both["measured_on"])]
    return both.assign(nearness=nearness.astype("Int64"), years=years_begun(gap).where(given))


def in_order(tables: dict[str, pd.DataFrame], window_days: int) -> dict[str, pd.DataFrame]:
    """``tables`` with each date replaced by its place among the patient's days.

    Days are those of the tables in ``DATED``, by name; every date in another table is one of them. Days that
    lie at most ``window_days`` apart stay so far apart, so that rows of one exam still are; a longer time is
    one day more than this."""
    listed = [
        _days(tables[name], column).set_axis(["patient_id", "day"], axis=1) for name, column in DATED.items()
    ]
    days = pd.concat(listed).drop_duplicates().sort_values(["patient_id", "day"], ignore_index=True)
    gap = (
        pd.to_datetime(days["day"])
        .groupby(days["patient_id"])
        .diff()
        .dt.days.fillna(0)
        .clip(upper=window_days + 1)
    )
    place = gap.groupby(days["patient_id"]).cumsum()
    stands = pd.Series(
        [(FIRST_DAY + datetime.timedelta(days=int(n))).isoformat() for n in place],
        index=pd.MultiIndex.from_frame(days),
        dtype="object",
    )
    out = {}
    for name, frame in tables.items():
        frame = frame.copy()
        for column in set(DATED.values()) & set(frame.columns):
            where = pd.MultiIndex.from_arrays([frame["patient_id"], frame[column]])
            frame[column] = stands.reindex(where).fillna("").to_numpy(dtype="object")
        out[name] = frame
    return out
