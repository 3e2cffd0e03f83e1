"""Decision curve analysis: net benefit over threshold probabilities (Vickers and Elkin, Med Decis Making
2006;26:565).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scripts.common.contracts.statistics import BEST_MODEL, NET_BENEFIT
from scripts.common.seeds import sub_seed
from scripts.common.vocabulary import TREAT_ALL, TREAT_NONE
from scripts.statistics.performance import BOOTSTRAP
from scripts.statistics.scored_cohort import by_set

TIE = 1e-12


def threshold_grid(lowest: float, highest: float, step: float) -> np.ndarray:
    """Threshold probabilities from ``lowest`` to ``highest``, both included where the step meets them."""
    count = int(np.floor((highest - lowest) / step + 1e-9)) + 1
    return np.round(lowest + step * np.arange(max(count, 1)), 10)


def positives_at(labels: np.ndarray, scores: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True and false positives (thresholds,) where a score at or above the threshold probability is
    positive.
    """
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
    """Net benefit of the model and of treating everybody in each replicate: (2, replicates, thresholds).

    Whole patients are resampled: one multinomial draw over the cells of label and interval of the grid.
    """
    intervals = len(grid) + 1
    place = np.searchsorted(grid, scores, side="right")
    cells = np.bincount(np.where(labels == 1, place, place + intervals), minlength=2 * intervals)
    rng = np.random.Generator(np.random.PCG64(seed))
    draws = rng.multinomial(len(labels), cells / cells.sum(), size=replicates)

    def above(part: np.ndarray) -> np.ndarray:
        return part[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]

    n, n_pos = len(labels), draws[:, :intervals].sum(axis=1)[:, None]
    model = net_benefit(above(draws[:, :intervals]), above(draws[:, intervals:]), n, grid)
    return np.stack([model, net_benefit(n_pos, n - n_pos, n, grid)])


def best_strategies(part: pd.DataFrame, models: Sequence[str]) -> list[tuple[str, float, float]]:
    """Which strategy has the highest net benefit where: (strategy, lowest, highest threshold probability), in
    rising order.

    ``part`` holds one set's rows of ``NET_BENEFIT``. Point estimates are compared. Of equals the one that
    needs no model comes first (``none``, then ``all``), then the models in the order of ``models``.
    """
    order = [TREAT_NONE, TREAT_ALL, *models]
    benefit = part.pivot(index="threshold", columns="model", values="net_benefit").sort_index()[order]
    best = benefit.ge(benefit.max(axis=1) - TIE, axis=0).to_numpy().argmax(axis=1)
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
    for name, labels, scores in by_set(frame, models, sets):
        n = len(labels)
        if not n:
            continue
        everybody = net_benefit(*positives_at(labels, np.ones(n), grid), n, grid)
        for model, values in [*zip(models, scores, strict=True), (TREAT_ALL, np.ones(n)), (TREAT_NONE, None)]:
            part = {"set": name, "model": model, "threshold": grid}
            if values is None:
                zeros = np.zeros(len(grid))
                part |= {
                    "net_benefit": zeros,
                    "net_benefit_low": zeros,
                    "net_benefit_high": zeros,
                    "net_benefit_ci_method": "exact",
                }
            else:
                estimate = net_benefit(*positives_at(labels, values, grid), n, grid)
                drawn, drawn_all = bootstrap_net_benefit(
                    labels, values, grid, replicates, sub_seed(seed, "statistics", "net_benefit", name, model)
                )
                low, high = np.quantile(drawn, ends, axis=0)
                part |= {
                    "net_benefit": estimate,
                    "net_benefit_low": low,
                    "net_benefit_high": high,
                    "net_benefit_ci_method": BOOTSTRAP,
                }
                if model != TREAT_ALL:
                    treat = everybody > 0
                    low, high = np.quantile(drawn - np.where(treat, drawn_all, 0.0), ends, axis=0)
                    part |= {
                        "over_default": estimate - np.where(treat, everybody, 0.0),
                        "over_default_low": low,
                        "over_default_high": high,
                        "over_default_ci_method": "paired " + BOOTSTRAP,
                    }
            parts.append(pd.DataFrame(part))
    if not parts:
        return pd.DataFrame(columns=list(NET_BENEFIT))
    return pd.concat(parts, ignore_index=True).reindex(columns=list(NET_BENEFIT))


def best_ranges(table: pd.DataFrame) -> pd.DataFrame:
    """``BEST_MODEL`` from a ``NET_BENEFIT`` table: neighbouring thresholds of the grid at which the same
    model is best with the same ties.
    """
    rows = []
    for name, part in table.groupby("set", sort=False):
        wide = part.pivot(index="threshold", columns="model", values="net_benefit")[
            list(part["model"].unique())
        ]
        values, names = wide.to_numpy(), list(wide.columns)
        top = values.max(axis=1)
        best = values >= top[:, None] - TIE
        beaten = np.where(best, -np.inf, values).max(axis=1)
        lead = np.where(np.isfinite(beaten), top - beaten, np.nan)
        for place, model in enumerate(names):
            at = np.flatnonzero(best[:, place])
            breaks = [
                k
                for k in range(1, len(at))
                if at[k] != at[k - 1] + 1 or (best[at[k]] != best[at[k - 1]]).any()
            ]
            for run in np.split(at, breaks):
                if not len(run):
                    continue
                leads = lead[run]
                rows.append(
                    {
                        "set": name,
                        "model": model,
                        "threshold_from": float(wide.index[run[0]]),
                        "threshold_to": float(wide.index[run[-1]]),
                        "n_thresholds": len(run),
                        "tied_with": ", ".join(
                            other for k, other in enumerate(names) if best[run[0], k] and k != place
                        ),
                        "largest_lead": float(np.nanmax(leads)) if np.isfinite(leads).any() else np.nan,
                    }
                )
    return pd.DataFrame(rows, columns=list(BEST_MODEL))
