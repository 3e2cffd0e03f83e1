"""Table 1: patients with and without osteoporosis, centre by centre, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scripts.common.contracts.statistics import MISSING, TABLE1
from scripts.common.numbers import DECIMALS
from scripts.common.vocabulary import OLDEST_AGE
from scripts.statistics.group_tests import (
    NAN,
    expected_counts,
    fisher_exact_p,
    pearson_chi2,
    smd_means,
    smd_shares,
    welch_from_summary,
)

CONTINUOUS = ("age", "bmi", "bmd", "height_cm", "weight_kg", "t_score")
VARIABLES = ("age", "sex", "bmi", "bmd", "height_cm", "weight_kg", "t_score")


def _spread(values: np.ndarray) -> tuple[float, float]:
    mean = float(values.mean()) if len(values) else NAN
    sd = float(values.std(ddof=1)) if len(values) > 1 else NAN
    return mean, sd


def mean_sd(mean: float, sd: float, decimals: int) -> str:
    """``71.1 ± 8.9``; empty without a mean."""
    if np.isnan(mean):
        return ""
    return f"{mean:.{decimals}f}" + ("" if np.isnan(sd) else f" ± {sd:.{decimals}f}")


def _continuous_row(variable: str, op: np.ndarray, non_op: np.ndarray) -> dict:
    known = [values[~np.isnan(values)] for values in (op, non_op)]
    (mean_1, sd_1), (mean_0, sd_0) = (_spread(values) for values in known)
    test = welch_from_summary(mean_1, sd_1, len(known[0]), mean_0, sd_0, len(known[1]))
    decimals = DECIMALS[variable]
    return {
        "op": mean_sd(mean_1, sd_1, decimals),
        "non_op": mean_sd(mean_0, sd_0, decimals),
        "statistic": test.statistic,
        "test": "Welch t",
        "p_value": test.p_value,
        "df": test.df,
        "smd": NAN if test.note.startswith("fewer") else smd_means(mean_1, sd_1, mean_0, sd_0),
        "op_mean": mean_1,
        "op_sd": sd_1,
        "non_op_mean": mean_0,
        "non_op_sd": sd_0,
        "op_n": len(known[0]),
        "non_op_n": len(known[1]),
        "op_missing": len(op) - len(known[0]),
        "non_op_missing": len(non_op) - len(known[1]),
        "note": test.note,
    }


def sex_row(op_male: int, op_female: int, non_op_male: int, non_op_female: int) -> dict:
    """The row of sex from its four counts."""
    counts = np.array([[op_male, op_female], [non_op_male, non_op_female]])
    test = pearson_chi2(counts)
    groups = counts.sum(axis=1)
    least = float(expected_counts(counts).min()) if counts.sum() else NAN
    return {
        "op": f"{op_male}/{op_female}",
        "non_op": f"{non_op_male}/{non_op_female}",
        "statistic": test.statistic,
        "test": "Pearson chi2",
        "p_value": test.p_value,
        "df": test.df,
        "fisher_p": fisher_exact_p(counts) if least < 5 and not test.note else NAN,
        "smd": smd_shares(op_male / groups[0], non_op_male / groups[1]) if groups.all() else NAN,
        "op_male": op_male,
        "op_female": op_female,
        "non_op_male": non_op_male,
        "non_op_female": non_op_female,
        "op_n": int(groups[0]),
        "non_op_n": int(groups[1]),
        "min_expected": least,
        "note": test.note,
    }


def describe(cohort: pd.DataFrame, centers: Sequence[str]) -> pd.DataFrame:
    """``TABLE1`` for ``centers``, in their order; the development centre's two sets are one group here.

    A variable that no patient of any centre has a value of has no row.
    """
    known = [name for name in VARIABLES if (cohort[name].notna() & cohort[name].ne("").fillna(False)).any()]
    rows = []
    for center in centers:
        part = cohort[cohort["center"] == center]
        op, non_op = (part[part["label"] == label] for label in (1, 0))
        for variable in known:
            if variable == "sex":
                row = sex_row(
                    *(int((group["sex"] == sex).sum()) for group in (op, non_op) for sex in ("M", "F"))
                )
                row["op_missing"] = len(op) - row["op_n"]
                row["non_op_missing"] = len(non_op) - row["non_op_n"]
            else:
                row = _continuous_row(
                    variable,
                    *(group[variable].to_numpy(dtype=float, na_value=np.nan) for group in (op, non_op)),
                )
            row["n"] = row["op_n"] + row["non_op_n"]
            row["missing"] = row["op_missing"] + row["non_op_missing"]
            rows.append({"center": center, "variable": variable, **row})
    return pd.DataFrame(rows, columns=list(TABLE1))


def count_missing(cohort: pd.DataFrame) -> pd.DataFrame:
    """``MISSING``: how many values each variable lacks in each set, and how many ages are capped."""
    rows = []
    for (center, name), part in cohort.groupby(["center", "set"], sort=False):
        for variable in (*VARIABLES, "dxa_interval_days", "manufacturer"):
            column = part[variable]
            absent = column.isna() | (column == "") if column.dtype == object else column.isna()
            rows.append(
                {
                    "center": center,
                    "set": name,
                    "variable": variable,
                    "n": len(part),
                    "n_missing": int(absent.sum()),
                    "n_capped": int((column >= OLDEST_AGE).sum()) if variable == "age" else 0,
                }
            )
    return pd.DataFrame(rows, columns=list(MISSING))
