"""Each fold's own AUC on the test sets: DeLong on the fold's probabilities, the ensemble beside it, other
patients refused.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.statistics import FOLDS
from scripts.common.errors import StudyError
from scripts.common.tables import read_table, write_table
from scripts.statistics.delong import auc_interval, auc_with_covariance
from scripts.statistics.fold_performance import fold_table

SETS = {"internal_test": (22, 42), "external_1": (60, 55)}


@pytest.fixture
def run(tmp_path):
    """A cohort of two test sets and each fold's probabilities, the rows in another order than the
    cohort's.
    """
    rng = np.random.default_rng(3)
    rows, paths = [], {}
    for name, (n_op, n_non_op) in SETS.items():
        for i, label in enumerate([1] * n_op + [0] * n_non_op):
            rows.append(
                {c: 0 for c in COHORT}
                | {
                    "patient_id": f"P{name}{i}",
                    "image_id": f"I{name}{i}",
                    "center": name,
                    "set": name,
                    "label": label,
                }
            )
        part = pd.DataFrame(rows[-(n_op + n_non_op) :])
        folds = {
            f"fold_{k}": 1 / (1 + np.exp(-(part["label"] * 1.5 + rng.normal(0, 1 + k / 5, len(part)))))
            for k in range(3)
        }
        frame = part[["patient_id", "image_id"]].assign(deep=np.mean(list(folds.values()), axis=0), **folds)
        paths[name] = tmp_path / f"{name}.csv"
        frame.sample(frac=1, random_state=1).to_csv(paths[name], index=False)
    write_table(pd.DataFrame(rows), tmp_path / "cohort.csv", COHORT)
    return tmp_path / "cohort.csv", paths


def test_a_row_per_fold_and_one_for_the_ensemble(run):
    cohort, paths = run
    table = fold_table(paths, cohort, 0.95)
    assert list(table.columns) == list(FOLDS)
    assert list(zip(table["set"], table["fold"])) == [
        (s, f) for s in SETS for f in ("0", "1", "2", "ensemble")
    ]
    labels = read_table(cohort, COHORT).set_index("patient_id")["label"]
    for row in table.itertuples():
        scores = pd.read_csv(paths[row.set]).set_index("patient_id")
        score = scores["deep" if row.fold == "ensemble" else f"fold_{row.fold}"]
        label = labels[score.index].to_numpy(int)
        assert (row.n, row.n_pos) == (sum(SETS[row.set]), SETS[row.set][0])
        u = mannwhitneyu(score[label == 1], score[label == 0]).statistic
        assert row.auc == pytest.approx(u / (label.sum() * (1 - label).sum()), abs=1e-12)
        whole = auc_with_covariance(label, score.to_numpy()[None])
        expected = auc_interval(row.auc, float(whole.covariance[0, 0]), row.n_pos, row.n - row.n_pos, 0.95)
        assert (row.auc_low, row.auc_high) == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert row.auc_low < row.auc < row.auc_high


@pytest.mark.parametrize("fault", ["missing", "further", "twice", "no_folds", "no_probability"])
def test_scores_of_other_patients_are_refused(run, fault):
    cohort, paths = run
    path = paths["external_1"]
    frame = pd.read_csv(path)
    if fault == "missing":
        frame = frame.iloc[1:]
    elif fault == "further":
        frame = pd.concat([frame, frame.iloc[:1].assign(patient_id="Pnobody")])
    elif fault == "twice":
        frame = pd.concat([frame, frame.iloc[:1]])
    elif fault == "no_folds":
        frame = frame.drop(columns=["fold_0", "fold_1", "fold_2"])
    else:
        frame.loc[0, "fold_1"] = 1.2
    frame.to_csv(path, index=False)
    with pytest.raises(StudyError, match="external_1.csv"):
        fold_table(paths, cohort, 0.95)
