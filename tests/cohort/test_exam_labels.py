"""What a DXA exam says: osteoporosis, none, or nothing since a value can't be read."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.cohort.exam_labels import LABELLED, TOO_FEW_SITES, UNDECIDED, as_exams, exam_labels
from scripts.common.config import Cohort
from scripts.common.contracts.intake import DXA

NUMBERS = ("bmd", "t_score", "t_below", "t_above")
STORED = -2.4999999999999996
"""-2.5 as Excel stores it at times."""


def row(t_score=None, site="lumbar", day="2020-05-20", **changes):
    told = dict.fromkeys(DXA) | {
        "patient_id": "P1",
        "exam_date": day,
        "site": site,
        "t_score": t_score,
        "bmd": 0.7,
    }
    return told | {"unreadable": 0, "conflict": 0} | changes


def unreadable(site="lumbar", **changes):
    return row(site=site, unreadable=1, **changes)


def labels_of(rows, **changes):
    """``exam_labels`` of rows with and without a date."""
    types = {**dict.fromkeys(NUMBERS, "float64"), "unreadable": "Int64", "conflict": "Int64"}
    frame = pd.DataFrame(rows, columns=list(DXA)).astype(types)
    frame["day"] = pd.to_datetime(frame["exam_date"].where(frame["exam_date"] != "", None))
    criteria = Cohort(**changes).model_dump(mode="json")
    dated = as_exams(frame[frame["day"].notna()], criteria["exam_window_days"])
    return exam_labels(dated, frame[frame["day"].isna()], criteria)


def said(rows, **changes):
    """Of the only exam: the label, or why it has none."""
    found = labels_of(rows, **changes)
    if found.empty:
        return "nothing"
    one = found.iloc[0]
    assert len(found) == 1
    return int(one["label"]) if one["outcome"] == LABELLED else one["outcome"]


@pytest.mark.parametrize(
    ("rows", "label"),
    [
        ([row(-2.5)], 1),
        ([row(-2.4)], 0),
        ([row(-2.46)], 0),
        ([row(STORED)], 1),
        ([row(-3.0), unreadable("total_hip")], 1),
        ([row(-1.0), unreadable("total_hip")], UNDECIDED),
        ([row(-1.0), unreadable("")], UNDECIDED),
        ([row(-3.0), unreadable("")], 1),
        ([row(-1.0), unreadable("", exam_date="")], UNDECIDED),
        ([row(-1.0), unreadable("total_hip", exam_date="")], UNDECIDED),
        ([row(-3.0), unreadable("total_hip", exam_date="")], 1),
        ([unreadable()], UNDECIDED),
        ([row(t_below=-3.0)], 1),
        ([row(t_below=-2.5)], 1),
        ([row(t_below=STORED)], 1),
        ([row(t_below=-2.0)], UNDECIDED),
        ([row(-1.0), row(site="total_hip", t_below=-3.0)], 1),
        ([row(-1.0), row(site="total_hip", t_below=-1.0)], UNDECIDED),
        ([row(t_above=-1.0)], 0),
        ([row(t_above=-2.5)], 0),
        ([row(t_above=-3.0)], UNDECIDED),
        ([row(-1.0), row(site="total_hip", t_above=-3.0)], UNDECIDED),
        ([row(-3.0), row(site="total_hip", t_above=-3.5)], 1),
        ([row(t_below=-1.0, t_above=-2.0)], 0),
        ([row(t_below=-2.0, t_above=-3.0)], UNDECIDED),
        ([row(-1.0, "femoral_neck"), row(-2.6, "femoral_neck")], 1),
        ([row(-1.0, "femoral_neck"), unreadable("femoral_neck")], UNDECIDED),
        ([row(None)], "nothing"),
        ([row(-1.0), row(None, "total_hip", bmd=None)], 0),
        ([row(-1.0), row(None, "total_hip")], UNDECIDED),  # it was measured: there is a density
        ([row(-2.5), row(None, "total_hip")], 1),
        # a number in a row that can't be read is no number: its site may be another
        ([row(-3.0, "", unreadable=1)], UNDECIDED),
        ([row(-1.0), row(-3.0, "total_hip", unreadable=1)], UNDECIDED),
    ],
)
def test_the_label_of_an_exam(rows, label):
    assert said(rows) == label
    assert said(rows[::-1]) == label


@pytest.mark.parametrize(
    ("rows", "label"),
    [
        ([row(-1.0)], TOO_FEW_SITES),
        ([row(-1.0), row(-1.0)], TOO_FEW_SITES),
        ([row(-1.0), row(None, "total_hip", bmd=None)], TOO_FEW_SITES),
        ([row(-1.0), row(-1.0, "total_hip")], 0),
        ([row(-1.0), row(site="total_hip", t_above=-1.0)], 0),
        ([row(-1.0), row(site="total_hip", t_above=-3.0)], UNDECIDED),
        ([row(-3.0)], 1),
        ([row(None)], "nothing"),
    ],
)
def test_enough_sites_for_no_osteoporosis(rows, label):
    assert said(rows, min_sites=2) == label


@pytest.mark.parametrize(
    ("rows", "t_score", "bmd", "site", "n_sites"),
    [
        ([row(-2.6, bmd=0.6), row(-1.0, "total_hip", bmd=0.9)], -2.6, 0.6, "lumbar", 2),
        ([row(-1.0, bmd=0.9), row(site="total_hip", t_below=-3.0, bmd=0.5)], None, 0.5, "total_hip", 2),
        ([row(-2.6, bmd=0.6), row(site="total_hip", t_below=-3.0, bmd=0.5)], None, 0.6, "lumbar", 2),
        ([row(-2.6, bmd=0.6), unreadable("total_hip")], None, 0.6, "lumbar", 1),
        ([row(-1.0, bmd=0.9), row(site="total_hip", t_above=-0.5)], -1.0, 0.9, "lumbar", 2),
        ([row(-1.0, bmd=0.9), row(site="total_hip", t_above=-1.0)], -1.0, 0.9, "lumbar", 2),
        ([row(-1.0, bmd=0.9), row(site="total_hip", t_above=-1.5)], None, 0.9, "lumbar", 2),
        ([row(site="total_hip", t_above=-1.5, bmd=0.8)], None, 0.8, "total_hip", 1),
        ([row(-1.2, "total_hip", bmd=0.8), row(-1.4, "total_hip", bmd=0.7)], -1.4, 0.7, "total_hip", 1),
        ([row(-3.0, "total_hip", bmd=0.4), row(-3.0, bmd=0.5)], -3.0, 0.5, "lumbar", 2),
        ([row(-2.5, "total_hip", bmd=0.4), row(STORED, bmd=0.5)], -2.5, 0.5, "lumbar", 2),
    ],
)
def test_the_t_score_stands_only_where_it_is_certainly_the_lowest(rows, t_score, bmd, site, n_sites):
    one = labels_of(rows).iloc[0]
    assert pd.isna(one["t_score"]) if t_score is None else one["t_score"] == t_score
    assert (one["bmd"], one["dxa_site"], one["n_sites"]) == (bmd, site, n_sites)


def test_each_site_by_itself():
    neck = [row(-1.0, "femoral_neck"), row(-1.2, "femoral_neck")]
    rows = [row(-3.0), unreadable(), *neck, row(site="total_hip", t_below=-3.0)]
    one = labels_of(rows).iloc[0]
    assert (one["label_lumbar"], one["label_femoral_neck"], one["label_total_hip"]) == (1, 0, 1)
    assert (
        pd.isna(one["t_score_lumbar"])
        and one["t_score_femoral_neck"] == -1.2
        and pd.isna(one["t_score_total_hip"])
    )
    anywhere = labels_of([row(-3.0), row(-1.0, "femoral_neck"), unreadable("")]).iloc[0]
    assert anywhere["label_lumbar"] == 1 and pd.isna(anywhere["label_femoral_neck"]), (
        "the unreadable row may be of that site"
    )
    assert anywhere["unreadable"] == 1 and one["unreadable"] == 1


@pytest.mark.parametrize(
    ("days", "window", "exams"),
    [
        (["2020-05-20", "2020-05-21"], 1, ["2020-05-20"]),
        (["2020-05-21", "2020-05-20"], 1, ["2020-05-20"]),
        (["2020-05-20", "2020-05-21"], 0, ["2020-05-20", "2020-05-21"]),
        (["2020-05-20", "2020-05-21", "2020-05-22"], 1, ["2020-05-20", "2020-05-22"]),
        (["2020-05-20", "2020-05-22"], 1, ["2020-05-20", "2020-05-22"]),
        (["2020-02-28", "2020-03-01", "2020-03-06"], 7, ["2020-02-28"]),
    ],
)
def test_rows_of_neighbouring_days_are_one_exam(days, window, exams):
    found = labels_of(
        [row(-1.0, site, day) for day, site in zip(days, ["lumbar", "femoral_neck", "total_hip"])],
        exam_window_days=window,
    )
    assert found["exam_date"].tolist() == exams
    assert found["n_sites"].sum() == len(days)


def test_another_patients_days_are_never_of_the_exam():
    rows = [row(-1.0), row(-3.0, day="2020-05-21", patient_id="P2")]
    assert labels_of(rows)[["patient_id", "exam_date", "label"]].to_numpy().tolist() == [
        ["P1", "2020-05-20", 0], ["P2", "2020-05-21", 1],
    ]  # fmt: skip


def test_no_rows_are_no_exams():
    assert labels_of([]).empty
    assert labels_of([unreadable(exam_date="")]).empty


DAMAGED = st.builds(
    row,
    st.sampled_from([None, -3.0, -2.5, STORED, -2.46, -1.0]),
    st.sampled_from(["lumbar", "femoral_neck", "total_hip"]),
    st.sampled_from(["2020-05-20", "2020-05-21", "2020-05-22", "2020-06-20"]),
)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.lists(DAMAGED, min_size=1, max_size=7), st.data(), st.sampled_from([1, 2]), st.sampled_from([0, 1]))
def test_damage_never_turns_a_label_into_the_other(rows, data, min_sites, window):
    """Numbers, and sites with them, can't be read any more: an exam keeps its label or has none."""
    how = st.sampled_from(["whole", "whole", "number", "site"])
    damaged = []
    for one in rows:
        fault = data.draw(how) if one["t_score"] is not None else "whole"
        lost = (
            {}
            if fault == "whole"
            else {"t_score": None, "unreadable": 1} | ({"site": ""} if fault == "site" else {})
        )
        damaged.append(one | lost)
    chosen = {"min_sites": min_sites, "exam_window_days": window}
    before, after = (labels_of(each, **chosen).set_index("exam_date") for each in (rows, damaged))
    assert before.index.tolist() == after.index.tolist()
    kept = after["outcome"] == LABELLED
    assert (before.loc[kept, "outcome"] == LABELLED).all(), "damage gave a label"
    for column in ("label", "label_lumbar", "label_femoral_neck", "label_total_hip", "t_score"):
        both = kept & after[column].notna()
        assert (before.loc[both, column] == after.loc[both, column]).all(), column
