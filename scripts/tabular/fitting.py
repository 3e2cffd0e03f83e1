"""A tabular model from the training patients' predictors: cross-validated scores, then a fit to all of them.

Out-of-fold scores come from the folds of the networks' cross-validation: the model that scores a patient saw
neither this patient nor the label. The model that scores test patients is fitted once more, on all training
patients.

What leak is left where a model reads another one's scores. A training patient's score comes from the network
of the fold that did not see the patient. When the trees are cross-validated over the same folds, the scores
of the *other* folds come from networks that did train on the held-out fold, its labels included. So the
inputs of the trees know a little of the held-out labels; the held-out patients' own inputs don't. Only a
nested cross-validation (five networks within each fold) would be free of it. Test patients are untouched by
this; their network score is the mean of five networks, a little less scattered than the single network's
score on which the trees were fitted.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from scripts.common.contracts.tabular import VARIABLES
from scripts.common.seeds import sub_seed
from scripts.tabular.kinds import Fitted, fit
from scripts.tabular.predictors import Design


def fit_model(
    kind: str, name: str, train: pd.DataFrame, design: Design, settings: Mapping, seed: int
) -> tuple[Fitted, pd.DataFrame]:
    """Cross-validate on the study's folds, then fit to all training patients.

    Returns
    -------
    fitted
        The model for patients outside the training set.
    out_of_fold
        OUT_OF_FOLD, in the order of ``train``.
    """
    labels = train["label"].to_numpy(dtype="int64")
    folds = train["fold"].to_numpy(dtype="int64")
    score, raw = np.full(len(labels), np.nan), np.full(len(labels), np.nan)
    for fold in np.unique(folds):
        out = folds == fold
        seed_of_fold = sub_seed(seed, "boosting", name, int(fold))
        fitted = fit(kind, design.rows(~out), labels[~out], folds[~out], settings, seed_of_fold)
        score[out], raw[out] = fitted.score(design.rows(out)), fitted.raw(design.rows(out))
    fitted = fit(kind, design, labels, folds, settings, sub_seed(seed, "boosting", name, "all"))
    return fitted, scores_of(train, score, raw).assign(fold=train["fold"].to_numpy())


def scores_of(cohort: pd.DataFrame, score: np.ndarray, raw: np.ndarray) -> pd.DataFrame:
    """SET_SCORES of the patients of ``cohort``, in their order."""
    return pd.DataFrame(
        {
            "patient_id": cohort["patient_id"].to_numpy(),
            "image_id": cohort["image_id"].to_numpy(),
            "score": score,
            "raw": raw,
        }
    )


def variable_table(fitted: Fitted, design: Design) -> pd.DataFrame:
    """VARIABLES of a model fitted to ``design``; empty where the kind has no such number."""
    return fitted.variables(design).reindex(columns=list(VARIABLES))
