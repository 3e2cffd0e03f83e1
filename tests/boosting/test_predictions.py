"""One row per included patient with three probabilities, or a refusal."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.boosting.predictions import merge_predictions, predictions_of_set
from scripts.common.contracts.cohort import PREDICTIONS
from scripts.common.errors import StudyError
from scripts.common.vocabulary import MODELS


def cohort_of(name, patients, fold=None):
    return pd.DataFrame(
        {
            "patient_id": patients,
            "center": "alpha",
            "set": name,
            "fold": pd.array([fold] * len(patients), dtype="Int64"),
            "label": [0, 1, 1][: len(patients)],
        }
    )


def scores_of(patients):
    tables = {}
    for i, model in enumerate(MODELS):
        values = np.arange(len(patients)) / 10 + i / 100
        tables[model] = pd.DataFrame({"patient_id": patients, "score": values}).iloc[::-1]
    return tables


def test_scores_are_joined_by_patient_and_sets_follow_each_other():
    train = predictions_of_set("train", cohort_of("train", ["P3", "P1"], 2), scores_of(["P3", "P1"]))
    test = predictions_of_set("beta", cohort_of("beta", ["P2"]), scores_of(["P2"]))
    whole = merge_predictions([train, test])
    assert list(whole.columns) == [*PREDICTIONS, *MODELS]
    assert whole["patient_id"].tolist() == ["P1", "P3", "P2"]
    assert whole["deep"].tolist() == [0.1, 0.0, 0.0]
    assert whole["combined"].tolist() == pytest.approx([0.12, 0.02, 0.02])
    assert whole["label"].tolist() == [1, 0, 0] and whole["fold"].astype(object).tolist()[:2] == [2, 2]
    assert pd.isna(whole["fold"][2])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.iloc[1:], "don't fit its patients"),
        (lambda t: pd.concat([t, t.head(1)]), "don't fit its patients"),
        (lambda t: t.assign(patient_id=["P7", *t["patient_id"][1:]]), "1 without a score"),
        (
            lambda t: t.assign(score=[np.nan, *t["score"][1:]]),
            "1 .* scores of 'train' are missing or lie outside",
        ),
        (lambda t: t.assign(score=[-0.01, *t["score"][1:]]), "missing or lie outside"),
    ],
)
def test_scores_that_do_not_fit_are_refused(model, change, words):
    tables = scores_of(["P1", "P2", "P3"])
    tables[model] = change(tables[model])
    with pytest.raises(StudyError, match=words):
        predictions_of_set("train", cohort_of("train", ["P1", "P2", "P3"], 0), tables)


def test_a_patient_in_two_sets_is_refused():
    parts = [
        predictions_of_set(n, cohort_of(n, ["P1"]), scores_of(["P1"])) for n in ("train", "internal_test")
    ]
    with pytest.raises(StudyError, match="1 patients stand in two sets"):
        merge_predictions(parts)
    with pytest.raises(StudyError, match="holds a patient twice, or one of another set"):
        predictions_of_set("train", cohort_of("beta", ["P1"]), scores_of(["P1"]))
