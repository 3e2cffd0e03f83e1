"""Classification thresholds, chosen on the training patients' out-of-fold scores and then frozen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scripts.common.contracts.statistics import THRESHOLDS
from scripts.common.tables import read_table
from scripts.common.vocabulary import TRAIN
from scripts.statistics.waist import arrays, training_rows


def cut_points(scores: np.ndarray) -> np.ndarray:
    """Between all neighbouring distinct scores the middle, below them all the lowest score: (k,), rising.

    A middle that floating point rounds down onto its lower neighbour is replaced by the upper one.
    """
    distinct = np.unique(scores)
    low, high = distinct[:-1], distinct[1:]
    middle = low + (high - low) / 2
    return np.concatenate([distinct[:1], np.where(middle > low, middle, high)])


def _rates(labels: np.ndarray, scores: np.ndarray, cuts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts of true and false positives at each cut point."""
    positives = np.sort(scores[labels == 1])
    negatives = np.sort(scores[labels == 0])
    tp = len(positives) - np.searchsorted(positives, cuts, side="left")
    fp = len(negatives) - np.searchsorted(negatives, cuts, side="left")
    return tp, fp


def youden(labels: np.ndarray, scores: np.ndarray) -> float:
    """The cut point with the largest sensitivity + specificity - 1; of several the lowest (the most
    sensitive).

    The index is compared as a whole number (tp * negatives - fp * positives), so that ties are exact.
    """
    cuts = cut_points(scores)
    tp, fp = _rates(labels, scores, cuts)
    n_pos, n_neg = int((labels == 1).sum()), int((labels == 0).sum())
    index = tp.astype(np.int64) * n_neg - fp.astype(np.int64) * n_pos
    return float(cuts[int(np.argmax(index))])


def for_sensitivity(labels: np.ndarray, scores: np.ndarray, wanted: float) -> float:
    """The highest cut point whose sensitivity is at least ``wanted``."""
    cuts = cut_points(scores)
    tp, _ = _rates(labels, scores, cuts)
    reached = np.flatnonzero(tp >= wanted * (labels == 1).sum() - 1e-9)
    return float(cuts[reached[-1]])


def _share(called: np.ndarray) -> float:
    return float(called.mean()) if len(called) else float("nan")


_TIES = {
    "youden": "lowest of equal ones",
    "sensitivity": "highest that reaches it",
    "value": "given",
}


def freeze(frame: pd.DataFrame, models: Sequence[str], rule: str, value: float | None) -> pd.DataFrame:
    """``THRESHOLDS`` from the train rows of ``frame``; no other row is looked at.

    A given value needs no training patient; sensitivity and specificity among them are then empty.
    """
    models = list(models)
    train = frame[frame["set"] == TRAIN]
    labels, scores = arrays(train if rule == "value" else training_rows(frame), models)
    name = rule if value is None else f"{rule} {value:g}"
    rows = []
    for model, values in zip(models, scores, strict=True):
        if rule == "youden":
            threshold = youden(labels, values)
        elif rule == "sensitivity":
            threshold = for_sensitivity(labels, values, float(value))
        else:
            threshold = float(value)
        called = values >= threshold
        rows.append(
            {
                "model": model,
                "threshold": threshold,
                "rule": name,
                "sensitivity": _share(called[labels == 1]),
                "specificity": _share(~called[labels == 0]),
                "n": len(labels),
                "n_pos": int(labels.sum()),
                "ties": _TIES[rule],
            }
        )
    return pd.DataFrame(rows, columns=list(THRESHOLDS))


def read_thresholds(path: str, models: Sequence[str]) -> dict[str, float]:
    """The frozen threshold of each model."""
    table = read_table(path, THRESHOLDS).set_index("model")["threshold"]
    return {model: float(table[model]) for model in models}
