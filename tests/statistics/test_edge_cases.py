"""Sets that break careless statistics, through every table of the stage: each cell right, or empty with its
reason beside it.
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from scripts.common.errors import StudyError
from scripts.common.language import Language
from scripts.common.language.names import Names
from scripts.common.manuscript_tables import table_1
from scripts.statistics.auc_comparison import delong_table
from scripts.statistics.calibration import calibration_tables
from scripts.statistics.cohort_description import count_missing, describe
from scripts.statistics.decision_curves import best_ranges, decision_curves, threshold_grid
from scripts.statistics.model_differences import (
    benefit_differences_table,
    differences_table,
    upper_bound_table,
)
from scripts.statistics.performance import performance_table
from scripts.statistics.sensitivity_analyses import sensitivity_table
from scripts.statistics.subgroups import levels, prevalence_table, subgroup_table
from scripts.statistics.thresholds import freeze

MODELS = ["deep", "clinical", "combined"]
PRIMARY = ["combined", "clinical"]
POPULATIONS = [
    {"label": "50 and above", "from_age": 50, "prevalence": 0.192},
    {"label": "65 and above", "from_age": 65, "prevalence": 0.32},
]
GRID = threshold_grid(0.05, 0.8, 0.05)
SET = ["internal_test"]


@pytest.fixture
def study(draw_cohort, draw_predictions):
    """A frame with ``n_op`` and ``n_non_op`` test patients, ``change`` applied to the test rows, and its
    thresholds.
    """

    def make(n_op: int, n_non_op: int, change=None) -> tuple[pd.DataFrame, dict[str, float]]:
        cohort = draw_cohort({"train": (90, 166), "internal_test": (n_op, n_non_op)}, 1)
        predictions = draw_predictions(cohort, 2)
        new = [c for c in cohort.columns if c not in predictions.columns]
        frame = predictions.merge(cohort[["patient_id", *new]], on="patient_id")
        test = frame["set"] == "internal_test"
        if change is not None:
            frame.loc[test, MODELS] = change(frame.loc[test, MODELS], frame.loc[test, "label"])
        frozen = freeze(frame, MODELS, "youden", None)
        return frame, dict(zip(frozen["model"], frozen["threshold"], strict=True))

    return make


def tables(
    frame: pd.DataFrame, cuts: dict[str, float], proc: object | None = None
) -> dict[str, pd.DataFrame]:
    """Every table that the stage makes of scores."""
    curves = decision_curves(frame, MODELS, SET, GRID, 0.95, 200, 1)
    calibration, curve = calibration_tables(frame, MODELS, SET, 0.95)
    return {
        "table2": performance_table(frame, MODELS, SET, cuts, 0.95, 200, 1),
        "delong": delong_table(frame, MODELS, SET, PRIMARY, 0.95, proc),
        "net_benefit": curves,
        "best_model": best_ranges(curves),
        "calibration": calibration,
        "calibration_curve": curve,
        "subgroups": subgroup_table(frame, MODELS, SET, cuts, 0.95),
        "prevalence": prevalence_table(frame, MODELS, SET, cuts, POPULATIONS, 0.95, 200, 1),
        "sensitivity": sensitivity_table(frame, MODELS, SET, cuts, -2.5, 0.95, 200, 1),
        "differences": differences_table(frame, MODELS, SET, cuts, PRIMARY, 0.95, 200, 1),
        "net_benefit_differences": benefit_differences_table(frame, MODELS, SET, GRID, PRIMARY, 0.95, 200, 1),
        "youden_upper_bound": upper_bound_table(frame, MODELS, SET, cuts),
    }


def check(made: dict[str, pd.DataFrame]) -> None:
    """No infinity; an interval has two ends, in order, and a method, or none and a reason."""
    for name, table in made.items():
        numbers = table.select_dtypes("number").to_numpy(dtype=float)
        assert not np.isinf(numbers).any(), name
        for column in [c for c in table.columns if c.endswith("_low")]:
            metric = column.removesuffix("_low")
            low, high = (table[f"{metric}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
            assert (np.isnan(low) == np.isnan(high)).all() and (
                low[~np.isnan(low)] <= high[~np.isnan(low)]
            ).all(), (name, metric)
            if f"{metric}_ci_method" in table.columns and metric != "over_default":
                method = table[f"{metric}_ci_method"].astype(str)
                assert (method.str.startswith("none: ") == np.isnan(low)).all(), (name, metric)
                assert (method != "").all() and not method.isin(["nan", "None"]).any(), (name, metric)
        if "p_value" in table.columns:
            assert ((table["note"] != "") | table["p_value"].notna()).all()


CASES = {
    "five patients": (3, 2, None),
    "one of each class": (1, 1, None),
    "one class": (12, 0, None),
    "the other class": (0, 12, None),
    "nobody": (0, 0, None),
    "one event": (1, 40, None),
    "constant scores": (20, 30, lambda scores, label: 0.5),
    "two values": (40, 60, lambda scores, label: (scores > 0.5).astype(float)),
    "zeros and ones": (25, 25, lambda scores, label: np.column_stack([label.to_numpy(dtype=float)] * 3)),
    "separated": (40, 40, lambda scores, label: scores * 0.4 + 0.5 * label.to_numpy(dtype=float)[:, None]),
    "the wrong way round": (40, 60, lambda scores, label: 1 - scores),
    "tied tenths": (30, 50, lambda scores, label: scores.round(1)),
}


@pytest.mark.parametrize("case", CASES)
def test_every_table_of_a_hard_set(study, case):
    frame, cuts = study(*CASES[case])
    made = tables(frame, cuts)
    check(made)
    table2, calibration = made["table2"].set_index("model"), made["calibration"].set_index("model")
    n_op, n_non_op, _ = CASES[case]
    assert (table2["n"] == n_op + n_non_op).all() and (table2["tp"] + table2["fn"] == n_op).all()
    if min(n_op, n_non_op) == 0:
        reason = "none: one class only" if n_op + n_non_op else "none: no patients"
        assert table2["auc"].isna().all() and (table2["auc_ci_method"] == reason).all()
        assert (
            made["delong"]["p_value"].isna().all()
            and (made["delong"]["note"] == reason.removeprefix("none: ")).all()
        )
    if min(n_op, n_non_op) < 20:
        assert (
            made["calibration_curve"].empty
            and calibration["ici"].isna().all()
            and (calibration["note"] != "").all()
        )
    if case == "five patients":
        assert (
            calibration["note"].str.contains("no curve: 3 events and 2 non-events, 20 of each are needed")
        ).all()
    if case == "constant scores":
        assert (table2["auc"] == 0.5).all() and (table2["auc_ci_method"] == "none: constant score").all()
        assert (made["delong"]["note"] == "same ranking").all() and (made["delong"]["p_value"] == 1).all()
        assert calibration["note"].str.contains("slope not estimable: constant score").all()
    if case in ("separated", "zeros and ones"):
        assert (table2.loc[MODELS, "auc"] == 1).all() and table2.loc[MODELS, "auc_low"].isna().all()
        assert (
            calibration["slope"].isna().all()
            and calibration["note"].str.contains("perfectly separated").all()
        )
    if case == "the wrong way round":
        assert (table2.loc[MODELS, "auc_high"] < 0.5).all(), "an AUC below one half stays there"
        assert (calibration["slope"] < 0).all()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.r
def test_both_engines_tell_the_same_of_a_hard_set(study, case):
    from scripts.statistics.proc import Proc

    try:
        proc = Proc()
    except StudyError as error:
        pytest.skip(str(error))
    frame, _ = study(*CASES[case])
    by_r = delong_table(frame, MODELS, SET, PRIMARY, 0.95, proc)
    own = delong_table(frame, MODELS, SET, PRIMARY, 0.95, None)
    asked = min(CASES[case][:2]) >= 2
    assert (by_r["engine"] == ("pROC" if asked else "numpy")).all()
    pd.testing.assert_frame_equal(
        by_r.drop(columns="engine"), own.drop(columns="engine"), rtol=1e-9, atol=1e-12
    )


def test_classes_of_age_and_bmi_at_their_limits():
    """A BMI of 25 is 24.999999999999996 for some heights and weights."""
    stored = [18.499999999999996, 18.5, 24.999999999999996, 25.0, 24.9, np.nan]
    frame = pd.DataFrame(
        {
            "age": [64, 65, 65, 65, 66, 90],
            "bmi": stored,
            "sex": "F",
            "manufacturer": "",
            "dxa_interval_days": 1,
        }
    )
    of = {f"{name} {level}": mask.tolist() for name, level, mask in levels(frame)}
    assert of["bmi <18.5"] == [False] * 6
    assert of["bmi 18.5-24.9"] == [True, True, False, False, True, False]
    assert of["bmi >=25"] == [False, False, True, True, False, False]
    assert of["age <65"] == [True, False, False, False, False, False]


@pytest.mark.parametrize("told", ["none", "non_op"])
def test_tables_of_patients_whose_t_scores_are_bounds(study, told):
    """No T-score and BMD of anybody, or of those with osteoporosis: they are missing, nothing else moves."""
    frame, cuts = study(40, 60)
    gone = np.ones(len(frame), dtype=bool) if told == "none" else (frame["label"] == 1).to_numpy()
    bounds = frame.assign(
        **{name: frame[name].mask(gone) for name in ("t_score", "bmd")}, n_sites=1, center="internal"
    )
    before, after = (
        describe(one, ["internal"]).set_index("variable") for one in (frame.assign(center="internal"), bounds)
    )
    others = [name for name in before.index if name not in ("t_score", "bmd")]
    pd.testing.assert_frame_equal(before.loc[others], after.loc[others])
    assert ("t_score" in after.index) == (told == "non_op"), (
        "a variable that nobody has a value of has no row"
    )
    missing = count_missing(bounds).groupby("variable")["n_missing"].sum()
    assert missing["t_score"] == missing["bmd"] == gone.sum()
    if told == "non_op":
        row = after.loc["t_score"]
        assert (
            row["op"] == "" and row["op_missing"] == gone.sum() and row["note"] and np.isnan(row["p_value"])
        )
    words = Language("en")
    page = table_1(after.reset_index(), count_missing(bounds), ["internal"], words, Names(words))
    assert (words.say("note1_t_score") in page.notes) == (told == "non_op")
    check(tables(bounds, cuts))


@pytest.mark.parametrize("spoiled", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_refused_by_each_function(study, spoiled):
    frame, cuts = study(10, 20)
    for rows in (frame["set"] == "internal_test", frame["set"] == "train"):
        bad = frame.copy()
        bad.loc[bad.index[rows][3], "deep"] = spoiled
        calls = [lambda f: freeze(f, MODELS, "youden", None)]
        if not bad.loc[rows, "set"].eq("train").any():
            calls = [
                lambda f: performance_table(f, MODELS, SET, cuts, 0.95, 100, 1),
                lambda f: delong_table(f, MODELS, SET, PRIMARY, 0.95, None),
                lambda f: decision_curves(f, MODELS, SET, GRID, 0.95, 100, 1),
                lambda f: calibration_tables(f, MODELS, SET, 0.95),
                lambda f: subgroup_table(f, MODELS, SET, cuts, 0.95),
                lambda f: prevalence_table(f, MODELS, SET, cuts, POPULATIONS, 0.95, 100, 1),
                lambda f: sensitivity_table(f, MODELS, SET, cuts, -2.5, 0.95, 100, 1),
                lambda f: differences_table(f, MODELS, SET, cuts, PRIMARY, 0.95, 100, 1),
                lambda f: benefit_differences_table(f, MODELS, SET, GRID, PRIMARY, 0.95, 100, 1),
                lambda f: upper_bound_table(f, MODELS, SET, cuts),
            ]
        for call in calls:
            with pytest.raises(StudyError, match="score 'deep' is missing or not a number for 1 patient"):
                call(bad)
    bad = frame.copy()
    bad["label"] = bad["label"].astype("Int64")
    bad.loc[bad.index[bad["set"] == "internal_test"][0], "label"] = pd.NA
    with pytest.raises(StudyError, match="must hold 0 or 1"):
        performance_table(bad, MODELS, SET, cuts, 0.95, 100, 1)


def test_a_hundred_thousand_patients(study):
    frame, cuts = study(40_000, 60_000)
    start = time.process_time()
    made = tables(frame, cuts)
    assert time.process_time() - start < 60
    check(made)
    table2 = made["table2"].set_index("model")
    assert (table2.loc[MODELS, "auc_ci_method"] == "DeLong, Wald").all() and (
        table2.loc[MODELS, "auc_high"] - table2.loc[MODELS, "auc_low"] < 0.01
    ).all()
    assert (made["calibration"]["note"] == "").all()
