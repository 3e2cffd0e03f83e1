"""Table 2: identities that must hold in every row, intervals, tiny sets."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.common.contracts.statistics import METRICS, TABLE2
from scripts.statistics.performance import bootstrap_counts, evaluate_set, f1_score, performance_table, wilson
from scripts.statistics.subgroups import (
    at_prevalence,
    bayes,
    levels,
    prevalence_table,
    subgroup_table,
)
from scripts.statistics.thresholds import freeze

MODELS = ["deep", "clinical", "combined"]
SETS = ["internal_test", "external_1", "external_2"]
CUTS = {"deep": 0.4, "clinical": 0.45, "combined": 0.35}


def check_identities(row: dict) -> None:
    """Everything that ties the numbers of one row together."""
    n, n_pos, tp, fp, tn, fn = (row[k] for k in ("n", "n_pos", "tp", "fp", "tn", "fn"))
    assert tp + fn == n_pos and fp + tn == n - n_pos
    for metric in METRICS:
        value, low, high = (row[metric], row[f"{metric}_low"], row[f"{metric}_high"])
        assert np.isnan(value) or 0 <= value <= 1
        assert np.isnan(low) == np.isnan(high)
        assert row[f"{metric}_ci_method"]
        if not np.isnan(low) and metric != "f1":
            assert low - 1e-12 <= value <= high + 1e-12
    if not 0 < n_pos < n:
        assert np.isnan(row["auc"])
        return
    p, sens, spec = n_pos / n, row["sensitivity"], row["specificity"]
    assert row["accuracy"] == pytest.approx(p * sens + (1 - p) * spec, abs=1e-12)
    ppv, npv = bayes(sens, spec, p)
    assert row["ppv"] == pytest.approx(float(ppv), abs=1e-12, nan_ok=True)
    assert row["npv"] == pytest.approx(float(npv), abs=1e-12, nan_ok=True)
    if tp:
        assert row["f1"] == pytest.approx(2 * sens * ppv / (sens + ppv), abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_identities_for_any_set(n_pos, n_neg, grain, seed):
    if n_pos + n_neg == 0:
        return
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([1, 0], [n_pos, n_neg]))
    scores = rng.integers(0, grain + 1, (3, n_pos + n_neg)) / grain
    rows = evaluate_set(labels, scores, MODELS, CUTS, 0.95, 100, seed)
    assert [row["model"] for row in rows] == [*MODELS, "everyone_positive"]
    for row in rows:
        check_identities(row)
    everyone = rows[-1]
    assert (everyone["tn"], everyone["fn"]) == (0, 0)
    assert everyone["accuracy"] == pytest.approx(n_pos / (n_pos + n_neg))


def test_table_of_all_sets(predictions):
    table = performance_table(predictions, MODELS, SETS, CUTS, 0.95, 500, 1)
    assert list(table.columns) == list(TABLE2) and len(table) == 12
    for row in table.to_dict("records"):
        check_identities(row)
        if row["model"] != "everyone_positive":
            assert row["auc_ci_method"] == "DeLong, logit"
            assert (row["auc_low"], row["auc_high"]) == (row["auc_logit_low"], row["auc_logit_high"])
            assert row["f1_low"] <= row["f1"] <= row["f1_high"]


def counted(part: pd.DataFrame, model: str, cut: float) -> tuple[int, int, int, int]:
    """TP, FP, TN, FN one patient after the other."""
    counts = {(called, label): 0 for called in (True, False) for label in (0, 1)}
    for label, score in zip(part["label"], part[model], strict=True):
        counts[score >= cut, int(label)] += 1
    return counts[True, 1], counts[True, 0], counts[False, 0], counts[False, 1]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=4),
    st.integers(1, 30),
    st.sampled_from([("youden", None), ("sensitivity", 0.9), ("value", 0.5)]),
    st.sampled_from([0.9, 0.95, 0.99]),
    st.integers(0, 2**32 - 1),
)
def test_identities_of_table_2_of_random_studies(sizes, grain, rule, confidence, seed):
    """From scores to Table 2 as the stage goes: thresholds frozen on train, then every row of every test
    set.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for place, (n_pos, n_neg) in enumerate([(12, 20), *sizes]):
        label = rng.permutation(np.repeat([1, 0], [n_pos, n_neg]))
        part = pd.DataFrame({"set": f"set_{place}" if place else "train", "label": label})
        for model in MODELS:
            raw = 1 / (1 + np.exp(-rng.normal(1.5 * (label - 0.5), 1)))
            part[model] = np.round(raw * grain) / grain
        parts.append(part)
    frame = pd.concat(parts, ignore_index=True)
    frozen = freeze(frame, MODELS, *rule)
    cuts = dict(zip(frozen["model"], frozen["threshold"], strict=True))
    names = [f"set_{place + 1}" for place in range(len(sizes))]
    table = performance_table(frame, MODELS, names, cuts, confidence, 100, seed)
    assert len(table) == len(sizes) * 4
    for row in table.to_dict("records"):
        check_identities(row)
        part = frame[frame["set"] == row["set"]].assign(everyone_positive=1.0)
        assert counted(part, row["model"], cuts.get(row["model"], 0.0)) == (
            row["tp"],
            row["fp"],
            row["tn"],
            row["fn"],
        )
        assert row["threshold"] == cuts.get(row["model"], 0.0)


