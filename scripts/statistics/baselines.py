"""Baselines beside the models: their performance at frozen thresholds, and DeLong tests of the models against
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.common.contracts.models import SET_SCORES
from scripts.common.contracts.statistics import BASELINE_PERFORMANCE, DELONG
from scripts.common.errors import StudyError
from scripts.common.study_models import PUBLISHED
from scripts.common.tables import read_table
from scripts.common.vocabulary import EVERYONE_POSITIVE
from scripts.statistics.auc_comparison import compare_set
from scripts.statistics.delong import NONE
from scripts.statistics.performance import performance_table
from scripts.statistics.scored_cohort import by_set

PUBLISHED_CUT = (1.0, "published")
"""OSTA's cut-off on minus the index (an index of -1 or below; Koh et al. 2001), and the name of its rule."""


def with_published(
    predictions: pd.DataFrame, osta: Sequence[str], scores: Mapping[tuple[str, str], str | Path]
) -> pd.DataFrame:
    """The predictions with a column ``<model>_published`` for each OSTA: minus its index, where it is known.

    ``scores`` gives the file (SET_SCORES) of a model and test set. ``StudyError`` unless it holds the set's
    patients, each once.
    """
    frame = predictions.assign(**{name + PUBLISHED: NONE for name in osta})
    for (model, name), path in scores.items():
        table = read_table(path, SET_SCORES.only("patient_id", "raw"))
        inside = frame["set"] == name
        who = frame.loc[inside, "patient_id"]
        if sorted(table["patient_id"]) != sorted(who) or table["raw"].isna().any():
            raise StudyError(
                f"'{path}' does not hold exactly the patients of 'results/predictions.csv'. Delete the file"
                " and run again; it is made anew."
            )
        frame.loc[inside, model + PUBLISHED] = who.map(table.set_index("patient_id")["raw"])
    return frame


def baseline_performance(
    frame: pd.DataFrame,
    baselines: Sequence[str],
    sets: Sequence[str],
    cuts: Mapping[str, tuple[float, str]],
    confidence: float,
    replicates: int,
    seed: int,
) -> pd.DataFrame:
    """``BASELINE_PERFORMANCE``: every baseline in every test set at its frozen threshold, each OSTA also at
    the published one.

    ``frame`` comes from ``with_published``, ``cuts`` are the baselines' thresholds and rules.
    """
    published = {name: PUBLISHED_CUT for name in frame.columns if name.endswith(PUBLISHED)}
    names = list(baselines)
    for name in published:
        model = name.removesuffix(PUBLISHED)
        names.insert(names.index(model) + 1 if model in names else len(names), name)
    chosen = {**cuts, **published}
    thresholds = {name: chosen[name][0] for name in names}
    table = performance_table(frame, names, sets, thresholds, confidence, replicates, seed)
    table = table[table["model"] != EVERYONE_POSITIVE].reset_index(drop=True)
    brier = []
    for row in table.itertuples():
        part = frame[frame["set"] == row.set]
        known = row.model not in published and len(part)
        brier.append(float(np.mean((part[row.model] - part["label"].astype(float)) ** 2)) if known else NONE)
    rules = [chosen[name][1] for name in table["model"]]
    return table.assign(rule=rules, brier=brier)[list(BASELINE_PERFORMANCE)]


def baseline_delong(
    frame: pd.DataFrame,
    tested: Sequence[str],
    baselines: Sequence[str],
    sets: Sequence[str],
    confidence: float,
    proc: object | None,
) -> pd.DataFrame:
    """``DELONG``: the ``tested`` models against each baseline; Holm's adjustment over these tests of a
    set.
    """
    names = [*tested, *baselines]
    pairs = [(model, baseline) for model in tested for baseline in baselines]
    rows = []
    for name, labels, scores in by_set(frame, names, sets):
        rows += [
            {"set": name, **row, "primary": 0}
            for row in compare_set(labels, scores, names, pairs, confidence, proc, name)
        ]
    return pd.DataFrame(rows, columns=list(DELONG))
