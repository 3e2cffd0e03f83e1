"""The stage's two inputs, row for row: who was scored how (``predictions.csv``) and who they are
(``cohort.csv``).

Scores and patients stay two tables, so that a model may have the name of a column of the cohort: ``age`` may
be both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.common.contracts.cohort import COHORT, PREDICTIONS
from scripts.common.errors import StudyError
from scripts.common.tables import read_table, read_with
from scripts.common.vocabulary import EVERYONE_POSITIVE, TRAIN, TREAT_ALL, TREAT_NONE


def read_predictions(path: str | Path, models: Sequence[str]) -> pd.DataFrame:
    """The scored patients: PREDICTIONS and the scores of ``models`` behind it.

    Labels are 0 or 1 and scores are probabilities in [0, 1] without gaps; anything else, and a model without
    scores, raises ``StudyError``.
    """
    frame = read_table(path, PREDICTIONS)
    absent = [name for name in models if name not in frame.columns]
    if absent:
        raise StudyError(f"'{path}' lacks the model '{absent[0]}'. Delete the file and run again.")
    check_scores(frame, models, str(path))
    return frame[[*PREDICTIONS, *models]]


def check_scores(frame: pd.DataFrame, models: Sequence[str], where: str) -> None:
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


@dataclass(frozen=True)
class ScoredCohort:
    """Patients and their scores.

    Attributes
    ----------
    scores : PREDICTIONS and a column per model
    patients : COHORT with the predictors that were asked for, row n being the patient of row n of ``scores``
    """

    scores: pd.DataFrame
    patients: pd.DataFrame

    def __len__(self) -> int:
        return len(self.patients)

    def where(self, kept: np.ndarray | pd.Series) -> ScoredCohort:
        """The patients for whom ``kept`` (n,) is true."""
        rows = np.asarray(kept, dtype=bool)
        return ScoredCohort(self.scores[rows], self.patients[rows])

    def of_set(self, name: str) -> ScoredCohort:
        """The patients of a set."""
        return self.where(self.patients["set"] == name)

    def arrays(self, models: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Labels and scores, as ``arrays``."""
        return arrays(self.scores, models)


def scored_cohort(
    scores: pd.DataFrame, cohort_path: str | Path, predictors: Mapping[str, str] | None = None
) -> ScoredCohort:
    """``scores`` (of ``read_predictions``) and the rows of the cohort that belong to them, with the
    ``predictors`` (name and type) that are asked for.

    ``StudyError`` where the two files tell different stories.
    """
    cohort = read_with(cohort_path, COHORT, predictors or {})
    cohort = cohort[[name for name in (*COHORT.whole, *(predictors or {})) if name in cohort.columns]]
    if cohort.duplicated(["center", "patient_id"]).any():
        raise StudyError(f"'{cohort_path}' holds a patient twice within a centre: give one row per patient.")
    key = ["center", "patient_id"]
    rows = pd.MultiIndex.from_frame(cohort[key]).get_indexer(pd.MultiIndex.from_frame(scores[key]))
    strangers = int((rows < 0).sum())
    if strangers:
        raise StudyError(
            f"{strangers} patient(s) of the predictions are not in '{cohort_path}': the two files are of"
            " different runs; run again."
        )
    patients = cohort.iloc[rows].set_axis(scores.index)
    if any((patients[name] != scores[name]).any() for name in ("label", "set")):
        raise StudyError(
            f"Labels or sets of the predictions differ from '{cohort_path}': the files are of different runs;"
            " run again."
        )
    return ScoredCohort(scores, patients)


def arrays(frame: pd.DataFrame, models: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Labels, (n,) of 0 and 1, and scores, (models, n).

    ``StudyError`` where one of them is missing or the label another.
    """
    if frame["label"].isna().any() or not frame["label"].isin([0, 1]).all():
        raise StudyError("The column 'label' of the predictions must hold 0 or 1 in every row.")
    labels = frame["label"].to_numpy(dtype=np.int64)
    scores = frame[list(models)].to_numpy(dtype=float, na_value=np.nan).T
    for model, values in zip(models, scores, strict=True):
        if not np.isfinite(values).all():
            raise StudyError(
                f"The score '{model}' is missing or not a number for {int((~np.isfinite(values)).sum())}"
                " patient(s): score these patients or leave them out of the cohort."
            )
    return labels, np.ascontiguousarray(scores)


def by_set(
    frame: pd.DataFrame, models: Sequence[str], sets: Sequence[str]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each set with its patients' labels and scores (``arrays``)."""
    for name in sets:
        yield name, *arrays(frame[frame["set"] == name], models)
