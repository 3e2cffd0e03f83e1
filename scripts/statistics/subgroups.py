"""Performance where it could differ: in subgroups, and in populations with another prevalence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from scripts.common.contracts.statistics import PREVALENCE, SUBGROUPS
from scripts.common.cutoffs import at_least, below
from scripts.common.seeds import sub_seed
from scripts.statistics.delong import NONE, auc_with_covariance
from scripts.statistics.performance import auc_columns, bootstrap_interval, confusion, proportions, ratio
from scripts.statistics.waist import arrays

DAYS_A_MONTH = 30
"""Stands for a calendar month where ``cohort.csv`` gives days alone."""


def months_apart(frame: pd.DataFrame) -> tuple[np.ndarray, str]:
    """Calendar months within which film and DXA exam lie, (n,), and how they were counted where it was not by
    the calendar.
    """
    if "dxa_interval_months" in frame.columns:
        return frame["dxa_interval_months"].to_numpy(dtype=float, na_value=np.nan), ""
    days = np.abs(frame["dxa_interval_days"].to_numpy(dtype=float, na_value=np.nan))
    return (
        np.ceil(days / DAYS_A_MONTH),
        f"cohort.csv has no dxa_interval_months: {DAYS_A_MONTH} days stand for a month",
    )


def levels(frame: pd.DataFrame) -> Iterator[tuple[str, str, np.ndarray]]:
    """Subgroup, level and mask (n,) of each subgroup that has patients: sex, age, BMI (WHO's classes), maker,
    DXA interval.
    """
    age = frame["age"].to_numpy(dtype=float, na_value=np.nan)
    bmi = frame["bmi"].to_numpy(dtype=float, na_value=np.nan)
    months, _ = months_apart(frame)
    sex = frame["sex"].to_numpy(dtype=object)
    maker = frame["manufacturer"].to_numpy(dtype=object)
    yield "sex", "female", sex == "F"
    yield "sex", "male", sex == "M"
    yield "age", "<65", below(age, 65)
    yield "age", ">=65", at_least(age, 65)
    yield "bmi", "<18.5", below(bmi, 18.5)
    yield "bmi", "18.5-24.9", at_least(bmi, 18.5) & below(bmi, 25)
    yield "bmi", ">=25", at_least(bmi, 25)
    for name in sorted({str(m) for m in maker if m}):
        yield "manufacturer", name, maker == name
    yield "dxa_interval", "<=1 month", months <= 1
    yield "dxa_interval", ">1-3 months", (months > 1) & (months <= 3)
    yield "dxa_interval", ">3 months", months > 3


def measures(
    labels: np.ndarray,
    scores: np.ndarray,
    models: Sequence[str],
    thresholds: Mapping[str, float],
    confidence: float,
) -> Iterator[dict]:
    """Size, AUC and proportions of each model, with intervals, for ``labels`` (n,) and ``scores`` (models,
    n).
    """
    result = auc_with_covariance(labels, scores)
    n, n_pos = len(labels), int(labels.sum())
    for i, model in enumerate(models):
        counts = confusion(labels, scores[i] >= thresholds[model])
        numbers = auc_columns(
            float(result.auc[i]), float(result.covariance[i, i]), n_pos, n - n_pos, confidence
        )
        yield {"model": model, "n": n, "n_pos": n_pos, **numbers, **proportions(counts, confidence)}


def subgroup_table(
    frame: pd.DataFrame,
    models: Sequence[str],
    sets: Sequence[str],
    thresholds: Mapping[str, float],
    confidence: float,
) -> pd.DataFrame:
    """``SUBGROUPS``: all test sets, subgroups without a patient left out."""
    rows = []
    for name in sets:
        part = frame[frame["set"] == name]
        for subgroup, level, mask in levels(part):
            if mask.any():
                inside = measures(*arrays(part[mask], list(models)), models, thresholds, confidence)
                rows += [{"set": name, "subgroup": subgroup, "level": level, **row} for row in inside]
    return pd.DataFrame(rows, columns=list(SUBGROUPS))


def bayes(
    sensitivity: np.ndarray, specificity: np.ndarray, prevalence: float
) -> tuple[np.ndarray, np.ndarray]:
    """PPV and NPV at ``prevalence``; NaN where nobody would be called positive (or negative)."""
    sensitivity, specificity = np.asarray(sensitivity, dtype=float), np.asarray(specificity, dtype=float)
    true_pos, false_pos = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    true_neg, false_neg = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return ratio(true_pos, true_pos + false_pos), ratio(true_neg, true_neg + false_neg)


def at_prevalence(
    counts: Mapping[str, int],
    prevalence: float,
    threshold: float,
    confidence: float,
    replicates: int,
    seed: int,
) -> dict:
    """PPV, NPV and net benefit at ``prevalence`` from a set's counts.

    Intervals by a bootstrap within each class (the population's prevalence is taken as known).
    """
    n_pos, n_neg = counts["tp"] + counts["fn"], counts["tn"] + counts["fp"]
    row = proportions(counts, confidence)
    if not n_pos or not n_neg or threshold >= 1:
        why = (
            "threshold of 1 has no odds"
            if n_pos and n_neg
            else "one class only, or nobody, in this age group"
        )
        return row | {
            "ppv": NONE,
            "npv": NONE,
            **{f"{m}{e}": NONE for m in ("ppv", "npv") for e in ("_low", "_high")},
            **{f"{m}_ci_method": f"none: {why}" for m in ("ppv", "npv", "net_benefit")},
            "note": why,
        }
    rng = np.random.Generator(np.random.PCG64(seed))
    sens = np.concatenate(
        [[counts["tp"] / n_pos], rng.binomial(n_pos, counts["tp"] / n_pos, replicates) / n_pos]
    )
    spec = np.concatenate(
        [[counts["tn"] / n_neg], rng.binomial(n_neg, counts["tn"] / n_neg, replicates) / n_neg]
    )
    ppv, npv = bayes(sens, spec, prevalence)
    benefit = sens * prevalence - (1 - spec) * (1 - prevalence) * threshold / (1 - threshold)
    for name, values in (("ppv", ppv), ("npv", npv), ("net_benefit", benefit)):
        low, high, method = bootstrap_interval(values[1:], confidence)
        if np.isnan(values[0]):
            low, high, method = NONE, NONE, "none: nobody to count"
        within = method.replace("bootstrap", "bootstrap within classes")
        row |= {name: float(values[0]), f"{name}_low": low, f"{name}_high": high, f"{name}_ci_method": within}
    return row | {"ci_method": "Wilson; PPV, NPV and net benefit by bootstrap within classes", "note": ""}


def prevalence_table(
    frame: pd.DataFrame,
    models: Sequence[str],
    sets: Sequence[str],
    thresholds: Mapping[str, float],
    populations: Sequence[Mapping],
    confidence: float,
    replicates: int,
    seed: int,
) -> pd.DataFrame:
    """``PREVALENCE`` for the configured populations; estimated among test patients of the population's age
    only.
    """
    rows = []
    for population in populations:
        old_enough = at_least(frame["age"].to_numpy(dtype=float, na_value=np.nan), population["from_age"])
        for name in sets:
            part = frame[old_enough & (frame["set"] == name).to_numpy()]
            labels, scores = arrays(part, list(models))
            for model, values in zip(models, scores, strict=True):
                own = sub_seed(seed, "statistics", "prevalence", population["label"], name, model)
                counts = confusion(labels, values >= thresholds[model])
                numbers = at_prevalence(
                    counts, population["prevalence"], thresholds[model], confidence, replicates, own
                )
                rows.append(
                    {
                        "population": population["label"],
                        "from_age": population["from_age"],
                        "prevalence": population["prevalence"],
                        "set": name,
                        "model": model,
                        "n": len(labels),
                        "n_pos": int(labels.sum()),
                        "threshold": thresholds[model],
                        **numbers,
                    }
                )
    return pd.DataFrame(rows, columns=list(PREVALENCE))
