"""Sensitivity analyses: would other choices of patients, of the DXA window or of the reference standard tell
another story?
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from scripts.common.contracts.statistics import SENSITIVITY
from scripts.common.cutoffs import at_most
from scripts.common.seeds import sub_seed
from scripts.common.vocabulary import ALSO_KNOWN, CLINICAL
from scripts.statistics.delong import NONE, auc_with_covariance, influences, no_interval
from scripts.statistics.performance import bootstrap_interval, joint_draws, ratio, wilson
from scripts.statistics.scored_cohort import ScoredCohort
from scripts.statistics.subgroups import measures, months_apart

WINDOWS = (1, 3)
"""Narrower windows between film and DXA exam, in calendar months."""

SINGLE_SITES = ("lumbar", "femoral_neck")
"""Sites whose T-score alone gives the label in an analysis of its own."""

OVERLAPPING = "DeLong, overlapping groups"
NEWCOMBE = "Newcombe, kept against left out"
SAME = "none: the main analysis' own patients"


@dataclass(frozen=True)
class Analysis:
    """Who is in an analysis, (n,) of booleans, and with which labels, (n,) of 0 and 1 (of no meaning where
    left out).
    """

    name: str
    kept: np.ndarray
    labels: np.ndarray
    note: str = ""


def _known(frame: pd.DataFrame) -> pd.DataFrame:
    """Which cells hold a value."""
    return frame.notna() & frame.ne("").fillna(False)


def recorded(frame: pd.DataFrame) -> set[str]:
    """The variables that at least one patient has a value of."""
    return set(frame.columns[_known(frame).any()])


def analyses(
    frame: pd.DataFrame,
    op_t_score: float,
    variables: Collection[str],
    most_sites: int = 0,
    predictors: Sequence[str] = (),
) -> list[Analysis]:
    """The main analysis and the others, for the patients of ``frame``, that the study's recorded
    ``variables`` allow.

    Where one site alone gives the label, it is that of ``label_<site>``; in a cohort without this column a
    T-score of the site at or below ``op_t_score`` is osteoporosis. Patients without either are left out.
    ``most_sites`` is the largest number of known sites that a patient of the study has; those with fewer are
    left out of the analysis of that name. Complete cases have a value of every recorded clinical variable and
    of those ``predictors`` that anybody in ``frame`` has: a centre's table may lack one.
    """
    labels = frame["label"].to_numpy(dtype=np.int64)
    everybody = np.ones(len(frame), dtype=bool)
    found = [Analysis("main", everybody, labels)]
    if "review" in variables:
        found.append(
            Analysis("without_review", (frame["review"].fillna(0) != 1).to_numpy(dtype=bool), labels)
        )
    if not {"dxa_interval_months", "dxa_interval_days"}.isdisjoint(variables):
        months, counted = months_apart(frame)
        for window in WINDOWS:
            name = f"dxa_within_{window}_month" + ("s" if window > 1 else "")
            found.append(Analysis(name, months <= window, labels, counted))
    if most_sites > 1:
        known = (frame["n_sites"].fillna(0) >= most_sites).to_numpy(dtype=bool)
        note = "" if known.any() else f"refused: nobody has {most_sites} sites known"
        found.append(Analysis("most_sites", known, labels, note))
    if "t_score" in variables or not {f"label_{site}" for site in SINGLE_SITES}.isdisjoint(variables):
        found += [_by_site(frame, site, labels, op_t_score) for site in SINGLE_SITES]
    further = [name for name in predictors if name in recorded(frame)]
    needed = [*(name for name in CLINICAL if name in variables), *further]
    if needed:
        complete = _known(frame[needed]).all(axis=1).to_numpy(dtype=bool)
        note = ALSO_KNOWN + ", ".join(further) if further else ""
        found.append(Analysis("complete_cases", complete, labels, note))
    return found


def _by_site(frame: pd.DataFrame, site: str, labels: np.ndarray, op_t_score: float) -> Analysis:
    name, column = f"{site}_only", f"t_score_{site}"
    nobody = np.zeros(len(frame), dtype=bool)
    if f"label_{site}" in frame.columns:
        told = pd.to_numeric(frame[f"label_{site}"], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        known = np.isfinite(told)
        if known.any():
            return Analysis(name, known, np.where(known, told, labels).astype(np.int64))
    if column not in frame.columns:
        return Analysis(
            name,
            nobody,
            labels,
            f"refused: cohort.csv has no {column}, and t_score alone is that of the lowest site",
        )
    scores = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float)
    known = np.isfinite(scores)
    if not known.any():
        return Analysis(name, nobody, labels, f"refused: nobody has a {column}")
    return Analysis(name, known, np.where(known, at_most(scores, op_t_score), labels).astype(np.int64))


def auc_change(
    labels: np.ndarray, scores: np.ndarray, analysis: Analysis, confidence: float
) -> tuple[float, float, float, str]:
    """AUC of the analysis minus that of all patients, with a Wald interval and its method (or why there is
    none).

    The two groups overlap, so their AUCs are correlated: the variance comes from what each patient adds to
    both (``delong.influences``). ``labels`` (n,) are those of the main analysis, ``scores`` (n,) of one
    model.
    """
    own, kept = analysis.labels[analysis.kept], analysis.kept
    auc, reasons = [], []
    for group, values in ((own, scores[kept]), (labels, scores)):
        result, n_pos = auc_with_covariance(group, values), int(group.sum())
        auc.append(float(result.auc[0]))
        reasons.append(no_interval(auc[-1], float(result.covariance[0, 0]), n_pos, len(group) - n_pos))
    difference = auc[0] - auc[1]
    if kept.all() and (own == labels).all():
        return difference, NONE, NONE, SAME
    if any(reasons):
        return difference, NONE, NONE, reasons[0] or reasons[1]
    added = np.zeros(len(labels))
    added[kept] = influences(own, scores[kept])[1]
    error = np.sqrt(((added - influences(labels, scores)[1]) ** 2).sum())
    half = float(ndtri(0.5 + confidence / 2) * error)
    return difference, max(-1.0, difference - half), min(1.0, difference + half), OVERLAPPING


def newcombe(top_1: int, n_1: int, top_2: int, n_2: int, confidence: float) -> tuple[float, float]:
    """Interval of the difference of two independent proportions from their Wilson intervals (Newcombe, Stat
    Med 1998;17:873).
    """
    p_1, p_2 = top_1 / n_1, top_2 / n_2
    (low_1, high_1), (low_2, high_2) = wilson(top_1, n_1, confidence), wilson(top_2, n_2, confidence)
    difference = p_1 - p_2
    return difference - np.hypot(p_1 - low_1, high_2 - p_2), difference + np.hypot(high_1 - p_1, p_2 - low_2)


def rate_change(
    labels: np.ndarray,
    right: np.ndarray,
    analysis: Analysis,
    label: int,
    confidence: float,
    replicates: int,
    seed: int,
) -> tuple[float, float, float, str]:
    """Sensitivity (``label`` 1) or specificity (0) of the analysis minus that of all patients, with interval
    and method.

    ``right`` (n,) says whose call agrees with ``label``. Where the analysis keeps the labels, the change is
    the share that it leaves out times the difference between those kept and those left out, who are
    independent groups: Newcombe's interval of that difference, times the share. Where it changes labels, a
    paired bootstrap of whole patients.
    """
    every, inside = labels == label, analysis.kept & (analysis.labels == label)
    if not every.any() or not inside.any():
        return NONE, NONE, NONE, "none: nobody to count"
    difference = float(right[inside].mean() - right[every].mean())
    if not (analysis.labels != labels)[analysis.kept].any():
        out = every & ~inside
        if not out.any():
            return 0.0, NONE, NONE, SAME
        ends = newcombe(
            int(right[inside].sum()), int(inside.sum()), int(right[out].sum()), int(out.sum()), confidence
        )
        share = out.sum() / every.sum()
        return difference, float(ends[0] * share), float(ends[1] * share), NEWCOMBE
    draws, in_main, (in_analysis, correct) = joint_draws(every, np.vstack([inside, right]), replicates, seed)
    rates = [ratio(draws @ (group & correct), draws @ group) for group in (in_analysis, in_main)]
    return difference, *bootstrap_interval(rates[0] - rates[1], confidence)


def sensitivity_table(
    scored: ScoredCohort,
    models: Sequence[str],
    sets: Sequence[str],
    thresholds: Mapping[str, float],
    op_t_score: float,
    confidence: float,
    replicates: int,
    seed: int,
    predictors: Sequence[str] = (),
) -> pd.DataFrame:
    """``SENSITIVITY``: each analysis in each set, and its difference from the main one.

    ``predictors`` are the study's own variables that the models predict from. An analysis on a variable that
    no patient has is left out.
    """
    models, variables, rows = list(models), recorded(scored.patients), []
    most_sites = int(scored.patients["n_sites"].max()) if "n_sites" in variables else 0
    for name in sets:
        part = scored.of_set(name)
        labels, scores = part.arrays(models)
        for analysis in analyses(part.patients, op_t_score, variables, most_sites, predictors):
            own = measures(
                analysis.labels[analysis.kept], scores[:, analysis.kept], models, thresholds, confidence
            )
            for row, values in zip(own, scores, strict=True):
                called = values >= thresholds[row["model"]]
                changes = {"auc": auc_change(labels, values, analysis, confidence)}
                for metric, label, right in (("sensitivity", 1, called), ("specificity", 0, ~called)):
                    own_seed = sub_seed(
                        seed, "statistics", "sensitivity", name, analysis.name, row["model"], metric
                    )
                    changes[metric] = rate_change(
                        labels, right, analysis, label, confidence, replicates, own_seed
                    )
                row = {"analysis": analysis.name, "set": name, **row, "note": analysis.note}
                for metric, change in changes.items():
                    row |= dict(
                        zip(
                            [f"{metric}_minus_main{end}" for end in ("", "_low", "_high", "_ci_method")],
                            change,
                            strict=True,
                        )
                    )
                rows.append(row)
    return pd.DataFrame(rows, columns=list(SENSITIVITY))
