"""The deep model reads the films' bone signal: its AUC on the shipped study, and what is left of it without
the signal.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "results/statistics/table2.csv"


@pytest.fixture(scope="module")
def shipped_aucs() -> dict[tuple[str, str], float]:
    if not DEMO.is_file():
        pytest.skip("the shipped study has not run here: `make demo` makes it")
    with DEMO.open(newline="") as stream:
        return {(r["set"], r["model"]): float(r["auc"]) for r in csv.DictReader(stream)}


def test_deep_auc_of_the_internal_test_set(shipped_aucs):
    assert shipped_aucs["internal_test", "deep"] >= 0.85


@pytest.mark.parametrize("name", ["external_1", "external_2"])
def test_direction_in_the_external_sets(shipped_aucs, name):
    assert shipped_aucs[name, "deep"] > 0.5


def test_mean_brightness_of_the_shipped_films_tells_little(shipped_aucs):
    """A model that reads brightness would fail: the AUC of each global measure in the development centre is
    near a half.
    """
    cohort = pd.read_csv(ROOT / "results/cohort/cohort.csv")
    measures = pd.read_csv(ROOT / "results/intake/exposure.csv")
    both = cohort[cohort["center"] == "internal"].merge(measures, on="image_id")
    assert len(both) == 320
    assert 0.4 < roc_auc_score(both["label"], both["mean"]) < 0.6
    assert 0.35 < roc_auc_score(both["label"], both["value_range"]) < 0.65


@pytest.mark.slow
def test_without_the_density_signal_the_score_says_no_more_than_age_and_sex(fresh_study):
    """One fold on films whose bone doesn't follow the T-score: its AUC is at chance, or what anatomy tells of
    age and sex.
    """
    study = fresh_study("no_signal")
    study.configfile = "config/no_signal.yaml"
    (study.path / study.configfile).write_text(
        yaml.safe_dump(
            {
                "centers": [
                    {
                        "name": "internal",
                        "role": "development",
                        "batches": 2,
                        "simulate": {
                            "like": "internal",
                            "n_op": 80,
                            "n_non_op": 120,
                            "density_signal": False,
                            "trouble": False,
                        },
                    }
                ],
                "cohort": {"test_fraction": 0.4},
                "models": {"deep": {"training": {"epochs": 6}}},
            }
        )
    )
    fold, cache = "results/models/deep/fold_0", "state/cache/384/internal_test"
    study.snakemake("--", f"{fold}/held_out.csv", f"{cache}/index.csv")
    subprocess.run(
        [sys.executable, "-m", "scripts.networks.score_images", "--cache", cache, "--weights",
         f"{fold}/weights.pt", "--output", "unseen.csv", "--device", "cpu", "--threads", "1"],
        cwd=study.path, check=True, capture_output=True,
    )  # fmt: skip
    scores = pd.concat(
        [
            pd.read_csv(study.path / fold / "held_out.csv")[["patient_id", "score"]],
            pd.read_csv(study.path / "unseen.csv")[["patient_id", "score"]],
        ]
    )
    cohort = pd.concat(
        pd.read_csv(study.path / f"results/cohort/{name}.csv") for name in ("train", "internal_test")
    )
    both = cohort.merge(scores, on="patient_id")
    assert len(both) == 80 + 24
    auc = roc_auc_score(both["label"], both["score"])
    by_age = roc_auc_score(both["label"], both["age"])
    by_sex = roc_auc_score(both["label"], both["sex"] == "F")
    chance = 0.5 + 1.96 * np.sqrt((len(both) + 1) / (12 * both["label"].sum() * (both["label"] == 0).sum()))
    assert auc < max(chance, by_age, by_sex)
    assert auc < 0.75
