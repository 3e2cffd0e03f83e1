"""DeLong by hand, by brute force and by R's pROC."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.common.contracts.statistics import DELONG
from scripts.common.errors import StudyError
from scripts.statistics.auc_comparison import (
    check_against,
    compare_set,
    delong_table,
    engine_record,
    model_pairs,
)
from scripts.statistics.delong import auc_interval, auc_with_covariance, compare, holm, logit, midranks, wald

PAIRS = [("combined", "clinical"), ("deep", "clinical"), ("combined", "deep")]


def brute_force(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUCs and covariance straight from the definition, O(n^2)."""
    pos, neg = scores[:, labels == 1], scores[:, labels == 0]
    wins = (pos[:, :, None] > neg[:, None, :]) + 0.5 * (pos[:, :, None] == neg[:, None, :])
    v10, v01 = wins.mean(axis=2), wins.mean(axis=1)
    return wins.mean(axis=(1, 2)), np.cov(v10) / pos.shape[1] + np.cov(v01) / neg.shape[1]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 15), st.integers(2, 15), st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_equals_the_definition_with_ties(n_pos, n_neg, values, seed):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([1, 0], [n_pos, n_neg]))
    scores = rng.integers(0, values, (3, n_pos + n_neg)) / values
    ours = auc_with_covariance(labels, scores)
    auc, covariance = brute_force(labels, scores)
    assert ours.auc == pytest.approx(auc, abs=1e-12)
    assert ours.covariance == pytest.approx(covariance, abs=1e-12)
    flipped = auc_with_covariance(labels, -scores)
    assert flipped.auc == pytest.approx(1 - auc, abs=1e-12)


def test_midranks_share_ties():
    assert midranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_an_auc_below_one_half_stays_there():
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert auc_with_covariance(labels, np.array([[0.9, 0.8, 0.3, 0.5, 0.2, 0.1]])).auc[0] == pytest.approx(
        1 / 9
    )


def test_nan_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        auc_with_covariance(np.array([0, 1]), np.array([[0.1, np.nan]]))


def test_identical_models_differ_by_nothing(predictions):
    labels = predictions["label"].to_numpy()
    scores = predictions["deep"].to_numpy()
    same = compare(auc_with_covariance(labels, np.vstack([scores, scores**3])), 0, 1, 0.95)
    assert (same.difference, same.z, same.p_value, same.note) == (0.0, 0.0, 1.0, "same ranking")


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([1, 1, 1, 1, 1], "none: one class only"),
        ([0, 0, 0, 0, 1], "none: fewer than 2 patients in a class"),
        ([0, 0, 0, 1, 1], "none: classes perfectly separated"),
        ([], "none: no patients"),
    ],
)
def test_five_patients_or_fewer_get_no_interval_but_a_reason(labels, reason):
    labels = np.array(labels, dtype=int)
    scores = np.linspace(0.1, 0.9, len(labels))[None]
    result = auc_with_covariance(labels, scores)
    n_pos = int(labels.sum())
    interval = auc_interval(
        float(result.auc[0]), float(result.covariance[0, 0]), n_pos, len(labels) - n_pos, 0.95
    )
    assert interval.method == reason and np.isnan(interval.low)


def test_interval_by_size_of_the_smaller_class():
    assert auc_interval(0.9, 0.001, 49, 500, 0.95).method == "DeLong, logit"
    assert auc_interval(0.9, 0.001, 50, 500, 0.95).method == "DeLong, Wald"
    low, high = logit(0.98, 0.001, 0.95)
    assert 0 < low < 0.98 < high < 1
    assert wald(0.98, 0.001, 0.95)[1] == 1.0
    half = 1.959963984540054 * np.sqrt(0.001)
    assert wald(0.8, 0.001, 0.95) == pytest.approx((0.8 - half, 0.8 + half), rel=1e-12)


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    adjusted = holm(np.array([0.01, np.nan, 0.04]))
    assert adjusted[0] == pytest.approx(0.02) and np.isnan(adjusted[1]) and adjusted[2] == pytest.approx(0.04)


