"""What is told of a predictor before a run: shares, levels without small counts, medians side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.check.predictor_values import described_predictors, described_values, medians_side_by_side
from scripts.common.predictors import Predictor

CALCIUM = Predictor("calcium", "number", unit="mmol/L")
SMOKER = Predictor("smoker", "yes_no")
ALCOHOL = Predictor("alcohol", "category", ("never", "sometimes", "daily"))


@pytest.mark.parametrize(
    ("values", "predictor", "said"),
    [
        ([2.1, 2.3, np.nan], CALCIUM, "calcium: missing in 1 of 3 rows; median 2.2 mmol/L"),
        (
            [*np.linspace(2, 3, 101)],
            CALCIUM,
            "calcium: missing in 0 of 101 rows; median 2.5 mmol/L, nine of ten from 2.05 to 2.95",
        ),
        ([np.nan] * 4, CALCIUM, "calcium: missing in 4 of 4 rows"),
        ([1.0] * 6 + [0.0] * 7, SMOKER, "smoker: missing in 0 of 13 rows; yes 6, no 7"),
        ([1.0] * 2 + [0.0] * 7, SMOKER, "smoker: missing in 0 of 9 rows; yes not shown, no not shown"),
        (
            ["never"] * 9 + ["sometimes"] * 4 + ["daily"] * 6 + [""],
            ALCOHOL,
            "alcohol: missing in 1 of 20 rows; never 9, sometimes not shown, daily not shown",
        ),
        (["never"] * 9, ALCOHOL, "alcohol: missing in 0 of 9 rows; never 9, sometimes 0, daily 0"),
    ],
)
def test_a_predictors_column_in_one_line(values, predictor, said):
    assert described_values(pd.Series(values), predictor) == said


def test_a_table_without_a_predictor_is_named():
    lines, medians = described_predictors(pd.DataFrame({"calcium": [2.0] * 9}), "b", {
        "calcium": CALCIUM, "smoker": SMOKER,
    })  # fmt: skip
    assert medians == {"calcium": 2.0}
    assert lines[1] == "smoker: the table has none; it is missing for all patients of 'b'"


@pytest.mark.parametrize(
    ("medians", "warned"),
    [((2.35, 9.4), True), ((2.35, 2.2), False), ((0.0, 1.0), True), ((0.0, 0.0), False)],
)
def test_medians_that_differ_as_units_do_are_a_hint(medians, warned):
    told = [("a", {"calcium": medians[0]}), ("b", {"calcium": medians[1]}), ("c", {})]
    lines, hints = medians_side_by_side(told, {"calcium": CALCIUM, "smoker": SMOKER})
    assert len(lines) == 1 and f"{medians[0]:.4g} in 'a', {medians[1]:.4g} in 'b'" in lines[0]
    assert bool(hints) is warned and all("same unit (mmol/L)" in hint for hint in hints)


def test_one_centre_has_nothing_beside_it():
    assert medians_side_by_side([("a", {"calcium": 2.0})], {"calcium": CALCIUM}) == ([], [])
