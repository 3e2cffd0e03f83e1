"""Area under the ROC curve, its DeLong covariance between models, confidence intervals and paired tests, in
NumPy.

After DeLong, DeLong and Clarke-Pearson, Biometrics 1988;44:837, computed by midranks as in Sun and Xu, IEEE
Signal Process Lett 2014;21:1389, in O(n log n). Higher scores mean the positive class; nothing is flipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from scripts.common.scores import ONE_SCORE
from scripts.common.vocabulary import SMALL_CLASS


def midranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 of ``values`` (n,); ties share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2.0)[inverse]


@dataclass(frozen=True)
class Auc:
    """AUCs (models,) and their covariance (models, models); placements of positives and negatives per
    model.
    """

    auc: np.ndarray
    covariance: np.ndarray
    placed_positives: np.ndarray
    placed_negatives: np.ndarray


def auc_with_covariance(labels: np.ndarray, scores: np.ndarray) -> Auc:
    """AUC of each row of ``scores`` (models, n) for ``labels`` (n,) of 0 and 1.

    An AUC is NaN where a class is empty; the covariance is NaN where a class has fewer than two patients.
    Raises ``ValueError`` for NaN scores.
    """
    scores = np.atleast_2d(np.asarray(scores, dtype=float))
    if np.isnan(scores).any():
        raise ValueError("scores hold NaN")
    positive = np.asarray(labels) == 1
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    count = len(scores)
    if not n_pos or not n_neg:
        nan = np.full(count, np.nan)
        return Auc(
            nan,
            np.full((count, count), np.nan),
            np.full((count, n_pos), np.nan),
            np.full((count, n_neg), np.nan),
        )
    placed_pos = np.empty((count, n_pos))
    placed_neg = np.empty((count, n_neg))
    for row, values in enumerate(scores):
        pooled = midranks(values)
        placed_pos[row] = (pooled[positive] - midranks(values[positive])) / n_neg
        placed_neg[row] = 1.0 - (pooled[~positive] - midranks(values[~positive])) / n_pos
    auc = placed_pos.mean(axis=1)
    if n_pos < 2 or n_neg < 2:
        covariance = np.full((count, count), np.nan)
    else:
        covariance = np.atleast_2d(np.cov(placed_pos)) / n_pos + np.atleast_2d(np.cov(placed_neg)) / n_neg
    return Auc(auc, covariance, placed_pos, placed_neg)


@dataclass(frozen=True)
class Interval:
    """Low and high end (NaN where there is none) and the name of the method, or why there is none."""

    low: float
    high: float
    method: str


NONE = float("nan")


def wald(auc: float, variance: float, confidence: float) -> tuple[float, float]:
    """DeLong's Wald interval, cut at 0 and 1."""
    half = ndtri(0.5 + confidence / 2) * np.sqrt(variance)
    return max(0.0, auc - half), min(1.0, auc + half)


def logit(auc: float, variance: float, confidence: float) -> tuple[float, float]:
    """The Wald interval on the logit scale, its error by the delta method (Pepe 2003, chapter 5)."""
    centre = np.log(auc / (1 - auc))
    half = ndtri(0.5 + confidence / 2) * np.sqrt(variance) / (auc * (1 - auc))
    return tuple(1 / (1 + np.exp(-(centre + side * half))) for side in (-1, 1))


def no_interval(auc: float, variance: float, n_pos: int, n_neg: int) -> str:
    """Why an AUC has no interval; empty where it has one."""
    if n_pos + n_neg == 0:
        return "none: no patients"
    if not n_pos or not n_neg:
        return "none: one class only"
    if n_pos < 2 or n_neg < 2:
        return "none: fewer than 2 patients in a class"
    if auc in (0.0, 1.0):
        return "none: classes perfectly separated"
    if not variance > 0:
        return ONE_SCORE
    return ""