def test_pairs_start_with_the_primary_contrast():
    assert model_pairs(["deep", "clinical", "combined"], ["combined", "clinical"]) == [
        ("combined", "clinical"),
        ("deep", "clinical"),
        ("combined", "deep"),
    ]


def test_a_hundred_thousand_patients_in_a_moment():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 100_000)
    scores = rng.random((3, 100_000)) + 0.2 * labels
    start = time.process_time()
    result = auc_with_covariance(labels, scores)
    assert time.process_time() - start < 5
    assert (result.auc > 0.55).all() and (np.diag(result.covariance) > 0).all()


def test_table_of_all_sets(predictions):
    sets = ["internal_test", "external_1", "external_2"]
    table = delong_table(
        predictions, ["deep", "clinical", "combined"], sets, ["combined", "clinical"], 0.95, None
    )
    assert list(table.columns) == list(DELONG) and len(table) == 9
    assert (table["engine"] == "numpy").all() and table["primary"].sum() == 3
    assert (table["p_holm"] >= table["p_value"]).all()
    assert engine_record(None)["R"] == "not used"
    with pytest.raises(StudyError, match="primary_contrast"):
        delong_table(predictions, ["deep", "clinical"], sets, ["combined", "clinical"], 0.95, None)


def test_the_cross_check_fails_loudly():
    labels = np.array([0, 1, 0, 1, 1, 0])
    own = compare(
        auc_with_covariance(
            labels, np.array([[0.1, 0.9, 0.4, 0.3, 0.8, 0.2], [0.3, 0.2, 0.4, 0.5, 0.8, 0.6]])
        ),
        0,
        1,
        0.95,
    )
    check_against(own, (own.auc_a, own.auc_b), own.z, "test")
    for auc, z in (
        ((own.auc_a + 1e-11, own.auc_b), own.z),
        ((own.auc_a, own.auc_b), own.z + 1e-8),
        ((own.auc_a, own.auc_b), np.nan),
    ):
        with pytest.raises(StudyError, match="disagree"):
            check_against(own, auc, z, "test")


@pytest.fixture(scope="module")
def proc():
    from scripts.statistics.proc import Proc

    try:
        return Proc()
    except StudyError as error:
        pytest.skip(str(error))


@pytest.mark.r
def test_proc_and_numpy_agree_on_random_sets(proc):
    rng = np.random.default_rng(11)
    models = ["deep", "clinical", "combined"]
    for n_pos, n_neg, levels in ((63, 13, 1000), (300, 560, 20), (3, 2, 4), (2, 2, 3), (119, 69, 10**6)):
        labels = rng.permutation(np.repeat([1, 0], [n_pos, n_neg]))
        scores = np.clip(np.round((rng.random((3, n_pos + n_neg)) + 0.3 * labels) * levels) / levels, 0, None)
        rows = compare_set(labels, scores, models, PAIRS, 0.95, proc, "test")
        assert {row["engine"] for row in rows} == {"pROC"}
        own = compare_set(labels, scores, models, PAIRS, 0.95, None, "test")
        for row, ours in zip(rows, own, strict=True):
            assert (row["auc_a"], row["z"]) == pytest.approx(
                (ours["auc_a"], ours["z"]), abs=1e-9, nan_ok=True
            )


@pytest.mark.r
def test_proc_with_constant_identical_and_separated_scores(proc):
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    scores = np.array([[0.5] * 7, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]])
    rows = compare_set(labels, scores, ["deep", "clinical", "combined"], PAIRS, 0.95, proc, "test")
    by_pair = {(row["model_a"], row["model_b"]): row for row in rows}
    assert by_pair[("combined", "clinical")]["p_value"] == 1.0
    assert by_pair[("deep", "clinical")]["note"] == "variance of the difference is zero"
    assert np.isnan(by_pair[("deep", "clinical")]["p_value"])
    one_class = compare_set(
        np.ones(7, dtype=int), scores, ["deep", "clinical", "combined"], PAIRS, 0.95, proc, "test"
    )
    assert all(row["note"] == "one class only" and np.isnan(row["p_value"]) for row in one_class)
    lonely = compare_set(
        np.array([0, 0, 0, 0, 0, 0, 1]), scores, ["deep", "clinical", "combined"], PAIRS, 0.95, proc, "test"
    )
    assert all(np.isnan(row["p_value"]) for row in lonely if row["note"] != "same ranking")
    assert {row["engine"] for row in lonely} == {"numpy"}
    with pytest.raises(ValueError, match="NaN"):
        proc.compare(labels, np.full(7, np.nan), scores[1], 0.95)


