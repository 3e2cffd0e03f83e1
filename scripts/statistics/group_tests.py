"""Tests between two groups from counts or summary statistics: Welch's t, Pearson's chi2, Fisher's exact test,
SMD.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, stdtr

NAN = float("nan")


@dataclass(frozen=True)
class Test:
    """Statistic, degrees of freedom and two-sided P; all NaN, with a ``note``, where there is no test."""

    statistic: float
    df: float
    p_value: float
    note: str = ""


def welch_from_summary(mean_1: float, sd_1: float, n_1: int, mean_2: float, sd_2: float, n_2: int) -> Test:
    """Welch's t test for means with unequal variances, Satterthwaite's degrees of freedom (R's
    ``t.test``).
    """
    if n_1 < 2 or n_2 < 2:
        return Test(NAN, NAN, NAN, "fewer than 2 values in a group")
    part_1, part_2 = sd_1**2 / n_1, sd_2**2 / n_2
    if not part_1 + part_2 > 0:
        return Test(NAN, NAN, NAN, "no spread in either group")
    t = (mean_1 - mean_2) / math.sqrt(part_1 + part_2)
    df = (part_1 + part_2) ** 2 / (part_1**2 / (n_1 - 1) + part_2**2 / (n_2 - 1))
    return Test(t, df, float(2 * stdtr(df, -abs(t))))


def pearson_chi2(table: np.ndarray) -> Test:
    """Pearson's chi2 without continuity correction for a table of counts (rows, columns)."""
    from scipy.special import chdtrc

    counts = np.asarray(table, dtype=float)
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    if not (rows > 0).all() or not (columns > 0).all():
        return Test(NAN, NAN, NAN, "an empty row or column")
    expected = expected_counts(counts)
    statistic = float(((counts - expected) ** 2 / expected).sum())
    df = (len(rows) - 1) * (len(columns) - 1)
    return Test(statistic, df, float(chdtrc(df, statistic)))


def expected_counts(table: np.ndarray) -> np.ndarray:
    """Counts expected where rows and columns are independent."""
    counts = np.asarray(table, dtype=float)
    return np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()


def fisher_exact_p(table: np.ndarray) -> float:
    """Two-sided P of Fisher's exact test of a 2 x 2 table: all tables no likelier than this one (R's
    ``fisher.test``).
    """
    (a, b), (c, d) = np.asarray(table, dtype=int)
    row, column, n = a + b, a + c, a + b + c + d
    support = np.arange(max(0, row + column - n), min(row, column) + 1)

    def choose(top: int | np.ndarray, bottom: np.ndarray) -> np.ndarray:
        return gammaln(top + 1) - gammaln(bottom + 1) - gammaln(top - bottom + 1)

    log_p = choose(column, support) + choose(n - column, row - support)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    observed = p[support == a][0]
    return float(min(1.0, p[p <= observed * (1 + 1e-7)].sum()))


def smd_means(mean_1: float, sd_1: float, mean_2: float, sd_2: float) -> float:
    """Standardised difference of two means, over the root mean square of the two SDs; NaN without spread."""
    pooled = math.sqrt((sd_1**2 + sd_2**2) / 2)
    return (mean_1 - mean_2) / pooled if pooled > 0 else NAN


def smd_levels(counts: np.ndarray) -> float:
    """Standardised difference of a category between two groups; NaN without a spread of its levels.

    ``counts`` has a row per group and a column per level. It is the Mahalanobis distance of the groups'
    shares under the mean of their multinomial covariances (Yang and Dalton, A unified approach to measuring
    the effect size between two groups using SAS, SAS Global Forum 2012, paper 335): never negative, and of
    two levels the size of ``smd_shares``.
    """
    told = counts[:, counts.sum(axis=0) > 0].astype(float)
    if not (told.sum(axis=1) > 0).all() or told.shape[1] < 2:
        return NAN
    shares = (told / told.sum(axis=1, keepdims=True))[:, 1:]
    covariance = sum(np.diag(share) - np.outer(share, share) for share in shares) / 2
    if np.linalg.matrix_rank(covariance) < len(covariance):
        return NAN
    apart = shares[0] - shares[1]
    return math.sqrt(float(apart @ np.linalg.solve(covariance, apart)))


def smd_shares(share_1: float, share_2: float) -> float:
    """Standardised difference of two proportions; NaN without spread."""
    pooled = math.sqrt((share_1 * (1 - share_1) + share_2 * (1 - share_2)) / 2)
    return (share_1 - share_2) / pooled if pooled > 0 else NAN
