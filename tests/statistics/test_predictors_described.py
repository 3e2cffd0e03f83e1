"""Predictors in Table 1 and among the missing values, in the CSV and as a journal prints them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.statistics import MISSING, TABLE1
from scripts.common.language import Language
from scripts.common.language.names import Names
from scripts.common.manuscript_tables import table_1
from scripts.common.predictors import Predictor
from scripts.common.tables import read_table, write_table
from scripts.statistics.cohort_description import count_missing, counted_row, decimals_of, describe
from scripts.statistics.group_tests import pearson_chi2, smd_levels, smd_shares
from scripts.statistics.scored_cohort import scored_cohort

CALCIUM = Predictor("calcium", "number", unit="mmol/L", label="Calcium")
SMOKER = Predictor("smoker", "yes_no", label="Smoker")
ALCOHOL = Predictor("alcohol", "category", ("never", "now_and_then", "daily"), label="Alcohol")
PREDICTORS = {one.name: one for one in (CALCIUM, SMOKER, ALCOHOL)}


@pytest.fixture
def with_predictors(cohort):
    """The tests' cohort with three predictors, which external_2 lacks."""
    rng = np.random.default_rng(3)
    n = len(cohort)
    frame = cohort.assign(
        calcium=rng.normal(2.35, 0.12, n),
        smoker=pd.array(rng.integers(0, 2, n), dtype="Int64"),
        alcohol=rng.choice(["never", "now_and_then", "daily", ""], n),
    )
    lacking = frame["center"] == "external_2"
    frame.loc[lacking, "calcium"], frame.loc[lacking, "smoker"] = np.nan, pd.NA
    frame.loc[lacking, "alcohol"] = ""
    return frame


CENTERS = ["internal", "external_1", "external_2"]


def test_each_type_has_its_test_and_the_counts_of_its_answers(with_predictors):
    whole = describe(with_predictors, CENTERS, PREDICTORS)
    assert whole.drop_duplicates("variable")["variable"].tolist()[-3:] == list(PREDICTORS)
    table = whole.set_index(["center", "variable"])
    own = with_predictors[with_predictors["center"] == "internal"]
    groups = [own[own["label"] == label] for label in (1, 0)]
    number = table.loc[("internal", "calcium")]
    assert number["test"] == "Welch t" and number["missing"] == 0
    assert number["op"] == f"{groups[0]['calcium'].mean():.2f} ± {groups[0]['calcium'].std():.2f}"
    flag = table.loc[("internal", "smoker")]
    assert flag["op"] == f"{int(groups[0]['smoker'].sum())}/{int((groups[0]['smoker'] == 0).sum())}"
    assert flag["test"] == "Pearson chi2" and flag["df"] == 1
    category = table.loc[("internal", "alcohol")]
    counts = np.array([[int((g["alcohol"] == level).sum()) for level in ALCOHOL.levels] for g in groups])
    assert category["non_op"] == "/".join(map(str, counts[1])) and category["df"] == 2
    assert category["p_value"] == pytest.approx(pearson_chi2(counts).p_value)
    assert category["missing"] == int((own["alcohol"] == "").sum()) and category["smd"] > 0
    for name in PREDICTORS:
        absent = table.loc[("external_2", name)]
        assert absent["n"] == 0 and absent["missing"] == (with_predictors["center"] == "external_2").sum()
        assert np.isnan(absent["p_value"]) and absent["note"]


def test_a_predictor_that_nobody_has_has_no_row_and_is_counted_as_missing(with_predictors):
    frame = with_predictors.assign(calcium=np.nan)
    assert "calcium" not in set(describe(frame, CENTERS, PREDICTORS)["variable"])
    missing = count_missing(frame, list(PREDICTORS))
    rows = missing[missing["variable"] == "calcium"]
    assert (rows["n_missing"] == rows["n"]).all() and len(rows) == frame["set"].nunique()


def test_without_height_and_weight_table_1_goes_without_them(cohort):
    frame = cohort.assign(height_cm=np.nan, weight_kg=np.nan, bmi=np.nan)
    assert set(describe(frame, CENTERS)["variable"]) == {"age", "sex", "bmd", "t_score"}


@pytest.mark.parametrize(
    ("counts", "df", "fisher"),
    [
        ([[3, 20], [2, 30]], 1, True),
        ([[30, 20], [20, 30]], 1, False),
        ([[3, 20, 0], [2, 30, 0]], 1, True),
        ([[1, 20, 3], [2, 30, 3]], 2, False),
    ],
)
def test_fisher_stands_beside_a_two_by_two_table_with_few_expected(counts, df, fisher):
    row = counted_row(np.array(counts), category=True)
    assert row["df"] == df and np.isfinite(row["fisher_p"]) == fisher and row["op_n"] == sum(counts[0])


