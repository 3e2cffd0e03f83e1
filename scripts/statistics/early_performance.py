"""How well models that need no network rank the training patients: known before any network is trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.models import OUT_OF_FOLD
from scripts.common.contracts.statistics import FIRST_ANSWER
from scripts.common.errors import StudyError
from scripts.common.tables import read_table
from scripts.common.vocabulary import PATIENT_AND_FILM, TRAIN
from scripts.statistics.delong import auc_of
from scripts.statistics.performance import auc_text


def said_of(row: Any) -> str:
    """A line on a row of FIRST_ANSWER; it says where the interval doesn't tell the model from chance."""
    line = f"{row.model}: AUC {auc_text(row)} out of fold, {row.n} patients, {row.n_pos} with osteoporosis"
    told = row.auc == 1 or row.auc_low > 0.5
    return line if told else f"{line}; that is no better than chance may give"


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
        whose = {"model": model, "set": TRAIN, "n": len(label), "n_pos": int(label.sum())}
        rows.append(whose | auc_of(label, score.to_numpy(dtype=float), confidence))
    return pd.DataFrame(rows, columns=list(FIRST_ANSWER))
