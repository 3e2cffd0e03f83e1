"""Tables of ``tests.bench.real`` from its rows: AUCs with intervals, and differences to the anchor."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scripts.networks.collapse import logit_spread
from scripts.statistics.delong import auc_of, auc_with_covariance, compare

if TYPE_CHECKING:
    from tests.bench.real import Found

CONFIDENCE = 0.95


def half_of(patient_id: str) -> int:
    """The half that a patient belongs to, 1 or 2, for good: recipes are chosen on one and confirmed on the
    other.
    """
    return 1 + hashlib.sha256(f"half {patient_id}".encode()).digest()[0] % 2


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def auc_text(labels: np.ndarray, scores: np.ndarray) -> str:
    """An AUC with DeLong's interval."""
    found = auc_of(labels, scores, CONFIDENCE)
    if np.isnan(found["auc_low"]):
        return _number(found["auc"])
    return f"{found['auc']:.3f} ({found['auc_low']:.3f} to {found['auc_high']:.3f})"


def difference_text(labels: np.ndarray, scores: np.ndarray, anchor: np.ndarray) -> str:
    """The difference of two paired AUCs with DeLong's interval."""
    found = compare(auc_with_covariance(labels, np.stack([scores, anchor])), 0, 1, CONFIDENCE)
    if np.isnan(found.low):
        return ""
    return f"{found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def _auc(labels: np.ndarray, scores: np.ndarray) -> float:
    return float(auc_with_covariance(labels, scores).auc[0])


def scores_of(row: Mapping[str, Any], cohort: pd.DataFrame) -> np.ndarray:
    """A row's scores of the patients of ``cohort``, in their order. ``KeyError`` where one has none."""
    return np.array([row["scores"][image] for image in cohort.index])


TITLES = (
    "recipe",
    "patients",
    "AUC (worst seed)",
    "all seeds",
    "mean of seeds",
    "difference to the anchor (worst seed)",
    "within AP",
    "within PA",
    "outside",
    "difference outside",
    "SD of logits",
    "started once more",
    "processor minutes",
    "of the views",
)
"""Titles of a task's table. Minutes are of one seed: in all folds, and beside that for the kept views."""


