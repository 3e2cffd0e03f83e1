"""What a hand-over tells of a patient's days: what selection needs of them, and hardly anything of when they
were."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from scripts.common.contracts.intake import BIRTH_DATES
from scripts.common.intervals import completed_years, months_between
from scripts.common.key import MAX_SHIFT_DAYS
from scripts.intake.handed_days import (
    FIRST_DAY,
    film_ages,
    header_ages_to_tell,
    in_order,
    pairs_of,
    visit_order,
)

TRUE = {
    "Pa": ("1960-02-29", ["2020-02-28", "2020-02-29"], ["2020-08-31", "2019-08-29"]),
    "Pb": ("1930-05-01", ["2021-08-31", "2021-04-30"], ["2022-02-28", "2021-10-31", "2021-10-30"]),
    "Pc": ("1979-12-31", ["2020-12-31", "2020-12-30"], ["2020-06-30", "2020-06-29"]),
    "Pd": ("1950-01-01", ["2020-12-31", "1990-01-01"], []),
}
"""Birth date, films and exams, on month ends and birthdays."""

PERIOD = (datetime.date(2013, 11, 1), datetime.date(2024, 7, 31))
"""An enrolment period of 3,926 days, known to everybody."""


def moved(day: str | datetime.date, days: int) -> str:
    return (datetime.date.fromisoformat(str(day)) + datetime.timedelta(days=int(days))).isoformat()


def handed(true: dict, shift_of: dict[str, int], older_than: int = 40) -> dict[str, pd.DataFrame]:
    """The tables that a site hands over, of true ``(birth, films, exams)`` by patient and their shifts (days
    added)."""
    films, dxa = (
        pd.DataFrame(
            [(p, moved(day, shift_of[p])) for p, told in true.items() for day in told[k]],
            columns=["patient_id", column],
        )
        for k, column in ((1, "film_date"), (2, "exam_date"))
    )
    patients = pd.DataFrame(
        [(p, moved(told[1][0], shift_of[p] + n)) for p, told in true.items() for n in (-100, 30, 100)],
        columns=["patient_id", "measured_on"],
    ).assign(age=lambda rows: [50.0 if n % 3 else None for n in range(len(rows))])
    births = pd.DataFrame(
        [(p, moved(told[0], shift_of[p]), shift_of[p]) for p, told in true.items()], columns=list(BIRTH_DATES)
    )
    pairs = pairs_of(films, dxa, births, 6)
    ages = film_ages(films, dxa, patients, births, pairs, older_than)
    films["age"] = header_ages_to_tell(
        films.assign(age=range(70, 70 + len(films))), dxa, patients, older_than
    )
    order = visit_order(films, patients)
    return in_order(
        {
            "films": films,
            "dxa": dxa,
            "patients": patients,
            "pairs": pairs,
            "film_ages": ages,
            "visit_order": order,
        },
        0,
    )


def true_days(tables: dict, true: dict) -> dict:
    """The true day of each day that was handed over, by patient."""
    visits = {p: [moved(told[1][0], n) for n in (-100, 30, 100)] for p, told in true.items()}
    return {
        p: dict(zip((moved(FIRST_DAY, n) for n in range(999)), sorted({*told[1], *told[2], *visits[p]})))
        for p, told in true.items()
    }


def test_ages_and_pairs_are_those_of_the_true_dates():
    shift_of = {"Pa": -731, "Pb": -40, "Pc": -1217, "Pd": -9}
    tables = handed(TRUE, shift_of)
    day = true_days(tables, TRUE)
    ages = {(p, day[p][film]): age for p, film, age in tables["film_ages"].itertuples(index=False)}
    assert ages == {
        ("Pa", "2020-02-28"): 59, ("Pa", "2020-02-29"): 60, ("Pb", "2021-08-31"): 90,
        ("Pb", "2021-04-30"): 90, ("Pc", "2020-12-31"): 41,
        ("Pc", "2020-12-30"): 40, ("Pd", "2020-12-31"): 41, ("Pd", "1990-01-01"): 40,
    }, "those of Pd have no pair: whether he is old enough is all that is told"  # fmt: skip
    told = {
        (p, day[p][film], day[p][exam]): days
        for p, film, exam, days in tables["pairs"].itertuples(index=False)
    }
    right = {
        (p, film, exam): (datetime.date.fromisoformat(exam) - datetime.date.fromisoformat(film)).days
        for p, (_, films, exams) in TRUE.items() for film in films for exam in exams
        if months_between(*(pd.Series(pd.to_datetime([d])) for d in (film, exam))).item() <= 6
    }  # fmt: skip
    assert told == right and len(told) == 7


def test_the_nearest_visit_of_a_film_is_told_by_its_place():
    tables = handed({"P1": ("1950-01-01", ["2020-05-10", "2020-07-01"], [])}, {"P1": -77})
    day = true_days(tables, {"P1": ("1950-01-01", ["2020-05-10", "2020-07-01"], [])})["P1"]
    told = {
        (day[film], day[visit]): n for _, film, visit, n, _ in tables["visit_order"].itertuples(index=False)
    }
    years = {
        (day[film], day[visit]): n
        for _, film, visit, _, n in tables["visit_order"].itertuples(index=False)
        if not pd.isna(n)
    }
    assert set(years.values()) == {1} and {visit for _, visit in years} == {
        "2020-06-09",
        "2020-08-18",
    }, "of visits that give an age"
    assert told == {
        ("2020-05-10", "2020-01-31"): 2, ("2020-05-10", "2020-06-09"): 1, ("2020-05-10", "2020-08-18"): 2,
        ("2020-07-01", "2020-01-31"): 3, ("2020-07-01", "2020-06-09"): 1, ("2020-07-01", "2020-08-18"): 2,
    }  # fmt: skip


@pytest.mark.parametrize("window", [0, 1, 7])
def test_days_of_one_exam_stay_as_far_apart_as_they_are(window):
    """Rows within the window of an exam's first row are its rows, by the places as by the dates."""
    rng = np.random.default_rng(window)
    days = pd.to_datetime("2018-01-01") + pd.to_timedelta(np.cumsum(rng.integers(0, 12, 400)), unit="D")
    none = pd.DataFrame({"patient_id": [], "film_date": [], "measured_on": []}, dtype="object")
    dxa = pd.DataFrame({"patient_id": "P1", "exam_date": days.strftime("%Y-%m-%d")}).drop_duplicates(
        ignore_index=True
    )
    told = in_order(
        {
            "films": none[["patient_id", "film_date"]],
            "patients": none[["patient_id", "measured_on"]],
            "dxa": dxa,
        },
        window,
    )["dxa"]
    true, place = (pd.to_datetime(frame["exam_date"]).to_numpy() for frame in (dxa, told))
    apart, told_apart = (
        abs(days[None, :] - days[:, None]) / np.timedelta64(1, "D") for days in (true, place)
    )
    near = apart <= window
    assert (near == (told_apart <= window)).all() and (told_apart[near] == apart[near]).all()
    assert np.diff(place).max() / np.timedelta64(1, "D") == window + 1


