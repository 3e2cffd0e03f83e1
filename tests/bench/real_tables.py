"""Tables of ``tests.bench.real`` from its rows: AUCs with intervals, and differences to the anchor."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scripts.statistics.delong import auc_interval, auc_with_covariance, compare

CONFIDENCE = 0.95


def half_of(patient_id: str) -> int:
    """The half that a patient belongs to, 1 or 2, for good: recipes are chosen on one and confirmed on the
    other.
    """
    return 1 + hashlib.sha256(f"half {patient_id}".encode()).digest()[0] % 2


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def auc_text(labels: np.ndarray, scores: np.ndarray) -> str:
    """An AUC with DeLong's interval."""
    found = auc_with_covariance(labels, scores)
    auc, positive = float(found.auc[0]), int(labels.sum())
    ends = auc_interval(auc, float(found.covariance[0, 0]), positive, len(labels) - positive, CONFIDENCE)
    if np.isnan(ends.low):
        return _number(auc)
    return f"{auc:.3f} ({ends.low:.3f} to {ends.high:.3f})"


def difference_text(labels: np.ndarray, scores: np.ndarray, anchor: np.ndarray) -> str:
    """The difference of two paired AUCs with DeLong's interval."""
    found = compare(auc_with_covariance(labels, np.stack([scores, anchor])), 0, 1, CONFIDENCE)
    if np.isnan(found.low):
        return ""
    return f"{found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def _auc(labels: np.ndarray, scores: np.ndarray) -> float:
    return float(auc_with_covariance(labels, scores).auc[0])


def _logit_spread(scores: np.ndarray) -> float:
    inside = np.clip(scores, 1e-6, 1 - 1e-6)
    return float(np.log(inside / (1 - inside)).std())


def scores_of(row: Mapping[str, Any], cohort: pd.DataFrame) -> np.ndarray:
    """A row's scores of the patients of ``cohort``, in their order. ``KeyError`` where one has none."""
    return np.array([row["scores"][image] for image in cohort.index])


TITLES = (
    "recipe",
    "patients",
    "AUC (worst seed)",
    "all seeds",
    "mean of seeds",
    "difference to the anchor (worst seed)",
    "within AP",
    "within PA",
    "outside",
    "difference outside",
    "SD of logits",
    "processor minutes",
)


def lines_of(
    rows: Sequence[Mapping[str, Any]],
    inside: pd.DataFrame,
    outside: pd.DataFrame,
    anchor: Sequence[Mapping[str, Any]],
) -> list[str]:
    """The cells of a recipe on a task; ``anchor`` has the rows of the recipe that it is compared with.

    Parameters
    ----------
    inside, outside : the patients to look at, of training and external set, by image id
    """
    labels = inside["label"].to_numpy()
    folds = [row for row in rows if row["what"] == "folds"]
    scores = [scores_of(row, inside) for row in folds]
    aucs = [_auc(labels, one) for one in scores]
    worst = scores[int(np.argmin(aucs))]
    compared = next((scores_of(row, inside) for row in anchor if row["what"] == "folds"), None)
    cells = [str(len(inside)), auc_text(labels, worst), ", ".join(map(_number, aucs))]
    cells.append(auc_text(labels, np.mean(scores, axis=0)) if len(scores) > 1 else "")
    same = compared is None or folds[0]["recipe"] == anchor[0]["recipe"]
    cells.append("" if same else difference_text(labels, worst, compared))
    for view in ("AP", "PA"):
        here = (inside["view"] == view).to_numpy()
        both = len(np.unique(labels[here])) == 2
        cells.append(_number(_auc(labels[here], worst[here])) if both else "")
    beyond = next((row for row in rows if row["what"] == "external"), None)
    other = next((row for row in anchor if row["what"] == "external"), None)
    cells += ["", ""]
    if beyond is not None:
        labels, scored = outside["label"].to_numpy(), scores_of(beyond, outside)
        cells[-2] = auc_text(labels, scored)
        if other is not None and not same:
            cells[-1] = difference_text(labels, scored, scores_of(other, outside))
    cells.append(f"{statistics.median(map(_logit_spread, scores)):.2f}")
    cells.append(f"{statistics.median(row['minutes'] for row in folds):.1f}")
    return cells


def markdown(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table without the columns that are empty in every line."""
    kept = [n for n in range(len(titles)) if n == 0 or any(line[n] for line in lines)]
    rows = [[line[n] for n in kept] for line in ([*titles], ["--"] * len(titles), *lines)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
