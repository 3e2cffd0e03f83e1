"""Net benefit and calibration against their definitions, statsmodels and R."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.common.contracts.statistics import CALIBRATION, NET_BENEFIT
from scripts.statistics.calibration import calibrate, calibration_tables, smoothed_curve, spline_basis
from scripts.statistics.decision_curves import (
    bootstrap_net_benefit,
    decision_curves,
    net_benefit,
    positives_at,
    threshold_grid,
)

MODELS = ["deep", "clinical", "combined"]
SETS = ["internal_test", "external_1", "external_2"]


def test_grid_holds_both_ends():
    grid = threshold_grid(0.01, 0.80, 0.01)
    assert len(grid) == 80 and grid[0] == 0.01 and grid[-1] == 0.8 and 0.3 in grid
    assert threshold_grid(0.1, 0.1, 0.05).tolist() == [0.1]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_net_benefit_is_its_definition(n, seed):
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, 2, n), rng.integers(0, 11, n) / 10
    grid = threshold_grid(0.05, 0.9, 0.05)
    ours = net_benefit(*positives_at(labels, scores, grid), n, grid)
    for pt, value in zip(grid, ours, strict=True):
        called = scores >= pt
        wanted = (called & (labels == 1)).sum() / n - (called & (labels == 0)).sum() / n * pt / (1 - pt)
        assert value == pytest.approx(wanted, abs=1e-12)


def test_curves_of_all_and_none(predictions):
    grid = threshold_grid(0.01, 0.8, 0.01)
    table = decision_curves(predictions, MODELS, SETS, grid, 0.95, 300, 1)
    assert list(table.columns) == list(NET_BENEFIT) and len(table) == 3 * 5 * 80
    part = table[table["set"] == "external_1"].set_index("model")
    assert (part.loc["none", "net_benefit"] == 0).all()
    prevalence = (predictions.loc[predictions["set"] == "external_1", "label"] == 1).mean()
    assert part.loc["all", "net_benefit"].to_numpy() == pytest.approx(
        prevalence - (1 - prevalence) * grid / (1 - grid)
    )
    inside = (table["net_benefit_low"] <= table["net_benefit"] + 1e-12) & (
        table["net_benefit"] <= table["net_benefit_high"] + 1e-12
    )
    assert inside.mean() > 0.99
    again = decision_curves(predictions, MODELS, SETS, grid, 0.95, 300, 1)
    assert again.equals(table)


def test_bootstrap_of_net_benefit_is_that_of_patients():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 50)
    scores = np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1)
    grid = np.array([0.1, 0.3, 0.5])
    ours, everybody = bootstrap_net_benefit(labels, scores, grid, 20_000, 1)
    picks = rng.integers(0, 50, (20_000, 50))
    called = scores[picks][:, :, None] >= grid
    op = labels[picks][:, :, None] == 1
    theirs = net_benefit((called & op).sum(axis=1), (called & ~op).sum(axis=1), 50, grid)
    assert ours.mean(axis=0) == pytest.approx(theirs.mean(axis=0), abs=0.004)
    assert ours.std(axis=0) == pytest.approx(theirs.std(axis=0), rel=0.05)
    treated = net_benefit(op.sum(axis=1), (~op).sum(axis=1), 50, grid)
    assert (ours - everybody).std(axis=0) == pytest.approx((theirs - treated).std(axis=0), rel=0.05)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_net_benefit_counted_patient_by_patient(n, grain, seed):
    """Exact fractions, one patient at a time, through the stage's own table."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"set": "s", "label": rng.integers(0, 2, n), "deep": rng.integers(0, grain + 1, n) / grain}
    )
    table = decision_curves(frame, ["deep"], ["s"], threshold_grid(0.05, 0.9, 0.05), 0.95, 100, 1)
    for row in table.itertuples():
        odds = Fraction(row.threshold) / (1 - Fraction(row.threshold))
        wanted = Fraction(0)
        for label, score in zip(frame["label"], frame["deep"], strict=True):
            if row.model == "all" or (row.model == "deep" and score >= row.threshold):
                wanted += 1 if label == 1 else -odds
        assert row.net_benefit == pytest.approx(float(wanted / n), abs=1e-12)


def test_net_benefit_of_dcurves():
    dcurves = pytest.importorskip(
        "dcurves", reason="the package dcurves is not installed; the test above counts patients itself"
    )
    rng = np.random.default_rng(12)
    grid = threshold_grid(0.01, 0.8, 0.01)
    for n in (40, 300, 856):
        label = rng.integers(0, 2, n)
        frame = pd.DataFrame({"set": "s", "label": label})
        for model, skill in (("deep", 2.0), ("clinical", 0.7)):
            frame[model] = 1 / (1 + np.exp(-skill * (label - 0.5) - rng.normal(size=n)))
        ours = decision_curves(frame, ["deep", "clinical"], ["s"], grid, 0.95, 100, 1).set_index(
            ["model", "threshold"]
        )["net_benefit"]
        theirs = dcurves.dca(
            data=frame, outcome="label", modelnames=["deep", "clinical"], thresholds=grid, models_to_prob=[]
        ).set_index(["model", "threshold"])["net_benefit"]
        for model in ("deep", "clinical", "all", "none"):
            assert ours[model].to_numpy() == pytest.approx(theirs[model].to_numpy(), abs=1e-12)


