"""Baselines at frozen thresholds: which patients decide a threshold, the published cut-off, the tests against
them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.common.errors import StudyError
from scripts.common.vocabulary import BASELINES, OSTA_PUBLISHED
from scripts.statistics.baselines import (
    AGAINST,
    baseline_delong,
    baseline_performance,
    baseline_thresholds,
    with_baselines,
)

SETS = ["internal_test", "external_1", "external_2"]


@pytest.fixture
def frame(cohort, predictions, baselines_of, tmp_path):
    baselines_of(cohort).to_csv(tmp_path / "baselines.csv", index=False)
    return with_baselines(predictions, tmp_path / "baselines.csv")


def pairs_auc(labels, scores):
    wins = [(a > b) + 0.5 * (a == b) for a in scores[labels == 1] for b in scores[labels == 0]]
    return np.mean(wins)


def test_auc_counts_pairs_and_every_baseline_stands_in_every_set(frame):
    cuts = baseline_thresholds(frame, "youden", None)
    table = baseline_performance(frame, SETS, cuts, 0.95, 200, 1)
    assert table.groupby("set", sort=False)["model"].apply(list).to_dict() == {
        s: [*BASELINES, OSTA_PUBLISHED] for s in SETS
    }
    for row in table.itertuples():
        part = frame[frame["set"] == row.set]
        scores = part["osta" if row.model == OSTA_PUBLISHED else row.model].to_numpy()
        assert row.auc == pytest.approx(pairs_auc(part["label"].to_numpy(), scores), abs=1e-12)
        assert row.auc_low < row.auc < row.auc_high
        assert row.tp + row.fn == row.n_pos and row.tp + row.fp + row.tn + row.fn == row.n
    known = table.set_index(["set", "model"])
    part = frame[frame["set"] == "external_1"]
    assert known.loc[("external_1", "age"), "brier"] == pytest.approx(
        ((part["age"] - part["label"]) ** 2).mean()
    )
    assert (
        known.loc[("external_1", "osta"), "brier"] != known.loc[("external_1", "osta"), "brier"]
    )  # NaN: no probability


def test_the_published_cut_off_is_an_index_of_minus_one_or_below(frame):
    cuts = baseline_thresholds(frame, "youden", None)
    row = (
        baseline_performance(frame, SETS, cuts, 0.95, 200, 1)
        .set_index(["set", "model"])
        .loc[("internal_test", OSTA_PUBLISHED)]
    )
    part = frame[frame["set"] == "internal_test"]
    index = np.trunc(-part["osta"])  # the authors' index is a whole number
    assert row["tp"] == ((index <= -1) & (part["label"] == 1)).sum()
    assert row["fp"] == ((index <= -1) & (part["label"] == 0)).sum()
    assert row["rule"] == "published"


def test_an_index_at_the_published_cut_off_is_positive_however_it_is_stored(frame):
    cuts = baseline_thresholds(frame, "youden", None)
    table = baseline_performance(frame.assign(osta=0.9999999999999998), SETS, cuts, 0.95, 200, 1)
    assert (table.loc[table["model"] == OSTA_PUBLISHED, "sensitivity"] == 1).all()


def test_only_training_patients_decide_a_threshold(frame):
    before = baseline_thresholds(frame, "youden", None)
    changed = frame.copy()
    test = changed["set"] != "train"
    changed.loc[test, "label"] = 1 - changed.loc[test, "label"]
    changed.loc[test, list(BASELINES)] = 0.5
    assert baseline_thresholds(changed, "youden", None) == before
    train = frame[frame["set"] == "train"]
    for name in BASELINES:
        called = train[name] >= before[name][0]
        best = max(
            (train.loc[train["label"] == 1, name] >= cut).mean()
            - (train.loc[train["label"] == 0, name] >= cut).mean()
            for cut in train[name]
        )
        assert called[train["label"] == 1].mean() - called[train["label"] == 0].mean() == pytest.approx(best)


def test_a_fixed_probability_is_none_of_ostas(frame):
    cuts = baseline_thresholds(frame, "value", 0.3)
    assert cuts["age"] == (0.3, "value 0.3") and cuts["logistic"] == (0.3, "value 0.3")
    assert cuts["osta"] == baseline_thresholds(frame, "youden", None)["osta"]


def test_models_are_tested_against_each_baseline(frame):
    table = baseline_delong(frame, SETS, 0.95, None)
    assert len(table) == len(SETS) * len(AGAINST) * len(BASELINES)
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


def test_tables_of_different_patients_are_refused(cohort, predictions, baselines_of, tmp_path):
    table = baselines_of(cohort)
    path = tmp_path / "baselines.csv"
    for wrong in (
        table.iloc[1:],
        pd.concat([table, table.iloc[[0]].assign(patient_id="P0")]),
        table.assign(label=1 - table["label"].astype(int)),
        table.assign(osta=table["osta"].where(table.index > 3)),
    ):
        wrong.to_csv(path, index=False)
        with pytest.raises(StudyError, match="not of the same patients"):
            with_baselines(predictions, path)
