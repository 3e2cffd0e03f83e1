"""What the linear kinds share: ridge-penalised logistic regression on standardised variables.

A missing value is replaced by the median of the patients that the model is fitted to, in the cross-validation
those of the other folds; of a category by their most frequent level.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.common.errors import StudyError
from scripts.common.files import write_text
from scripts.tabular.predictors import Design


def filled(values: np.ndarray, median: np.ndarray) -> np.ndarray:
    """``values`` with the medians in place of what is missing."""
    return np.where(np.isnan(values), median, values)


def stand_ins(design: Design) -> np.ndarray:
    """What stands for a missing value of each column: the lower median of the known ones (one that occurs, so
    that sex stays 0 or 1), 0 where none is known; of a category its most frequent level, the first of equal
    ones.
    """
    known = [column[~np.isnan(column)] for column in design.values.T]
    found = np.array([np.quantile(one, 0.5, method="lower") if len(one) else 0.0 for one in known])
    for columns in design.categories:
        counts = [known[column].sum() for column in columns]
        found[columns] = np.eye(len(columns))[np.argmax(counts)] * bool(max(counts))
    return found


def refuse_one_class(labels: np.ndarray) -> None:
    """``StudyError`` where all patients are of one class."""
    if len(np.unique(labels)) < 2:
        raise StudyError(
            f"All {len(labels)} patients that a model is fitted to have the same label; lower 'cohort.folds'."
        )


def ridge_logistic(values: np.ndarray, labels: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Coefficients (columns,) and intercept that minimise the negative log-likelihood plus ``penalty`` / 2
    times the sum of the squared coefficients.
    """
    # imported here: it takes seconds, and what only reads a fitted model needs none of it
    from sklearn.linear_model import LogisticRegression

    solver = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-10, max_iter=200)
    solver.fit(values, labels)
    return solver.coef_[0], float(solver.intercept_[0])


def variance_inflation(values: np.ndarray) -> np.ndarray:
    """1 / (1 - R^2) of each column regressed on the others; NaN for a constant one or where it is their exact
    sum.
    """
    spread = values.std(0) > 0
    out = np.full(values.shape[1], np.nan)
    for j in np.flatnonzero(spread):
        others = np.column_stack([np.ones(len(values)), np.delete(values, j, axis=1)])
        rest = values[:, j] - others @ np.linalg.lstsq(others, values[:, j], rcond=None)[0]
        unexplained = (rest**2).sum() / ((values[:, j] - values[:, j].mean()) ** 2).sum()
        out[j] = 1 / unexplained if unexplained > 1e-12 else np.nan
    return out


@dataclass(frozen=True)
class Linear:
    """Medians for missing values and weights on standardised variables; the sum is a logit."""

    names: tuple[str, ...]
    median: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    coefficients: np.ndarray
    intercept: float

    def score(self, design: Design) -> np.ndarray:
        """Probabilities, (patients,)."""
        if tuple(design.names) != self.names:
            raise ValueError(f"fitted to {', '.join(self.names)}, not to {', '.join(design.names)}")
        values = (filled(design.values, self.median) - self.mean) / self.sd
        return 1 / (1 + np.exp(-(values @ self.coefficients + self.intercept)))

    raw = score

    def variables(self, design: Design) -> pd.DataFrame:
        """A missing value becomes the ``median``; ``coefficient`` belongs to (value - mean) / sd."""
        return pd.DataFrame(
            {
                "variable": list(self.names),
                "median": self.median,
                "mean": self.mean,
                "sd": self.sd,
                "coefficient": self.coefficients,
                "vif": variance_inflation(filled(design.values, self.median)),
            }
        )

    def write(self, path: str | Path) -> None:
        """Write the model as JSON, atomically, numbers in full precision."""
        content = {name: _plain(value) for name, value in asdict(self).items()}
        write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value


def standardised(design: Design, labels: np.ndarray, penalty: float, kind: type[Linear] = Linear) -> Linear:
    """Fit to all patients of ``design``. ``StudyError`` where they are all of one class."""
    refuse_one_class(labels)
    median = stand_ins(design)
    values = filled(design.values, median)
    mean, sd = values.mean(0), values.std(0)
    sd = np.where(sd > 0, sd, 1.0)
    coefficients, intercept = ridge_logistic((values - mean) / sd, labels, penalty)
    return kind(design.names, median, mean, sd, coefficients, intercept)


def read_as(kind: type, path: str | Path):
    """Read a model that ``write`` has written, as an instance of the dataclass ``kind``."""
    try:
        content: Mapping = json.loads(Path(path).read_text(encoding="utf-8"))
        given = {field.name: content[field.name] for field in fields(kind)}
    except (OSError, ValueError, KeyError, TypeError):
        raise StudyError(
            f"'{path}' is not a model of this study. Delete the file and run again; it is made anew."
        ) from None
    arrays = {name: np.array(value) for name, value in given.items() if isinstance(value, list)}
    return kind(**given | arrays | {"names": tuple(given["names"])})
