"""Comparisons with clinical cut-offs, made one way wherever they are made.

T-scores, indices and body mass indices are told to one or two decimals, but floating point and spreadsheets
don't hold them exactly: Excel saves -2.5 as -2.4999999999999996 at times, and 0.2 * age - 0.2 * weight is
0.9999999999999998 for whole numbers five apart. So values are rounded to six decimals before they meet a
cut-off. That is far finer than any measurement: -2.46 stays above -2.5, though it prints as -2.5 with one
decimal.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pandas as pd

DECIMALS = 6

Values = TypeVar("Values", float, np.ndarray, pd.Series)


def rounded(values: Values) -> Values:
    """``values`` (floats, NaN where missing) as they are compared with a cut-off, rounded likewise."""
    return values.round(DECIMALS) if isinstance(values, pd.Series) else np.round(values, DECIMALS)


def at_most(values: Values, cutoff: float) -> Values:
    """Whether ``values`` are at or below ``cutoff``; a missing one is not."""
    return rounded(values) <= rounded(cutoff)


def at_least(values: Values, cutoff: float) -> Values:
    """Whether ``values`` are at or above ``cutoff``; a missing one is not."""
    return rounded(values) >= rounded(cutoff)


def below(values: Values, cutoff: float) -> Values:
    """Whether ``values`` are below ``cutoff``; a missing one is not."""
    return rounded(values) < rounded(cutoff)
