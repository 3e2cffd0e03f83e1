"""Baselines beside the models: their performance at frozen thresholds, and DeLong tests of the models against
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.common.contracts import tabular
from scripts.common.contracts.statistics import BASELINE_PERFORMANCE, DELONG
from scripts.common.cutoffs import rounded
from scripts.common.errors import StudyError
from scripts.common.tables import read_table
from scripts.common.vocabulary import BASELINES, EVERYONE_POSITIVE, OSTA_PUBLISHED
from scripts.statistics.auc_comparison import compare_set
from scripts.statistics.delong import NONE
from scripts.statistics.performance import performance_table
from scripts.statistics.thresholds import freeze
from scripts.statistics.waist import arrays

PROBABILITIES = ("age", "logistic")

AGAINST = ("deep", "combined")
"""Models that are tested against each baseline."""


def with_baselines(predictions: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """The predictions with the baselines' scores beside them.

    ``StudyError`` unless both hold the same patients.
    """
    table = read_table(path, tabular.BASELINES.only("patient_id", "center", "set", "label", *BASELINES))
    both = predictions.merge(
        table, on=["center", "patient_id", "set", "label"], how="outer", indicator=True, validate="one_to_one"
    )
    if (both["_merge"] != "both").any() or both[list(BASELINES)].isna().any().any():
        raise StudyError(
            f"'{path}' and the predictions are not of the same patients: the files are of different runs; run"
            " again."
        )
    return both.drop(columns="_merge")


def baseline_thresholds(frame: pd.DataFrame, rule: str, value: float | None) -> dict[str, tuple[float, str]]:
    """Threshold and rule of each baseline, from the train rows of ``frame`` alone.

    A fixed probability (rule ``value``) has no meaning for OSTA, which then takes the largest Youden index.
    """
    frozen = freeze(frame, PROBABILITIES, rule, value).to_dict("records")
    other = ("youden", None) if rule == "value" else (rule, value)
    frozen += freeze(frame, ["osta"], *other).to_dict("records")
    cuts = {row["model"]: (row["threshold"], row["rule"]) for row in frozen}
    return cuts | {OSTA_PUBLISHED: (1.0, "published")}


def baseline_performance(
    frame: pd.DataFrame,
    sets: Sequence[str],
    cuts: Mapping[str, tuple[float, str]],
    confidence: float,
    replicates: int,
    seed: int,
) -> pd.DataFrame:
    """``BASELINE_PERFORMANCE``: every baseline in every test set at its frozen threshold, and OSTA at the
    published one.
    """
    scored = frame.assign(**{OSTA_PUBLISHED: rounded(frame["osta"])})
    names = [*BASELINES, OSTA_PUBLISHED]
    thresholds = {name: cut for name, (cut, _) in cuts.items()}
    table = performance_table(scored, names, sets, thresholds, confidence, replicates, seed)
    table = table[table["model"] != EVERYONE_POSITIVE].reset_index(drop=True)
    brier = []
    for row in table.itertuples():
        part = scored[scored["set"] == row.set]
        known = row.model in PROBABILITIES and len(part)
        brier.append(float(np.mean((part[row.model] - part["label"].astype(float)) ** 2)) if known else NONE)
    return table.assign(rule=[cuts[name][1] for name in table["model"]], brier=brier)[
        list(BASELINE_PERFORMANCE)
    ]


def baseline_delong(
    frame: pd.DataFrame, sets: Sequence[str], confidence: float, proc: object | None
) -> pd.DataFrame:
    """``DELONG``: the deep and the combined model against each baseline; Holm's adjustment over these tests
    of a set.
    """
    names = [*AGAINST, *BASELINES]
    pairs = [(model, baseline) for model in AGAINST for baseline in BASELINES]
    rows = []
    for name in sets:
        labels, scores = arrays(frame[frame["set"] == name], names)
        rows += [
            {"set": name, **row, "primary": 0}
            for row in compare_set(labels, scores, names, pairs, confidence, proc, name)
        ]
    return pd.DataFrame(rows, columns=list(DELONG))
