"""The AUC of models that need no network, before any network is trained."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest

from scripts.common.contracts.models import OUT_OF_FOLD
from scripts.common.contracts.statistics import FIRST_ANSWER
from scripts.common.errors import StudyError
from scripts.common.tables import write_table
from scripts.statistics.early_performance import early_performance, said_of

LABELS = [0, 0, 1, 0, 1, 1, 0, 1]
SCORES = {"one": [0.1, 0.2, 0.3, 0.35, 0.4, 0.8, 0.5, 0.5], "other": [0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1]}


@pytest.fixture
def tables(tmp_path):
    """The cohort and each model's out-of-fold scores, in another order."""
    ids = [f"P{n}" for n in range(len(LABELS))]
    cohort = pd.DataFrame({"patient_id": ids, "image_id": [f"I{i}" for i in ids], "label": LABELS})
    cohort.to_csv(tmp_path / "train.csv", index=False)
    paths = {}
    for model, scores in SCORES.items():
        paths[model] = tmp_path / f"{model}.csv"
        frame = cohort.drop(columns="label").assign(score=scores, raw=scores, fold=0)
        write_table(frame.iloc[::-1], paths[model], OUT_OF_FOLD)
    return paths, tmp_path / "train.csv"


def test_the_auc_is_the_share_of_pairs_in_the_right_order(tables):
    table = early_performance(*tables, 0.95)
    assert list(table.columns) == list(FIRST_ANSWER) and list(table["model"]) == list(SCORES)
    for row in table.itertuples():
        pairs = [
            1.0 if high > low else 0.5 if high == low else 0.0
            for (high, a), (low, b) in itertools.product(zip(SCORES[row.model], LABELS), repeat=2)
            if a == 1 and b == 0
        ]
        assert row.auc == pytest.approx(sum(pairs) / len(pairs))
        assert (row.set, row.n, row.n_pos) == ("train", 8, 4)
        assert 0 <= row.auc_low < row.auc < row.auc_high <= 1


def test_what_chance_may_give_is_said(tables):
    paths, cohort = tables
    rows = {row.model: row for row in early_performance(paths, cohort, 0.95).itertuples()}
    assert "chance" in said_of(rows["one"]) and "chance" in said_of(rows["other"])
    sure = rows["one"]._replace(auc=0.9, auc_low=0.8, auc_high=0.95)
    assert said_of(sure).startswith("one: AUC 0.9") and "chance" not in said_of(sure)
    assert "chance" not in said_of(rows["one"]._replace(auc=1.0, auc_low=float("nan")))
    assert "chance" in said_of(rows["one"]._replace(auc_low=float("nan")))


def test_scores_of_other_patients_are_refused(tables):
    paths, cohort = tables
    lines = paths["other"].read_text().splitlines(keepends=True)
    paths["other"].write_text("".join(lines[:-1]))
    with pytest.raises(StudyError, match=r"other\.csv' does not hold exactly the patients") as refused:
        early_performance(paths, cohort, 0.95)
    assert "P0" not in str(refused.value)