def patients_of(cohort: pd.DataFrame, half: int | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The training patients, of one half where it is given, and the external ones."""
    inside, outside = cohort[cohort["fold"].notna()], cohort[cohort["fold"].isna()]
    if half is not None:
        inside = inside[[half_of(patient) == half for patient in inside["patient_id"]]]
    return inside, outside


def lines_of(
    rows: Sequence[Mapping[str, Any]],
    cohort: pd.DataFrame,
    anchor: Sequence[Mapping[str, Any]],
    half: int | None,
) -> list[str]:
    """The cells of a recipe on a task; ``anchor`` has the rows of the recipe that it is compared with."""
    inside, outside = patients_of(cohort, half)
    labels = inside["label"].to_numpy()
    folds = [row for row in rows if row["what"] == "folds"]
    scores = [scores_of(row, inside) for row in folds]
    aucs = [_auc(labels, one) for one in scores]
    worst = scores[int(np.argmin(aucs))]
    others = [row for row in anchor if row["recipe"] != folds[0]["recipe"]]
    compared = next((scores_of(row, inside) for row in others if row["what"] == "folds"), None)
    cells = [str(len(inside)), auc_text(labels, worst), ", ".join(map(_number, aucs))]
    cells.append(auc_text(labels, np.mean(scores, axis=0)) if len(scores) > 1 else "")
    cells.append("" if compared is None else difference_text(labels, worst, compared))
    for view in ("AP", "PA"):
        here = (inside["view"] == view).to_numpy()
        both = len(np.unique(labels[here])) == 2
        cells.append(_number(_auc(labels[here], worst[here])) if both else "")
    cells += _outside(rows, others, outside)
    cells.append(f"{statistics.median(map(logit_spread, scores)):.2f}")
    again = sum(attempts > 1 for row in folds for attempts in row.get("attempts", []))
    cells.append(str(again) if again else "")
    cells.append(f"{statistics.median(row['minutes'] for row in folds):.1f}")
    views = max(row.get("views_minutes", 0) for row in folds)
    cells.append(f"{views:.1f}" if views else "")
    return cells


def _outside(
    rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]], outside: pd.DataFrame
) -> list[str]:
    """AUC in the external hospital and its difference to the anchor's; empty where nothing was scored."""
    beyond = next((row for row in rows if row["what"] == "external"), None)
    anchor = next((row for row in others if row["what"] == "external"), None)
    if beyond is None:
        return ["", ""]
    labels, scores = outside["label"].to_numpy(), scores_of(beyond, outside)
    compared = "" if anchor is None else difference_text(labels, scores, scores_of(anchor, outside))
    return [auc_text(labels, scores), compared]


def _null_sd(labels: np.ndarray) -> float:
    """SD of an AUC without any information (Mann-Whitney)."""
    positive = int(labels.sum())
    return float(np.sqrt((len(labels) + 1) / (12 * positive * (len(labels) - positive))))


def permuted_text(aucs: Sequence[float], found: Found) -> str:
    """What the anchor learned from permuted labels, beside what it learned."""
    inside, _ = patients_of(found.cohort, None)
    labels = inside["label"].to_numpy()
    observed = _auc(labels, scores_of(found.rows["anchor"][0], inside))
    if not aucs:
        return ""
    above = sum(observed > auc for auc in aucs)
    spread = statistics.stdev(aucs) if len(aucs) > 1 else float("nan")
    return (
        f"Anchor, labels permuted {len(aucs)} times: mean AUC {statistics.mean(aucs):.3f}, SD {spread:.3f},"
        f" largest {max(aucs):.3f}; observed {observed:.3f}, above {above} of {len(aucs)}."
    )


def permuted_tasks(found: Sequence[Found]) -> str:
    """Of each recipe that learned several permutations: its mean AUC, and the limits that it should keep."""
    groups: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for one in found:
        if one.task.permutation is None:
            continue
        inside, _ = patients_of(one.cohort, None)
        labels = inside["label"].to_numpy()
        for name, rows in one.rows.items():
            aucs = [_auc(labels, scores_of(row, inside)) for row in rows if row["what"] == "folds"]
            groups.setdefault((one.task.label, name), []).append((aucs[0], _null_sd(labels)))
    lines = []
    for (label, name), told in groups.items():
        if len(told) > 1:
            aucs, half = [auc for auc, _ in told], 2 * told[0][1] / np.sqrt(len(told))
            mean = statistics.mean(aucs)
            within = "yes" if abs(mean - 0.5) <= half else "no"
            limits = f"{0.5 - half:.3f} to {0.5 + half:.3f}"
            lines.append([label, name, ", ".join(map(_number, aucs)), f"{mean:.3f}", limits, within])
    titles = ("labels permuted", "recipe", "AUCs", "mean", "limits", "within")
    return markdown(titles, lines) if lines else ""


def doses(found: Sequence[Found]) -> str:
    """The worst seed's AUC of each recipe over the doses of planted bone."""
    planted = sorted((one for one in found if one.task.dose is not None), key=lambda one: one.task.dose)
    if len(planted) < 2:
        return ""
    names = dict.fromkeys(name for one in planted for name in one.rows)
    lines = []
    for name in names:
        cells = []
        for one in planted:
            inside, _ = patients_of(one.cohort, None)
            labels = inside["label"].to_numpy()
            rows = [row for row in one.rows.get(name, []) if row["what"] == "folds"]
            scores = [scores_of(row, inside) for row in rows]
            cells.append(auc_text(labels, min(scores, key=lambda s: _auc(labels, s))) if scores else "")
        lines.append([name, *cells])
    return markdown(["planted bone", *(f"{one.task.dose:g} %" for one in planted)], lines)


def correlations(cohort: pd.DataFrame) -> str:
    """How the planted T-score goes with sex, age and view among the training patients."""
    inside, _ = patients_of(cohort, None)
    traits = {
        "female": inside["sex"].eq("F"),
        "age": inside["age"],
        "AP": inside["view"].eq("AP"),
    }
    told = [
        f"{name} {np.corrcoef(values.astype(float), inside['t_score'])[0, 1]:+.3f}"
        for name, values in traits.items()
    ]
    limit = 2 / np.sqrt(len(inside))
    return f"Correlation of the planted T-score with {', '.join(told)} (chance: within {limit:.3f})."


def markdown(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table without the columns that are empty in every line."""
    kept = [n for n in range(len(titles)) if n == 0 or any(line[n] for line in lines)]
    rows = [[line[n] for n in kept] for line in ([*titles], ["--"] * len(titles), *lines)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
