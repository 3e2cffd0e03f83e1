"""Decision curve analysis: net benefit over threshold probabilities (Vickers and Elkin, Med Decis Making 2006;26:565)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scripts.common.seeds import sub_seed
from scripts.common.tables import Columns
from scripts.statistics.waist import arrays

NET_BENEFIT: Columns = {
    "set": "text",
    "model": "text",
    "threshold": "float",
    "net_benefit": "float",
    "net_benefit_low": "float",
    "net_benefit_high": "float",
    "net_benefit_ci_method": "text",
}
"""``results/statistics/net_benefit.csv``; models include ``all`` and ``none``."""


def threshold_grid(lowest: float, highest: float, step: float) -> np.ndarray:
    """Threshold probabilities from ``lowest`` to ``highest``, both included where the step meets them."""
    count = int(np.floor((highest - lowest) / step + 1e-9)) + 1
    return np.round(lowest + step * np.arange(max(count, 1)), 10)


def positives_at(labels: np.ndarray, scores: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True and false positives (thresholds,) where a score at or above the threshold probability is positive."""
    return tuple(
        int((labels == label).sum()) - np.searchsorted(np.sort(scores[labels == label]), grid, side="left")
        for label in (1, 0)
    )


def net_benefit(tp: np.ndarray, fp: np.ndarray, n: int | np.ndarray, grid: np.ndarray) -> np.ndarray:
    """TP/n - FP/n * pt / (1 - pt)."""
    return tp / n - fp / n * grid / (1 - grid)


def bootstrap_net_benefit(
    labels: np.ndarray, scores: np.ndarray, grid: np.ndarray, replicates: int, seed: int
) -> np.ndarray:
    """Net benefit in each replicate, (replicates, thresholds).

    Whole patients are resampled: one multinomial draw over the cells of label and interval of the grid.
    """
    intervals = len(grid) + 1
    place = np.searchsorted(grid, scores, side="right")
    cells = np.bincount(np.where(labels == 1, place, place + intervals), minlength=2 * intervals)
    rng = np.random.Generator(np.random.PCG64(seed))
    draws = rng.multinomial(len(labels), cells / cells.sum(), size=replicates)

    def above(part: np.ndarray) -> np.ndarray:
        return part[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]

    return net_benefit(above(draws[:, :intervals]), above(draws[:, intervals:]), len(labels), grid)


def best_ranges(part: pd.DataFrame, models: Sequence[str]) -> list[tuple[str, float, float]]:
    """Which strategy has the highest net benefit where: (strategy, lowest, highest threshold probability), in rising order.

    ``part`` holds one set's rows of ``NET_BENEFIT``. Point estimates are compared. Of equals the one that needs no model comes first
    (``none``, then ``all``), then the models in the order of ``models``.
    """
    order = ["none", "all", *models]
    benefit = part.pivot(index="threshold", columns="model", values="net_benefit").sort_index()[order]
    best = benefit.ge(benefit.max(axis=1) - 1e-12, axis=0).to_numpy().argmax(axis=1)
    ends = np.flatnonzero(np.append(np.diff(best) != 0, True))
    starts = np.concatenate([[0], ends[:-1] + 1])
    grid = benefit.index.to_numpy(dtype=float)
    return [(order[best[i]], float(grid[i]), float(grid[j])) for i, j in zip(starts, ends, strict=True)]


def decision_curves(
    frame: pd.DataFrame,
    models: Sequence[str],
    sets: Sequence[str],
    grid: np.ndarray,
    confidence: float,
    replicates: int,
    seed: int,
) -> pd.DataFrame:
    """``NET_BENEFIT`` for all sets; a set without patients has no rows."""
    models = list(models)
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    parts = []
    for name in sets:
        labels, scores = arrays(frame[frame["set"] == name], models)
        n = len(labels)
        if not n:
            continue
        for model, values in [*zip(models, scores, strict=True), ("all", np.ones(n)), ("none", None)]:
            if values is None:
                estimate = low = high = np.zeros(len(grid))
                method = "exact"
            else:
                estimate = net_benefit(*positives_at(labels, values, grid), n, grid)
                drawn = bootstrap_net_benefit(
                    labels, values, grid, replicates, sub_seed(seed, "statistics", "net_benefit", name, model)
                )
                low, high = np.quantile(drawn, ends, axis=0)
                method = "bootstrap, percentile"
            parts.append(
                pd.DataFrame(
                    {
                        "set": name,
                        "model": model,
                        "threshold": grid,
                        "net_benefit": estimate,
                        "net_benefit_low": low,
                        "net_benefit_high": high,
                        "net_benefit_ci_method": method,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(NET_BENEFIT))