def test_shifted_dates_alone_would_tell_other_months():
    """Why the site counts: one in some pairs near the limit falls on the other side when its days are
    moved."""
    rng = np.random.default_rng(5)
    one = pd.Series(pd.to_datetime("2015-01-01") + pd.to_timedelta(rng.integers(0, 3000, 4000), unit="D"))
    other = one + pd.to_timedelta(rng.integers(178, 188, 4000), unit="D")
    shift = pd.to_timedelta(-rng.integers(1, 1826, 4000), unit="D")
    true, told = months_between(one, other), months_between(one + shift, other + shift)
    assert 0.02 < float(((true <= 6) != (told <= 6)).mean()) < 0.5
    assert (completed_years(one, other) == 0).all()


# ------------------------------------------------------------------------------------------------- the
# attacker


def site(n_films: int, n_exams: int, seed: int, n_patients: int = 25) -> tuple[dict, dict[str, int]]:
    """A site's patients with films and exams anywhere in the period, and their shifts."""
    rng = np.random.default_rng(seed)
    span = (PERIOD[1] - PERIOD[0]).days + 1
    true = {}
    for n in range(n_patients):
        films, exams = (
            sorted({moved(PERIOD[0], d) for d in rng.integers(0, span, k)}) for k in (n_films, n_exams)
        )
        true[f"P{n}"] = (moved("1930-01-01", rng.integers(0, 14000)), films, exams)
    return true, {p: -int(rng.integers(1, MAX_SHIFT_DAYS + 1)) for p in true}


