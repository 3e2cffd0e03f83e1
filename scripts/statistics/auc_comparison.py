"""DeLong tests between all models in every test set: pROC's numbers, with our own as a check that fails
loudly.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from scripts.common.contracts.statistics import DELONG
from scripts.common.errors import StudyError
from scripts.statistics.delong import Comparison, auc_with_covariance, compare, holm
from scripts.statistics.scored_cohort import by_set

_METHODS = {"": "DeLong, Wald", "same ranking": "exact: same ranking"}

AUC_TOLERANCE = 1e-12
Z_TOLERANCE = 1e-9


def model_pairs(models: Sequence[str], primary: Sequence[str]) -> list[tuple[str, str]]:
    """All pairs of models, the primary contrast first; its first model stands first in every pair it is in.

    Without a primary contrast the pairs stand in the models' order.
    """
    if not primary:
        return list(itertools.combinations(models, 2))
    pairs = []
    for a, b in itertools.combinations(models, 2):
        pairs.append(
            (b, a) if b == primary[0] or (a == primary[1] and a != primary[0] and b == primary[0]) else (a, b)
        )
    declared = tuple(primary)
    return sorted(pairs, key=lambda pair: pair != declared)


def check_against(own: Comparison, proc_auc: tuple[float, float], proc_z: float, where: str) -> None:
    """``StudyError`` when pROC and our own DeLong differ by more than 1e-12 in an AUC or 1e-9 in Z."""
    auc_gap = max(abs(own.auc_a - proc_auc[0]), abs(own.auc_b - proc_auc[1]))
    z_gap = 0.0 if math.isnan(own.z) else abs(own.z - proc_z)
    if not auc_gap <= AUC_TOLERANCE or not z_gap <= Z_TOLERANCE * max(1.0, abs(own.z)):
        raise StudyError(
            f"pROC and the built-in DeLong test disagree for {where} (AUC by {auc_gap:.3g}, Z by"
            f" {z_gap:.3g}); neither is written. Please report this with the versions of R and pROC; it"
            " should not happen."
        )


def compare_set(
    labels: np.ndarray,
    scores: np.ndarray,
    models: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    confidence: float,
    proc: object | None,
    where: str,
) -> list[dict]:
    """The rows of one set. ``proc`` is a ``Proc``, or None for our own test alone.

    pROC is not asked where a class has fewer than two patients: there is no test then, and it stops.
    """
    result = auc_with_covariance(labels, scores)
    rows = []
    for a, b in pairs:
        i, j = models.index(a), models.index(b)
        own = compare(result, i, j, confidence)
        row = {
            "model_a": a,
            "model_b": b,
            "auc_a": own.auc_a,
            "auc_b": own.auc_b,
            "difference": own.difference,
            "difference_low": own.low,
            "difference_high": own.high,
            "z": own.z,
            "p_value": own.p_value,
            "engine": "numpy",
            "n": len(labels),
            "n_pos": int(labels.sum()),
            "note": own.note,
            "difference_ci_method": _METHODS.get(own.note, f"none: {own.note}"),
        }
        if proc is not None and min(labels.sum(), (1 - labels).sum()) >= 2:
            theirs = proc.compare(labels, scores[i], scores[j], confidence)
            same = own.note == "same ranking"
            check_against(
                own, (theirs.auc_a, theirs.auc_b), own.z if same else theirs.z, f"{a} against {b} in {where}"
            )
            row |= {"auc_a": theirs.auc_a, "auc_b": theirs.auc_b, "engine": "pROC"}
            if not own.note:
                row |= {"difference": theirs.auc_a - theirs.auc_b, "z": theirs.z, "p_value": theirs.p_value}
        rows.append(row)
    adjusted = holm(np.array([row["p_value"] for row in rows]))
    for row, p in zip(rows, adjusted, strict=True):
        row["p_holm"] = p
    return rows


def delong_table(
    frame: pd.DataFrame,
    models: Sequence[str],
    sets: Sequence[str],
    primary: Sequence[str],
    confidence: float,
    proc: object | None,
) -> pd.DataFrame:
    """``DELONG`` for all test sets; an empty ``primary`` declares no contrast, and one model alone has no
    test.

    Raises ``StudyError`` where the declared primary contrast names no model.
    """
    models = list(models)
    unknown = [name for name in primary if name not in models]
    if unknown:
        raise StudyError(
            f"statistics.primary_contrast: there is no model '{unknown[0]}'; the models are:"
            f" {', '.join(models)}."
        )
    pairs = model_pairs(models, primary)
    rows = []
    for name, labels, scores in by_set(frame, models, sets):
        for row in compare_set(labels, scores, models, pairs, confidence, proc, name):
            is_primary = {row["model_a"], row["model_b"]} == set(primary)
            rows.append({"set": name, **row, "primary": int(is_primary)})
    return pd.DataFrame(rows, columns=list(DELONG))


def engine_record(proc: object | None) -> dict[str, str]:
    """Which engine made the tests, and its versions; ``not used`` where R was not asked."""
    if proc is None:
        return {"engine": "numpy", "R": "not used", "pROC": "not used", "numpy": np.__version__}
    return {"engine": "r", **proc.versions, "numpy": np.__version__}
