"""Whether the split's strata are today's: true after a draw, said where patients or labels changed since."""

from __future__ import annotations

import pandas as pd
import pytest

from scripts.cohort.split import empty_lock, split_patients
from scripts.common.contracts.cohort import COHORT
from scripts.common.key import simulated_key
from scripts.common.strata import read_strata, strata_of, strata_of_frame
from scripts.common.tables import write_table

KEY = simulated_key(7)
SETTINGS = {"test_fraction": 0.2, "folds": 5, "center": "alpha", "lock": "state/split_lock.csv"}


def people(n_op, n_non_op):
    labels = [1] * n_op + [0] * n_non_op
    return pd.DataFrame(
        {"patient_id": [f"P{i:05d}" for i in range(len(labels))], "label": pd.array(labels, dtype="Int64")}
    )


def strata(cohort):
    return strata_of_frame(cohort, 0.2, 5)


@pytest.mark.parametrize("sizes", [(20, 30), (112, 208), (1518, 2760), (13, 12), (10, 300)])
def test_a_fresh_draw_is_stratified(sizes):
    found = strata(split_patients(people(*sizes), empty_lock(), SETTINGS, KEY)[0])
    assert found.hold and found.warnings() == [] and found.train.n + found.test.n == sum(sizes)


def test_labels_that_change_after_the_draw_are_said():
    """100 patients with osteoporosis of 500; then 10 of the internal test set's others are found to have
    it.
    """
    drawn, lock = split_patients(people(100, 400), empty_lock(), SETTINGS, KEY)
    moved = drawn.copy()
    others = moved.index[(moved["set"] == "internal_test") & (moved["label"] == 0)][:10]
    moved.loc[others, "label"] = 1
    again, _ = split_patients(moved[["patient_id", "label"]], lock, SETTINGS, KEY)
    assert (again["set"] == drawn["set"]).all(), "the lock keeps everybody where he was drawn"
    found = strata(again)
    assert not found.sets_hold and found.folds_hold
    assert (found.train.share, found.test.share) == (0.2, 0.3)
    assert (
        len(found.warnings()) == 1
        and "20.0 % of training and 30.0 % of the internal test set" in found.warnings()[0]
    )


def test_one_label_counts_in_a_small_study():
    drawn, lock = split_patients(people(10, 40), empty_lock(), SETTINGS, KEY)
    moved = drawn.copy()
    moved.loc[moved.index[(moved["set"] == "internal_test") & (moved["label"] == 0)][0], "label"] = 1
    found = strata(split_patients(moved[["patient_id", "label"]], lock, SETTINGS, KEY)[0])
    assert not found.sets_hold and (found.train.share, found.test.share) == (0.2, 0.3)


def test_patients_who_leave_are_said():
    drawn, lock = split_patients(people(100, 400), empty_lock(), SETTINGS, KEY)
    stay = drawn[~((drawn["set"] == "internal_test") & (drawn.groupby("set").cumcount() % 2 == 0))]
    found = strata(split_patients(stay[["patient_id", "label"]], lock, SETTINGS, KEY)[0])
    assert found.test.n == 50 and not found.sets_hold and "11.1 % of the patients" in found.warnings()[0]


def test_folds_whose_labels_change_are_said():
    drawn, lock = split_patients(people(100, 400), empty_lock(), SETTINGS, KEY)
    moved = drawn.copy()
    for fold, old in ((0, 1), (1, 0)):
        rows = moved.index[(moved["set"] == "train") & (moved["fold"] == fold) & (moved["label"] == old)][:8]
        moved.loc[rows, "label"] = 1 - old
    found = strata(split_patients(moved[["patient_id", "label"]], lock, SETTINGS, KEY)[0])
    assert found.sets_hold and not found.folds_hold
    assert found.warnings() == [
        "WARNING: the folds are those of the split lock, and patients or labels have changed since: "
        "10.0 to 30.0 % of a fold have osteoporosis. The report says so."
    ]


def test_one_patient_is_no_drift():
    drawn, lock = split_patients(people(100, 400), empty_lock(), SETTINGS, KEY)
    stay = drawn.drop(drawn.index[(drawn["set"] == "internal_test")][0])
    assert strata(split_patients(stay[["patient_id", "label"]], lock, SETTINGS, KEY)[0]).hold


def test_the_table_gives_the_same_and_other_centres_play_no_part(tmp_path):
    drawn, _ = split_patients(people(20, 30), empty_lock(), SETTINGS, KEY)
    frame = pd.concat(
        [drawn, pd.DataFrame({"patient_id": ["X1", "X2"], "label": 1, "set": "east", "fold": pd.NA})],
        ignore_index=True,
    )
    for column, kind in COHORT.items():
        if column not in frame:
            frame[column] = float("nan") if kind == "float" else None
    write_table(frame, tmp_path / "cohort.csv", COHORT)
    assert read_strata(tmp_path / "cohort.csv", 0.2, 5) == strata(drawn)
    assert strata_of([], 0.2, 5).warnings() == []
