"""Gradient-boosted trees (XGBoost) on fixed, conservative settings.

Nothing is tuned and nothing stops early, so no score is needed to choose anything. A missing value stays
missing, as the trees take it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost

from scripts.common.errors import StudyError
from scripts.common.files import atomic_path
from scripts.tabular.predictors import Design


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


def _matrix(design: Design, labels: np.ndarray | None = None) -> xgboost.DMatrix:
    return xgboost.DMatrix(
        design.values, label=labels, missing=np.nan, feature_names=list(design.names), nthread=1
    )


class Trees:
    """Fitted trees."""

    def __init__(self, booster: xgboost.Booster) -> None:
        self.booster = booster

    def score(self, design: Design) -> np.ndarray:
        """Probabilities, float64 of shape (patients,)."""
        self.booster.set_param({"nthread": 1})
        return self.booster.predict(_matrix(design)).astype("float64")

    raw = score

    def variables(self, design: Design) -> pd.DataFrame:
        """The mean gain and cover (sum of second derivatives) of each variable's splits, and their number.

        A variable that no tree uses has zeros.
        """
        found = {kind: self.booster.get_score(importance_type=kind) for kind in ("gain", "cover", "weight")}
        return pd.DataFrame(
            {
                "variable": list(design.names),
                "gain": [float(found["gain"].get(name, 0.0)) for name in design.names],
                "cover": [float(found["cover"].get(name, 0.0)) for name in design.names],
                "n_splits": [int(found["weight"].get(name, 0)) for name in design.names],
            }
        )

    def write(self, path: str | Path) -> None:
        """Write the trees in XGBoost's own JSON, atomically."""
        content = self.booster.save_raw(raw_format="json")
        with atomic_path(path) as part:
            part.write_bytes(content)


def fit(design: Design, labels: np.ndarray, folds: np.ndarray, settings: Mapping, seed: int) -> Trees:
    """Fit the trees to ``labels`` (0 or 1). ``seed`` draws the patients and variables of each tree."""
    matrix = _matrix(design, labels.astype("float64"))
    return Trees(xgboost.train(_parameters(settings, seed), matrix, num_boost_round=settings["trees"]))


def read(path: str | Path) -> Trees:
    """Read trees that ``Trees.write`` has written."""
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(Path(path).read_bytes()))
    except (xgboost.core.XGBoostError, OSError) as error:
        raise StudyError(
            f"'{path}' is not a model of XGBoost. Delete the file and run again; it is made anew."
        ) from error
    return Trees(booster)
