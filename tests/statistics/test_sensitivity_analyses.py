"""Sensitivity analyses: who is in them, by which label, and how far they lie from the main analysis."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.statistics import SENSITIVITY
from scripts.statistics.delong import auc_with_covariance, influences
from scripts.statistics.scored_cohort import ScoredCohort
from scripts.statistics.sensitivity_analyses import (
    NEWCOMBE,
    OVERLAPPING,
    SAME,
    Analysis,
    analyses,
    auc_change,
    newcombe,
    rate_change,
    recorded,
    sensitivity_table,
)
from scripts.statistics.subgroups import levels, months_apart

MODELS = ["deep", "clinical", "combined"]
SETS = ["internal_test", "external_1", "external_2"]
CUTS = {"deep": 0.4, "clinical": 0.45, "combined": 0.35}


@pytest.fixture
def patients(predictions, cohort, tmp_path):
    """Patients with months and a T-score of each site, as a run leaves them: the lowest gives the label, some
    sites are missing.
    """
    rng = np.random.default_rng(5)
    n = len(cohort)
    lowest = cohort["t_score"].to_numpy()
    which = rng.integers(0, 3, n)
    for place, site in enumerate(("lumbar", "femoral_neck", "total_hip")):
        own = np.where(which == place, lowest, lowest + rng.uniform(0.1, 1.5, n))
        known = pd.Series((which == place) | (rng.random(n) >= 0.15))
        cohort[f"t_score_{site}"] = np.where(known, own, np.nan)
        cohort[f"label_{site}"] = pd.Series(own <= -2.5).astype("Int64").where(known)
    cohort["n_sites"] = (
        cohort[[name for name in cohort.columns if name.startswith("label_")]].notna().sum(axis=1)
    )
    cohort["dxa_interval_months"] = np.ceil(cohort["dxa_interval_days"].abs() / 30.44).astype(int)
    assert set(COHORT.whole) <= set(cohort.columns)
    return cohort.assign(**predictions[MODELS])


def table_of(frame: pd.DataFrame, replicates: int = 300) -> pd.DataFrame:
    table = sensitivity_table(ScoredCohort(frame, frame), MODELS, SETS, CUTS, -2.5, 0.95, replicates, 1)
    assert list(table.columns) == list(SENSITIVITY)
    return table.set_index(["analysis", "set", "model"]).sort_index()


def test_who_is_in_each_analysis(patients):
    table = table_of(patients)
    inside = patients[patients["set"] == "external_1"]
    for analysis, kept in {
        "main": inside["age"] > 0,
        "without_review": inside["review"] == 0,
        "dxa_within_1_month": inside["dxa_interval_months"] <= 1,
        "dxa_within_3_months": inside["dxa_interval_months"] <= 3,
        "most_sites": inside["n_sites"] == 3,
        "lumbar_only": inside["t_score_lumbar"].notna(),
        "femoral_neck_only": inside["t_score_femoral_neck"].notna(),
        "complete_cases": inside[["height_cm", "weight_kg", "bmi"]].notna().all(axis=1),
    }.items():
        row = table.loc[(analysis, "external_1", "deep")]
        assert row["n"] == kept.sum() and row["note"] == "", analysis
    names = {one.name for one in analyses(patients, -2.5, recorded(patients), 3)}
    assert names == set(table.index.get_level_values("analysis"))
    assert (table.loc["main", "auc_minus_main"] == 0).all()
    assert (table.loc["main", "auc_minus_main_ci_method"] == SAME).all() and table.loc[
        "main", "auc_minus_main_low"
    ].isna().all()


def test_complete_cases_have_the_models_own_predictors_that_the_set_has(patients):
    rng = np.random.default_rng(3)
    calcium = pd.Series(rng.normal(2.3, 0.1, len(patients)), patients.index).mask(
        rng.random(len(patients)) < 0.2
    )
    elsewhere = patients["set"] == "external_2"
    frame = patients.assign(
        calcium=calcium.mask(elsewhere), alcohol=np.where(rng.random(len(patients)) < 0.9, "never", "")
    )
    further = ["calcium", "alcohol"]
    table = sensitivity_table(ScoredCohort(frame, frame), MODELS, SETS, CUTS, -2.5, 0.95, 20, 1, further)
    table = table[table["analysis"] == "complete_cases"].set_index(["set", "model"])
    measured = frame[["height_cm", "weight_kg", "bmi"]].notna().all(axis=1) & (frame["alcohol"] != "")
    for name, kept, also in (
        ("external_1", measured & frame["calcium"].notna(), "also known: calcium, alcohol"),
        ("external_2", measured, "also known: alcohol"),
    ):
        inside = frame["set"] == name
        row = table.loc[(name, "deep")]
        assert (row["n"], row["note"]) == ((kept & inside).sum(), also)
        assert 0 < row["n"] < inside.sum()


def test_one_site_gives_the_label_alone(patients):
    """A patient whose lumbar spine is above the limit counts as non-OP there, whatever the hip says."""
    site = next(one for one in analyses(patients, -2.5, recorded(patients)) if one.name == "lumbar_only")
    known = patients["t_score_lumbar"].notna()
    assert (site.kept == known).all()
    assert (site.labels[site.kept] == (patients.loc[known, "t_score_lumbar"] <= -2.5)).all()
    changed = patients.loc[known, "label"].to_numpy(dtype=int) - site.labels[site.kept]
    assert changed.min() == 0 and changed.sum() > 5, "no site is below the lowest"
    row = table_of(patients).loc[("lumbar_only", "external_1", "deep")]
    part = patients[(patients["set"] == "external_1") & known]
    op = part["t_score_lumbar"] <= -2.5
    assert row["n_pos"] == op.sum()
    assert row["sensitivity"] == pytest.approx((part.loc[op, "deep"] >= CUTS["deep"]).mean())
    assert row["sensitivity_minus_main_ci_method"] == "bootstrap, percentile"
    assert (
        row["sensitivity_minus_main_low"]
        <= row["sensitivity_minus_main"]
        <= row["sensitivity_minus_main_high"]
    )


def test_a_site_known_by_a_bound_alone_counts(patients):
    """To leave out T-scores told as "<-3.0" would leave out patients with osteoporosis alone."""
    low = patients["t_score_lumbar"] < -3
    bounded = patients.assign(t_score_lumbar=patients["t_score_lumbar"].mask(low))
    pd.testing.assert_frame_equal(table_of(bounded), table_of(patients))
    without = table_of(bounded.drop(columns=["label_lumbar", "label_femoral_neck"]))
    known = bounded.loc[bounded["set"] == "external_1", "t_score_lumbar"].notna()
    assert without.loc[("lumbar_only", "external_1", "deep"), "n"] == known.sum()


def test_a_cohort_without_t_scores_has_analyses_by_label(patients):
    """Every T-score told as a bound: the labels of the sites stay."""
    bounds = patients.assign(**{name: np.nan for name in patients.columns if name.startswith("t_score")})
    pd.testing.assert_frame_equal(table_of(bounds), table_of(patients))


@pytest.mark.parametrize("stored", [-2.5, -2.4999999999999996])
def test_a_t_score_at_the_cut_off_is_osteoporosis_however_it_is_stored(patients, stored):
    given = patients.drop(columns=["label_lumbar", "label_femoral_neck"]).assign(t_score_lumbar=stored)
    site = next(one for one in analyses(given, -2.5, recorded(given)) if one.name == "lumbar_only")
    assert site.labels.all()


def test_a_set_in_which_nobody_has_as_many_sites_says_so(patients):
    few = patients.assign(n_sites=patients["n_sites"].mask(patients["set"] == "external_1", 2))
    assert (
        table_of(few).loc[("most_sites", "external_1"), "note"] == "refused: nobody has 3 sites known"
    ).all()
    assert "most_sites" not in table_of(patients.assign(n_sites=1)).index.get_level_values("analysis")


def test_a_cohort_without_the_further_columns_says_what_is_refused(predictions, cohort):
    new = [c for c in cohort.columns if c not in predictions.columns]
    frame = predictions.merge(cohort[["patient_id", *new]], on="patient_id")
    table = table_of(frame)
    for analysis in ("lumbar_only", "femoral_neck_only"):
        rows = table.loc[analysis]
        assert (rows["n"] == 0).all() and rows["note"].str.startswith(
            "refused: cohort.csv has no t_score_"
        ).all()
        assert rows["auc"].isna().all() and rows["auc_minus_main"].isna().all()
    rows = table.loc["dxa_within_1_month"]
    assert rows["note"].str.contains("30 days stand for a month").all() and (rows["n"] > 0).all()
    nobody = frame.assign(t_score_lumbar=np.nan)
    assert table_of(nobody).loc["lumbar_only", "note"].str.contains("nobody has a t_score_lumbar").all()


def test_windows_are_calendar_months_and_nest_in_the_subgroups(patients):
    frame = patients.assign(dxa_interval_days=31, dxa_interval_months=1)
    assert months_apart(frame)[0].max() == 1, "31 days of a long month"
    inside = {level: mask for name, level, mask in levels(patients) if name == "dxa_interval"}
    kept = {one.name: one.kept for one in analyses(patients, -2.5, recorded(patients))}
    assert (kept["dxa_within_1_month"] == inside["<=1 month"]).all()
    assert (kept["dxa_within_3_months"] == (inside["<=1 month"] | inside[">1-3 months"])).all()


def drawn(seed: int, n: int = 160) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.4).astype(int)
    scores = np.round(rng.normal(1.2 * labels, 1), 1)
    return labels, scores, rng.random(n) < 0.6


def test_influences_are_delongs_variance():
    labels, scores, _ = drawn(1)
    result = auc_with_covariance(labels, scores)
    auc, added = influences(labels, scores)
    assert auc == result.auc[0] and (added**2).sum() == pytest.approx(result.covariance[0, 0], rel=1e-12)
    other = np.random.default_rng(2).normal(size=len(labels)) + labels
    both = auc_with_covariance(labels, np.vstack([scores, other]))
    assert (added * influences(labels, other)[1]).sum() == pytest.approx(both.covariance[0, 1], rel=1e-12)


def test_error_of_the_change_is_that_of_a_bootstrap_of_patients():
    labels, scores, kept = drawn(3)
    relabelled = np.where((labels == 1) & (scores < 0.4), 0, labels)
    rng = np.random.default_rng(4)
    for own in (labels, relabelled):
        change, low, high, method = auc_change(labels, scores, Analysis("x", kept, own), 0.95)
        assert method == OVERLAPPING
        values = []
        for _ in range(3000):
            pick = rng.integers(0, len(labels), len(labels))
            inside = pick[kept[pick]]
            values.append(
                auc_with_covariance(own[inside], scores[inside]).auc[0]
                - auc_with_covariance(labels[pick], scores[pick]).auc[0]
            )
        assert (high - low) / (2 * 1.959964) == pytest.approx(np.std(values), rel=0.08)
        assert change == pytest.approx(np.mean(values), abs=0.01)


def test_interval_of_the_change_covers_the_true_one():
    """The score tells more among those kept: the true AUCs are known from large numbers."""

    def study(rng, n):
        labels, kept = (rng.random(n) < 0.4).astype(int), rng.random(n) < 0.5
        return labels, rng.normal(np.where(kept, 1.6, 0.8) * labels, 1), kept

    rng = np.random.default_rng(6)
    labels, scores, kept = study(rng, 400_000)
    true = auc_with_covariance(labels[kept], scores[kept]).auc[0] - auc_with_covariance(labels, scores).auc[0]
    inside = 0
    for _ in range(1000):
        labels, scores, kept = study(rng, 150)
        _, low, high, _ = auc_change(labels, scores, Analysis("x", kept, labels), 0.95)
        inside += low <= true <= high
    assert 0.92 <= inside / 1000 <= 0.98


def test_newcombe_of_statsmodels():
    from statsmodels.stats.proportion import confint_proportions_2indep

    for counts in ((9, 10, 3, 10), (0, 5, 5, 5), (30, 63, 11, 13)):
        assert newcombe(*counts, 0.95) == pytest.approx(
            confint_proportions_2indep(*counts, method="newcomb", compare="diff"), abs=1e-12
        )


def test_change_of_a_rate():
    labels, scores, kept = drawn(7)
    called = scores >= 0.5
    change, low, high, method = rate_change(labels, called, Analysis("x", kept, labels), 1, 0.95, 500, 1)
    op = labels == 1
    assert method == NEWCOMBE and low < change < high
    assert change == pytest.approx(called[op & kept].mean() - called[op].mean(), abs=1e-12)
    out = (op & ~kept).sum() / op.sum()
    assert change == pytest.approx(out * (called[op & kept].mean() - called[op & ~kept].mean()), abs=1e-12)
    assert (
        rate_change(labels, called, Analysis("x", op, labels), 0, 0.95, 500, 1)[3] == "none: nobody to count"
    )
    assert rate_change(labels, called, Analysis("x", op, labels), 1, 0.95, 500, 1)[::3] == (0.0, SAME)


@pytest.mark.parametrize(
    ("keep", "reason"), [(1, "one class only"), (2, "fewer than 2 patients"), (4, "perfectly separated")]
)
def test_an_analysis_of_few_patients_says_why_it_has_no_interval(keep, reason):
    labels = np.array([1, 0, 0, 1, 0, 1, 1, 0])
    scores = np.array([0.9, 0.1, 0.2, 0.8, 0.7, 0.3, 0.6, 0.65])
    kept = np.arange(8) < keep
    change, low, high, method = auc_change(labels, scores, Analysis("x", kept, labels), 0.95)
    assert reason in method and np.isnan([low, high]).all()
    assert np.isnan(change) == (keep == 1)
