"""Baselines beside the models: age alone, logistic regression on the clinical variables, and OSTA.

Age and the clinical variables enter logistic regressions with a ridge penalty of 1 on the standardised
coefficients. BMI follows from height and weight, so that the three are nearly collinear: unpenalised
coefficients of these would be large, of opposite sign, and different in each fold, though their sum predicts
well. The penalty keeps them small and lets no fold separate its classes; on thousands of patients it changes
no score that matters. ``vif`` in the coefficients' table says how collinear a variable is.

OSTA, the Osteoporosis Self-assessment Tool for Asians, is 0.2 * (weight in kg - age in years), lower meaning
a higher risk (Koh et al., Osteoporos Int 2001;12:699). It stands here untruncated and with its sign turned,
so that higher means a higher risk. It is no probability and has no coefficients; nothing is fitted but the
value that stands for a missing weight. It is rounded as values are that meet a clinical cut-off
(``scripts/common/cutoffs.py``), so that equal indices are equal numbers.

A missing value is replaced by the median of the patients that the model is fitted to, in the cross-validation
those of the other folds. Sex is 1 for female, 0 for male; where it is missing, what most patients are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scripts.common.contracts.tabular import BASELINES, COEFFICIENTS
from scripts.common.cutoffs import rounded
from scripts.common.errors import StudyError
from scripts.common.vocabulary import CLINICAL

VARIABLES = {
    "age": ("age",),
    "logistic": CLINICAL,
    "osta": ("age", "weight_kg"),
}
"""The baselines and their variables."""

PENALTY = 1.0
"""Ridge penalty: half of it times the sum of the squared standardised coefficients is added to the negative
log-likelihood.
"""

INTERCEPT = "intercept"


_IDS = ("patient_id", "center", "set", "fold", "label")


@dataclass(frozen=True)
class Linear:
    """A baseline: medians for missing values and weights on standardised variables; ``logit`` says if its
    result is one.
    """

    variables: tuple[str, ...]
    median: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    coefficients: np.ndarray
    intercept: float
    logit: bool

    def score(self, cohort: pd.DataFrame) -> np.ndarray:
        """Probabilities, or minus the index for OSTA, (patients,)."""
        values = filled(matrix(cohort, self.variables), self.median)
        linear = (values - self.mean) / self.sd @ self.coefficients + self.intercept
        return 1 / (1 + np.exp(-linear)) if self.logit else rounded(linear)


def matrix(cohort: pd.DataFrame, variables: Sequence[str]) -> np.ndarray:
    """Values (patients, variables), float64, NaN where missing."""
    columns = [
        cohort[name].map({"F": 1.0, "M": 0.0}) if name == "sex" else cohort[name].astype("float64")
        for name in variables
    ]
    return np.column_stack([column.to_numpy(dtype="float64", na_value=np.nan) for column in columns])


def filled(values: np.ndarray, median: np.ndarray) -> np.ndarray:
    """``values`` with the medians in place of what is missing."""
    return np.where(np.isnan(values), median, values)


def medians(values: np.ndarray) -> np.ndarray:
    """The lower median of each column's known values (one that occurs, so that sex stays 0 or 1); 0 where
    none is known.
    """
    return np.array(
        [
            np.quantile(known, 0.5, method="lower") if len(known := column[~np.isnan(column)]) else 0.0
            for column in values.T
        ]
    )


def fit(cohort: pd.DataFrame, model: str) -> Linear:
    """Fit a baseline to all patients of ``cohort``. ``StudyError`` where they are all of one class."""
    variables = VARIABLES[model]
    values = matrix(cohort, variables)
    median = medians(values)
    n = len(variables)
    if model == "osta":
        return Linear(variables, median, np.zeros(n), np.ones(n), np.array([0.2, -0.2]), 0.0, logit=False)
    labels = cohort["label"].to_numpy(dtype="int64")
    if len(np.unique(labels)) < 2:
        raise StudyError(
            f"All {len(labels)} patients that the baselines are fitted to have the same label; lower"
            " 'cohort.folds'."
        )
    values = filled(values, median)
    mean, sd = values.mean(0), values.std(0)
    sd = np.where(sd > 0, sd, 1.0)
    # imported here: it takes seconds, and what only reads this module's tables needs none of it
    from sklearn.linear_model import LogisticRegression

    solver = LogisticRegression(C=1 / PENALTY, solver="newton-cholesky", tol=1e-10, max_iter=200)
    solver.fit((values - mean) / sd, labels)
    return Linear(variables, median, mean, sd, solver.coef_[0], float(solver.intercept_[0]), logit=True)


def out_of_fold(train: pd.DataFrame, model: str) -> np.ndarray:
    """Each training patient's score from a baseline fitted to the other folds, (patients,)."""
    folds = train["fold"].to_numpy(dtype="int64")
    scores = np.full(len(train), np.nan)
    for fold in np.unique(folds):
        held_out = folds == fold
        scores[held_out] = fit(train[~held_out], model).score(train[held_out])
    return scores


def variance_inflation(values: np.ndarray) -> np.ndarray:
    """1 / (1 - R^2) of each column regressed on the others; NaN for a constant one or where it is their exact
    sum.
    """
    spread = values.std(0) > 0
    out = np.full(values.shape[1], np.nan)
    for j in np.flatnonzero(spread):
        others = np.column_stack([np.ones(len(values)), np.delete(values, j, axis=1)])
        rest = values[:, j] - others @ np.linalg.lstsq(others, values[:, j], rcond=None)[0]
        unexplained = (rest**2).sum() / ((values[:, j] - values[:, j].mean()) ** 2).sum()
        out[j] = 1 / unexplained if unexplained > 1e-12 else np.nan
    return out


def coefficient_table(train: pd.DataFrame) -> tuple[dict[str, Linear], pd.DataFrame]:
    """The baselines fitted to all training patients, and COEFFICIENTS."""
    fitted, rows = {}, []
    for model, variables in VARIABLES.items():
        fitted[model] = found = fit(train, model)
        vif = variance_inflation(filled(matrix(train, variables), found.median))
        rows.append({"model": model, "variable": INTERCEPT, "coefficient": found.intercept})
        for j, variable in enumerate(variables):
            numbers = {"median": found.median[j], "mean": found.mean[j], "sd": found.sd[j]}
            rows.append(
                {
                    "model": model,
                    "variable": variable,
                    **numbers,
                    "coefficient": found.coefficients[j],
                    "vif": vif[j],
                }
            )
    return fitted, pd.DataFrame(rows, columns=list(COEFFICIENTS))


def from_table(table: pd.DataFrame) -> dict[str, Linear]:
    """The baselines of a coefficients' table (COEFFICIENTS)."""
    models = {}
    for model, variables in VARIABLES.items():
        rows = table[table["model"] == model].set_index("variable")
        own = rows.loc[list(variables)]
        median, mean, sd, coefficients = (
            own[c].to_numpy(dtype="float64") for c in ("median", "mean", "sd", "coefficient")
        )
        intercept = float(rows.loc[INTERCEPT, "coefficient"])
        models[model] = Linear(
            tuple(variables), median, mean, sd, coefficients, intercept, logit=model != "osta"
        )
    return models


def scored(cohort: pd.DataFrame, scores: dict[str, np.ndarray]) -> pd.DataFrame:
    """BASELINES of one set, by patient id."""
    return cohort[list(_IDS)].assign(**scores)[list(BASELINES)].sort_values("patient_id", ignore_index=True)
