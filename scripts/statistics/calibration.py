"""Calibration: do predicted probabilities come true? Intercept, slope, O/E, Brier score, ICI and a smoothed
curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, ndtri

from scripts.common.contracts.statistics import CALIBRATION, CALIBRATION_CURVE
from scripts.statistics.performance import wilson
from scripts.statistics.scored_cohort import by_set

FEWEST = 20
"""Fewest events and non-events for a smoothed curve."""

SMOOTHER = (
    "logistic regression on a restricted cubic spline of the logit (knots at its 10th, 50th, 90th percentile)"
)
_METHODS = {"intercept": "Wald", "slope": "Wald", "o_e": "Wilson of the observed, over the expected"}
LOGIT_LIMIT = 1e-6
POINTS = 101


@dataclass(frozen=True)
class Fit:
    """Coefficients and their covariance."""

    coefficients: np.ndarray
    covariance: np.ndarray


def logits(scores: np.ndarray) -> tuple[np.ndarray, int]:
    """Logits of probabilities (n,), taken no nearer to 0 and 1 than 1e-6, and how many were nearer."""
    near = (scores < LOGIT_LIMIT) | (scores > 1 - LOGIT_LIMIT)
    clipped = np.clip(scores, LOGIT_LIMIT, 1 - LOGIT_LIMIT)
    return np.log(clipped) - np.log1p(-clipped), int(near.sum())


def logistic_fit(labels: np.ndarray, design: np.ndarray, offset: np.ndarray | None = None) -> Fit | None:
    """Maximum likelihood by statsmodels' GLM; None where it doesn't converge (separated classes)."""
    import warnings

    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            fit = GLM(labels, design, family=Binomial(), offset=offset).fit(maxiter=100, tol=1e-12)
        except (np.linalg.LinAlgError, ValueError, FloatingPointError):
            return None
        covariance = np.asarray(fit.cov_params())
    errors = np.sqrt(np.diag(covariance))
    if (
        not fit.converged
        or not np.isfinite(fit.params).all()
        or not np.isfinite(errors).all()
        or (errors > 1e3).any()
    ):
        return None
    return Fit(np.asarray(fit.params), covariance)


def separated(labels: np.ndarray, scores: np.ndarray) -> bool:
    """Whether a cut divides the classes, ties allowed at the cut: a slope then has no finite estimate."""
    op, non_op = scores[labels == 1], scores[labels == 0]
    return bool(non_op.max() <= op.min() or op.max() <= non_op.min())


def spline_basis(x: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Intercept, linear term and one restricted cubic term for three ``knots`` (Harrell 2015, section 2.4.5):
    (n, 3).
    """
    t1, t2, t3 = knots

    def cube(v: np.ndarray) -> np.ndarray:
        return np.clip(v, 0, None) ** 3

    term = (cube(x - t1) - cube(x - t2) * (t3 - t1) / (t3 - t2) + cube(x - t3) * (t2 - t1) / (t3 - t2)) / (
        t3 - t1
    ) ** 2
    return np.column_stack([np.ones_like(x), x, term])


@dataclass(frozen=True)
class Curve:
    """A smoothed calibration curve with a pointwise band, and the ICI."""

    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ici: float


def no_curve(labels: np.ndarray, scores: np.ndarray) -> str:
    """Why there is no smoothed curve; empty where there can be one."""
    n_pos, n_neg = int((labels == 1).sum()), int((labels == 0).sum())
    if min(n_pos, n_neg) < FEWEST:
        return f"no curve: {n_pos} events and {n_neg} non-events, {FEWEST} of each are needed"
    if len(np.unique(np.quantile(scores, [0.1, 0.5, 0.9]))) < 3 or len(np.unique(scores)) < 5:
        return "no curve: too few distinct scores"
    if separated(labels, scores):
        return "no curve: classes perfectly separated"
    return ""


