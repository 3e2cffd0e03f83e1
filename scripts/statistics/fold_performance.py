"""How well each fold's network does alone on the test sets, beside the ensemble of all folds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.statistics import FOLDS
from scripts.common.errors import StudyError
from scripts.common.tables import read_table
from scripts.statistics.delong import auc_interval, auc_with_covariance
from scripts.statistics.waist import check_scores

ENSEMBLE = "ensemble"


_KEY = ["patient_id", "image_id"]


def read_fold_scores(path: str | Path, cohort: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """A test set's ``deep``, ``fold_0`` ... with the ``label`` and ``center`` of the cohort's patients, and
    the folds' columns.

    ``cohort`` holds the patients of the set (COHORT). Raises ``StudyError`` where scores and cohort are not
    of the same patients and films, each once, or a score is no probability.
    """
    scores = read_table(path, {"patient_id": "text", "image_id": "text", "deep": "float"})
    folds = [name for name in scores.columns if name.startswith("fold_")]
    if not folds:
        raise StudyError(
            f"'{path}' holds no fold's probabilities. Delete the file and run again; it is made anew."
        )
    both = scores.merge(cohort[[*_KEY, "center", "label"]], on=_KEY, how="outer", indicator="from")
    wrong = int((both["from"] != "both").sum())
    if wrong or len(both) != len(cohort) or len(both) != len(scores):
        raise StudyError(
            f"'{path}' does not hold exactly the patients of 'results/cohort/cohort.csv'. Delete the file and"
            " run again; it is made anew."
        )
    check_scores(both, ["deep", *folds], str(path))
    return both, folds


def fold_table(scores: Mapping[str, str | Path], cohort_path: str | Path, confidence: float) -> pd.DataFrame:
    """``FOLDS`` of the test sets in ``scores`` (set to ``results/deep/scores/<set>.csv``), in their order.

    AUC and its interval after DeLong et al. (Biometrics 1988), as in Table 2.
    """
    cohort = read_table(cohort_path, COHORT)
    rows = []
    for name, path in scores.items():
        frame, folds = read_fold_scores(path, cohort[cohort["set"] == name])
        label = frame["label"].to_numpy(dtype=int)
        n, n_pos = len(label), int(label.sum())
        result = auc_with_covariance(label, frame[[*folds, "deep"]].to_numpy(dtype=float).T)
        for i, fold in enumerate([*(column.removeprefix("fold_") for column in folds), ENSEMBLE]):
            area = float(result.auc[i])
            shown = auc_interval(area, float(result.covariance[i, i]), n_pos, n - n_pos, confidence)
            rows.append(
                {
                    "set": name,
                    "fold": fold,
                    "n": n,
                    "n_pos": n_pos,
                    "auc": area,
                    "auc_low": shown.low,
                    "auc_high": shown.high,
                    "auc_ci_method": shown.method,
                }
            )
    return pd.DataFrame(rows, columns=list(FOLDS))
