"""The baselines against independent fits, and what may not leak from the held-out patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize

from scripts.boosting.baselines import (
    VARIABLES,
    coefficient_table,
    filled,
    fit,
    from_table,
    matrix,
    medians,
    out_of_fold,
    scored,
    variance_inflation,
)
from scripts.common.contracts.tabular import BASELINES, COEFFICIENTS
from scripts.common.errors import StudyError
from scripts.common.tables import read_table, write_table


def cohort(n, seed=0, missing=0.0):
    """Patients whose risk rises with age and falls with weight; BMI follows from height and weight."""
    draw = np.random.default_rng(seed)
    height, age = draw.normal(160, 8, n), draw.integers(41, 90, n)
    weight = draw.normal(60, 9, n)
    risk = 1 / (1 + np.exp(-(-0.5 + 0.07 * (age - 65) - 0.06 * (weight - 60))))
    frame = pd.DataFrame(
        {
            "patient_id": [f"P{i:05d}" for i in range(n)], "center": "internal", "set": "train",
            "fold": np.arange(n) % 5,
            "label": (draw.random(n) < risk).astype(int), "sex": draw.choice(["F", "M"], n, p=[0.7, 0.3]),
            "age": age,
            "height_cm": height.round(1), "weight_kg": weight.round(1),
        }
    )  # fmt: skip
    frame["bmi"] = (frame["weight_kg"] / (frame["height_cm"] / 100) ** 2).round(2)
    for name in ("height_cm", "weight_kg", "bmi"):
        frame.loc[draw.random(n) < missing, name] = np.nan
    frame.loc[draw.random(n) < missing, "sex"] = ""
    return frame


def test_ridge_logistic_is_the_minimum_of_its_own_loss():
    train = cohort(150)
    model = fit(train, "logistic")
    x = (matrix(train, model.variables) - model.mean) / model.sd
    y = train["label"].to_numpy()

    def loss(w):
        z = x @ w[1:] + w[0]
        return (np.logaddexp(0, z) - y * z).sum() + 0.5 * (w[1:] ** 2).sum()

    best = minimize(loss, np.zeros(6), method="BFGS", options={"gtol": 1e-8})
    assert [model.intercept, *model.coefficients] == pytest.approx(best.x, abs=1e-5)


def test_with_many_patients_the_scores_are_those_of_an_unpenalised_fit():
    train = cohort(4000)
    design = sm.add_constant(matrix(train, VARIABLES["logistic"]))
    plain = sm.GLM(train["label"], design, family=sm.families.Binomial()).fit().predict(design)
    assert np.abs(fit(train, "logistic").score(train) - plain).max() < 0.02
    by_age = sm.GLM(
        train["label"], sm.add_constant(matrix(train, ("age",))), family=sm.families.Binomial()
    ).fit()
    assert fit(train, "age").score(train) == pytest.approx(by_age.fittedvalues, abs=2e-3)


def test_collinear_variables_and_separated_classes_leave_small_coefficients():
    train = cohort(60, seed=3)
    train["label"] = (train["age"] > 65).astype(int)  # age separates the classes
    model = fit(train, "logistic")
    assert np.isfinite(model.coefficients).all() and np.abs(model.coefficients).max() < 10
    vif = variance_inflation(matrix(cohort(500), VARIABLES["logistic"]))
    assert vif[0] < 1.1 and vif[1] < 1.1 and (vif[2:] > 20).all()
    pair = np.random.default_rng(0).normal(size=(500, 2)) @ np.array([[1, 0.6], [0, 0.8]])
    r2 = np.corrcoef(pair.T)[0, 1] ** 2
    assert variance_inflation(pair) == pytest.approx([1 / (1 - r2)] * 2)


def test_osta_is_the_published_index_turned():
    rows = pd.DataFrame({"sex": ["F", "M"], "age": [70, 50], "weight_kg": [45.0, 80.0], "label": [1, 0]})
    assert fit(rows, "osta").score(rows) == pytest.approx(
        [5.0, -6.0]
    )  # OSTA -5 (high risk is below -4) and 6 (low)
    alone = rows.assign(label=1)
    assert fit(alone, "osta").score(alone) == pytest.approx([5.0, -6.0])
    with pytest.raises(StudyError, match="same label"):
        fit(alone, "age")


def test_equal_indices_are_equal_numbers():
    ages = np.arange(40, 95)
    rows = pd.DataFrame({"age": ages, "weight_kg": ages - 5.0, "label": ages % 2})
    assert len(set(0.2 * ages - 0.2 * (ages - 5.0))) > 1, "nothing was at stake"
    assert set(fit(rows, "osta").score(rows)) == {1.0}, "ties would be broken by floating point"


def test_missing_values_take_medians_of_the_patients_that_the_model_is_fitted_to():
    values = np.array([[1.0, np.nan], [5.0, np.nan], [np.nan, np.nan], [9.0, np.nan], [7.0, np.nan]])
    assert medians(values).tolist() == [5.0, 0.0]
    assert filled(values, np.array([5.0, 0.0]))[2].tolist() == [5.0, 0.0]
    train = cohort(200, missing=0.15)
    model = fit(train, "logistic")
    assert model.median[0] in (0.0, 1.0)
    assert model.median[3] in set(train["weight_kg"].dropna())
    gap = train.iloc[[0]].assign(weight_kg=np.nan, sex="")
    put = train.iloc[[0]].assign(weight_kg=model.median[3], sex="F")
    assert model.score(gap) == pytest.approx(model.score(put))
    assert np.isfinite(model.score(train)).all()


@pytest.mark.parametrize("model", list(VARIABLES))
def test_a_held_out_patient_has_no_part_in_its_own_score(model):
    """Other labels, weights and gaps in fold 2 change no score of it but through its own values."""
    train = cohort(150, missing=0.2)
    before = out_of_fold(train, model)
    changed = train.copy()
    inside = changed["fold"] == 2
    changed.loc[inside, "label"] = 1 - changed.loc[inside, "label"]
    after = out_of_fold(changed, model)
    assert (after[inside] == before[inside]).all()
    others = changed["fold"] != 2
    assert model == "osta" or (after[others] != before[others]).all()
    heavy = train.copy()
    row = np.flatnonzero(inside & train["weight_kg"].notna())[0]
    heavy.loc[row, "weight_kg"] += 500
    again = out_of_fold(heavy, model)
    rest = inside.to_numpy() & (np.arange(len(train)) != row)
    assert (again[rest] == before[rest]).all()


def test_the_table_of_coefficients_gives_the_models_back(tmp_path):
    train, test = cohort(150, missing=0.1), cohort(40, seed=5, missing=0.1)
    fitted, table = coefficient_table(train)
    write_table(table, tmp_path / "c.csv", COEFFICIENTS)
    again = from_table(read_table(tmp_path / "c.csv", COEFFICIENTS))
    for name, model in fitted.items():
        assert (again[name].score(test) == model.score(test)).all()
    frame = scored(
        test.sample(frac=1, random_state=1), {name: model.score(test) for name, model in fitted.items()}
    )
    assert list(frame) == list(BASELINES) and frame["patient_id"].is_monotonic_increasing