def smoothed_curve(labels: np.ndarray, scores: np.ndarray, confidence: float) -> Curve | str:
    """The curve over the middle 98 % of the scores, or why there is none.

    The ICI is the mean over patients of |smoothed observed - predicted| (Austin and Steyerberg, Stat Med
    2019;38:4051).
    """
    reason = no_curve(labels, scores)
    if reason:
        return reason
    x, _ = logits(scores)
    knots = np.quantile(x, [0.1, 0.5, 0.9])
    fit = logistic_fit(labels, spline_basis(x, knots))
    if fit is None:
        return "no curve: the smoother did not converge"
    ici = float(np.abs(expit(spline_basis(x, knots) @ fit.coefficients) - scores).mean())
    grid = np.linspace(*np.quantile(scores, [0.01, 0.99]), POINTS)
    basis = spline_basis(logits(grid)[0], knots)
    linear = basis @ fit.coefficients
    half = ndtri(0.5 + confidence / 2) * np.sqrt(np.einsum("ij,jk,ik->i", basis, fit.covariance, basis))
    return Curve(grid, expit(linear), expit(linear - half), expit(linear + half), ici)


def calibrate(labels: np.ndarray, scores: np.ndarray, confidence: float) -> tuple[dict, Curve | None]:
    """The row of one model in one set, and its curve where there is one.

    ``scores`` are probabilities (n,).
    """
    row, curve = _estimates(labels, scores, confidence)
    for name, method in _METHODS.items():
        row[f"{name}_ci_method"] = method if name in row else "none: not estimable"
    return row, curve


def _estimates(labels: np.ndarray, scores: np.ndarray, confidence: float) -> tuple[dict, Curve | None]:
    """The row without the intervals' methods, and the curve."""
    n, n_pos = len(labels), int(labels.sum())
    row: dict = {"n": n, "n_pos": n_pos, "smoother": "", "ci_method": "Wald; O/E by Wilson's interval of O"}
    notes = []
    if not n:
        return row | {"note": "no patients"}, None
    x, row["n_clipped"] = logits(scores)
    row["brier"] = float(((scores - labels) ** 2).mean())
    row["brier_no_model"] = float(n_pos / n * (1 - n_pos / n))
    expected = float(scores.sum())
    if expected > 0:
        low, high = wilson(n_pos, n, confidence)
        row |= {"o_e": n_pos / expected, "o_e_low": low * n / expected, "o_e_high": high * n / expected}
    if n_pos in (0, n):
        return row | {"note": "one class only: no intercept, slope or curve"}, None
    z = ndtri(0.5 + confidence / 2)
    large = logistic_fit(labels, np.ones((n, 1)), offset=x)
    if large is None:
        notes.append("intercept not estimable")
    else:
        middle, half = large.coefficients[0], z * np.sqrt(large.covariance[0, 0])
        row |= {"intercept": middle, "intercept_low": middle - half, "intercept_high": middle + half}
    if np.ptp(x) == 0:
        notes.append("slope not estimable: constant score")
    elif separated(labels, x):
        notes.append("slope not estimable: classes perfectly separated")
    else:
        sloped = logistic_fit(labels, np.column_stack([np.ones(n), x]))
        if sloped is None:
            notes.append("slope not estimable: no convergence")
        else:
            middle, half = sloped.coefficients[1], z * np.sqrt(sloped.covariance[1, 1])
            row |= {"slope": middle, "slope_low": middle - half, "slope_high": middle + half}
    curve = smoothed_curve(labels, scores, confidence)
    if isinstance(curve, str):
        notes.append(curve)
        return row | {"note": "; ".join(notes)}, None
    return row | {"ici": curve.ici, "smoother": SMOOTHER, "note": "; ".join(notes)}, curve


def calibration_tables(
    frame: pd.DataFrame, models: Sequence[str], sets: Sequence[str], confidence: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """``CALIBRATION`` and ``CALIBRATION_CURVE`` for all sets and models."""
    models = list(models)
    rows, curves = [], []
    for name, labels, scores in by_set(frame, models, sets):
        for model, values in zip(models, scores, strict=True):
            row, curve = calibrate(labels, values, confidence)
            rows.append({"set": name, "model": model, **row})
            if curve is not None:
                curves.append(
                    pd.DataFrame(
                        {
                            "set": name,
                            "model": model,
                            "predicted": curve.predicted,
                            "observed": curve.observed,
                            "observed_low": curve.low,
                            "observed_high": curve.high,
                            "observed_ci_method": "Wald on the logit scale, pointwise",
                        }
                    )
                )
    table = pd.DataFrame(rows, columns=list(CALIBRATION))
    return table, pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(
        columns=list(CALIBRATION_CURVE)
    )
