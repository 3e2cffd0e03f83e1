"""The study's flow: what the centres counted, the development centre's sets, and the films that train."""

from __future__ import annotations

import pandas as pd

from scripts.cohort.merging import check_accounts, merge_flows, with_training_films
from scripts.common.contracts.cohort import FLOW, FURTHER_FILMS
from scripts.common.tables import read_table, write_table

COHORT = pd.DataFrame(
    [
        ("a1", "a", "train", 1),
        ("a2", "a", "train", 0),
        ("a3", "a", "internal_test", 0),
        ("b1", "b", "b", 1),
    ],
    columns=["patient_id", "center", "set", "label"],
)
FURTHER = [
    ("a1", "i1", 1),
    ("a1", "i2", 1),
    ("a1", "i3", 0),
    ("a2", "i4", None),
    ("a2", "i5", 1),
    ("a3", "i6", 0),
]


def flow(center, n, n_op):
    rows = [
        (center, "found", n + 1, None, "found", n + 1),
        (center, "no_film", 1, None, "excluded", 1),
        (center, "included", n, n_op, "included", n),
    ]
    return pd.DataFrame(rows, columns=list(FLOW)).astype({"n_op": "Int64"})


def test_films_that_train_are_counted_and_those_that_stay_out_by_their_reason(tmp_path):
    merged = merge_flows([flow("a", 3, 1), flow("b", 1, 1)], COHORT, "a")
    further = pd.DataFrame(FURTHER, columns=list(FURTHER_FILMS)).astype({"label": "Int64"})
    told = with_training_films(merged, COHORT, further)
    write_table(told, tmp_path / "flow.csv", FLOW)
    read = read_table(tmp_path / "flow.csv", FLOW.whole)
    assert read["center"].tolist() == ["a"] * 8 + ["b"] * 3, "the notes stand behind their centre's rows"
    counted = read.set_index("step")[["n_patients", "n_op", "n_films"]]
    assert counted.loc["train"].tolist() == [2, 1, 4], "two first films, and i1 and i2"
    assert counted.loc["films_train"].tolist() == [1, 1, 2]
    assert counted.loc["films_other_label"].tolist() == [2, 1, 2]
    assert counted.loc["films_without_label"].tolist() == [1, 0, 1]
    assert read["n_films"].notna().sum() == 4
    check_accounts(read, COHORT)
    pd.testing.assert_frame_equal(
        told[~told["step"].str.startswith("films_")].drop(columns="n_films").reset_index(drop=True), merged
    )
