"""The shortcut audit: against other software, on planted shortcuts, and where there is too little to say
anything.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from scripts.common.contracts.cohort import COHORT, PREDICTIONS
from scripts.common.contracts.statistics import SHORTCUTS
from scripts.common.errors import StudyError
from scripts.common.tables import write_table
from scripts.common.vocabulary import MASKS
from scripts.statistics.delong import auc_with_covariance, compare
from scripts.statistics.shortcuts import (
    GROUPS,
    Design,
    adjusted_r2,
    audited_score,
    cross_validated_r2,
    folds_of,
    manufacturer_rows,
    masked_rows,
    partial_r2,
    read_masked,
    shortcut_table,
    variable_rows,
    with_films,
)
from scripts.statistics.waist import read_predictions, with_cohort

SETS = ["internal_test", "external_1", "external_2"]


@pytest.fixture
def frame(cohort, predictions, films_of, tmp_path):
    """Patients with scores, cohort and films; nothing of the films depends on label or score."""
    write_table(cohort, tmp_path / "cohort.csv", COHORT)
    write_table(predictions, tmp_path / "predictions.csv", PREDICTIONS)
    films_of(cohort).to_csv(tmp_path / "exposure.csv", index=False)
    scored, _ = read_predictions(tmp_path / "predictions.csv")
    return with_films(with_cohort(scored, tmp_path / "cohort.csv"), tmp_path / "exposure.csv")


def rows_of(frame):
    table = pd.DataFrame(variable_rows(frame, SETS, 0.95, 1), columns=list(SHORTCUTS))
    return table.set_index(["set", "subject"])


def logit(p):
    return np.log(p / (1 - p))


def test_r2_and_partial_r2_are_those_of_statsmodels(frame):
    part = frame[frame["set"] == "train"]
    variables = ("manufacturer", "rows", "mean", "exposure_index")
    columns, target = Design.learn(part, variables).columns(part), logit(part["deep"].to_numpy())
    labels = part["label"].to_numpy(dtype=int)
    assert columns.shape[1] == 5  # one maker of two, three numbers, and the mark of a missing exposure index
    full = sm.OLS(target, sm.add_constant(columns)).fit()
    assert adjusted_r2(columns, target) == pytest.approx(full.rsquared_adj, abs=1e-12)
    base = sm.OLS(target, sm.add_constant(labels)).fit()
    both = sm.OLS(target, sm.add_constant(np.column_stack([labels, columns]))).fit()
    r2, p = partial_r2(columns, target, labels)
    assert r2 == pytest.approx(1 - both.ssr / base.ssr, abs=1e-12)
    assert p == pytest.approx(both.compare_f_test(base)[1], rel=1e-9)


def test_columns_that_are_sums_of_others_count_once(frame):
    part = frame[frame["set"] == "train"].assign(columns=lambda f: 2 * f["rows"])
    target, labels = logit(part["deep"].to_numpy()), part["label"].to_numpy(dtype=int)
    twice, once = (Design.learn(part, names).columns(part) for names in (("rows", "columns"), ("rows",)))
    assert adjusted_r2(twice, target) == pytest.approx(adjusted_r2(once, target), abs=1e-10)
    assert partial_r2(twice, target, labels) == pytest.approx(partial_r2(once, target, labels), abs=1e-9)


def test_cross_validated_r2_predicts_no_patient_from_itself(frame):
    part = frame[frame["set"] == "train"]
    folds, target = folds_of(part, 1), logit(part["deep"].to_numpy())
    assert (folds == part["fold"].to_numpy()).all()
    got = cross_validated_r2(part, ("mean", "rows"), target, folds)
    x = part[["mean", "rows"]].to_numpy(dtype=float)
    predicted = np.empty(len(part))
    for fold in range(5):
        out = folds == fold
        predicted[out] = sm.OLS(target[~out], sm.add_constant(x[~out])).fit().predict(sm.add_constant(x[out]))
    assert got == pytest.approx(
        1 - ((target - predicted) ** 2).sum() / ((target - target.mean()) ** 2).sum(), abs=1e-10
    )
    assert got < 0.02  # nothing of the films explains these scores


def test_scales_of_the_folds_change_nothing_in_train(frame):
    other = frame.copy()
    for fold, (by, plus) in enumerate([(0.1, 0.0), (0.7, 1.0), (0.3, -1.0), (0.5, 0.5), (0.9, 0.0)]):
        own = (other["set"] == "train") & (other["fold"] == fold)
        other.loc[own, "deep"] = 1 / (1 + np.exp(-(by * logit(other.loc[own, "deep"]) + plus)))
    ours, theirs = rows_of(frame), rows_of(other)
    for group in GROUPS:
        for name in ("r2_adjusted", "r2_cross_validated", "r2_partial", "p_partial"):
            assert ours.loc[("train", group), name] == pytest.approx(
                theirs.loc[("train", group), name], rel=1e-6, abs=1e-9
            )
    part = frame[frame["set"] == "train"]
    score = pd.Series(audited_score(part)).groupby(part["fold"].to_numpy())
    assert np.allclose(score.mean(), 0) and np.allclose(score.std(ddof=0), 1)
    test = frame[frame["set"] == "internal_test"]
    assert np.allclose(audited_score(test), logit(test["deep"].to_numpy()))


def test_a_planted_shortcut_is_found_and_an_honest_score_passes(frame):
    """A score that follows brightness and the device, beside one that does not."""
    honest = rows_of(frame)
    assert honest.loc["train", "r2_cross_validated"].drop("age_sex").max() < 0.05
    rng = np.random.default_rng(9)
    brightness = (frame["mean"] - frame["mean"].mean()) / frame["mean"].std()
    device = (frame["manufacturer"] == "Maker A").astype(float)
    fooled = 1 / (1 + np.exp(-(2 * brightness + 2 * device - 1 + rng.normal(0, 0.7, len(frame)))))
    found = rows_of(frame.assign(deep=fooled))
    for name in ("train", *SETS):
        assert found.loc[(name, "brightness"), "r2_cross_validated"] > 0.4
        assert (
            found.loc[(name, "all_of_these"), "r2_cross_validated"]
            > found.loc[(name, "brightness"), "r2_cross_validated"]
        )
        assert found.loc[(name, "brightness"), "p_partial"] < 1e-6
        assert found.loc[(name, "view"), "r2_cross_validated"] < 0.15
    assert found.loc[("train", "manufacturer"), "r2_cross_validated"] > 0.08


def test_variables_that_tell_the_label_have_an_auc_and_others_half(frame):
    rng = np.random.default_rng(3)
    told = frame.assign(mean=frame["label"].astype(float) + rng.normal(0, 1, len(frame)))
    found = rows_of(told)
    for name in ("train", *SETS):
        part = told[told["set"] == name]
        scores = np.vstack([part["mean"].to_numpy(dtype=float)])
        plain = auc_with_covariance(part["label"].to_numpy(dtype=int), scores).auc[0]
        # in a test set one fit ranks by the variable itself; in train five fits stand beside each other
        assert found.loc[(name, "brightness"), "auc"] == pytest.approx(
            plain, abs=1e-12 if name != "train" else 0.03
        )
    assert abs(found.loc[("train", "film_size"), "auc"] - 0.5) < 0.1
    assert found.loc[("train", "age_sex"), "auc"] > 0.7


def test_test_patients_have_no_part_in_the_fit(frame):
    before = rows_of(frame)
    other = frame.copy()
    test = other["set"] == "external_1"
    other.loc[test, "label"] = 1 - other.loc[test, "label"]
    after = rows_of(other)
    for group in GROUPS:
        assert before.loc[("internal_test", group), "auc"] == after.loc[("internal_test", group), "auc"]
        assert before.loc[("external_1", group), "auc"] == pytest.approx(
            1 - after.loc[("external_1", group), "auc"], abs=1e-12
        )


def test_where_nothing_varies_or_patients_are_few_a_note_stands(frame):
    alone = frame.assign(manufacturer="Maker A")
    few = pd.concat(
        [alone[alone["set"] != "external_2"], alone[alone["set"] == "external_2"].groupby("label").head(5)]
    )
    found = rows_of(few)
    row = found.loc[("train", "manufacturer")]
    assert row["note"] == "one value only" and np.isnan(row["r2_adjusted"])
    assert row["auc_ci_method"] == "none: constant score" or abs(row["auc"] - 0.5) < 0.1
    rare = frame.copy()
    for name in (
        "internal_test",
        "external_1",
    ):  # four patients with a second value are too few for a column, five are not
        of_set = rare.index[rare["set"] == name]
        rare.loc[of_set, "view"] = "PA"
        rare.loc[of_set[: 4 if name == "internal_test" else 5], "view"] = "AP"
    notes = rows_of(rare)["note"]
    assert notes.loc[("internal_test", "view")] == "no second value in 5 patients or more" and pd.isna(
        notes.loc[("external_1", "view")]
    )
    unknown = rows_of(frame.assign(mean=frame["mean"].where(np.arange(len(frame)) % 3 == 0)))
    assert unknown.loc[("train", "brightness"), "note"] == "unknown in most patients"
    row = found.loc[("external_2", "exposure")]
    assert row["note"].startswith("too few patients for") and np.isnan(row["r2_cross_validated"])
    empty = rows_of(frame[frame["set"] != "external_2"])
    assert (empty.loc["external_2", "n"] == 0).all() and empty.loc["external_2", "auc"].isna().all()


def test_auc_within_a_manufacturer(frame):
    frame = frame.copy()
    rare = frame.index[(frame["set"] == "external_1") & (frame["label"] == 0)][:4]
    frame.loc[rare, "manufacturer"] = "Maker C"
    table = pd.DataFrame(manufacturer_rows(frame, SETS, 0.95), columns=list(SHORTCUTS))
    assert table.groupby("set")["n"].sum().to_dict() == frame.groupby("set").size().to_dict()
    for row in table.itertuples():
        part = frame[(frame["set"] == row.set) & (frame["manufacturer"] == row.subject)]
        if row.subject == "Maker C":
            assert (
                np.isnan(row.auc)
                and row.note == "fewer than 5 patients in a class"
                and (row.n, row.n_pos) == (4, 0)
            )
        else:
            labels, scores = part["label"].to_numpy(dtype=int), part["deep"].to_numpy(dtype=float)[None]
            assert row.auc == pytest.approx(auc_with_covariance(labels, scores).auc[0], abs=1e-12)
            assert row.n_pos == labels.sum()


def test_one_manufacturer_in_two_spellings_is_one(cohort, predictions, films_of, tmp_path):
    spelled = cohort.assign(manufacturer=["Maker  A" if i % 3 else "MAKER A" for i in range(len(cohort))])
    spelled.loc[0, "manufacturer"] = ""
    write_table(spelled, tmp_path / "cohort.csv", COHORT)
    films_of(cohort).to_csv(tmp_path / "exposure.csv", index=False)
    both = with_films(with_cohort(predictions, tmp_path / "cohort.csv"), tmp_path / "exposure.csv")
    assert set(both["manufacturer"]) == {"Maker A", "unknown"}
    films_of(cohort).iloc[5:].to_csv(tmp_path / "exposure.csv", index=False)
    with pytest.raises(StudyError, match="lacks the films of 5 patient"):
        with_films(with_cohort(predictions, tmp_path / "cohort.csv"), tmp_path / "exposure.csv")


def test_masked_scores_are_compared_in_pairs(frame, cohort, predictions, masked_of, tmp_path):
    table = masked_of(predictions, cohort, "internal_test")
    table.sample(frac=1, random_state=2).to_csv(tmp_path / "m.csv", index=False)
    masked = read_masked({"internal_test": tmp_path / "m.csv"}, frame)
    found = pd.DataFrame(masked_rows(masked, 0.95, None), columns=list(SHORTCUTS)).set_index(
        ["subject", "against"]
    )
    part = frame[frame["set"] == "internal_test"].merge(table, on="patient_id")
    labels = part["label"].to_numpy(dtype=int)
    names = ["deep", *MASKS]
    result = auc_with_covariance(labels, part[names].to_numpy(dtype=float).T)
    for i, mask in enumerate(MASKS, start=1):
        own = compare(result, i, 0, 0.95)
        row = found.loc[(mask, "unmasked")]
        assert row["auc"] == pytest.approx(own.auc_a, abs=1e-12)
        assert (row["difference"], row["difference_low"], row["p_value"]) == pytest.approx(
            (own.difference, own.low, own.p_value)
        )
    spine = found.loc[("spine_masked", "flanks_masked")]
    assert spine["difference"] == pytest.approx(result.auc[1] - result.auc[2], abs=1e-12)
    for wrong in (
        table.iloc[1:],
        table.assign(spine_only=np.nan),
        pd.concat([table, table.iloc[[0]].assign(patient_id="P0")]),
    ):
        wrong.to_csv(tmp_path / "m.csv", index=False)
        with pytest.raises(StudyError, match="does not hold the patients"):
            read_masked({"internal_test": tmp_path / "m.csv"}, frame)


def test_the_table_is_the_same_whatever_the_order_of_rows(frame, cohort, predictions, masked_of, tmp_path):
    masked_of(predictions, cohort, "internal_test").to_csv(tmp_path / "m.csv", index=False)
    tables = []
    for order in (frame, frame.sample(frac=1, random_state=4)):
        masked = read_masked({"internal_test": tmp_path / "m.csv"}, order)
        tables.append(shortcut_table(order, masked, SETS, 0.95, 1, None))
    pd.testing.assert_frame_equal(*tables, rtol=1e-7, atol=1e-9)
