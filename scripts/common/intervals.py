"""Completed years and calendar months, counted one way wherever they are counted."""

from __future__ import annotations

import numpy as np
import pandas as pd


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
    """The fewest calendar months within which two days lie, whichever comes first (int64; both days are known).

    They lie within ``m`` months when the later day doesn't pass the earlier one's day of the month ``m`` months on; where that
    month is shorter, its last day stands in (31 August and 28 February are six months apart).
    """
    earlier, later = one.where(one <= other, other), other.where(one <= other, one)
    months = (later.dt.year - earlier.dt.year) * 12 + later.dt.month - earlier.dt.month
    last_day = np.minimum(earlier.dt.day, later.dt.days_in_month)
    return (months + (later.dt.day > last_day)).astype("int64")


def within_months(one: pd.Series, other: pd.Series, months: int) -> pd.Series:
    """Whether two days lie at most ``months`` calendar months apart, inclusive (``months_between``)."""
    return months_between(one, other) <= months
