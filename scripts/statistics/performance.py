"""Table 2: how well each model tells patients with osteoporosis from those without, at the frozen
thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from scripts.common.contracts.statistics import TABLE2
from scripts.common.seeds import sub_seed
from scripts.common.vocabulary import EVERYONE_POSITIVE
from scripts.statistics.delong import NONE, auc_with_covariance, auc_with_interval, logit, no_interval, wald
from scripts.statistics.scored_cohort import by_set

WILSON = "Wilson"
BOOTSTRAP = "bootstrap, percentile"


def wilson(successes: float, n: float, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson, JASA 1927); NaN for n = 0."""
    if n == 0:
        return NONE, NONE
    z = ndtri(0.5 + confidence / 2)
    share = successes / n
    centre = share + z**2 / (2 * n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)
    return (0.0 if successes == 0 else float(low)), (1.0 if successes == n else float(high))


def ratio(top: np.ndarray | float, bottom: np.ndarray | float) -> np.ndarray:
    """``top / bottom``, NaN where ``bottom`` is 0."""
    top, bottom = np.asarray(top, dtype=float), np.asarray(bottom, dtype=float)
    return np.divide(top, bottom, out=np.full(np.broadcast(top, bottom).shape, np.nan), where=bottom > 0)


def f1_score(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    """2 TP / (2 TP + FP + FN); NaN where nobody is positive or called positive."""
    return ratio(2 * np.asarray(tp), 2 * np.asarray(tp) + fp + fn)


MOST_BITS = 20
"""Calls that are packed into a number before it is made small again; so any number of models fits."""


def joint_draws(
    labels: np.ndarray, called: np.ndarray, replicates: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A paired bootstrap of whole patients as one multinomial draw over the joint cells of label and all
    calls.

    ``called`` is (models, n) of booleans. Resampling n patients and counting them in the 2 ** (models + 1)
    cells is the same as one multinomial draw of n over the cells' shares, at a cost that doesn't grow with n.

    Returns the counts (replicates, cells), each cell's label (cells,) and calls (models, cells); cells
    without a patient are left out.
    """
    told = np.vstack([labels == 1, called])
    code = np.zeros(len(labels), dtype=np.int64)  # orders patients by label, then by the calls in their order
    for start in range(0, len(told), MOST_BITS):
        for calls in told[start : start + MOST_BITS]:
            code = 2 * code + calls
        if len(told) > MOST_BITS:
            code = np.unique(code, return_inverse=True)[1]  # the same order in smaller numbers
    counts = np.bincount(code)
    kept = np.flatnonzero(counts)
    first = np.empty(len(counts), dtype=np.int64)
    first[code[::-1]] = np.arange(len(code))[::-1]
    counts, cells = counts[kept], told[:, first[kept]]
    rng = np.random.Generator(np.random.PCG64(seed))
    draws = rng.multinomial(len(labels), counts / len(labels), size=replicates)
    return draws, cells[0], cells[1:]


def bootstrap_counts(
    labels: np.ndarray, called: np.ndarray, replicates: int, seed: int
) -> dict[str, np.ndarray]:
    """True and false positives and negatives of each model in each replicate: arrays (models, replicates)."""
    draws, is_op, calls = joint_draws(labels, called, replicates, seed)
    kinds = {"tp": is_op & calls, "fp": ~is_op & calls, "fn": is_op & ~calls, "tn": ~is_op & ~calls}
    return {name: (draws @ mask.T.astype(np.int64)).T for name, mask in kinds.items()}


def threshold_metrics(counts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Sensitivity, specificity, accuracy, PPV, NPV and F1 from counts of any shape; NaN where there is nobody
    to count.
    """
    tp, fp, tn, fn = (np.asarray(counts[name], dtype=float) for name in ("tp", "fp", "tn", "fn"))
    return {
        "sensitivity": ratio(tp, tp + fn),
        "specificity": ratio(tn, tn + fp),
        "accuracy": ratio(tp + tn, tp + fp + tn + fn),
        "ppv": ratio(tp, tp + fp),
        "npv": ratio(tn, tn + fn),
        "f1": f1_score(tp, fp, fn),
    }


def bootstrap_metrics(
    labels: np.ndarray, called: np.ndarray, replicates: int, seed: int
) -> dict[str, np.ndarray]:
    """``threshold_metrics`` of each model in each replicate of a paired bootstrap: arrays (models,
    replicates).
    """
    return threshold_metrics(bootstrap_counts(labels, called, replicates, seed))


def percentile_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """The percentile interval of bootstrap ``values`` (replicates,), those that are not defined left
    aside.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return NONE, NONE
    return tuple(float(v) for v in np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2]))


def bootstrap_interval(values: np.ndarray, confidence: float) -> tuple[float, float, str]:
    """The percentile interval of bootstrap ``values`` (replicates,) and its method, or why there is none.

    Where no replicate differs (nobody is called wrongly, or two models call everybody alike) the interval
    would have no width, which says nothing of the error.
    """
    low, high = percentile_interval(values, confidence)
    if np.isnan(low):
        return NONE, NONE, "none: nobody to count"
    if low == high and np.nanmin(values) == np.nanmax(values):
        return NONE, NONE, "none: no replicate differs"
    return low, high, BOOTSTRAP


def confusion(labels: np.ndarray, called: np.ndarray) -> dict[str, int]:
    """Counts of true and false positives and negatives."""
    op = labels == 1
    return {
        "tp": int((op & called).sum()),
        "fp": int((~op & called).sum()),
        "tn": int((~op & ~called).sum()),
        "fn": int((op & ~called).sum()),
    }


def proportions(counts: Mapping[str, int], confidence: float) -> dict[str, float | str]:
    """Sensitivity, specificity, accuracy, PPV and NPV with Wilson intervals."""
    tp, fp, tn, fn = (counts[k] for k in ("tp", "fp", "tn", "fn"))
    parts = {
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "accuracy": (tp + tn, tp + fp + tn + fn),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
    }
    out: dict[str, float | str] = {}
    for name, (top, bottom) in parts.items():
        low, high = wilson(top, bottom, confidence)
        out |= {
            name: top / bottom if bottom else NONE,
            f"{name}_low": low,
            f"{name}_high": high,
            f"{name}_ci_method": WILSON if bottom else "none: nobody to count",
        }
    return out


def auc_columns(
    auc: float, variance: float, n_pos: int, n_neg: int, confidence: float
) -> dict[str, float | str]:
    """AUC with the interval to print and its method, and both intervals."""
    both = [(NONE, NONE)] * 2
    if not no_interval(auc, variance, n_pos, n_neg):
        both = [wald(auc, variance, confidence), logit(auc, variance, confidence)]
    return {
        **auc_with_interval(auc, variance, n_pos, n_neg, confidence),
        "auc_wald_low": both[0][0],
        "auc_wald_high": both[0][1],
        "auc_logit_low": both[1][0],
        "auc_logit_high": both[1][1],
    }


def evaluate_set(
    labels: np.ndarray,
    scores: np.ndarray,
    models: Sequence[str],
    thresholds: Mapping[str, float],
    confidence: float,
    replicates: int,
    seed: int,
) -> list[dict]:
    """The rows of one set: one per model, and last that of calling everyone positive."""
    names = [*models, EVERYONE_POSITIVE]
    n, n_pos = len(labels), int(labels.sum())
    cuts = np.array([thresholds[m] for m in models])
    called = np.vstack([scores >= cuts[:, None], np.ones((1, n), dtype=bool)])
    result = auc_with_covariance(labels, np.vstack([scores, np.ones((1, n))]))
    if n:
        drawn = bootstrap_counts(labels, called, replicates, seed)
        f1_draws = f1_score(drawn["tp"], drawn["fp"], drawn["fn"])
    rows = []
    for i, name in enumerate(names):
        counts = confusion(labels, called[i])
        low, high, method = bootstrap_interval(f1_draws[i] if n else np.empty(0), confidence)
        rows.append(
            {
                "model": name,
                "n": n,
                "n_pos": n_pos,
                **auc_columns(
                    float(result.auc[i]), float(result.covariance[i, i]), n_pos, n - n_pos, confidence
                ),
                **proportions(counts, confidence),
                "f1": float(f1_score(counts["tp"], counts["fp"], counts["fn"])),
                "f1_low": low,
                "f1_high": high,
                "f1_ci_method": method,
                "threshold": thresholds.get(name, 0.0),
                **counts,
            }
        )
    return rows


def auc_text(row: Any) -> str:
    """The AUC of a row for a log: ``0.889 (0.773 to 0.949; DeLong, logit)``; without an interval the reason
    alone.
    """
    if np.isnan(row.auc):
        return f"none ({row.auc_ci_method})"
    bounds = "" if np.isnan(row.auc_low) else f"{row.auc_low:.3f} to {row.auc_high:.3f}; "
    return f"{row.auc:.3f} ({bounds}{row.auc_ci_method})"


def performance_table(
    frame: pd.DataFrame,
    models: Sequence[str],
    sets: Sequence[str],
    thresholds: Mapping[str, float],
    confidence: float,
    replicates: int,
    seed: int,
) -> pd.DataFrame:
    """``TABLE2`` for ``sets``.

    Each set's bootstrap has a seed of its own, so that a further set changes no other.
    """
    rows = []
    for name, labels, scores in by_set(frame, models, sets):
        own = sub_seed(seed, "statistics", "performance", name)
        rows += [
            {"set": name, **row}
            for row in evaluate_set(labels, scores, models, thresholds, confidence, replicates, own)
        ]
    return pd.DataFrame(rows, columns=list(TABLE2))
