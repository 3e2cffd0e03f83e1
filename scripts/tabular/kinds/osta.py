"""OSTA, the Osteoporosis Self-assessment Tool for Asians, as a probability.

The index is 0.2 * (weight in kg - age in years), lower meaning a higher risk (Koh et al., Osteoporos Int
2001;12:699). ``raw`` is the index untruncated and with its sign turned, so that higher means a higher risk;
its authors' cut-off of -1 or below is 1 or above here. It is rounded as values are that meet a clinical
cut-off (``scripts/common/cutoffs.py``), so that equal indices are equal numbers.

The score is the probability that a logistic regression on the index alone gives: two numbers that keep the
order of patients. A missing weight is replaced by the median of the patients that these are fitted to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scripts.common.cutoffs import rounded
from scripts.tabular.kinds.linear import (
    Linear,
    filled,
    read_as,
    refuse_one_class,
    ridge_logistic,
    stand_ins,
)
from scripts.tabular.predictors import Design, Predictor

PREDICTORS = (Predictor("age"), Predictor("weight_kg"))
"""What the index is made of."""

WEIGHTS = np.array([0.2, -0.2])

LEAST_SLOPE = 1e-3
"""Log odds per unit of the index are at least this: patients keep their order whatever the labels say."""


@dataclass(frozen=True)
class Osta(Linear):
    """The index with the median that stands for a missing weight, and the two numbers of the probability."""

    slope: float = 1.0

    def raw(self, design: Design) -> np.ndarray:
        """Minus the index, (patients,)."""
        return rounded(filled(design.values, self.median) @ WEIGHTS)

    def score(self, design: Design) -> np.ndarray:
        """Probabilities, (patients,)."""
        return 1 / (1 + np.exp(-(self.intercept + self.slope * self.raw(design))))


def fit(design: Design, labels: np.ndarray, folds: np.ndarray, settings: Mapping, seed: int) -> Osta:
    """Fit slope and intercept of the probability to all patients of ``design`` (age, weight)."""
    refuse_one_class(labels)
    n = len(design.names)
    index = Osta(design.names, stand_ins(design), np.zeros(n), np.ones(n), WEIGHTS, 0.0)
    values = index.raw(design)
    mean, sd = values.mean(), values.std() or 1.0
    coefficients, intercept = ridge_logistic(((values - mean) / sd)[:, None], labels, penalty=1.0)
    slope = max(float(coefficients[0] / sd), LEAST_SLOPE)
    return replace(index, slope=slope, intercept=float(intercept - slope * mean))


def read(path: str | Path) -> Osta:
    """Read a model that ``write`` has written."""
    return read_as(Osta, path)