def drawn(n: int, seed: int, slope: float = 0.7, shift: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(-0.5, 1.5, n)
    return (rng.random(n) < 1 / (1 + np.exp(-(shift + slope * x)))).astype(int), 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(("n", "seed"), [(60, 4), (150, 1), (856, 2)])
def test_intercept_and_slope_of_statsmodels_logit(n, seed):
    """Its Newton iteration for ``Logit``, not the weighted least squares of the GLM that the stage uses."""
    from statsmodels.discrete.discrete_model import Logit

    labels, scores = drawn(n, seed)
    row, _ = calibrate(labels, scores, 0.95)
    x = np.log(scores / (1 - scores))
    sloped = Logit(labels, np.column_stack([np.ones(n), x])).fit(disp=0, tol=1e-14, maxiter=200)
    large = Logit(labels, np.ones((n, 1)), offset=x).fit(disp=0, tol=1e-14, maxiter=200)
    assert [row["slope"], row["intercept"]] == pytest.approx(
        [sloped.params[1], large.params[0]], rel=1e-8, abs=1e-10
    )
    ends = [row[f"{name}{end}"] for name in ("slope", "intercept") for end in ("_low", "_high")]
    assert ends == pytest.approx([*sloped.conf_int(0.05)[1], *large.conf_int(0.05)[0]], rel=1e-6, abs=1e-6)
    assert row["brier"] == pytest.approx(np.mean((scores - labels) ** 2), abs=1e-15)


@pytest.mark.r
def test_intercept_and_slope_of_r(run_r):
    labels, scores = drawn(150, 1)
    row, _ = calibrate(labels, scores, 0.95)
    answer = run_r(
        f"y <- c({','.join(map(str, labels))}); p <- c({','.join(map(repr, scores.tolist()))}); x <-"
        " qlogis(p)\nstrict <- glm.control(epsilon = 1e-14, maxit = 100)\na <- glm(y ~ 1 + offset(x), family"
        " = binomial, control = strict); b <- glm(y ~ x, family = binomial, control = strict)\nz <-"
        " qnorm(0.975); se <- sqrt(diag(vcov(b)))[2]\nout <- c(coef(a)[1], coef(b)[2], coef(b)[2] - z * se,"
        " coef(b)[2] + z * se, mean((p - y)^2), sum(y) / sum(p))"
    )
    ours = [row[k] for k in ("intercept", "slope", "slope_low", "slope_high", "brier", "o_e")]
    assert ours == pytest.approx(answer, rel=1e-7)


def test_a_right_model_is_found_right_and_a_wrong_one_wrong():
    labels, scores = drawn(40_000, 3, slope=1.0, shift=0.0)
    row, curve = calibrate(labels, scores, 0.95)
    assert row["slope"] == pytest.approx(1, abs=0.05) and row["intercept"] == pytest.approx(0, abs=0.05)
    assert row["o_e"] == pytest.approx(1, abs=0.02) and row["ici"] < 0.01 and row["smoother"]
    assert np.abs(curve.observed - curve.predicted).max() < 0.03
    assert (curve.low <= curve.observed).all() and (curve.observed <= curve.high).all()
    labels, scores = drawn(40_000, 3, slope=0.5, shift=0.8)
    row, _ = calibrate(labels, scores, 0.95)
    assert row["slope"] == pytest.approx(0.5, abs=0.03) and row["ici"] > 0.08
    assert row["slope_low"] < 0.5 < row["slope_high"]


def test_spline_is_straight_in_the_tails():
    knots = np.array([-1.0, 0.0, 2.0])
    for ends in (np.linspace(-9, -1, 9), np.linspace(2, 10, 9)):
        assert np.diff(spline_basis(ends, knots)[:, 2], 2) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("labels", "scores", "words"),
    [
        ([0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8], "perfectly separated"),
        ([1, 0, 1, 0, 1], [0.5] * 5, "constant score"),
        ([1, 1, 1, 1, 1], [0.2, 0.3, 0.5, 0.6, 0.9], "one class only"),
        ([0, 1, 0, 1, 1], [0.0, 1.0, 0.4, 0.3, 1.0], "no curve"),
        ([], [], "no patients"),
    ],
)
def test_tiny_sets_say_why(labels, scores, words):
    row, curve = calibrate(np.array(labels, dtype=int), np.array(scores, dtype=float), 0.95)
    assert words in row["note"] and curve is None
    assert "slope" not in row or abs(row["slope"]) < 50


def test_separated_but_large():
    labels = np.repeat([0, 1], 40)
    row, curve = calibrate(labels, np.linspace(0.05, 0.95, 80), 0.95)
    assert curve is None and "slope" not in row and np.isfinite(row["intercept"])
    assert "perfectly separated" in smoothed_curve(labels, np.linspace(0.05, 0.95, 80), 0.95)


def test_tables(predictions):
    table, curve = calibration_tables(predictions, MODELS, SETS, 0.95)
    assert list(table.columns) == list(CALIBRATION) and len(table) == 9
    drawn_sets = set(curve["set"])
    assert "external_2" not in drawn_sets and "internal_test" in drawn_sets
    assert table.loc[table["set"] == "external_2", "note"].str.contains("12 non-events").all()
