"""The stage's two inputs, joined: who was scored how (``predictions.csv``) and who they are (``cohort.csv``).

Score columns are all columns of ``predictions.csv`` behind ``label``, under any name; the study's own are
``deep``, ``clinical`` and ``combined``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from scripts.common.contracts.cohort import COHORT, PREDICTIONS
from scripts.common.errors import StudyError
from scripts.common.tables import read_table
from scripts.common.vocabulary import EVERYONE_POSITIVE, TRAIN, TREAT_ALL, TREAT_NONE


def read_predictions(path: str | Path) -> tuple[pd.DataFrame, list[str]]:
    """The scored patients and the names of the score columns.

    Labels are 0 or 1 and scores are probabilities in [0, 1] without gaps; anything else raises
    ``StudyError``.
    """
    frame = read_table(path, PREDICTIONS)
    models = [name for name in frame.columns if name not in PREDICTIONS]
    check_scores(frame, models, str(path))
    return frame, models


def check_scores(frame: pd.DataFrame, models: list[str], where: str) -> None:
    """Refuse labels other than 0 and 1 and scores that are no probabilities, with one sentence."""
    if not models:
        raise StudyError(f"'{where}' has no score column: put one column per model behind 'label'.")
    if EVERYONE_POSITIVE in models or {TREAT_ALL, TREAT_NONE} & set(models):
        raise StudyError(
            f"'{where}': rename the score columns 'all', 'none' and '{EVERYONE_POSITIVE}'; these names are"
            " taken."
        )
    labels = frame["label"]
    if labels.isna().any() or not labels.isin([0, 1]).all():
        raise StudyError(f"'{where}': the column 'label' must hold 0 or 1 in every row.")
    if frame.duplicated(["center", "patient_id"]).any():
        raise StudyError(f"'{where}' holds a patient twice within a centre: give one row per patient.")
    for model in models:
        scores = pd.to_numeric(frame[model], errors="coerce").to_numpy(dtype=float)
        bad = ~np.isfinite(scores)
        if bad.any():
            sets = ", ".join(sorted(frame.loc[bad, "set"].unique()))
            raise StudyError(
                f"'{where}': the score '{model}' is missing or not a number for {int(bad.sum())} patient(s)"
                f" in: {sets}. Score these patients or leave them out of the cohort; a test on fewer patients"
                " per model would not be paired."
            )
        if (scores < 0).any() or (scores > 1).any():
            raise StudyError(
                f"'{where}': the score '{model}' leaves the range 0 to 1: give probabilities "
                "(decision curves and calibration have no meaning otherwise)."
            )


def training_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The train patients with their out-of-fold scores. ``StudyError`` unless both classes are there."""
    train = frame[frame["set"] == TRAIN]
    if train["label"].nunique() < 2:
        raise StudyError(
            "The training set holds no patient of one of the two classes, so no threshold can be chosen: look"
            " at results/cohort/flow.csv."
        )
    return train


def with_cohort(frame: pd.DataFrame, cohort_path: str | Path) -> pd.DataFrame:
    """``frame`` with the cohort's columns beside it, without predictors, whose names are the user's.

    ``StudyError`` where the two files tell different stories.
    """
    cohort = read_table(cohort_path, COHORT)
    cohort = cohort[[name for name in COHORT.whole if name in cohort.columns]]
    if cohort.duplicated(["center", "patient_id"]).any():
        raise StudyError(f"'{cohort_path}' holds a patient twice within a centre: give one row per patient.")
    both = frame.merge(
        cohort,
        on=["center", "patient_id"],
        how="left",
        suffixes=("", "_cohort"),
        validate="one_to_one",
        indicator=True,
    )
    strangers = int((both["_merge"] != "both").sum())
    if strangers:
        raise StudyError(
            f"{strangers} patient(s) of the predictions are not in '{cohort_path}': the two files are of"
            " different runs; run again."
        )
    if (both["label"] != both["label_cohort"]).any() or (both["set"] != both["set_cohort"]).any():
        raise StudyError(
            f"Labels or sets of the predictions differ from '{cohort_path}': the files are of different runs;"
            " run again."
        )
    return both.drop(columns=["_merge", "label_cohort", "set_cohort", "fold_cohort"])


def arrays(frame: pd.DataFrame, models: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Labels, (n,) of 0 and 1, and scores, (models, n).

    ``StudyError`` where one of them is missing or the label another.
    """
    if frame["label"].isna().any() or not frame["label"].isin([0, 1]).all():
        raise StudyError("The column 'label' of the predictions must hold 0 or 1 in every row.")
    labels = frame["label"].to_numpy(dtype=np.int64)
    scores = (
        frame[models].to_numpy(dtype=float, na_value=np.nan).T if len(frame) else np.empty((len(models), 0))
    )
    for model, values in zip(models, scores, strict=True):
        if not np.isfinite(values).all():
            raise StudyError(
                f"The score '{model}' is missing or not a number for {int((~np.isfinite(values)).sum())}"
                " patient(s): score these patients or leave them out of the cohort."
            )
    return labels, np.ascontiguousarray(scores)