def auc_interval(auc: float, variance: float, n_pos: int, n_neg: int, confidence: float) -> Interval:
    """The interval to print: logit where the smaller class has fewer than 50 patients, else Wald."""
    reason = no_interval(auc, variance, n_pos, n_neg)
    if reason:
        return Interval(NONE, NONE, reason)
    if min(n_pos, n_neg) < SMALL_CLASS:
        return Interval(*logit(auc, variance, confidence), "DeLong, logit")
    return Interval(*wald(auc, variance, confidence), "DeLong, Wald")


def auc_with_interval(
    auc: float, variance: float, n_pos: int, n_neg: int, confidence: float
) -> dict[str, float | str]:
    """The columns that tables have of an AUC: itself, the interval to print and its method."""
    shown = auc_interval(auc, variance, n_pos, n_neg, confidence)
    return {"auc": auc, "auc_low": shown.low, "auc_high": shown.high, "auc_ci_method": shown.method}


def auc_of(labels: np.ndarray, scores: np.ndarray, confidence: float) -> dict[str, float | str]:
    """The same of one model's ``scores`` (n,) for ``labels`` (n,) of 0 and 1."""
    result, n_pos = auc_with_covariance(labels, scores), int(labels.sum())
    return auc_with_interval(
        float(result.auc[0]), float(result.covariance[0, 0]), n_pos, len(labels) - n_pos, confidence
    )


def influences(labels: np.ndarray, scores: np.ndarray) -> tuple[float, np.ndarray]:
    """AUC of ``scores`` (n,) and what each patient adds to its error, (n,): the squares sum to DeLong's
    variance.

    The errors of two AUCs of overlapping groups of patients are compared by these: the variance of their
    difference is the sum of the squared differences, each patient outside a group adding 0 to its AUC. Needs
    two patients of each class.
    """
    result = auc_with_covariance(labels, scores)
    out = np.empty(len(labels))
    for placed, inside in (
        (result.placed_positives[0], labels == 1),
        (result.placed_negatives[0], labels == 0),
    ):
        n = len(placed)
        out[inside] = (placed - result.auc[0]) / np.sqrt(n * (n - 1))
    return float(result.auc[0]), out


@dataclass(frozen=True)
class Comparison:
    """A paired test of two AUCs; z and p are NaN, and ``note`` says why, where there is no test."""

    auc_a: float
    auc_b: float
    difference: float
    low: float
    high: float
    z: float
    p_value: float
    note: str


def compare(result: Auc, a: int, b: int, confidence: float) -> Comparison:
    """DeLong's paired test of model ``a`` against ``b`` (rows of the scores). Difference is a minus b."""
    auc_a, auc_b = (float(result.auc[i]) for i in (a, b))
    difference = auc_a - auc_b
    n_pos, n_neg = result.placed_positives.shape[1], result.placed_negatives.shape[1]
    if not n_pos or not n_neg:
        why = "no patients" if n_pos + n_neg == 0 else "one class only"
        return Comparison(auc_a, auc_b, NONE, NONE, NONE, NONE, NONE, why)
    if np.allclose(
        result.placed_positives[a], result.placed_positives[b], rtol=0, atol=1e-12
    ) and np.allclose(result.placed_negatives[a], result.placed_negatives[b], rtol=0, atol=1e-12):
        return Comparison(auc_a, auc_b, 0.0, 0.0, 0.0, 0.0, 1.0, "same ranking")
    if n_pos < 2 or n_neg < 2:
        return Comparison(
            auc_a, auc_b, difference, NONE, NONE, NONE, NONE, "fewer than 2 patients in a class"
        )
    cov = result.covariance
    variance = float(cov[a, a] + cov[b, b] - 2 * cov[a, b])
    if not variance > 1e-18:
        return Comparison(
            auc_a, auc_b, difference, NONE, NONE, NONE, NONE, "variance of the difference is zero"
        )
    z = difference / np.sqrt(variance)
    half = ndtri(0.5 + confidence / 2) * np.sqrt(variance)
    p = 2 * float(ndtr(-abs(z)))
    return Comparison(
        auc_a, auc_b, difference, max(-1.0, difference - half), min(1.0, difference + half), float(z), p, ""
    )


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment; NaN stays NaN and does not count as a test."""
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * p[index]))
        adjusted[index] = running
    return adjusted
