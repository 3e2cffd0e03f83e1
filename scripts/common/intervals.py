"""Completed years and calendar months, counted one way wherever they are counted."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd

from scripts.common.vocabulary import OLDEST_AGE


def completed_years(birth: pd.Series, day: pd.Series) -> pd.Series:
    """Completed years of life on ``day`` (float, NaN where unknown).

    Somebody born on 29 February completes a year on 1 March of a common year.
    """
    before_birthday = (day.dt.month < birth.dt.month) | (
        (day.dt.month == birth.dt.month) & (day.dt.day < birth.dt.day)
    )
    years = (day.dt.year - birth.dt.year).astype("float64") - before_birthday.astype("float64")
    return years.where(birth.notna() & day.notna())


def months_between(one: pd.Series, other: pd.Series) -> pd.Series:
    """The fewest calendar months within which two days lie, whichever comes first (int64; both days are
    known).

    They lie within ``m`` months when the later day doesn't pass the earlier one's day of the month ``m``
    months on; where that month is shorter, its last day stands in (31 August and 28 February are six months
    apart).
    """
    earlier, later = one.where(one <= other, other), other.where(one <= other, one)
    months = (later.dt.year - earlier.dt.year) * 12 + later.dt.month - earlier.dt.month
    last_day = np.minimum(earlier.dt.day, later.dt.days_in_month)
    return (months + (later.dt.day > last_day)).astype("int64")


@functools.cache
def longest_days(months: int) -> int:
    """The most days that can lie within so many calendar months (31, 62, 92, 123, 153, 184 ...)."""
    first = pd.date_range("2000-01-01", periods=48, freq="MS").to_series()
    return int((first.map(lambda day: day + pd.DateOffset(months=months)) - first).dt.days.max())


def months_of_days(days: pd.Series) -> pd.Series:
    """The fewest calendar months within which so many days can lie (Int64; missing stays missing), wherever
    in the year.

    It follows from the number of days alone. Months counted on true dates would tell of every pair in which
    part of the year it lies, and with that which date shifts can't be."""
    known = days.abs()
    limits: list[int] = []
    while not limits or (known > limits[-1]).any():
        limits.append(longest_days(len(limits)))
    months = np.searchsorted(limits, known.fillna(0).to_numpy(dtype="int64"), side="left")
    return pd.Series(months, index=days.index, dtype="Int64").where(known.notna())


def last_days(*dated: pd.DataFrame) -> pd.Series:
    """The last known ``day`` of each ``patient_id`` in the tables."""
    return pd.concat([rows[["patient_id", "day"]] for rows in dated]).groupby("patient_id")["day"].max()


def told_ages(ages: pd.Series, days: pd.Series, last: pd.Series) -> pd.Series:
    """Ages at ``days`` as they may be told beside the patient's dates: 90 for all above 89.

    90 stands as well where the age and the time to the patient's ``last`` day give an age above 89 at that
    one: 85 at a film, and the days to a film 14 years later, would tell that he is 99 there. All are indexed
    alike; days are all true, or all shifted."""
    at_last = ages.astype("float64") + ((last - days).dt.days / 365.25).clip(lower=0).fillna(0.0)
    return ages.astype("float64").mask(at_last >= OLDEST_AGE, OLDEST_AGE)


def years_begun(gaps: pd.Series) -> pd.Series:
    """Years of 365.25 days in time spans, begun ones counted (Int64; missing stays missing)."""
    return np.ceil(gaps.dt.days / 365.25).astype("Int64")


def within_months(one: pd.Series, other: pd.Series, months: int) -> pd.Series:
    """Whether two days lie at most ``months`` calendar months apart, inclusive (``months_between``)."""
    return months_between(one, other) <= months
