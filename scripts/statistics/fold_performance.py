"""How well each training of a network does alone on the test sets, beside their ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.statistics import FOLDS
from scripts.common.errors import StudyError
from scripts.common.tables import read_table
from scripts.common.vocabulary import PATIENT_AND_FILM
from scripts.statistics.delong import auc_with_covariance, auc_with_interval
from scripts.statistics.scored_cohort import check_scores

ENSEMBLE = "ensemble"

_KEY = list(PATIENT_AND_FILM)


def read_fold_scores(path: str | Path, cohort: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """A test set's ``score``, ``fold_0`` ... with ``label``, ``set`` and ``center`` of the cohort's patients,
    and the folds' columns.

    ``cohort`` holds the patients of the set (COHORT). Raises ``StudyError`` where scores and cohort are not
    of the same patients and films, each once, or a score is no probability.
    """
    scores = read_table(path, {"patient_id": "text", "image_id": "text", "score": "float"})
    folds = [name for name in scores.columns if name.startswith("fold_")]
    if not folds:
        raise StudyError(
            f"'{path}' holds no fold's probabilities. Delete the file and run again; it is made anew."
        )
    both = scores.merge(cohort[[*_KEY, "center", "set", "label"]], on=_KEY, how="outer", indicator="from")
    wrong = int((both["from"] != "both").sum())
    if wrong or len(both) != len(cohort) or len(both) != len(scores):
        raise StudyError(
            f"'{path}' does not hold exactly the patients of 'results/cohort/cohort.csv'. Delete the file and"
            " run again; it is made anew."
        )
    check_scores(both, ["score", *folds], str(path))
    return both, folds


def fold_table(
    scores: Mapping[tuple[str, str], str | Path], cohort_path: str | Path, confidence: float
) -> pd.DataFrame:
    """``FOLDS`` of the networks and test sets in ``scores`` (SET_SCORES of each pair), in their order.

    AUC and its interval after DeLong et al. (Biometrics 1988), as in Table 2.
    """
    cohort = read_table(cohort_path, COHORT)
    rows = []
    for (network, name), path in scores.items():
        frame, folds = read_fold_scores(path, cohort[cohort["set"] == name])
        label = frame["label"].to_numpy(dtype=int)
        n, n_pos = len(label), int(label.sum())
        result = auc_with_covariance(label, frame[[*folds, "score"]].to_numpy(dtype=float).T)
        for i, fold in enumerate([*(column.removeprefix("fold_") for column in folds), ENSEMBLE]):
            area, variance = float(result.auc[i]), float(result.covariance[i, i])
            whose = {"model": network, "set": name, "fold": fold, "n": n, "n_pos": n_pos}
            rows.append(whose | auc_with_interval(area, variance, n_pos, n - n_pos, confidence))
    return pd.DataFrame(rows, columns=list(FOLDS))
