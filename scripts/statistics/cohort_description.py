"""Table 1: patients with and without osteoporosis, centre by centre, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from scripts.common.contracts.statistics import MISSING, TABLE1
from scripts.common.numbers import DECIMALS
from scripts.common.predictors import CATEGORY, NUMBER, Predictor
from scripts.common.vocabulary import OLDEST_AGE
from scripts.statistics.group_tests import (
    NAN,
    expected_counts,
    fisher_exact_p,
    pearson_chi2,
    smd_levels,
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


def decimals_of(values: pd.Series) -> int:
    """Digits of a predictor's means and deviations: two significant ones of its deviation, but one more than
    its values have at most, so that a mean doesn't tell of how many values it is.
    """
    told, sd = values.dropna(), values.std()
    own = next((digits for digits in range(3) if told.round(digits).eq(told).all()), 3)
    return int(np.clip(1 - np.floor(np.log10(sd)), 0, own + 1)) if sd > 0 else own


def _continuous_row(decimals: int, op: np.ndarray, non_op: np.ndarray) -> dict:
    known = [values[~np.isnan(values)] for values in (op, non_op)]
    (mean_1, sd_1), (mean_0, sd_0) = (_spread(values) for values in known)
    test = welch_from_summary(mean_1, sd_1, len(known[0]), mean_0, sd_0, len(known[1]))
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


def counted_row(counts: np.ndarray, category: bool) -> dict:
    """The row of a yes-or-no predictor or a category: ``counts`` has a row per group (OP, non-OP) and a
    column per answer. An answer that nobody gives has no part in the test.
    """
    given = counts[:, counts.sum(axis=0) > 0]
    tested = given if given.shape[1] > 1 else counts
    test = pearson_chi2(tested)
    groups = counts.sum(axis=1)
    least = float(expected_counts(tested).min()) if counts.sum() else NAN
    two_by_two = tested.shape == (2, 2)
    row = {
        "statistic": test.statistic,
        "test": "Pearson chi2",
        "p_value": test.p_value,
        "df": test.df,
        "fisher_p": fisher_exact_p(tested) if two_by_two and least < 5 and not test.note else NAN,
        "min_expected": least,
        "note": test.note,
    }
    if category:
        row["smd"] = smd_levels(counts)
    else:
        row["smd"] = smd_shares(*(counts[:, 0] / groups)) if groups.all() else NAN
    for group, answers in zip(("op", "non_op"), counts):
        row |= {group: "/".join(map(str, answers)), f"{group}_n": int(answers.sum())}
    return row


def _predictor_row(predictor: Predictor, decimals: int, groups: Sequence[pd.DataFrame]) -> dict:
    values = [group[predictor.name] for group in groups]
    if predictor.type == NUMBER:
        return _continuous_row(decimals, *(one.to_numpy(dtype=float) for one in values))
    answers = predictor.levels if predictor.type == CATEGORY else (1, 0)
    counts = np.array([[int(one.eq(answer).sum()) for answer in answers] for one in values])
    row = counted_row(counts, predictor.type == CATEGORY)
    for group, one in zip(("op", "non_op"), values):
        row[f"{group}_missing"] = len(one) - row[f"{group}_n"]
    return row


def _known(column: pd.Series) -> bool:
    """Whether anybody has a value."""
    return bool((column.notna() & column.ne("").fillna(False)).any())


def describe(
    cohort: pd.DataFrame, centers: Sequence[str], predictors: Mapping[str, Predictor] | None = None
) -> pd.DataFrame:
    """``TABLE1`` for ``centers``, in their order; the development centre's two sets are one group here.

    A variable that no patient of any centre has a value of has no row. Those of ``predictors`` follow the
    study's own.
    """
    known = [name for name in VARIABLES if _known(cohort[name])]
    further = {name: one for name, one in (predictors or {}).items() if _known(cohort[name])}
    decimals = {n: decimals_of(cohort[n]) for n, one in further.items() if one.type == NUMBER}
    rows = []
    for center in centers:
        part = cohort[cohort["center"] == center]
        op, non_op = (part[part["label"] == label] for label in (1, 0))
        for variable in (*known, *further):
            if variable in further:
                row = _predictor_row(further[variable], decimals.get(variable, 0), (op, non_op))
            elif variable == "sex":
                row = sex_row(
                    *(int((group["sex"] == sex).sum()) for group in (op, non_op) for sex in ("M", "F"))
                )
                row["op_missing"] = len(op) - row["op_n"]
                row["non_op_missing"] = len(non_op) - row["non_op_n"]
            else:
                row = _continuous_row(
                    DECIMALS[variable],
                    *(group[variable].to_numpy(dtype=float, na_value=np.nan) for group in (op, non_op)),
                )
            row["n"] = row["op_n"] + row["non_op_n"]
            row["missing"] = row["op_missing"] + row["non_op_missing"]
            rows.append({"center": center, "variable": variable, **row})
    return pd.DataFrame(rows, columns=list(TABLE1))


def count_missing(cohort: pd.DataFrame, predictors: Sequence[str] = ()) -> pd.DataFrame:
    """``MISSING``: how many values each variable lacks in each set, and how many ages are capped."""
    rows = []
    for (center, name), part in cohort.groupby(["center", "set"], sort=False):
        for variable in (*VARIABLES, "dxa_interval_days", "manufacturer", *predictors):
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
