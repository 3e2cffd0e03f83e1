"""The clinical and the combined model: gradient-boosted trees (XGBoost) on fixed, conservative settings.

Nothing is tuned and nothing stops early, so no score is needed to choose anything. Out-of-fold scores come
from the folds of the network's cross-validation: the trees that score a patient saw neither this patient nor
the label. The model that scores test patients is fitted once more, on all training patients.

What leak is left in the combined model. A training patient's deep score comes from the network of the fold
that did not see the patient. When the trees are cross-validated over the same folds, the deep scores of the
*other* folds come from networks that did train on the held-out fold, its labels included. So the inputs of
the trees know a little of the held-out labels; the held-out patients' own inputs don't. Only a nested
cross-validation (five networks within each fold) would be free of it. Test patients are untouched by this;
their deep score is the mean of five networks, a little less scattered than the single network's score on
which the trees were fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost

from scripts.common.errors import StudyError
from scripts.common.files import atomic_path
from scripts.common.seeds import sub_seed
from scripts.common.vocabulary import CLINICAL

FEATURES = {"clinical": CLINICAL, "combined": (*CLINICAL, "deep")}
"""The variables of each model, in the order in which the trees know them. Sex is 1 for female, 0 for male."""


def variables(cohort: pd.DataFrame, model: str, deep: pd.DataFrame | None = None) -> np.ndarray:
    """The model's variables, float64 of shape (patients, variables); NaN where missing, as the trees take it.

    Parameters
    ----------
    cohort
        Patients with the clinical variables (COHORT).
    model
        ``clinical`` or ``combined``.
    deep
        The deep scores of the same patients (DEEP_SCORES); needed by ``combined`` and left aside by
        ``clinical``.

    Raises
    ------
    StudyError
        When the deep scores are not of exactly these patients and films, or not probabilities.
    """
    columns = {name: cohort[name].astype("float64").to_numpy() for name in CLINICAL if name != "sex"}
    columns["sex"] = cohort["sex"].map({"F": 1.0, "M": 0.0}).to_numpy(dtype="float64")
    if "deep" in FEATURES[model]:
        if deep is None:
            raise ValueError("the combined model needs deep scores")
        columns["deep"] = matched_deep_scores(cohort, deep)
    return np.column_stack([columns[name] for name in FEATURES[model]])


def matched_deep_scores(cohort: pd.DataFrame, deep: pd.DataFrame) -> np.ndarray:
    """The deep score of each row of ``cohort``, by patient and film; refused unless one to one, in [0, 1]."""
    key = ["patient_id", "image_id"]
    both = cohort[key].merge(deep[[*key, "deep"]], on=key, how="outer", indicator="from")
    wrong = int((both["from"] != "both").sum())
    if wrong or len(both) != len(cohort):
        raise StudyError(
            f"The deep scores don't fit the cohort: {wrong or len(both) - len(cohort)} patients of one have "
            "no partner, or several, in the other. "
            "Delete results/deep/scores and run again; the networks' stored weights are used again."
        )
    scores = cohort[key].merge(deep, on=key, how="left")["deep"].to_numpy(dtype="float64")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise StudyError(
            f"{int((~((scores >= 0) & (scores <= 1))).sum())} deep scores are missing or no probabilities. "
            "The training has probably diverged: see "
            "results/deep/fold_*/history.csv, and lower deep.training.learning_rate."
        )
    return scores


def _parameters(settings: Mapping, seed: int) -> dict:
    """XGBoost's own names for the settings. One thread: sums in another order would change the last bits."""
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": settings["depth"],
        "eta": settings["learning_rate"],
        "subsample": settings["subsample"],
        "colsample_bytree": settings["column_sample"],
        "min_child_weight": settings["min_child_weight"],
        "lambda": settings["l2"],
        "seed": seed % 2**31,
        "nthread": 1,
        "verbosity": 1,
    }


def _matrix(values: np.ndarray, model: str, labels: np.ndarray | None = None) -> xgboost.DMatrix:
    return xgboost.DMatrix(
        values, label=labels, missing=np.nan, feature_names=list(FEATURES[model]), nthread=1
    )


def fit(values: np.ndarray, labels: np.ndarray, model: str, settings: Mapping, seed: int) -> xgboost.Booster:
    """Fit the trees to ``labels`` (0 or 1). ``seed`` draws the patients and variables of each tree."""
    return xgboost.train(
        _parameters(settings, seed), _matrix(values, model, labels), num_boost_round=settings["trees"]
    )


def score(booster: xgboost.Booster, values: np.ndarray, model: str) -> np.ndarray:
    """Probabilities of osteoporosis, float64 of shape (patients,)."""
    booster.set_param({"nthread": 1})
    return booster.predict(_matrix(values, model)).astype("float64")


def out_of_fold_scores(
    values: np.ndarray, labels: np.ndarray, folds: np.ndarray, model: str, settings: Mapping, seed: int
) -> np.ndarray:
    """Score each patient by trees fitted to the patients of the other folds; float64 of shape (patients,)."""
    scores = np.full(len(labels), np.nan)
    for fold in np.unique(folds):
        held_out = folds == fold
        trees = fit(
            values[~held_out],
            labels[~held_out],
            model,
            settings,
            sub_seed(seed, "boosting", model, int(fold)),
        )
        scores[held_out] = score(trees, values[held_out], model)
    return scores


def fit_model(
    train: pd.DataFrame, deep: pd.DataFrame | None, model: str, settings: Mapping, seed: int
) -> tuple[xgboost.Booster, pd.DataFrame]:
    """Cross-validate on the study's folds, then fit to all training patients.

    Returns
    -------
    booster
        The model for patients outside the training set.
    out_of_fold
        ``patient_id, fold, score`` in the order of ``train``.
    """
    values = variables(train, model, deep)
    labels = train["label"].to_numpy(dtype="float64")
    folds = train["fold"].to_numpy(dtype="int64")
    scores = out_of_fold_scores(values, labels, folds, model, settings, seed)
    booster = fit(values, labels, model, settings, sub_seed(seed, "boosting", model, "all"))
    return booster, pd.DataFrame({"patient_id": train["patient_id"], "fold": train["fold"], "score": scores})


def importance(booster: xgboost.Booster, model: str) -> pd.DataFrame:
    """For each variable the mean gain and cover (sum of second derivatives) of its splits, and their number.

    A variable that no tree uses has zeros.
    """
    names = list(FEATURES[model])
    kinds = {kind: booster.get_score(importance_type=kind) for kind in ("gain", "cover", "weight")}
    return pd.DataFrame(
        {
            "feature": names,
            "gain": [float(kinds["gain"].get(name, 0.0)) for name in names],
            "cover": [float(kinds["cover"].get(name, 0.0)) for name in names],
            "n_splits": [int(kinds["weight"].get(name, 0)) for name in names],
        }
    )


def write_model(booster: xgboost.Booster, path: str | Path) -> None:
    """Write the trees in XGBoost's UBJSON, atomically."""
    with atomic_path(path) as part:
        booster.save_model(part)


def read_model(path: str | Path) -> xgboost.Booster:
    """Read trees written by ``write_model``."""
    booster = xgboost.Booster()
    try:
        booster.load_model(path)
    except xgboost.core.XGBoostError as error:
        raise StudyError(
            f"'{path}' is not a model of XGBoost. Delete the file and run again; it is made anew."
        ) from error
    return booster