SITES = [(20, 2), (40, 3)]


@pytest.mark.parametrize(("n_films", "n_exams"), SITES)
def test_no_shift_can_be_excluded(n_films, n_exams):
    """Whatever the shifts are, the site hands over the same: nothing in the folder, and nothing known beside
    it, tells one from another."""
    true, shift_of = site(n_films, n_exams, seed=1)
    told = handed(true, shift_of)
    for shift in (1, 2, 28, 29, 30, 31, 365, 366, 731, 1461, 1824, MAX_SHIFT_DAYS):
        again = handed(true, dict.fromkeys(true, -shift))
        for name, table in told.items():
            pd.testing.assert_frame_equal(table, again[name])
    assert len(told["pairs"]) > 10 and len(told["film_ages"]) > 400, "nothing was handed over"


def shifts_left_by_dates(films: list[str], exams: list[str], shift: int) -> int:
    """How many of the shifts put all shifted days into the period: what the attacker has where shifted dates
    are handed over."""
    days = sorted(moved(d, shift) for d in (*films, *exams))
    return sum(
        str(PERIOD[0]) <= moved(days[0], s) and moved(days[-1], s) <= str(PERIOD[1])
        for s in range(1, MAX_SHIFT_DAYS + 1)
    )


def test_with_shifted_dates_the_period_would_tell_most_of_the_shift():
    """The same attack on what the site would hand over if dates were only shifted: it finds what the order
    hides."""
    true, shift_of = site(20, 2, seed=1)
    left = [shifts_left_by_dates(films, exams, shift_of[p]) for p, (_, films, exams) in true.items()]
    assert np.median(left) < MAX_SHIFT_DAYS / 4 and min(left) < 200


def first_days_left(told: dict[str, pd.DataFrame], patient: str) -> int:
    """How many days of the period may be that of the patient's first film with a pair, by all that is handed
    over.

    Films and exams that pairs connect lie known days apart, and each pair must be one within six calendar
    months. The ages bound the time to the other films with a pair; everything lies in the period."""
    pairs = told["pairs"][told["pairs"]["patient_id"] == patient]
    ages = told["film_ages"][told["film_ages"]["patient_id"] == patient].set_index("film_date")["age"]
    if pairs.empty:
        return (PERIOD[1] - PERIOD[0]).days + 1
    films = sorted(set(pairs["film_date"]))
    place = {("film", films[0]): 0}
    while True:  # what the first film is connected with
        further = dict(place)
        for row in pairs.itertuples():
            film, exam = ("film", row.film_date), ("exam", row.exam_date)
            if film in place:
                further[exam] = place[film] + row.days
            if exam in place:
                further[film] = place[exam] - row.days
        if len(further) == len(place):
            break
        place = further
    years = int(ages[films[-1]] - ages[films[0]])
    latest = max([*place.values(), 365 * (years - 1) if ages[films[-1]] < 90 else 0])
    span = (PERIOD[1] - PERIOD[0]).days + 1
    first = pd.Series(
        pd.to_datetime(PERIOD[0]) + pd.to_timedelta(np.arange(-min(place.values()), span - latest), unit="D")
    )
    possible = np.ones(len(first), dtype=bool)
    for row in pairs.itertuples():
        if ("film", row.film_date) in place:
            film = first + pd.Timedelta(days=place["film", row.film_date])
            possible &= (months_between(film, film + pd.Timedelta(days=row.days)) <= 6).to_numpy()
    return int(possible.sum())


@pytest.mark.parametrize(("n_films", "n_exams"), SITES)
def test_how_far_ages_and_pairs_at_the_limit_narrow_a_true_date(n_films, n_exams):
    """The other way round: not by shifts but by true days, from all that the folder tells and the period
    besides.

    Ages years apart and a pair of 182 to 184 days, which are six calendar months in a part of the year only,
    do tell something."""
    true, shift_of = site(n_films, n_exams, seed=2, n_patients=60)
    told = handed(true, shift_of)
    left = np.array([first_days_left(told, p) for p in true])
    assert (left >= MAX_SHIFT_DAYS / 2).mean() > 0.85 and left.min() > 250, "docs/privacy.md says so"