def test_another_set_changes_no_other(predictions):
    alone = performance_table(predictions, MODELS, SETS[:1], CUTS, 0.95, 300, 1)
    among = performance_table(predictions, MODELS, SETS, CUTS, 0.95, 300, 1)
    pd.testing.assert_frame_equal(alone, among.head(4))
    shuffled = performance_table(predictions.sample(frac=1, random_state=1), MODELS, SETS, CUTS, 0.95, 300, 1)
    pd.testing.assert_frame_equal(shuffled, among, rtol=1e-12)


def test_a_set_without_patients(predictions):
    table = performance_table(
        predictions[predictions["set"] != "external_2"], MODELS, SETS, CUTS, 0.95, 100, 1
    )
    empty = table[table["set"] == "external_2"]
    assert (empty["n"] == 0).all() and empty["auc"].isna().all()
    assert (empty["auc_ci_method"] == "none: no patients").all()


def test_wilson_equals_statsmodels():
    from statsmodels.stats.proportion import proportion_confint

    for k, n in ((0, 5), (5, 5), (3, 17), (850, 1000)):
        assert wilson(k, n, 0.95) == pytest.approx(proportion_confint(k, n, 0.05, method="wilson"), abs=1e-12)
    assert np.isnan(wilson(0, 0, 0.95)).all()


def test_bootstrap_is_that_of_whole_patients():
    """Mean and spread of the multinomial draw are those of drawing patients one by one, models kept
    together.
    """
    rng = np.random.default_rng(8)
    labels = rng.integers(0, 2, 60)
    called = rng.random((2, 60)) < np.where(labels, 0.8, 0.3)
    drawn = bootstrap_counts(labels, called, 20_000, 5)
    assert (drawn["tp"] + drawn["fn"] + drawn["fp"] + drawn["tn"] == 60).all()
    assert (drawn["tp"][0] + drawn["fn"][0] == drawn["tp"][1] + drawn["fn"][1]).all()
    ours = f1_score(drawn["tp"], drawn["fp"], drawn["fn"])
    picks = rng.integers(0, 60, (20_000, 60))
    tp = (labels[picks] & called[:, picks]).sum(axis=2)
    theirs = f1_score(
        tp,
        ((1 - labels[picks]) & called[:, picks]).sum(axis=2),
        (labels[picks] & ~called[:, picks]).sum(axis=2),
    )
    assert ours.mean(axis=1) == pytest.approx(theirs.mean(axis=1), abs=0.003)
    assert ours.std(axis=1) == pytest.approx(theirs.std(axis=1), rel=0.04)
    assert np.corrcoef(ours)[0, 1] == pytest.approx(np.corrcoef(theirs)[0, 1], abs=0.04)


def test_bootstrap_does_not_slow_down_with_n():
    rng = np.random.default_rng(8)
    labels = rng.integers(0, 2, 100_000)
    called = rng.random((4, 100_000)) < 0.5
    start = time.process_time()
    bootstrap_counts(labels, called, 2000, 1)
    assert time.process_time() - start < 2


def patients(predictions: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    new = [c for c in cohort.columns if c not in predictions.columns]
    return predictions.merge(cohort[["patient_id", *new]], on="patient_id")


def test_subgroups_divide_each_set(predictions, cohort):
    frame = patients(predictions, cohort)
    table = subgroup_table(frame, MODELS, SETS, CUTS, 0.95)
    deep = table[table["model"] == "deep"]
    for (name, subgroup), part in deep.groupby(["set", "subgroup"]):
        assert part["n"].sum() == (frame["set"] == name).sum(), subgroup
    for subgroup in ("sex", "age", "bmi", "dxa_interval", "manufacturer"):
        masks = np.array([mask for name, _, mask in levels(frame) if name == subgroup])
        assert (masks.sum(axis=0) == 1).all()


def test_prevalence_by_bayes(predictions, cohort):
    frame = patients(predictions, cohort)
    populations = [{"label": "P", "from_age": 65, "prevalence": 0.32}]
    table = prevalence_table(frame, MODELS, SETS, CUTS, populations, 0.95, 500, 1)
    row = table[(table["set"] == "external_1") & (table["model"] == "deep")].iloc[0]
    old = frame[(frame["set"] == "external_1") & (frame["age"] >= 65)]
    assert row["n"] == len(old)
    sens = (old.loc[old["label"] == 1, "deep"] >= CUTS["deep"]).mean()
    spec = (old.loc[old["label"] == 0, "deep"] < CUTS["deep"]).mean()
    assert row["ppv"] == pytest.approx(sens * 0.32 / (sens * 0.32 + (1 - spec) * 0.68))
    assert row["npv"] == pytest.approx(spec * 0.68 / (spec * 0.68 + (1 - sens) * 0.32))
    assert row["net_benefit"] == pytest.approx(sens * 0.32 - (1 - spec) * 0.68 * 0.4 / 0.6)
    assert row["ppv_low"] <= row["ppv"] <= row["ppv_high"]
    lonely = at_prevalence({"tp": 3, "fn": 1, "fp": 0, "tn": 0}, 0.2, 0.4, 0.95, 100, 1)
    assert np.isnan(lonely["ppv"]) and lonely["note"]
