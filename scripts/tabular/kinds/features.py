"""A ridge-penalised logistic head on image embeddings of any foundation model.

Embeddings have more columns than a study has patients, so the penalty decides. It is chosen among
``penalties`` by the log loss in a cross-validation over the folds of the patients that the head is fitted to:
when the study cross-validates, the fold that is scored has no part in the choice. Columns are standardised
first.

The ridge solution lies in the span of the patients, so the fit is done on the patients' principal components:
the same solution, in as many columns as there are patients at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.tabular.kinds.linear import Linear, read_as, refuse_one_class, ridge_logistic
from scripts.tabular.predictors import Design


@dataclass(frozen=True)
class Head(Linear):
    """The head, and the penalty that was chosen for it."""

    penalty: float = 1.0

    def variables(self, design: Design) -> pd.DataFrame:
        """``coefficient`` belongs to (value - mean) / sd."""
        columns = {"mean": self.mean, "sd": self.sd, "coefficient": self.coefficients}
        return pd.DataFrame({"variable": list(self.names), **columns})


def _ridge_in_span(values: np.ndarray, labels: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """``ridge_logistic`` of a matrix that may have more columns than rows."""
    _, _, directions = np.linalg.svd(values, full_matrices=False)
    coefficients, intercept = ridge_logistic(values @ directions.T, labels, penalty)
    return directions.T @ coefficients, intercept


def _scales(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, sd = values.mean(0), values.std(0)
    return mean, np.where(sd > 0, sd, 1.0)


def inner_folds(labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """The folds that the penalty is chosen over: the study's own, or two halves of each class where there is
    one fold alone; (patients,).
    """
    if len(np.unique(folds)) > 1:
        return folds
    halves = np.zeros(len(labels), dtype=int)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        halves[rows[1::2]] = 1
    return halves


def chosen_penalty(
    values: np.ndarray, labels: np.ndarray, folds: np.ndarray, penalties: list[float]
) -> float:
    """The penalty with the lowest mean log loss over ``folds``; of equal ones the largest."""
    parts = inner_folds(labels, folds)
    losses = np.zeros(len(penalties))
    for part in np.unique(parts):
        out = parts == part
        refuse_one_class(labels[~out])
        mean, sd = _scales(values[~out])
        inside, outside = (values[~out] - mean) / sd, (values[out] - mean) / sd
        _, _, directions = np.linalg.svd(inside, full_matrices=False)
        inside, outside = inside @ directions.T, outside @ directions.T
        for k, penalty in enumerate(penalties):
            coefficients, intercept = ridge_logistic(inside, labels[~out], penalty)
            logit = outside @ coefficients + intercept
            losses[k] += (np.logaddexp(0, logit) - labels[out] * logit).sum()
    best = [penalty for penalty, loss in zip(penalties, losses) if loss <= losses.min() * (1 + 1e-9)]
    return max(best)


def fit(design: Design, labels: np.ndarray, folds: np.ndarray, settings: Mapping, seed: int) -> Head:
    """Choose the penalty and fit to all patients of ``design``, whose values are all known."""
    refuse_one_class(labels)
    values = design.values
    penalty = chosen_penalty(values, labels, folds, sorted(settings["penalties"]))
    mean, sd = _scales(values)
    coefficients, intercept = _ridge_in_span((values - mean) / sd, labels, penalty)
    zeros = np.zeros(values.shape[1])
    return Head(design.names, zeros, mean, sd, coefficients, intercept, penalty)


def read(path: str | Path) -> Head:
    """Read a model that ``write`` has written."""
    return read_as(Head, path)
