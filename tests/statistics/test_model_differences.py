"""Differences between models, the test sets' own best thresholds, and who is best where."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.common.contracts.statistics import BEST_MODEL, DIFFERENCES, YOUDEN_UPPER_BOUND
from scripts.statistics.decision_curves import (
    best_ranges,
    bootstrap_net_benefit,
    decision_curves,
    net_benefit,
    positives_at,
    threshold_grid,
)
from scripts.statistics.model_differences import (
    benefit_differences_table,
    bootstrap_benefit_difference,
    differences_table,
    upper_bound_table,
)
from scripts.statistics.performance import BOOTSTRAP, performance_table
from scripts.statistics.thresholds import cut_points

MODELS = ["deep", "clinical", "combined"]
SETS = ["internal_test", "external_1", "external_2"]
CUTS = {"deep": 0.4, "clinical": 0.45, "combined": 0.35}
PRIMARY = ["combined", "clinical"]


def test_differences_are_those_of_table_2(predictions):
    table = differences_table(predictions, MODELS, SETS, CUTS, PRIMARY, 0.95, 1000, 1)
    assert list(table.columns) == list(DIFFERENCES) and len(table) == 3 * 3 * 6
    table2 = performance_table(predictions, MODELS, SETS, CUTS, 0.95, 200, 1).set_index(["set", "model"])
    for row in table.itertuples():
        one, other = (table2.loc[(row.set, model), row.metric] for model in (row.model_a, row.model_b))
        assert (row.value_a, row.value_b, row.difference) == (one, other, one - other)
        if row.difference_ci_method.startswith("none"):
            assert np.isnan(row.difference_low)
        else:
            assert (
                row.difference_low <= row.difference + 0.02 and row.difference - 0.02 <= row.difference_high
            )
    assert set(table.loc[table["primary"] == 1, "model_a"]) == {"combined"}
    alone = differences_table(predictions, MODELS, SETS[:1], CUTS, PRIMARY, 0.95, 1000, 1)
    pd.testing.assert_frame_equal(alone, table.head(18))


def test_the_bootstrap_is_paired(predictions):
    """A model beside a copy of itself that calls one patient otherwise: the difference is known far better
    than either value.
    """
    frame = predictions[predictions["set"] == "internal_test"].copy()
    frame["copy"] = frame["deep"]
    flipped = frame.index[(frame["label"] == 1) & (frame["deep"] >= 0.4)][0]
    frame.loc[flipped, "copy"] = 0.0
    table = differences_table(
        frame,
        ["deep", "copy"],
        ["internal_test"],
        {"deep": 0.4, "copy": 0.4},
        ["deep", "copy"],
        0.95,
        2000,
        1,
    )
    row = table.set_index("metric").loc["sensitivity"]
    n_op = int((frame["label"] == 1).sum())
    assert (
        row["difference"] == pytest.approx(1 / n_op)
        and row["difference_low"] >= 0
        and row["difference_high"] < 5 / n_op
    )
    specificity = table.set_index("metric").loc["specificity"]
    assert (
        specificity["difference"] == 0 and specificity["difference_ci_method"] == "none: no replicate differs"
    )
    assert np.isnan(specificity["difference_low"])


def test_the_best_threshold_on_test_is_an_upper_bound_and_says_so(predictions):
    table = upper_bound_table(predictions, MODELS, SETS, CUTS)
    assert list(table.columns) == list(YOUDEN_UPPER_BOUND) and len(table) == 9
    assert table["use"].str.startswith("upper bound only").all()
    assert table["ci_method"].str.startswith("none").all() and (table["best_minus_frozen"] >= 0).all()
    assert not {"threshold", "sensitivity", "specificity"} & set(table.columns), (
        "columns of the frozen threshold's files"
    )
    part = predictions[predictions["set"] == "external_1"]
    op, scores = part["label"] == 1, part["deep"]
    best = max(
        (scores[op] >= cut).mean() + (scores[~op] < cut).mean() - 1 for cut in cut_points(scores.to_numpy())
    )
    row = table.set_index(["set", "model"]).loc[("external_1", "deep")]
    assert row["best_youden_on_test"] == pytest.approx(best, abs=1e-12)
    assert row["youden_at_frozen_threshold"] == pytest.approx(
        (scores[op] >= 0.4).mean() + (scores[~op] < 0.4).mean() - 1, abs=1e-12
    )
    one = upper_bound_table(predictions[predictions["label"] == 1], MODELS, [*SETS, "nowhere"], CUTS)
    assert set(one["note"]) == {"one class only", "no patients"} and one["best_youden_on_test"].isna().all()


def benefits(**values) -> pd.DataFrame:
    grid = [0.1, 0.2, 0.3, 0.4]
    return pd.concat(
        [
            pd.DataFrame({"set": "s", "model": m, "threshold": grid, "net_benefit": v})
            for m, v in values.items()
        ]
    )


def test_ranges_in_which_a_model_is_best():
    table = best_ranges(
        benefits(a=[0.3, 0.2, 0.1, 0.0], b=[0.2, 0.25, 0.1, -0.1], all=[0.3, 0.1, -0.1, -0.5], none=[0.0] * 4)
    )
    assert list(table.columns) == list(BEST_MODEL)
    found = {
        (row.model, row.threshold_from, row.threshold_to): (row.tied_with, row.largest_lead)
        for row in table.itertuples()
    }
    assert found == {
        ("a", 0.1, 0.1): ("all", pytest.approx(0.1)),
        ("a", 0.3, 0.3): ("b", pytest.approx(0.1)),
        ("a", 0.4, 0.4): ("none", pytest.approx(0.1)),
        ("b", 0.2, 0.2): ("", pytest.approx(0.05)),
        ("b", 0.3, 0.3): ("a", pytest.approx(0.1)),
        ("all", 0.1, 0.1): ("a", pytest.approx(0.1)),
        ("none", 0.4, 0.4): ("a", pytest.approx(0.1)),
    }
    wide = best_ranges(benefits(a=[0.3, 0.2, 0.1, 0.05], none=[0.0] * 4)).iloc[0]
    assert (wide["threshold_from"], wide["threshold_to"], wide["n_thresholds"], wide["largest_lead"]) == (
        0.1,
        0.4,
        4,
        0.3,
    )


def test_ranges_cover_every_threshold_of_every_set(predictions):
    grid = threshold_grid(0.01, 0.8, 0.01)
    curves = decision_curves(predictions, MODELS, SETS, grid, 0.95, 200, 1)
    table = best_ranges(curves)
    for name in SETS:
        covered = np.zeros(len(grid), dtype=int)
        for row in table[table["set"] == name].itertuples():
            covered += (grid >= row.threshold_from) & (grid <= row.threshold_to)
        assert (covered >= 1).all()
    top = curves.groupby(["set", "threshold"])["net_benefit"].transform("max")
    winners = curves[curves["net_benefit"] >= top - 1e-12]
    assert table["n_thresholds"].sum() == len(winners)


def test_gain_over_the_default(predictions):
    grid = threshold_grid(0.05, 0.8, 0.05)
    curves = (
        decision_curves(predictions, MODELS, SETS, grid, 0.95, 500, 1)
        .set_index(["set", "model", "threshold"])
        .sort_index()
    )
    for name in SETS:
        deep, everybody = (curves.loc[(name, model)] for model in ("deep", "all"))
        wanted = deep["net_benefit"] - everybody["net_benefit"].clip(lower=0)
        assert deep["over_default"].to_numpy() == pytest.approx(wanted.to_numpy(), abs=1e-15)
        assert (deep["over_default_low"] <= deep["over_default_high"]).all()
        assert everybody["over_default"].isna().all()


def test_differences_in_net_benefit(predictions):
    grid = threshold_grid(0.05, 0.8, 0.05)
    curves = decision_curves(predictions, MODELS, SETS, grid, 0.95, 200, 1).set_index(
        ["set", "model", "threshold"]
    )["net_benefit"]
    table = benefit_differences_table(predictions, MODELS, SETS, grid, ("combined", "clinical"), 0.95, 500, 1)
    assert len(table) == len(SETS) * 3 * len(grid)
    for row in table.itertuples():
        a, b = (curves.loc[row.set, model, row.threshold] for model in (row.model_a, row.model_b))
        assert row.difference == pytest.approx(a - b, abs=1e-15)
        if row.difference_ci_method == BOOTSTRAP:
            assert row.difference_low <= row.difference_high
        else:
            assert np.isnan(row.difference_low) and row.difference_ci_method == "none: no replicate differs"
    assert {tuple(pair) for pair in table.loc[table["primary"] == 1, ["model_a", "model_b"]].to_numpy()} == {
        ("combined", "clinical")
    }


def test_its_bootstrap_is_that_of_whole_patients():
    """Patients drawn one by one give the same spread of a paired difference, which is far narrower than that
    of unpaired ones.
    """
    rng = np.random.default_rng(5)
    labels = (rng.random(150) < 0.3).astype(int)
    a = np.clip(0.3 * labels + rng.random(150) * 0.6, 0, 1)
    scores = np.stack([a, np.clip(a + rng.normal(0, 0.05, 150), 0, 1)])
    grid = np.array([0.2, 0.4, 0.6])
    ours = bootstrap_benefit_difference(labels, scores, grid, 20_000, 1)
    one_by_one = []
    for _ in range(4_000):
        chosen = rng.integers(0, 150, 150)
        first, second = (
            net_benefit(*positives_at(labels[chosen], s[chosen], grid), 150, grid) for s in scores
        )
        one_by_one.append(first - second)
    slow = np.array(one_by_one)
    assert ours.mean(axis=0) == pytest.approx(slow.mean(axis=0), abs=0.002)
    assert ours.std(axis=0) == pytest.approx(slow.std(axis=0), rel=0.06)
    unpaired = (
        bootstrap_net_benefit(labels, scores[0], grid, 4_000, 1)[0]
        - bootstrap_net_benefit(labels, scores[1], grid, 4_000, 2)[0]
    )
    assert (ours.std(axis=0) < 0.8 * unpaired.std(axis=0)).all()
    same = bootstrap_benefit_difference(labels, scores[[0, 0]], grid, 50, 1)
    assert (same == 0).all()
