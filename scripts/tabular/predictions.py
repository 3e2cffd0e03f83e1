"""The scores of all models for all patients in one table, checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from scripts.common.contracts.cohort import PREDICTIONS
from scripts.common.errors import StudyError
from scripts.common.tables import read_table


def read_scores(path: str | Path) -> pd.DataFrame:
    """``patient_id`` and ``score`` of one model for one set; of the training set the out-of-fold scores."""
    return read_table(path, {"patient_id": "text", "score": "float"})[["patient_id", "score"]]


def predictions_of_set(name: str, cohort: pd.DataFrame, scores: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per patient of a set with every model's score, by patient id.

    Parameters
    ----------
    name
        The set.
    cohort
        Its patients (COHORT).
    scores
        For each model a table of ``patient_id`` and ``score``, in the order of the models.

    Raises
    ------
    StudyError
        When a table's patients are not exactly the set's, or a score is no probability.
    """
    if not cohort["patient_id"].is_unique or not cohort["set"].eq(name).all():
        raise StudyError(
            f"The cohort of '{name}' holds a patient twice, or one of another set. Delete results/cohort and"
            " run again."
        )
    out = cohort[list(PREDICTIONS)].sort_values("patient_id", ignore_index=True)
    for model, table in scores.items():
        if sorted(table["patient_id"]) != out["patient_id"].tolist():
            missing = len(set(out["patient_id"]) - set(table["patient_id"]))
            raise StudyError(
                f"The {model} scores of '{name}' don't fit its patients: {len(out)} patients, {missing}"
                f" without a score, {len(table)} scores. Delete results/models/{model} and run again."
            )
        out[model] = out["patient_id"].map(table.set_index("patient_id")["score"]).astype("float64")
        bad = int((~out[model].between(0, 1)).sum())
        if bad:
            raise StudyError(
                f"{bad} {model} scores of '{name}' are missing or lie outside 0 to 1. Delete"
                f" results/models/{model} and run again; if it comes back and the model is a network, see its"
                " fold_*/history.csv: the training may have diverged."
            )
    return out


def merge_predictions(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """The sets under each other, in their order. A patient may stand in one of them only."""
    whole = pd.concat(parts, ignore_index=True)
    twice = int(whole["patient_id"].duplicated().sum())
    if twice:
        raise StudyError(f"{twice} patients stand in two sets. Delete results/cohort and run again.")
    return whole
