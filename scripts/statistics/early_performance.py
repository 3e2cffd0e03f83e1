"""How well models that need no network rank the training patients: known before any network is trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.models import OUT_OF_FOLD
from scripts.common.contracts.statistics import FIRST_ANSWER
from scripts.common.errors import StudyError
from scripts.common.tables import read_table
from scripts.common.vocabulary import PATIENT_AND_FILM, TRAIN
from scripts.statistics.delong import auc_interval, auc_with_covariance


def early_performance(
    scores: Mapping[str, str | Path], cohort_path: str | Path, confidence: float
) -> pd.DataFrame:
    """``FIRST_ANSWER`` of the models in ``scores`` (OUT_OF_FOLD of each), in their order.

    AUC and its interval after DeLong et al. (Biometrics 1988), as in Table 2, over the patients of all folds
    together. ``StudyError`` where scores and cohort are not of the same patients and films, each once.
    """
    keys = list(PATIENT_AND_FILM)
    cohort = read_table(cohort_path, COHORT.only(*keys, "label")).set_index(keys)["label"]
    rows = []
    for model, path in scores.items():
        score = read_table(path, OUT_OF_FOLD.only(*keys, "score")).set_index(keys)["score"]
        if sorted(score.index) != sorted(cohort.index):
            raise StudyError(
                f"'{path}' does not hold exactly the patients of '{cohort_path}'. Delete the file and run"
                " again; it is made anew."
            )
        label = cohort[score.index].to_numpy(dtype=int)
        result = auc_with_covariance(label, score.to_numpy(dtype=float))
        n, n_pos, area = len(label), int(np.sum(label)), float(result.auc[0])
        shown = auc_interval(area, float(result.covariance[0, 0]), n_pos, n - n_pos, confidence)
        ends = {"auc": area, "auc_low": shown.low, "auc_high": shown.high, "auc_ci_method": shown.method}
        rows.append({"model": model, "set": TRAIN, "n": n, "n_pos": n_pos, **ends})
    return pd.DataFrame(rows, columns=list(FIRST_ANSWER))
