"""The kinds of tabular models: each is a module with ``fit`` and ``read``.

``fit(design, labels, folds, settings, seed)`` fits to all patients that it is given; ``folds`` (patients,)
are their folds in the study's cross-validation, which a kind may use to choose something inside them.
``read(path)`` reads what ``write`` has written.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
import pandas as pd

from scripts.tabular.predictors import Design

KINDS = {
    "trees": "scripts.tabular.kinds.trees",
    "logistic": "scripts.tabular.kinds.logistic",
    "osta": "scripts.tabular.kinds.osta",
    "features": "scripts.tabular.kinds.features",
}


class Fitted(Protocol):
    """A fitted model."""

    def score(self, design: Design) -> np.ndarray:
        """Probabilities of osteoporosis, float64 of shape (patients,)."""

    def raw(self, design: Design) -> np.ndarray:
        """The score on the model's own scale, (patients,): the probability itself, or an index."""

    def variables(self, design: Design) -> pd.DataFrame:
        """A row per column of the training patients' ``design`` (VARIABLES), as far as the kind has them."""

    def write(self, path: str | Path) -> None:
        """Write the model as JSON, atomically."""


def module_of(kind: str) -> ModuleType:
    """The module of a kind."""
    return importlib.import_module(KINDS[kind])


def fit(
    kind: str, design: Design, labels: np.ndarray, folds: np.ndarray, settings: Mapping, seed: int
) -> Fitted:
    """Fit a model of a kind to all patients of ``design``."""
    return module_of(kind).fit(design, labels, folds, settings, seed)
