"""Numbers as a reader wants them, in figures, tables and report; the CSV files keep full precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from scripts.common.vocabulary import NO_VALUE

DECIMALS = {"age": 1, "bmi": 1, "bmd": 2, "height_cm": 1, "weight_kg": 1, "t_score": 1}
"""Digits of the variables' means and deviations in Table 1."""


def is_missing(value: Any) -> bool:
    """True for None, NaN, pandas' NA and an empty text."""
    if value is None or isinstance(value, str):
        return not value
    return bool(pd.isna(value))


def decimal(value: Any, digits: int = 3) -> str:
    """A number with a fixed count of digits and a true minus sign; a dash where there is none."""
    if is_missing(value):
        return NO_VALUE
    text = f"{float(value):.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "\u2212")


def auc(value: Any) -> str:
    """An AUC (0 to 1), or a difference of two, with three digits."""
    return decimal(value, 3)


def percent(value: Any) -> str:
    """A fraction, or a difference of two, as a percentage with one digit, without the sign %."""
    return NO_VALUE if is_missing(value) else decimal(100 * float(value), 1)


def number(value: Any) -> str:
    """A setting as it would be written by hand: 0.0001, 1, 0.9."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def percentage(fraction: float) -> str:
    """0.05 as ``5``, without the sign and without a float's tail."""
    return f"{100 * fraction:.6g}"


def p_value(value: Any) -> str:
    """A P value as journals print it: three digits, ``<0.001`` and ``>0.999`` at the ends."""
    if is_missing(value):
        return NO_VALUE
    value = float(value)
    if value < 0.001:
        return "<0.001"
    return ">0.999" if 0.999 < value < 1 else f"{value:.3f}"


def count(value: Any) -> str:
    """A whole number with thin thousands separators."""
    return NO_VALUE if is_missing(value) else f"{int(value):,}".replace(",", "\u202f")


def plural(n: int, one: str, many: str = "") -> str:
    """``1 patient``, ``3 patients``; ``many`` where the plural is not ``one`` with an s."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def interval(low: Any, high: Any, show: Callable[[Any], str]) -> str:
    """``(low–high)``, both formatted by ``show``; ``to`` stands between where a bound is negative.

    Empty if missing.
    """
    if is_missing(low) or is_missing(high):
        return ""
    a, b = show(low), show(high)
    dash = " to " if "\u2212" in a + b else "–"
    return f"({a}{dash}{b})"


def with_interval(value: Any, low: Any, high: Any, show: Callable[[Any], str]) -> str:
    """``0.917 (0.890–0.939)``; the value alone without an interval, a dash without a value."""
    if is_missing(value):
        return NO_VALUE
    return f"{show(value)} {interval(low, high, show)}".rstrip()


def mean_sd(mean: Any, sd: Any, digits: int) -> str:
    """``71.1 ± 8.9``; the mean alone without a deviation, a dash without a mean."""
    if is_missing(mean) or is_missing(sd):
        return decimal(mean, digits)
    return f"{decimal(mean, digits)} ± {decimal(sd, digits)}"


def count_percent(n: int, of: int) -> str:
    """``206 (13.6)``: a count and its percentage of ``of``; the count alone of nobody."""
    return f"{count(n)} ({percent(n / of)})" if of else count(n)
