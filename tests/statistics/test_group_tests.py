"""Welch, Pearson, Fisher and SMD: the paper's printed numbers, and R's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scripts.statistics.cohort_description import count_missing, describe, sex_row
from scripts.statistics.group_tests import (
    fisher_exact_p,
    pearson_chi2,
    smd_means,
    smd_shares,
    welch_from_summary,
)

ORACLE = Path(__file__).resolve().parents[3] / "shared/oracles/paper_table1.json"


@pytest.fixture
def oracle() -> dict:
    if not ORACLE.is_file():
        pytest.skip("the paper's numbers are not beside the checkout (../shared/oracles/paper_table1.json)")
    return json.loads(ORACLE.read_text(encoding="utf-8"))


@pytest.mark.shared
def test_chi2_of_the_paper_from_its_printed_counts(oracle):
    for center, groups in oracle["counts"].items():
        row = sex_row(*(groups[group][sex] for group in ("OP", "nonOP") for sex in ("male", "female")))
        wanted = oracle["chi2"][center]
        assert row["statistic"] == pytest.approx(wanted["pearson"], rel=1e-4)
        assert abs(row["statistic"] - abs(wanted["printed"])) < 6e-4
        assert row["p_value"] == pytest.approx(wanted["p_pearson"], rel=1e-3)
        if center == "ext2":
            assert row["min_expected"] == pytest.approx(wanted["min_expected"], abs=1e-3)
            assert row["fisher_p"] == pytest.approx(wanted["fisher_p"], abs=5e-5)
        else:
            assert np.isnan(row["fisher_p"])
    ext1 = oracle["counts"]["ext1"]
    table = [[ext1[g][s] for s in ("male", "female")] for g in ("OP", "nonOP")]
    assert fisher_exact_p(table) == pytest.approx(oracle["chi2"]["ext1"]["fisher_p"], rel=1e-2)


@pytest.mark.shared
def test_welch_t_of_the_paper_from_its_printed_means(oracle):
    assert len(oracle["t"]) == 9
    for _, _, mean_1, sd_1, n_1, mean_2, sd_2, n_2, printed, _, welch, (low, high) in oracle["t"]:
        t = welch_from_summary(mean_1, sd_1, n_1, mean_2, sd_2, n_2).statistic
        assert t == pytest.approx(welch, abs=6e-4)
        assert low <= printed <= high


@pytest.mark.r
def test_the_same_as_r(run_r):
    rng = np.random.default_rng(5)
    a, b = rng.normal(71, 9, 37), rng.normal(66, 12, 12)
    counts = np.array([[11, 52], [4, 9]])
    answer = run_r(
        f"a <- c({','.join(map(repr, a.tolist()))}); b <- c({','.join(map(repr, b.tolist()))})\n"
        "t <- t.test(a, b); m <- matrix(c(11, 52, 4, 9), 2, byrow = TRUE)\n"
        "x <- suppressWarnings(chisq.test(m, correct = FALSE)); f <- fisher.test(m)\n"
        "out <- c(t$statistic, t$parameter, t$p.value, x$statistic, x$p.value, f$p.value)"
    )
    t = welch_from_summary(a.mean(), a.std(ddof=1), len(a), b.mean(), b.std(ddof=1), len(b))
    chi2 = pearson_chi2(counts)
    ours = [t.statistic, t.df, t.p_value, chi2.statistic, chi2.p_value, fisher_exact_p(counts)]
    assert ours == pytest.approx(answer, rel=1e-10)


def test_the_same_as_scipy_with_its_defaults_changed():
    from scipy import stats

    rng = np.random.default_rng(6)
    for _ in range(20):
        a, b = rng.normal(0, 1, rng.integers(2, 30)), rng.normal(0.4, 2, rng.integers(2, 30))
        ours = welch_from_summary(a.mean(), a.std(ddof=1), len(a), b.mean(), b.std(ddof=1), len(b))
        theirs = stats.ttest_ind(a, b, equal_var=False)
        assert (ours.statistic, ours.p_value) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
        table = rng.integers(1, 20, (2, 2))
        chi2 = stats.chi2_contingency(table, correction=False)
        assert (pearson_chi2(table).statistic, pearson_chi2(table).p_value) == pytest.approx(
            (chi2.statistic, chi2.pvalue), rel=1e-9
        )
        assert fisher_exact_p(table) == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-9)


def test_no_test_where_there_can_be_none():
    assert welch_from_summary(1, 2, 1, 3, 1, 5).note == "fewer than 2 values in a group"
    assert welch_from_summary(1, 0, 4, 1, 0, 5).note == "no spread in either group"
    assert np.isnan(pearson_chi2(np.array([[0, 5], [0, 4]])).p_value)
    assert np.isnan(smd_means(1, 0, 2, 0)) and np.isnan(smd_shares(0, 1))
    assert smd_means(3, 1, 2, 1) == 1.0


def test_table_1_takes_both_sets_of_the_development_centre_and_counts_gaps(cohort):
    cohort.loc[cohort["set"] == "train", "weight_kg"] = np.nan
    table = describe(cohort, ["internal", "external_1", "external_2"]).set_index(["center", "variable"])
    assert len(table) == 21
    age = table.loc[("internal", "age")]
    assert (age["op_n"], age["non_op_n"], age["missing"]) == (112, 208, 0)
    weight = table.loc[("internal", "weight_kg")]
    assert (weight["op_n"], weight["op_missing"], weight["non_op_missing"]) == (22, 90, 166)
    assert " ± " in age["op"] and table.loc[("internal", "sex"), "op"].count("/") == 1
    gaps = count_missing(cohort).set_index(["set", "variable"])
    assert gaps.loc[("train", "weight_kg"), "n_missing"] == 256
    assert gaps.loc[("internal_test", "weight_kg"), "n_missing"] == 0
    assert gaps["n_capped"].sum() == int((cohort["age"] >= 90).sum())


def test_table_1_of_a_centre_with_one_patient(cohort):
    one = cohort[cohort["center"] == "external_2"].head(1)
    table = describe(one, ["external_2"])
    assert table["p_value"].isna().all() and (table["note"] != "").all()
