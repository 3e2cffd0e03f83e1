"""Predictors of every type in one matrix."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.common.errors import StudyError
from scripts.tabular.predictors import Predictor, design

COHORT = pd.DataFrame(
    {
        "patient_id": ["P1", "P2", "P3", "P4"],
        "image_id": ["I1", "I2", "I3", "I4"],
        "sex": ["F", "M", "", "F"],
        "calcium": [2.1, np.nan, 2.5, 2.2],
        "smoker": pd.array([1, 0, pd.NA, 1], dtype="Int64"),
        "ward": ["inner", "outer", "", "elsewhere"],
    }
)


def test_each_type_has_its_columns_and_gaps():
    predictors = [
        Predictor("sex", "sex"),
        Predictor("calcium"),
        Predictor("smoker", "yes_no"),
        Predictor("ward", "category", ("inner", "outer")),
        Predictor("other", "score"),
    ]
    scores = pd.DataFrame(
        {
            "patient_id": ["P4", "P3", "P2", "P1"],
            "image_id": ["I4", "I3", "I2", "I1"],
            "score": [0.4, 0.3, 0.2, 0.1],
        }
    )
    found = design(COHORT, predictors, {"other": scores})
    assert found.names == ("sex", "calcium", "smoker", "ward=inner", "ward=outer", "other")
    gap = np.nan
    expected = [
        [1, 2.1, 1, 1, 0, 0.1],
        [0, gap, 0, 0, 1, 0.2],
        [gap, 2.5, gap, gap, gap, 0.3],
        [1, 2.2, 1, gap, gap, 0.4],
    ]
    np.testing.assert_array_equal(found.values, expected)
    np.testing.assert_array_equal(
        found.rows(np.array([False, True, False, True])).values, found.values[[1, 3]]
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.iloc[1:], "1 patients of one have no partner"),
        (lambda t: pd.concat([t, t.head(1)]), "1 patients of one have no partner, or several"),
        (lambda t: t.assign(score=[np.nan, 0.1, 0.1, 0.1]), "1 scores of the model .other. are missing"),
        (lambda t: t.assign(score=[1.5, 0.1, 0.1, 0.1]), "1 scores of the model .other. are missing"),
    ],
)
def test_scores_that_do_not_fit_are_refused(change, words):
    scores = COHORT[["patient_id", "image_id"]].assign(score=0.5)
    with pytest.raises(StudyError, match=words):
        design(COHORT, [Predictor("other", "score")], {"other": change(scores)})
