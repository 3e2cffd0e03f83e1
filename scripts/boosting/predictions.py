"""The scores of all models for all patients in one table, checked."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from scripts.common.contracts.cohort import PREDICTIONS
from scripts.common.errors import StudyError
from scripts.common.tables import read_table
from scripts.common.vocabulary import MODELS, TRAIN


def read_scores(path: str | Path, name: str, model: str) -> pd.DataFrame:
    """``patient_id`` and ``score`` of one model for one set.

    Trees give their training patients' scores in a file of their own, out of fold, in the column ``score``;
    elsewhere the column has the model's name.
    """
    column = "score" if name == TRAIN and model != "deep" else model
    table = read_table(path, {"patient_id": "text", column: "float"})
    return table.rename(columns={column: "score"})[["patient_id", "score"]]


def predictions_of_set(name: str, cohort: pd.DataFrame, scores: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per patient of a set with every model's score (PREDICTIONS), by patient id.

    Parameters
    ----------
    name
        The set.
    cohort
        Its patients (COHORT).
    scores
        For each of ``MODELS`` a table of ``patient_id`` and ``score``.

    Raises
    ------
    StudyError
        When a table's patients are not exactly the set's, or a score is no probability.
    """
    if not cohort["patient_id"].is_unique or not cohort["set"].eq(name).all():
        raise StudyError(
            f"The cohort of '{name}' holds a patient twice, or one of another set. Delete results/cohort and "
            "run again."
        )
    out = cohort[["patient_id", "center", "set", "fold", "label"]].sort_values(
        "patient_id", ignore_index=True
    )
    for model in MODELS:
        table = scores[model]
        made_in = "results/deep/scores" if model == "deep" else "results/boosting"
        if sorted(table["patient_id"]) != out["patient_id"].tolist():
            missing = len(set(out["patient_id"]) - set(table["patient_id"]))
            raise StudyError(
                f"The {model} scores of '{name}' don't fit its patients: {len(out)} patients, {missing} "
                f"without a score, {len(table)} scores. "
                f"Delete {made_in} and run again."
            )
        out[model] = out["patient_id"].map(table.set_index("patient_id")["score"]).astype("float64")
        bad = int((~out[model].between(0, 1)).sum())
        if bad:
            raise StudyError(
                f"{bad} {model} scores of '{name}' are missing or lie outside 0 to 1. Delete {made_in} and "
                "run again; if it comes back, "
                "see results/deep/fold_*/history.csv: the training may have diverged."
            )
    return out


def merge_predictions(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """The sets under each other, in their order. A patient may stand in one of them only."""
    whole = pd.concat(parts, ignore_index=True)[[*PREDICTIONS, *MODELS]]
    twice = int(whole["patient_id"].duplicated().sum())
    if twice:
        raise StudyError(f"{twice} patients stand in two sets. Delete results/cohort and run again.")
    return whole
