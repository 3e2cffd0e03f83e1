"""A value at a clinical cut-off is at it, however floating point stores it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.common.cutoffs import at_least, at_most, below

STORED = -2.4999999999999996
"""-2.5 as Excel stores it at times."""


@pytest.mark.parametrize(
    ("value", "reached"),
    [
        (-2.5, True),
        (STORED, True),
        (-2.51, True),
        (-2.49, False),
        (-2.46, False),
        (-2.49999, False),
        (np.nan, False),
    ],
)
def test_at_or_below_a_cut_off(value, reached):
    assert bool(at_most(value, -2.5)) is reached
    assert at_most(np.array([value]), STORED).tolist() == [reached], "the cut-off is stored so itself"
    assert at_most(pd.Series([value]), -2.5).tolist() == [reached]


def test_osta_of_whole_numbers_five_apart_is_one():
    index = np.array([0.2 * age - 0.2 * (age - 5) for age in range(40, 95)])
    assert (index < 1).any(), "nothing was at stake"
    assert at_least(index, 1).all() and not below(index, 1).any()


def test_every_number_is_on_one_side_and_a_missing_one_on_none():
    values = np.array([18.499999999999996, 18.5, 18.49, 18.51, np.nan])
    assert (at_least(values, 18.5) ^ below(values, 18.5)).tolist() == [True, True, True, True, False]
    assert at_least(values, 18.5).tolist() == [True, True, False, True, False]
