"""What a tabular model predicts from: columns of the cohort and other models' scores, as one matrix.

A number enters as it is, sex as 1 for female and 0 for male, a yes-or-no column as 1 and 0, a category as one
column of 0 and 1 per level (``name=level``), another model's score as its probability. What is missing is
NaN, of a category in all its columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scripts.common.errors import StudyError
from scripts.common.vocabulary import PATIENT_AND_FILM

_KEY = list(PATIENT_AND_FILM)


@dataclass(frozen=True)
class Predictor:
    """One predictor. ``type`` is number, sex, yes_no, category or score; ``levels`` are a category's."""

    name: str
    type: str = "number"
    levels: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """The names of its columns in the matrix."""
        return [f"{self.name}={level}" for level in self.levels] if self.type == "category" else [self.name]


@dataclass(frozen=True)
class Design:
    """Predictors as values ``(patients, columns)``, float64, NaN where missing, with the columns' names."""

    names: tuple[str, ...]
    values: np.ndarray

    @property
    def categories(self) -> list[list[int]]:
        """The positions of each category's columns."""
        found: dict[str, list[int]] = {}
        for position, name in enumerate(self.names):
            if "=" in name:
                found.setdefault(name.partition("=")[0], []).append(position)
        return list(found.values())

    def rows(self, chosen: np.ndarray) -> Design:
        """The design of some patients: a mask or positions."""
        return Design(self.names, self.values[chosen])


def design(
    cohort: pd.DataFrame, predictors: Sequence[Predictor], scores: Mapping[str, pd.DataFrame]
) -> Design:
    """The design of the patients of ``cohort``, in their order.

    Parameters
    ----------
    cohort
        Patients with the columns that the predictors name.
    predictors
        In the order of the model.
    scores
        For each predictor of the type ``score`` that model's ``patient_id, image_id, score`` of the same
        patients: of training patients the out-of-fold ones.

    Raises
    ------
    StudyError
        Where scores are not of exactly these patients and films, or no probabilities.
    """
    columns = [column for predictor in predictors for column in _columns(cohort, predictor, scores)]
    names = tuple(name for predictor in predictors for name in predictor.columns)
    return Design(names, np.column_stack(columns) if columns else np.empty((len(cohort), 0)))


def _columns(
    cohort: pd.DataFrame, predictor: Predictor, scores: Mapping[str, pd.DataFrame]
) -> list[np.ndarray]:
    if predictor.type == "score":
        return [matched_scores(cohort, scores[predictor.name], predictor.name)]
    given = cohort[predictor.name]
    if predictor.type == "sex":
        given = given.map({"F": 1.0, "M": 0.0})
    elif predictor.type == "category":
        known = given.isin(predictor.levels)
        return [np.where(known, given == level, np.nan).astype("float64") for level in predictor.levels]
    return [given.astype("float64").to_numpy(dtype="float64", na_value=np.nan)]


def matched_scores(cohort: pd.DataFrame, table: pd.DataFrame, model: str) -> np.ndarray:
    """The score of each row of ``cohort``, by patient and film; refused unless one to one, in [0, 1]."""
    both = cohort[_KEY].merge(table[[*_KEY, "score"]], on=_KEY, how="outer", indicator="from")
    wrong = int((both["from"] != "both").sum())
    if wrong or len(both) != len(cohort):
        raise StudyError(
            f"The scores of the model '{model}' don't fit the cohort: {wrong or len(both) - len(cohort)}"
            f" patients of one have no partner, or several, in the other. Delete results/models/{model} and"
            " run again; networks' stored weights are used again."
        )
    scores = cohort[_KEY].merge(table, on=_KEY, how="left")["score"].to_numpy(dtype="float64")
    bad = int((~((scores >= 0) & (scores <= 1))).sum())
    if bad:
        raise StudyError(
            f"{bad} scores of the model '{model}' are missing or no probabilities. Where it is a network, its"
            f" training has probably diverged: see results/models/{model}/fold_*/history.csv, and lower"
            f" models.{model}.training.learning_rate."
        )
    return scores