@pytest.mark.r
def test_aneurysm_data_of_proc_as_an_r_script_computes_them(proc, run_r):
    data = run_r(
        'library(pROC); data(aSAH); out <- c(aSAH$outcome == "Poor", aSAH$s100b, aSAH$ndka, aSAH$wfns)'
    )
    labels, s100b, ndka, wfns = np.split(np.array(data), 4)
    labels = labels.astype(int)
    answer = run_r(
        'library(pROC); data(aSAH)\ncurve <- function(x) roc(aSAH$outcome, x, levels = c("Good", "Poor"),'
        ' direction = "<", quiet = TRUE)\na <- curve(aSAH$s100b); b <- curve(aSAH$ndka); c <-'
        ' curve(as.numeric(aSAH$wfns))\none <- roc.test(a, b, method = "delong", paired = TRUE); two <-'
        ' roc.test(c, b, method = "delong", paired = TRUE)\nout <- c(auc(a), auc(b), auc(c), one$statistic,'
        " one$p.value, two$statistic, two$p.value, ci.auc(a), one$conf.int)"
    )
    scores = np.vstack([s100b, ndka, wfns])
    pairs = [("s100b", "ndka"), ("wfns", "ndka")]
    first, second = compare_set(labels, scores, ["s100b", "ndka", "wfns"], pairs, 0.95, proc, "aSAH")
    stage = [
        first["auc_a"],
        first["auc_b"],
        second["auc_a"],
        first["z"],
        first["p_value"],
        second["z"],
        second["p_value"],
    ]
    assert stage == answer[:7]
    result = auc_with_covariance(labels, scores)
    low, high = wald(float(result.auc[0]), float(result.covariance[0, 0]), 0.95)
    assert (low, high) == pytest.approx((answer[7], answer[9]), abs=1e-12)
    assert (first["difference_low"], first["difference_high"]) == pytest.approx(
        tuple(answer[10:12]), abs=1e-12
    )


@pytest.mark.r
def test_a_failure_of_r_is_told_in_its_words(proc):
    with pytest.raises(StudyError, match="R said: .*roc"):
        proc.compare(np.array([0, 0, 1]), np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.1, 0.2]), 2.0)


@pytest.mark.r
def test_versions_are_told(proc):
    assert proc.versions["R"][0].isdigit() and proc.versions["pROC"].startswith("1.")


def test_without_r_the_error_names_apt_conda_and_cran(tmp_path):
    import os
    import subprocess
    import sys

    code = (
        "from scripts.statistics.proc import Proc\nfrom scripts.common.errors import StudyError\ntry:\n   "
        " Proc()\nexcept StudyError as e:\n    print(e)\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("R_")} | {"PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    for word in ("apt-get install", "conda install", "CRAN", "statistics.engine: numpy"):
        assert word in done.stdout


@pytest.mark.slow
def test_printed_interval_covers_at_63_against_13():
    rng = np.random.default_rng(3)
    labels = np.repeat([1, 0], [63, 13])
    shift = np.sqrt(2) * 1.4050715603096327  # AUC 0.92 for two normal distributions
    inside = total = 0
    for _ in range(4000):
        result = auc_with_covariance(labels, (rng.normal(size=76) + shift * labels)[None])
        interval = auc_interval(float(result.auc[0]), float(result.covariance[0, 0]), 63, 13, 0.95)
        total += 1
        inside += bool(interval.low <= 0.92 <= interval.high)
    assert inside / total >= 0.90
