"""Logistic regression and OSTA against independent fits, and what may not leak from held-out patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize

from scripts.common.errors import StudyError
from scripts.tabular.fitting import fit_model
from scripts.tabular.kinds import logistic, osta
from scripts.tabular.kinds.linear import filled, stand_ins, variance_inflation
from scripts.tabular.predictors import Design, Predictor, design

AGE = (Predictor("age"),)
CLINICAL = (
    Predictor("sex", "sex"), *(Predictor(name) for name in ("age", "height_cm", "weight_kg", "bmi"))
)  # fmt: skip
SETTINGS = {"penalty": 1.0}
MODELS = {
    "age": ("logistic", AGE),
    "logistic": ("logistic", CLINICAL),
    "osta": ("osta", osta.PREDICTORS),
}


def matrix(train, predictors):
    return design(train, predictors, {}).values


def fit(train, name):
    kind, predictors = MODELS[name]
    module = osta if kind == "osta" else logistic
    return module.fit(
        design(train, predictors, {}), train["label"].to_numpy(), np.zeros(len(train)), SETTINGS, 1
    )


def score(model, cohort, name):
    return model.score(design(cohort, MODELS[name][1], {}))


def out_of_fold(train, name):
    kind, predictors = MODELS[name]
    return fit_model(kind, name, train, design(train, predictors, {}), SETTINGS, 1)[1]["score"].to_numpy()


def cohort(n, seed=0, missing=0.0):
    """Patients whose risk rises with age and falls with weight; BMI follows from height and weight."""
    draw = np.random.default_rng(seed)
    height, age = draw.normal(160, 8, n), draw.integers(41, 90, n)
    weight = draw.normal(60, 9, n)
    risk = 1 / (1 + np.exp(-(-0.5 + 0.07 * (age - 65) - 0.06 * (weight - 60))))
    frame = pd.DataFrame(
        {
            "patient_id": [f"P{i:05d}" for i in range(n)],
            "image_id": [f"I{i:05d}" for i in range(n)], "center": "internal", "set": "train",
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
    x = (matrix(train, CLINICAL) - model.mean) / model.sd
    y = train["label"].to_numpy()

    def loss(w):
        z = x @ w[1:] + w[0]
        return (np.logaddexp(0, z) - y * z).sum() + 0.5 * (w[1:] ** 2).sum()

    best = minimize(loss, np.zeros(6), method="BFGS", options={"gtol": 1e-8})
    assert [model.intercept, *model.coefficients] == pytest.approx(best.x, abs=1e-5)


def test_with_many_patients_the_scores_are_those_of_an_unpenalised_fit():
    train = cohort(4000)
    for name, predictors, tolerance in (("logistic", CLINICAL, 0.02), ("age", AGE, 2e-3)):
        given = sm.add_constant(matrix(train, predictors))
        plain = sm.GLM(train["label"], given, family=sm.families.Binomial()).fit().predict(given)
        assert score(fit(train, name), train, name) == pytest.approx(plain, abs=tolerance)


def test_collinear_variables_and_separated_classes_leave_small_coefficients():
    train = cohort(60, seed=3)
    train["label"] = (train["age"] > 65).astype(int)  # age separates the classes
    model = fit(train, "logistic")
    assert np.isfinite(model.coefficients).all() and np.abs(model.coefficients).max() < 10
    vif = variance_inflation(matrix(cohort(500), CLINICAL))
    assert vif[0] < 1.1 and vif[1] < 1.1 and (vif[2:] > 20).all()
    pair = np.random.default_rng(0).normal(size=(500, 2)) @ np.array([[1, 0.6], [0, 0.8]])
    r2 = np.corrcoef(pair.T)[0, 1] ** 2
    assert variance_inflation(pair) == pytest.approx([1 / (1 - r2)] * 2)


def test_osta_is_the_published_index_turned_and_its_probability_keeps_the_order():
    rows = pd.DataFrame({"sex": ["F", "M"], "age": [70, 50], "weight_kg": [45.0, 80.0], "label": [1, 0]})
    given = design(rows, osta.PREDICTORS, {})
    # OSTA -5 (high risk is below -4) and 6 (low)
    assert fit(rows, "osta").raw(given) == pytest.approx([5.0, -6.0])
    train = cohort(400)
    for labels in (train["label"], 1 - train["label"]):  # the second ones speak against the index
        model = fit(train.assign(label=labels), "osta")
        values = design(train, osta.PREDICTORS, {})
        order = np.argsort(model.raw(values), kind="stable")
        risk = model.score(values)[order]
        assert (np.diff(risk) >= 0).all() and risk[-1] > risk[0]
        assert ((risk > 0) & (risk < 1)).all()
    for name in MODELS:
        with pytest.raises(StudyError, match="same label"):
            fit(rows.assign(label=1, height_cm=160.0, bmi=20.0), name)


def test_osta_as_a_probability_is_a_logistic_regression_on_the_index():
    train = cohort(4000)
    index = 0.2 * (train["age"] - train["weight_kg"])
    given = sm.add_constant(index)
    plain = sm.GLM(train["label"], given, family=sm.families.Binomial()).fit().predict(given)
    assert score(fit(train, "osta"), train, "osta") == pytest.approx(plain.to_numpy(), abs=2e-3)


def test_equal_indices_are_equal_numbers():
    ages = np.arange(40, 95)
    rows = pd.DataFrame({"age": ages, "weight_kg": ages - 5.0, "label": ages % 2})
    assert len(set(0.2 * ages - 0.2 * (ages - 5.0))) > 1, "nothing was at stake"
    model, given = fit(rows, "osta"), design(rows, osta.PREDICTORS, {})
    assert set(model.raw(given)) == {1.0} and len(set(model.score(given))) == 1, "ties would be broken"


def test_a_missing_category_takes_the_most_frequent_level():
    """With three levels and more no level need be the median of its column: all would be 0."""
    levels = ("never", "weekly", "daily", "other")
    train = cohort(400).assign(alcohol=np.resize(["never", "weekly", "weekly", "daily", "other", ""], 400))
    predictors = (Predictor("age"), Predictor("alcohol", "category", levels), Predictor("bmi"))
    given = design(train, predictors, {})
    assert stand_ins(given)[1:5].tolist() == [0, 1, 0, 0]
    model = logistic.fit(given, train["label"].to_numpy(), np.zeros(len(train)), SETTINGS, 1)
    unknown, weekly = (
        model.score(design(train.assign(alcohol=level), predictors, {})) for level in ("", "weekly")
    )
    assert unknown == pytest.approx(weekly, abs=0)
    nobody = design(train.assign(alcohol=""), predictors, {})
    assert stand_ins(nobody)[1:5].tolist() == [0, 0, 0, 0]


def test_missing_values_take_medians_of_the_patients_that_the_model_is_fitted_to():
    values = np.array([[1.0, np.nan], [5.0, np.nan], [np.nan, np.nan], [9.0, np.nan], [7.0, np.nan]])
    assert stand_ins(Design(("a", "b"), values)).tolist() == [5.0, 0.0]
    assert filled(values, np.array([5.0, 0.0]))[2].tolist() == [5.0, 0.0]
    train = cohort(200, missing=0.15)
    model = fit(train, "logistic")
    assert model.median[0] in (0.0, 1.0)
    assert model.median[3] in set(train["weight_kg"].dropna())
    gap = train.iloc[[0]].assign(weight_kg=np.nan, sex="")
    put = train.iloc[[0]].assign(weight_kg=model.median[3], sex="F" if model.median[0] else "M")
    assert score(model, gap, "logistic") == pytest.approx(score(model, put, "logistic"))
    assert np.isfinite(score(model, train, "logistic")).all()


@pytest.mark.parametrize("name", list(MODELS))
def test_a_held_out_patient_has_no_part_in_its_own_score(name):
    """Other labels, weights and gaps in fold 2 change no score of it but through its own values."""
    train = cohort(150, missing=0.2)
    before = out_of_fold(train, name)
    changed = train.copy()
    inside = changed["fold"] == 2
    changed.loc[inside, "label"] = 1 - changed.loc[inside, "label"]
    after = out_of_fold(changed, name)
    assert (after[inside] == before[inside]).all()
    assert (after[~inside] != before[~inside]).all()
    heavy = train.copy()
    row = np.flatnonzero(inside & train["weight_kg"].notna())[0]
    heavy.loc[row, "weight_kg"] += 500
    again = out_of_fold(heavy, name)
    rest = inside.to_numpy() & (np.arange(len(train)) != row)
    assert (again[rest] == before[rest]).all()


@pytest.mark.parametrize("name", list(MODELS))
def test_a_written_model_scores_as_before(name, tmp_path):
    train, test = cohort(150, missing=0.1), cohort(40, seed=5, missing=0.1)
    model = fit(train, name)
    module = osta if name == "osta" else logistic
    model.write(tmp_path / "model.json")
    again = module.read(tmp_path / "model.json")
    given = design(test, MODELS[name][1], {})
    assert (again.score(given) == model.score(given)).all() and (again.raw(given) == model.raw(given)).all()
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(StudyError, match="is not a model of this study"):
        module.read(tmp_path / "model.json")


def test_other_variables_than_fitted_are_a_defect():
    train = cohort(50)
    with pytest.raises(ValueError, match="fitted to"):
        fit(train, "logistic").score(design(train, AGE, {}))
