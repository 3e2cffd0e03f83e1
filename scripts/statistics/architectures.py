"""The study's networks side by side: size, time of training, and how well each scores beside the main one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from scripts.common.contracts.contract import with_interval
from scripts.common.contracts.statistics import ARCHITECTURES
from scripts.statistics.auc_comparison import compare_set
from scripts.statistics.calibration import calibrate
from scripts.statistics.delong import NONE, auc_interval, auc_with_covariance
from scripts.statistics.scored_cohort import by_set


def training_minutes(paths: Sequence[str | Path]) -> float:
    """Minutes that the trainings of a network took together, by the ``trained_on.json`` of each; NaN where
    one doesn't tell, as those of version 0.1.0.
    """
    seconds = [json.loads(Path(path).read_text(encoding="utf-8")).get("seconds") for path in paths]
    return NONE if None in seconds else sum(seconds) / 60


_TEST = ("p_value", "p_holm", "engine", "note")


def architecture_table(
    frame: pd.DataFrame,
    roles: Mapping[str, str],
    parameters: Mapping[str, int],
    minutes: Mapping[str, float],
    sets: Sequence[str],
    confidence: float,
    proc: object | None,
) -> pd.DataFrame:
    """``ARCHITECTURES``.

    ``roles`` gives each network's role, the main network's first; ``frame`` holds their scores;
    ``parameters`` are weights of one training, ``minutes`` of all.
    """
    names = list(roles)
    pairs = [(name, names[0]) for name in names[1:]]
    rows = []
    for name, labels, scores in by_set(frame, names, sets):
        n, n_pos = len(labels), int(labels.sum())
        result = auc_with_covariance(labels, scores)
        tests = {
            test["model_a"]: test
            for test in compare_set(labels, scores, names, pairs, confidence, proc, name)
        }
        for i, network in enumerate(names):
            auc = float(result.auc[i])
            shown = auc_interval(auc, float(result.covariance[i, i]), n_pos, n - n_pos, confidence)
            calibration, _ = calibrate(labels, scores[i], confidence)
            test = tests.get(network, {})
            rows.append(
                {
                    "set": name,
                    "model": network,
                    "role": roles[network],
                    "n_parameters": parameters[network],
                    "training_minutes": minutes[network],
                    "n": n,
                    "n_pos": n_pos,
                    **dict(zip(with_interval("auc"), (auc, shown.low, shown.high, shown.method))),
                    **{key: test.get(key) for key in (*with_interval("difference"), *_TEST)},
                    **{key: calibration.get(key) for key in ("brier", *with_interval("slope"))},
                }
            )
    return pd.DataFrame(rows, columns=list(ARCHITECTURES))
