"""Baselines at frozen thresholds, OSTA's published cut-off, the tests against them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.common.errors import StudyError
from scripts.statistics.baselines import (
    PUBLISHED_CUT,
    baseline_delong,
    baseline_performance,
    with_published,
)
from scripts.statistics.thresholds import freeze

SETS = ["internal_test", "external_1", "external_2"]
BASELINES = ["age", "logistic", "osta"]
TESTED = ["deep", "combined"]


@pytest.fixture
def index_scores(scored, tmp_path):
    """Files of the scores of OSTA by model and test set, their rows in another order, and minus the index of
    all patients.
    """
    raw = (0.2 * (scored.patients["age"] - scored.patients["weight_kg"]).astype(float)).round(6)
    table = scored.patients[["patient_id", "image_id", "set"]].assign(
        score=scored.scores["osta"].to_numpy(), raw=raw.to_numpy()
    )
    paths = {}
    for name in SETS:
        paths["osta", name] = tmp_path / f"{name}.csv"
        table[table["set"] == name].drop(columns="set").sample(frac=1, random_state=1).to_csv(
            paths["osta", name], index=False
        )
    return paths, raw


@pytest.fixture
def frame(scored, index_scores):
    return with_published(scored.scores, ["osta"], index_scores[0])


@pytest.fixture
def cuts(frame):
    rows = freeze(frame, BASELINES, "youden", None).itertuples()
    return {row.model: (row.threshold, row.rule) for row in rows}


def pairs_auc(labels, scores):
    wins = [(a > b) + 0.5 * (a == b) for a in scores[labels == 1] for b in scores[labels == 0]]
    return np.mean(wins)


def test_auc_counts_pairs_and_every_baseline_stands_in_every_set(frame, cuts):
    table = baseline_performance(frame, BASELINES, SETS, cuts, 0.95, 200, 1)
    assert table.groupby("set", sort=False)["model"].apply(list).to_dict() == {
        s: [*BASELINES, "osta_published"] for s in SETS
    }
    for row in table.itertuples():
        part = frame[frame["set"] == row.set]
        assert row.auc == pytest.approx(
            pairs_auc(part["label"].to_numpy(), part[row.model].to_numpy()), abs=1e-12
        )
        assert row.auc_low < row.auc < row.auc_high
        assert row.tp + row.fn == row.n_pos and row.tp + row.fp + row.tn + row.fn == row.n
        brier = ((part[row.model] - part["label"]) ** 2).mean()
        assert np.isnan(row.brier) if row.model == "osta_published" else row.brier == pytest.approx(brier)
        assert (row.threshold, row.rule) == (cuts | {"osta_published": PUBLISHED_CUT})[row.model]
    auc = table.set_index(["set", "model"])["auc"].unstack()
    assert auc["osta"].tolist() == pytest.approx(auc["osta_published"].tolist(), abs=1e-12)


def test_the_published_cut_off_is_an_index_of_minus_one_or_below(frame, cuts, index_scores):
    row = (
        baseline_performance(frame, BASELINES, SETS, cuts, 0.95, 200, 1)
        .set_index(["set", "model"])
        .loc[("internal_test", "osta_published")]
    )
    inside = frame["set"] == "internal_test"
    index = np.trunc(-index_scores[1][inside].to_numpy())  # the authors' index is a whole number
    labels = frame.loc[inside, "label"].to_numpy()
    assert row["tp"] == ((index <= -1) & (labels == 1)).sum() > 0
    assert row["fp"] == ((index <= -1) & (labels == 0)).sum() > 0


def test_an_osta_that_is_no_baseline_has_its_published_row_and_a_study_may_have_no_baseline(frame, cuts):
    table = baseline_performance(frame, ["age"], SETS, cuts, 0.95, 50, 1)
    assert table["model"].tolist() == ["age", "osta_published"] * len(SETS)
    none = frame.drop(columns="osta_published")
    assert baseline_performance(none, [], SETS, {}, 0.95, 50, 1).empty
    assert baseline_delong(none, TESTED, [], SETS, 0.95, None).empty


def test_models_are_tested_against_each_baseline(frame):
    table = baseline_delong(frame, TESTED, BASELINES, SETS, 0.95, None)
    assert len(table) == len(SETS) * len(TESTED) * len(BASELINES)
    for name, part in table.groupby("set"):
        patients = frame[frame["set"] == name]
        for row in part.itertuples():
            labels = patients["label"].to_numpy()
            gap = pairs_auc(labels, patients[row.model_a].to_numpy()) - pairs_auc(
                labels, patients[row.model_b].to_numpy()
            )
            assert row.difference == pytest.approx(gap, abs=1e-12)
            assert row.p_holm >= row.p_value
        assert part["p_holm"].min() == pytest.approx(min(1, len(part) * part["p_value"].min()))


def test_indices_of_other_patients_are_refused(scored, index_scores):
    paths, _ = index_scores
    path = paths["osta", "external_1"]
    table = pd.read_csv(path)
    for wrong in (
        table.iloc[1:],
        pd.concat([table, table.iloc[[0]].assign(patient_id="P0")]),
        pd.concat([table, table.iloc[[0]]]),
        table.assign(raw=table["raw"].where(table.index > 3)),
    ):
        wrong.to_csv(path, index=False)
        with pytest.raises(StudyError, match="external_1.csv.*exactly the patients"):
            with_published(scored.scores, ["osta"], paths)
