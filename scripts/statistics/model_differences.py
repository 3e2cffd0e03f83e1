"""How far two models differ at their frozen thresholds, and how much of a test set's best threshold is
luck.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from scripts.common.contracts.statistics import DIFFERENCES, NET_BENEFIT_DIFFERENCES, YOUDEN_UPPER_BOUND
from scripts.common.seeds import sub_seed
from scripts.statistics.auc_comparison import model_pairs
from scripts.statistics.decision_curves import net_benefit, positives_at
from scripts.statistics.delong import NONE
from scripts.statistics.performance import (
    bootstrap_interval,
    bootstrap_metrics,
    confusion,
    threshold_metrics,
)
from scripts.statistics.scored_cohort import by_set
from scripts.statistics.thresholds import youden

USE = "upper bound only: threshold chosen on these test patients"


def differences_table(
    frame: pd.DataFrame,
    models: Sequence[str],
    sets: Sequence[str],
    thresholds: Mapping[str, float],
    primary: Sequence[str],
    confidence: float,
    replicates: int,
    seed: int,
) -> pd.DataFrame:
    """``DIFFERENCES``: every pair of models in each set, the pair of ``primary`` first.

    A set without patients has no rows.
    """
    models, rows = list(models), []
    for name, labels, scores in by_set(frame, models, sets):
        if not len(labels):
            continue
        called = scores >= np.array([thresholds[m] for m in models])[:, None]
        own = sub_seed(seed, "statistics", "differences", name)
        drawn = bootstrap_metrics(labels, called, replicates, own)
        counts = [confusion(labels, calls) for calls in called]
        told = threshold_metrics({kind: np.array([one[kind] for one in counts]) for kind in counts[0]})
        for pair in model_pairs(models, primary):
            a, b = (models.index(model) for model in pair)
            for metric, values in told.items():
                low, high, method = bootstrap_interval(drawn[metric][a] - drawn[metric][b], confidence)
                if np.isnan(values[a] - values[b]):
                    low, high, method = NONE, NONE, "none: nobody to count"
                rows.append(
                    {
                        "set": name,
                        "model_a": pair[0],
                        "model_b": pair[1],
                        "metric": metric,
                        "value_a": float(values[a]),
                        "value_b": float(values[b]),
                        "difference": float(values[a] - values[b]),
                        "difference_low": low,
                        "difference_high": high,
                        "difference_ci_method": method,
                        "primary": int(set(pair) == set(primary)),
                        "n": len(labels),
                        "n_pos": int(labels.sum()),
                    }
                )
    return pd.DataFrame(rows, columns=list(DIFFERENCES))


def bootstrap_benefit_difference(
    labels: np.ndarray, scores: np.ndarray, grid: np.ndarray, replicates: int, seed: int
) -> np.ndarray:
    """Net benefit of the first of two models less that of the second in each replicate: (replicates,
    thresholds).

    ``scores`` is (2, n). Whole patients are resampled: one multinomial draw over the joint cells of label and
    both models' intervals of the grid, at a cost that doesn't grow with n once every cell has a patient.
    """
    intervals = len(grid) + 1
    place_a, place_b = (np.searchsorted(grid, values, side="right") for values in scores)
    code = (place_a * intervals + place_b) * 2 + (labels == 1)
    cells, counts = np.unique(code, return_counts=True)
    rng = np.random.Generator(np.random.PCG64(seed))
    draws = rng.multinomial(len(labels), counts / len(labels), size=replicates)
    joint, is_op = cells // 2, cells % 2 == 1
    reached = np.arange(1, intervals)
    gained = ((joint // intervals)[:, None] >= reached).astype(float) - (
        (joint % intervals)[:, None] >= reached
    )
    worth = np.where(is_op[:, None], 1.0, -grid / (1 - grid))
    return draws @ (gained * worth) / len(labels)


def benefit_differences_table(
    frame: pd.DataFrame,
    models: Sequence[str],
    sets: Sequence[str],
    grid: np.ndarray,
    primary: Sequence[str],
    confidence: float,
    replicates: int,
    seed: int,
) -> pd.DataFrame:
    """``NET_BENEFIT_DIFFERENCES``: every pair of models in each set, as in ``DIFFERENCES``.

    A set without patients has no rows.
    """
    models, rows = list(models), []
    for name, labels, scores in by_set(frame, models, sets):
        n = len(labels)
        if not n:
            continue
        told = [net_benefit(*positives_at(labels, values, grid), n, grid) for values in scores]
        for pair in model_pairs(models, primary):
            a, b = (models.index(model) for model in pair)
            own = sub_seed(seed, "statistics", "net_benefit_differences", name, *sorted(pair))
            drawn = bootstrap_benefit_difference(labels, scores[[a, b]], grid, replicates, own)
            for k, threshold in enumerate(grid):
                low, high, method = bootstrap_interval(drawn[:, k], confidence)
                rows.append(
                    {
                        "set": name,
                        "model_a": pair[0],
                        "model_b": pair[1],
                        "threshold": float(threshold),
                        "difference": float(told[a][k] - told[b][k]),
                        "difference_low": low,
                        "difference_high": high,
                        "difference_ci_method": method,
                        "primary": int(set(pair) == set(primary)),
                        "n": n,
                        "n_pos": int(labels.sum()),
                    }
                )
    return pd.DataFrame(rows, columns=list(NET_BENEFIT_DIFFERENCES))


def upper_bound_table(
    frame: pd.DataFrame, models: Sequence[str], sets: Sequence[str], thresholds: Mapping[str, float]
) -> pd.DataFrame:
    """``YOUDEN_UPPER_BOUND`` for each model in each set."""
    models, rows = list(models), []
    for name, labels, scores in by_set(frame, models, sets):
        n_pos = int(labels.sum())
        for model, values in zip(models, scores, strict=True):
            row = {"set": name, "model": model, "use": USE, "n": len(labels), "n_pos": n_pos}
            if not 0 < n_pos < len(labels):
                rows.append(
                    row | {"ci_method": "", "note": "no patients" if not len(labels) else "one class only"}
                )
                continue
            best = youden(labels, values)
            at_best, at_frozen = (
                threshold_metrics(confusion(labels, values >= cut)) for cut in (best, thresholds[model])
            )
            index, frozen = (float(at["sensitivity"] + at["specificity"] - 1) for at in (at_best, at_frozen))
            rows.append(
                row
                | {
                    "best_threshold_on_test": best,
                    "best_sensitivity_on_test": float(at_best["sensitivity"]),
                    "best_specificity_on_test": float(at_best["specificity"]),
                    "best_youden_on_test": index,
                    "youden_at_frozen_threshold": frozen,
                    "best_minus_frozen": index - frozen,
                    "ci_method": "none: threshold chosen on these patients",
                    "note": "",
                }
            )
    return pd.DataFrame(rows, columns=list(YOUDEN_UPPER_BOUND))
