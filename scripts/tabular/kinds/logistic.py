"""Logistic regression with a ridge penalty on the standardised coefficients.

BMI follows from height and weight, so that the three are nearly collinear: unpenalised coefficients of these
would be large, of opposite sign, and different in each fold, though their sum predicts well. The penalty (1
as shipped) keeps them small and lets no fold separate its classes; on thousands of patients it changes no
score that matters. ``vif`` in the table of variables says how collinear a variable is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from scripts.tabular.kinds.linear import Linear, read_as, standardised
from scripts.tabular.predictors import Design


def fit(design: Design, labels: np.ndarray, folds: np.ndarray, settings: Mapping, seed: int) -> Linear:
    """Fit to all patients of ``design``; ``settings`` holds the ``penalty``. Nothing is drawn or chosen."""
    return standardised(design, labels, settings["penalty"])


def read(path: str | Path) -> Linear:
    """Read a model that ``Linear.write`` has written."""
    return read_as(Linear, path)
