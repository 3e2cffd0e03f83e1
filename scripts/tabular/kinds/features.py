"""A ridge-penalised logistic head on image embeddings of any foundation model.

Embeddings have more columns than a study has patients, so the penalty decides. It is chosen among
``penalties`` by the log loss in a cross-validation over the folds of the patients that the head is fitted to:
when the study cross-validates, the fold that is scored has no part in the choice. Columns are standardised
first, over the patients that the head is fitted to.

The ridge solution lies in the span of the patients. Where there are more columns than patients it is found
there, from the patients' products alone (``ridge_in_span``), whatever the number of columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.tabular.kinds.linear import Linear, read_as, refuse_one_class, ridge_logistic
from scripts.tabular.predictors import Design

CLOSE = 1e-9
"""Newton's method ends where no logit changes by more than this, or where its steps gain nothing more."""


@dataclass(frozen=True)
class Head(Linear):
    """The head, and the penalty that was chosen for it."""

    penalty: float = 1.0

    def variables(self, design: Design) -> pd.DataFrame:
        """``coefficient`` belongs to (value - mean) / sd."""
        columns = {"mean": self.mean, "sd": self.sd, "coefficient": self.coefficients}
        return pd.DataFrame({"variable": list(self.names), **columns})


def ridge_in_span(
    products: np.ndarray, labels: np.ndarray, penalty: float, start: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """``ridge_logistic`` in the patients' space: weights ``a`` (patients,) and intercept, so that the
    coefficients are ``values.T @ a`` and the logits ``products @ a + intercept``.

    Newton's method on the dual (Rasmussen and Williams 2006, algorithm 3.1, with an intercept that is not
    penalised); a step that would raise the objective is halved.

    Parameters
    ----------
    products : ``values @ values.T``, (patients, patients)
    start : weights to start from, such as those of a larger penalty
    """
    from scipy.linalg import cho_factor, cho_solve

    def objective(weights: np.ndarray, logits: np.ndarray) -> float:
        return (np.logaddexp(0, logits) - labels * logits).sum() + penalty / 2 * weights @ products @ weights

    weights = np.zeros(len(labels)) if start is None else start
    intercept = float(np.log(labels.mean() / (1 - labels.mean())))
    logits = products @ weights + intercept
    best = objective(weights, logits)
    for _ in range(100):
        p = 1 / (1 + np.exp(-logits))
        root = np.sqrt(np.clip(p * (1 - p), 1e-12, None))
        factor = cho_factor(root[:, None] * products * root + penalty * np.eye(len(root)), lower=True)
        target = logits + (labels - p) / root**2
        solved, ones = (root * cho_solve(factor, root * v) for v in (target, np.ones_like(target)))
        new_intercept = solved.sum() / ones.sum()
        step = solved - new_intercept * ones - weights
        step_logits = products @ step + new_intercept - intercept
        share = 1.0
        while (
            found := objective(weights + share * step, logits + share * step_logits)
        ) > best and share > 1e-6:
            share /= 2
        if found > best:
            break
        weights, logits, gained = weights + share * step, logits + share * step_logits, best - found
        intercept, best = intercept + share * (new_intercept - intercept), found
        if share * np.abs(step_logits).max() < CLOSE or gained <= 1e-14 * best:
            break
    return weights, float(intercept)


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


@dataclass(frozen=True)
class Patients:
    """Patients with their standardised ``values`` (patients, columns), and the ``products`` of these where
    there are more columns than patients.
    """

    values: np.ndarray
    products: np.ndarray | None

    def logits(self, inside: np.ndarray, labels: np.ndarray, penalties: Sequence[float]) -> np.ndarray:
        """Logits of the patients outside of ``inside`` (a mask) under the heads that are fitted to those
        inside, (penalties, patients outside).
        """
        outside = ~inside
        if self.products is None:
            heads = [ridge_logistic(self.values[inside], labels[inside], penalty) for penalty in penalties]
            return np.array([self.values[outside] @ w + intercept for w, intercept in heads])
        within, across = self.products[np.ix_(inside, inside)], self.products[np.ix_(outside, inside)]
        logits, weights = np.empty((len(penalties), outside.sum())), None
        for k in np.argsort(penalties)[::-1]:
            weights, intercept = ridge_in_span(within, labels[inside], penalties[k], weights)
            logits[k] = across @ weights + intercept
        return logits

    def fitted(self, labels: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
        """Coefficients (columns,) and intercept of the head that is fitted to all."""
        if self.products is None:
            return ridge_logistic(self.values, labels, penalty)
        weights, intercept = ridge_in_span(self.products, labels, penalty)
        return self.values.T @ weights, intercept


def chosen_penalty(
    patients: Patients, labels: np.ndarray, folds: np.ndarray, penalties: Sequence[float]
) -> float:
    """The penalty with the lowest mean log loss over ``folds``; of equal ones the largest."""
    parts = inner_folds(labels, folds)
    losses = np.zeros(len(penalties))
    for part in np.unique(parts):
        inside = parts != part
        refuse_one_class(labels[inside])
        logits = patients.logits(inside, labels, penalties)
        losses += (np.logaddexp(0, logits) - labels[~inside] * logits).sum(1)
    return max(p for p, loss in zip(penalties, losses) if loss <= losses.min() * (1 + 1e-9))


def fit(design: Design, labels: np.ndarray, folds: np.ndarray, settings: Mapping, seed: int) -> Head:
    """Choose the penalty and fit to all patients of ``design``, whose values are all known."""
    refuse_one_class(labels)
    mean, sd = design.values.mean(0), design.values.std(0)
    sd = np.where(sd > 0, sd, 1.0)
    values = (design.values - mean) / sd
    patients = Patients(values, values @ values.T if values.shape[1] > len(values) else None)
    penalty = chosen_penalty(patients, labels, folds, settings["penalties"])
    coefficients, intercept = patients.fitted(labels, penalty)
    return Head(design.names, np.zeros(len(mean)), mean, sd, coefficients, intercept, penalty)


def read(path: str | Path) -> Head:
    """Read a model that ``write`` has written."""
    return read_as(Head, path)