def test_an_answer_of_everybody_has_no_test():
    row = counted_row(np.array([[5, 0], [9, 0]]), category=False)
    assert np.isnan(row["p_value"]) and row["note"] and row["op"] == "5/0"


def test_the_difference_of_a_category_is_that_of_yang_and_dalton():
    counts = np.array([[12, 30, 8, 5], [22, 18, 16, 9]])
    shares = counts / counts.sum(axis=1, keepdims=True)
    covariance = sum(np.diag(s) - np.outer(s, s) for s in shares) / 2
    apart = shares[0] - shares[1]
    whole = np.sqrt(apart @ np.linalg.pinv(covariance) @ apart)  # of all levels: any of them may be left out
    assert smd_levels(counts) == pytest.approx(whole) == pytest.approx(smd_levels(counts[:, ::-1]))
    two = counts[:, :2]
    of_two = smd_shares(*(two[:, 0] / two.sum(axis=1)))
    assert smd_levels(two) == pytest.approx(abs(of_two))
    assert smd_levels(np.array([[12, 30, 0], [22, 18, 0]])) == pytest.approx(
        abs(smd_shares(12 / 42, 22 / 40))
    )
    for none in ([[5, 0], [9, 0]], [[0, 0], [9, 3]], [[5, 0], [0, 9]]):
        assert np.isnan(smd_levels(np.array(none)))


def test_a_predictors_name_reaches_no_other_statistic(with_predictors, predictions, tmp_path):
    """Whatever it is called: a model's name, or a column that another table has."""
    frame = with_predictors.rename(columns={"calcium": "deep", "smoker": "mean", "alcohol": "day"})
    write_table(frame, tmp_path / "cohort.csv", COHORT)
    write_table(with_predictors[list(COHORT)], tmp_path / "plain.csv", COHORT)
    one, other = (scored_cohort(predictions, tmp_path / f"{name}.csv") for name in ("cohort", "plain"))
    pd.testing.assert_frame_equal(one.patients, other.patients)
    pd.testing.assert_frame_equal(one.scores, other.scores)
    asked = scored_cohort(predictions, tmp_path / "cohort.csv", {"day": "category", "absent": "number"})
    assert [*asked.patients] == [*one.patients, "day", "absent"] and asked.patients["absent"].isna().all()
    assert (
        asked.patients["day"].tolist()
        == frame.set_index("patient_id").loc[asked.patients["patient_id"], "day"].tolist()
    )


@pytest.mark.parametrize("code", ["en", "zh"])
def test_a_row_per_level_as_a_journal_prints_it(with_predictors, tmp_path, code):
    write_table(describe(with_predictors, CENTERS, PREDICTORS), tmp_path / "1.csv", TABLE1)
    write_table(count_missing(with_predictors, list(PREDICTORS)), tmp_path / "m.csv", MISSING)
    tables = read_table(tmp_path / "1.csv", TABLE1), read_table(tmp_path / "m.csv", MISSING)
    words = Language(code, "tables")
    shown = table_1(*tables, CENTERS, words, Names(words, predictors=PREDICTORS))
    rows = [[str(entry) for entry in row] for row in shown.blocks[0].rows][-5:]
    assert rows[0][0] == "Calcium (mmol/L)" and " ± " in rows[0][1]
    comma, colon = {"en": (", ", ": "), "zh": ("，", "：")}[code]
    assert rows[1][0].startswith(f"Smoker{comma}")
    assert [row[0].split(colon, 1)[1].split(comma)[0] for row in rows[2:]] == [
        "never",
        "now and then",
        "daily",
    ]
    assert rows[2][4] and rows[3][3:] == rows[4][3:] == ["", "", ""]
    first = tables[0].set_index(["center", "variable"]).loc[("internal", "alcohol"), "op"].split("/")
    assert [row[1].split(" ")[0] for row in rows[2:]] == first
    assert any("Yang" in note for note in shown.notes) and any("Calcium (mmol/L)" in n for n in shown.notes)


@pytest.mark.parametrize(
    ("values", "digits"),
    [
        ([2.31, 2.44, 2.27], 3),
        ([0, 1, 2, 1], 1),
        ([140, 96, 180], 0),
        ([71.5, 60.2, 55.0], 1),
        ([5, 5, 5], 0),
        ([1e-5, 2e-5], 4),
    ],
)
def test_a_mean_has_one_digit_more_than_the_values_at_most(values, digits):
    assert decimals_of(pd.Series([*values, np.nan], dtype=float)) == digits
