"""Who is included, with which film, exam and label, and for which reason the others are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.cohort.selection import Counted, completed_years, select_cohort, steps
from scripts.common.config import Cohort
from scripts.common.contracts.cohort import COHORT, FLOW
from scripts.common.contracts.intake import DXA, FILMS_WITH_AGES, PATIENTS, SET_ASIDE
from scripts.common.errors import StudyError
from scripts.common.intervals import months_between, months_of_days, within_months
from scripts.common.predictors import with_predictors
from scripts.common.tables import read_table, write_table
from scripts.common.vocabulary import EXCLUSIONS, SITES
from scripts.intake.handed_days import film_ages, header_ages_to_tell, in_order, pairs_of, visit_order

BIRTH_DATES = {"patient_id": "text", "birth_date": "date"}
PREDICTORS = {"calcium": "number", "smoker": "yes_no", "alcohol": "category"}
KINDS = {
    "films": FILMS_WITH_AGES,
    "patients": with_predictors(PATIENTS, PREDICTORS),
    "dxa": DXA,
    "set_aside": SET_ASIDE,
    "birth_dates": BIRTH_DATES,
}


def criteria(role="development", **changes):
    return {**Cohort(**changes).model_dump(mode="json"), "center": "alpha", "role": role}


def film(patient, image, day="2020-05-10", **changes):
    row = {
        "image_id": image, "patient_id": patient, "status": "accepted", "reason": "", "film_date": day,
        "same_day_order": 1, "view": "PA", "sex": "F", "age": 65, "manufacturer": "Maker", "enrolled": 1,
        "burned_in": "NO", "verdict": "pass", "verdict_reason": "", "png": f"x/{image}.png",
    }  # fmt: skip
    return {**row, **changes}


def person(patient, **changes):
    row = {
        "patient_id": patient, "sex": "F", "age": None, "height_cm": 160.0, "weight_kg": 64.0,
        "measured_on": "",
        **dict.fromkeys(EXCLUSIONS, 0), "conflict": 0, "calcium": None, "smoker": None, "alcohol": "",
    }  # fmt: skip
    return {**row, **changes}


def exam(patient, t_score, site="lumbar", day="2020-05-20", bmd=0.7, **changes):
    row = {
        "patient_id": patient,
        "exam_date": day,
        "site": site,
        "bmd": bmd,
        "t_score": t_score,
        "t_below": None,
        "t_above": None,
        "unreadable": 0,
        "conflict": 0,
    }
    return {**row, **changes}


def unreadable(patient, site="lumbar", **changes):
    return exam(patient, None, site, unreadable=1, **changes)


def aside(patient, table):
    return {"patient_id": patient, "table": table}


def born(patient, day="1955-01-15", **changes):
    return {"patient_id": patient, "birth_date": day, **changes}


def through_files(folder, **rows):
    """Frames as the rule reads them: written to a file and read again."""
    frames = {}
    for name, columns in KINDS.items():
        given_rows = rows.get(name, [])
        extra = [c for c in (given_rows[0] if given_rows else {}) if c not in columns]
        write_table(pd.DataFrame(given_rows, columns=[*columns, *extra]), folder / f"{name}.csv", columns)
        frames[name] = read_table(folder / f"{name}.csv", columns)
    return frames


@pytest.fixture
def choose(tmp_path):
    """Select among the given rows and one plain patient (``P0``), so that the centre is never empty."""

    def run(films=(), patients=(), dxa=(), set_aside=(), birth_dates=(), predictors=None, **changes):
        rows = {
            "films": [film("P0", "I0"), *films],
            "patients": [person("P0"), *patients],
            "dxa": [exam("P0", -1.0), *dxa],
            "set_aside": [*set_aside],
            "birth_dates": [born("P0"), *birth_dates],
        }
        frames = through_files(tmp_path, **rows)
        return select_cohort(**frames, settings=criteria(**changes), predictors=predictors)

    return run


def reason_of(selection, patient="P1"):
    found = selection.excluded.loc[selection.excluded["patient_id"] == patient, "reason"]
    return found.item() if len(found) else "included"


def row_of(selection, patient="P1"):
    return selection.cohort.set_index("patient_id").loc[patient]


def flow_of(selection, step):
    return selection.flow.set_index("step").loc[step]


# ---------------------------------------------------------------------------------------- calendar


@pytest.mark.parametrize(
    ("birth", "day", "years"),
    [
        ("1980-03-01", "2020-02-29", 39),
        ("1980-03-01", "2020-03-01", 40),
        ("1980-02-29", "2021-02-28", 40),
        ("1980-02-29", "2021-03-01", 41),
        ("1980-02-29", "2024-02-29", 44),
        ("1980-12-31", "2020-12-30", 39),
    ],
)
def test_completed_years(birth, day, years):
    assert (
        completed_years(pd.Series(pd.to_datetime([birth])), pd.Series(pd.to_datetime([day]))).item() == years
    )


@pytest.mark.parametrize(
    ("one", "other", "within"),
    [
        ("2020-05-10", "2020-11-10", True),
        ("2020-05-10", "2020-11-11", False),
        ("2020-11-10", "2020-05-10", True),
        ("2020-11-11", "2020-05-10", False),
        ("2019-08-31", "2020-02-29", True),
        ("2019-08-31", "2020-03-01", False),
        ("2018-08-31", "2019-02-28", True),
        ("2020-02-29", "2020-08-29", True),
        ("2020-02-29", "2020-08-30", False),
        ("2020-05-10", "2020-05-10", True),
    ],
)
def test_six_calendar_months_either_way_inclusive(one, other, within):
    a, b = (pd.Series(pd.to_datetime([day])) for day in (one, other))
    assert within_months(a, b, 6).item() is within
    assert within_months(b, a, 6).item() is within


# ------------------------------------------------------------------------------------ exclusions

ONE = {
    "films": [film("P1", "I1")],
    "patients": [person("P1")],
    "dxa": [exam("P1", -3.0)],
    "birth_dates": [born("P1")],
}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, "included"),
        ({"films": []}, "no_film"),
        (
            {"films": [film("P1", "I1", status="quarantined", reason="no_pixels", view="", film_date="")]},
            "no_usable_film",
        ),
        (
            {"films": [film("P1", "I1", status="quarantined", reason="lateral", view="lateral")]},
            "no_frontal_film",
        ),
        (
            {
                "films": [
                    film("P1", "I1", status="quarantined", reason="truncated"),
                    film("P1", "I2", status="quarantined", reason="lateral", view="lateral"),
                ]
            },
            "no_frontal_film",
        ),
        (
            {"films": [film("P1", "I1", status="rejected", reason="exposure", verdict="reject")]},
            "exposure_rejected",
        ),
        ({"films": [film("P1", "I1", day="", enrolled=None)]}, "no_film_date"),
        ({"films": [film("P1", "I1", enrolled=0)]}, "outside_enrolment"),
        (
            {"films": [film("P1", "I1", status="rejected", verdict="reject"), film("P1", "I2", enrolled=0)]},
            "outside_enrolment",
        ),
        ({"patients": [], "birth_dates": []}, "not_in_patients_table"),
        ({"dxa": []}, "no_dxa"),
        ({"patients": [], "set_aside": [aside("P1", "patients")]}, "unreadable_row"),
        ({"dxa": [], "set_aside": [aside("P1", "dxa")]}, "unreadable_row"),
        ({"patients": [], "dxa": [], "set_aside": [aside("P1", "patients")]}, "unreadable_row"),
        ({**dict.fromkeys(["films", "patients", "dxa"], []), "set_aside": [aside("P1", "dxa")]}, "no_film"),
        ({"dxa": [], "set_aside": [aside("P1", "dxa_other_site")]}, "no_dxa"),
        (
            {**dict.fromkeys(["films", "patients", "dxa"], []), "set_aside": [aside("P1", "dxa_other_site")]},
            "no_film",
        ),
        ({"patients": [person("P1", conflict=1)]}, "conflicting_rows"),
        ({"patients": [person("P1"), person("P1", sex="M")]}, "conflicting_rows"),
        ({"dxa": [exam("P1", -3.0, conflict=1)]}, "conflicting_rows"),
        ({"dxa": [exam("P1", -3.0), exam("P1", -1.0)]}, "included"),
        ({"dxa": [exam("P1", -3.0), exam("P1", -3.0)]}, "included"),
        ({"birth_dates": [], "films": [film("P1", "I1", age=None)]}, "age_unknown"),
        ({"birth_dates": []}, "included"),
        ({"birth_dates": [], "films": [film("P1", "I1", age=40)]}, "too_young"),
        ({"birth_dates": [born("P1", "1979-05-11")]}, "too_young"),
        ({"birth_dates": [born("P1", "1979-05-10")]}, "included"),
        ({"dxa": [exam("P1", -3.0, day="2020-11-11")]}, "no_pair_in_interval"),
        ({"dxa": [exam("P1", -3.0, day="2020-11-10")]}, "included"),
        ({"dxa": [exam("P1", -3.0, day="2019-11-10")]}, "included"),
        ({"dxa": [exam("P1", -3.0, day="2019-11-09")]}, "no_pair_in_interval"),
        ({"dxa": [exam("P1", None)]}, "no_t_score"),
        ({"dxa": [exam("P1", -1.0), unreadable("P1", "total_hip")]}, "undecided_dxa"),
        ({"dxa": [exam("P1", -3.0), unreadable("P1", "total_hip")]}, "included"),
        ({"dxa": [exam("P1", -1.0), unreadable("P1", "")]}, "undecided_dxa"),
        ({"dxa": [exam("P1", -1.0), unreadable("P1", "total_hip", day="")]}, "undecided_dxa"),
        ({"dxa": [exam("P1", -1.0), unreadable("P1", "forearm")]}, "included"),
        ({"dxa": [unreadable("P1", "")]}, "undecided_dxa"),
        ({"dxa": [unreadable("P1", "forearm")]}, "no_dxa"),
        ({"dxa": [unreadable("P1", day="")]}, "unreadable_row"),
        ({"dxa": [unreadable("P1", day="")], "set_aside": [aside("P1", "dxa")]}, "unreadable_row"),
        ({"dxa": [unreadable("P1")], "set_aside": [aside("P1", "dxa")]}, "undecided_dxa"),
        (
            {"dxa": [unreadable("P1", day="2021-09-01")], "set_aside": [aside("P1", "dxa")]},
            "no_pair_in_interval",
        ),
        ({"dxa": [exam("P1", -1.0), unreadable("P1", day="2020-09-01")]}, "included"),
        ({"dxa": [exam("P1", -1.0, conflict=1), unreadable("P1")]}, "conflicting_rows"),
        ({"dxa": [unreadable("P1", day="2021-09-01")]}, "no_pair_in_interval"),
        *(({"patients": [person("P1", **{flag: 1})]}, flag) for flag in EXCLUSIONS),
        ({"patients": [person("P1", abnormal_spine=1, poor_image_quality=1)]}, "abnormal_spine"),
        ({"patients": [person("P1", abnormal_spine=None)]}, "included"),
        (
            {"patients": [person("P1"), person("P1", measured_on="2020-01-01", abnormal_spine=1)]},
            "abnormal_spine",
        ),
        (
            {"films": [film("P1", "I1", status="quarantined", reason="duplicate"), film("P1", "I1")]},
            "included",
        ),
    ],
)
def test_the_first_failing_reason(choose, changed, reason):
    selection = choose(**{**ONE, **changed})
    assert reason_of(selection) == reason
    if reason != "included":
        line = flow_of(selection, reason)
        assert (line["n_patients"], line["n_any"]) == (1, 1)
    assert flow_of(selection, "found")["n_patients"] == 2


@pytest.mark.parametrize(
    ("dxa", "reason", "label"),
    [
        # the first exam is damaged: a later one would be chosen by the damage
        ([unreadable("P1", day="2020-05-20"), exam("P1", -3.0, day="2020-08-01")], "undecided_dxa", None),
        ([unreadable("P1", day="2020-05-20"), exam("P1", -1.0, day="2020-08-01")], "undecided_dxa", None),
        ([exam("P1", -1.0, day="2020-05-20"), unreadable("P1", day="2020-08-01")], "included", 0),
        ([exam("P1", -3.0, day="2020-05-20"), unreadable("P1", day="2020-08-01")], "included", 1),
        # damaged, but outside the interval
        ([unreadable("P1", day="2019-05-20"), exam("P1", -1.0, day="2020-08-01")], "included", 0),
        # never measured: gives way to a later exam
        ([exam("P1", None, day="2020-05-20"), exam("P1", -1.0, day="2020-08-01")], "included", 0),
        # of which exam the row is can't be read: of either
        (
            [
                exam("P1", None, day="2020-05-20"),
                exam("P1", -1.0, day="2020-08-01"),
                unreadable("P1", day=""),
            ],
            "undecided_dxa",
            None,
        ),
        # spine on one day, hip on the next
        ([exam("P1", -1.0), exam("P1", -3.0, "total_hip", day="2020-05-21")], "included", 1),
        ([exam("P1", -1.0), unreadable("P1", "total_hip", day="2020-05-21")], "undecided_dxa", None),
    ],
)
def test_the_first_exam_decides_even_where_it_is_damaged(choose, dxa, reason, label):
    selection = choose(**{**ONE, "dxa": dxa})
    assert reason_of(selection) == reason
    if label is not None:
        assert row_of(selection)["label"] == label


def test_too_few_sites_for_no_osteoporosis(choose):
    few = {**ONE, "dxa": [exam("P1", -1.0)]}
    others = [exam("P0", -1.0, "total_hip")]
    assert reason_of(choose(**{**few, "dxa": [*few["dxa"], *others]}, min_sites=2)) == "too_few_sites"
    assert reason_of(choose(**{**few, "dxa": [exam("P1", -3.0), *others]}, min_sites=2)) == "included"
    assert reason_of(choose(**{**few, "dxa": [exam("P1", None), *others]}, min_sites=2)) == "no_t_score"
    assert reason_of(choose(**few)) == "included" and "too_few_sites" not in steps(criteria())


def test_what_is_set_aside_and_who_stays_is_counted(choose):
    """P1 has osteoporosis by one row, another is unreadable; P2 would have none and is set aside."""
    rows = {
        "films": [film("P1", "I1"), film("P2", "I2")],
        "patients": [person("P1"), person("P2")],
        "dxa": [
            *(exam("P1", -3.0), unreadable("P1", "total_hip")),
            *(exam("P2", -1.0), unreadable("P2", "total_hip")),
        ],
        "birth_dates": [born("P1"), born("P2")],
    }
    selection = choose(**rows)
    assert flow_of(selection, "undecided_dxa")[["n_patients", "n_any"]].tolist() == [1, 1]
    assert pd.isna(flow_of(selection, "undecided_dxa")["n_op"]), "nobody knows their label"
    assert flow_of(selection, "op_with_unreadable_row")[["n_patients", "n_op", "kind"]].tolist() == [
        1,
        1,
        "note",
    ]
    row = row_of(selection)
    assert row["label"] == 1 and pd.isna(row["t_score"]), "the unreadable one may be lower"


def test_an_empty_patient_table_cell_is_filled_from_the_film_and_said(choose):
    def told(birth="1955-01-15", sex="F", age=None, measured_on="", **of_film):
        rows = {
            "films": [film("P1", "I1", **of_film)],
            "patients": [person("P1", sex=sex, age=age, measured_on=measured_on)],
            "birth_dates": [born("P1", birth)],
            "dxa": ONE["dxa"],
        }
        selection = choose(**rows)
        notes = selection.flow[selection.flow["kind"] == "note"].set_index("step")["n_patients"]
        return row_of(selection)["age"], row_of(selection)["review"], set(notes.index[notes > 0])

    assert told() == (65, 0, set())
    assert told(birth="", age=None) == (65, 0, {"age_from_header"})
    assert told(sex="") == (65, 1, {"sex_from_header"})
    assert told(sex="M") == (65, 1, {"sex_differs"})


@pytest.mark.parametrize(
    ("birth", "given_age", "measured_on", "header", "doubtful"),
    [
        ("1955-01-15", None, "", 64, False),
        ("1955-01-15", None, "", 66, False),
        ("1955-01-15", None, "", 63, True),
        ("1955-01-15", None, "", 45, True),
        ("1955-01-15", None, "", None, False),
        ("1922-01-15", None, "", 90, False),
        ("1922-01-15", None, "", 85, True),
        ("", 65.0, "", 63, True),
        ("", 65.0, "", 64, False),
        # the age of a visit three years later
        ("", 68.0, "2023-05-10", 65, False),
        ("", 70.0, "2023-05-10", 65, True),
    ],
)
def test_an_age_unlike_the_film_headers_is_reviewed(choose, birth, given_age, measured_on, header, doubtful):
    rows = {
        "films": [film("P1", "I1", age=header)],
        "patients": [person("P1", age=given_age, measured_on=measured_on)],
        "birth_dates": [born("P1", birth)],
        "dxa": ONE["dxa"],
    }
    selection = choose(**rows)
    assert row_of(selection)["review"] == int(doubtful)
    assert flow_of(selection, "age_differs")["n_patients"] == int(doubtful)
    assert reason_of(choose(**rows, review="exclude")) == ("under_review" if doubtful else "included")


def test_policies_of_missing_flags_and_of_review(choose):
    missing = {**ONE, "patients": [person("P1", abnormal_spine=None)]}
    assert reason_of(choose(**missing, missing_flag="exclude")) == "exclusion_flag_missing"
    assert (
        reason_of(choose(**missing, missing_flag="exclude", exclusions=["poor_image_quality"])) == "included"
    )
    doubtful = {**ONE, "films": [film("P1", "I1", verdict="review")]}
    assert reason_of(choose(**doubtful)) == "included"
    assert reason_of(choose(**doubtful, review="exclude")) == "under_review"


def test_a_criterion_left_out_of_the_config_excludes_nobody(choose):
    rows = {**ONE, "patients": [person("P1", abnormal_spine=1)]}
    assert reason_of(choose(**rows, exclusions=["orthopaedic_surgery"])) == "included"
    assert reason_of(choose(**rows, exclusions=[], missing_flag="exclude")) == "included"
    assert "abnormal_spine" not in steps(criteria(exclusions=["orthopaedic_surgery"]))


def test_reasons_counted_by_themselves(choose):
    """Too young, with an abnormal spine and without a T-score: excluded once, counted three times."""
    rows = {
        **ONE,
        "patients": [person("P1", abnormal_spine=1)],
        "birth_dates": [born("P1", "2000-01-01")],
        "dxa": [exam("P1", None)],
    }
    selection = choose(**rows)
    assert reason_of(selection) == "too_young"
    for step, n in (("too_young", 1), ("abnormal_spine", 0), ("no_t_score", 0)):
        assert (flow_of(selection, step)["n_patients"], flow_of(selection, step)["n_any"]) == (n, 1)


def test_a_patient_whose_rows_were_set_aside_is_not_counted_as_absent_from_the_table(choose):
    """P1 stands in the patient table with unreadable rows and has no exam; P2 is only in unreadable DXA
    rows.
    """
    rows = {**ONE, "patients": [], "birth_dates": [], "dxa": []}
    selection = choose(**rows, set_aside=[aside("P1", "patients"), aside("P2", "dxa")])
    assert (reason_of(selection), reason_of(selection, "P2")) == ("unreadable_row", "no_film")
    assert flow_of(selection, "found")["n_patients"] == 3
    for step, n, n_any in (
        ("no_film", 1, 1),
        ("unreadable_row", 1, 2),
        ("not_in_patients_table", 0, 1),
        ("no_dxa", 0, 1),
        ("age_unknown", 0, 0),
        ("no_t_score", 0, 0),
    ):
        assert (flow_of(selection, step)["n_patients"], flow_of(selection, step)["n_any"]) == (n, n_any)


def test_labels_are_counted_once_they_are_known(choose):
    selection = choose(**{**ONE, "patients": [person("P1", abnormal_spine=1)]})
    assert flow_of(selection, "abnormal_spine")["n_op"] == 1
    assert flow_of(selection, "included")["n_op"] == 0
    assert (
        selection.flow.loc[selection.flow["step"].isin(["found", "no_film", "no_t_score"]), "n_op"]
        .isna()
        .all()
    )


def test_nobody_included_says_where_they_were_lost(tmp_path):
    frames = through_files(tmp_path, **{**ONE, "dxa": []})
    with pytest.raises(StudyError, match=r"None of the 1 patient ids of centre 'alpha'.*no_dxa 1"):
        select_cohort(**frames, settings=criteria())
    ageless = {**ONE, "films": [film("P1", "I1", age=None)]}
    for empty in ("films", "patients", "birth_dates"):
        with pytest.raises(StudyError, match="None of the 1 patient ids"):
            select_cohort(**through_files(tmp_path, **{**ageless, empty: []}), settings=criteria())
    with pytest.raises(StudyError, match="has no patient at all"):
        select_cohort(**through_files(tmp_path), settings=criteria())


# ------------------------------------------------------------------------------------------ pairs


def test_the_first_pair(choose):
    films = [
        film("P1", "I9", "2020-05-10", view="AP", same_day_order=1),
        film("P1", "I8", "2020-05-10", view="PA", same_day_order=3),
        film("P1", "I7", "2020-05-10", view="PA", same_day_order=2),
        film("P1", "I6", "2020-05-10", view="PA", same_day_order=2),
        film("P1", "I5", "2020-05-09", status="rejected", verdict="reject"),
        film("P1", "I4", "2020-06-01"),
        film("P1", "I3", "2019-01-01"),
    ]
    dxa = [
        exam("P1", -3.0, day="2020-08-01"),
        exam("P1", -1.0, day="2020-04-30"),
        exam("P1", None, day="2020-03-01"),
    ]
    row = row_of(choose(**{**ONE, "films": films, "dxa": dxa}))
    assert (row["image_id"], row["t_score"], row["dxa_interval_days"]) == ("I6", -1.0, -10)
    row = row_of(
        choose(**{**ONE, "films": films, "dxa": dxa}, first_pair_by=["acquisition_time", "dxa_date"])
    )
    assert (row["image_id"], row["t_score"]) == ("I4", -1.0)  # order 1: I4 and I9; then the image id
    assert row["dxa_interval_days"] == -32


def test_further_films_pass_the_same_criteria_and_have_a_label_of_their_own(choose):
    """Each film is paired with its own first exam: in May without, in November with osteoporosis."""
    films = [
        film("P1", "I1", "2020-05-10"),
        film("P1", "I2", "2020-06-01"),
        film("P1", "I3", "2020-05-10", view="AP", verdict="review"),
        film("P1", "I4", "2020-12-10"),
        film("P1", "I5", "2021-07-01"),
        film("P1", "L", "2020-06-01", view="lateral"),
        film("P1", "R", "2020-06-01", status="rejected", verdict="reject"),
        film("P1", "F", "2019-06-01"),
        film("P2", "I6", "2020-05-10"),
        film("P2", "I7", "2020-05-11"),
    ]
    exams = [
        exam("P1", -1.0, day="2020-05-20"),
        exam("P1", -3.0, day="2020-12-01"),
        unreadable("P1", day="2021-06-01"),
        exam("P1", -1.0, day="2021-06-01", site="total_hip"),
        exam("P2", -1.0),
    ]
    others = {"patients": [person("P1"), person("P2", abnormal_spine=1)]}
    given_rows = {**others, "films": films, "dxa": exams, "birth_dates": [born("P1"), born("P2")]}

    def told(**changes):
        return choose(**given_rows, **changes).further.astype({"label": "object"}).values.tolist()

    expected = [["P1", "I2", 0], ["P1", "I3", 0], ["P1", "I4", 1], ["P1", "I5", None]]
    assert [[a, b, None if pd.isna(c) else c] for a, b, c in told()] == expected, "P2 isn't included"
    assert [row[1] for row in told(review="exclude")] == ["I2", "I4", "I5"]


def test_a_film_taken_too_young_gives_way_to_a_later_one(choose):
    films = [film("P1", "I1", "2020-05-10"), film("P1", "I2", "2020-05-12")]
    row = row_of(choose(**{**ONE, "films": films, "birth_dates": [born("P1", "1979-05-12")]}))
    assert (row["image_id"], row["age"]) == ("I2", 41)


def test_ages_that_a_spreadsheet_stores_a_hair_too_low(choose):
    stored = {"patients": [person("P1", age=40.99999999999999)], "birth_dates": []}
    assert row_of(choose(**{**ONE, **stored, "films": [film("P1", "I1", age=None)]}))["age"] == 41


def test_label_from_the_lowest_site_of_the_paired_exam(choose):
    dxa = [
        exam("P1", -2.4, "lumbar", bmd=0.80),
        exam("P1", -2.5, "femoral_neck", bmd=0.60),
        exam("P1", None, "total_hip", bmd=None),
        exam("P1", -4.0, "lumbar", day="2020-07-01", bmd=0.50),
    ]
    row = row_of(choose(**{**ONE, "dxa": dxa}))
    assert (row["label"], row["t_score"], row["bmd"], row["dxa_site"], row["n_sites"]) == (
        1,
        -2.5,
        0.6,
        "femoral_neck",
        2,
    )
    row = row_of(choose(**{**ONE, "dxa": dxa}, sites=["lumbar"]))
    assert (row["label"], row["t_score"], row["bmd"], row["dxa_site"], row["n_sites"]) == (
        0,
        -2.4,
        0.8,
        "lumbar",
        1,
    )
    tie = [exam("P1", -3.0, "total_hip", bmd=0.4), exam("P1", -3.0, "lumbar", bmd=0.5)]
    assert row_of(choose(**{**ONE, "dxa": tie}))["dxa_site"] == "lumbar"


def test_body_size_from_the_row_nearest_the_film(choose):
    patients = [
        person("P1", height_cm=150.0, weight_kg=50.0, measured_on="2020-05-01"),
        person("P1", height_cm=160.0, weight_kg=64.0, measured_on="2020-05-12"),
        person("P1", height_cm=170.0, weight_kg=70.0),
        person("P1", height_cm=None, weight_kg=None, measured_on="2020-05-10"),
    ]
    row = row_of(choose(**{**ONE, "patients": patients}))
    assert (row["height_cm"], row["weight_kg"]) == (160.0, 64.0)
    assert row["bmi"] == pytest.approx(25.0, abs=1e-12)


def test_missing_body_size_stays_missing(choose):
    row = row_of(choose(**{**ONE, "patients": [person("P1", height_cm=None)]}))
    assert pd.isna(row["height_cm"]) and pd.isna(row["bmi"]) and row["weight_kg"] == 64.0


def test_each_predictor_from_the_row_nearest_the_film_that_has_it(choose):
    patients = [
        person("P1", measured_on="2020-05-09", calcium=2.3, height_cm=None, weight_kg=None),
        person("P1", measured_on="2020-05-12", smoker=0, calcium=2.5, height_cm=161.0),
        person("P1", measured_on="2020-05-30", smoker=1, alcohol="daily"),
        person("P1", alcohol="never"),
    ]
    selection = choose(**{**ONE, "patients": patients}, predictors=PREDICTORS)
    assert list(selection.cohort.columns) == list(with_predictors(COHORT, PREDICTORS).whole)
    row = row_of(selection)
    assert (row["calcium"], row["smoker"], row["alcohol"], row["height_cm"]) == (2.3, 0, "daily", 161.0)
    other = row_of(selection, "P0")
    assert pd.isna(other["calcium"]) and pd.isna(other["smoker"]) and other["alcohol"] == ""
    types = [str(selection.cohort[name].dtype) for name in PREDICTORS]
    assert types == ["float64", "Int64", "object"]


def test_a_predictor_that_nobody_has_is_an_empty_column(choose):
    cohort = choose(**ONE, predictors=PREDICTORS).cohort
    assert cohort[["calcium", "smoker"]].isna().all(axis=None) and cohort["alcohol"].eq("").all()


def test_a_centre_without_height_and_weight_is_selected(choose):
    patients = [person("P1", height_cm=None, weight_kg=None)]
    here, there = choose(**ONE), choose(**{**ONE, "patients": patients})
    assert there.cohort["patient_id"].tolist() == here.cohort["patient_id"].tolist()
    assert row_of(there)[["height_cm", "weight_kg", "bmi"]].isna().all()


def test_ages_given_in_the_table_and_ages_above_89(choose):
    given_age = {**ONE, "patients": [person("P1", age=41.9)], "birth_dates": []}
    assert row_of(choose(**given_age))["age"] == 41
    assert reason_of(choose(**{**given_age, "patients": [person("P1", age=40.9)]})) == "too_young"
    assert row_of(choose(**{**ONE, "birth_dates": [born("P1", "1930-05-11")]}))["age"] == 89
    assert row_of(choose(**{**ONE, "birth_dates": [born("P1", "1920-01-01")]}))["age"] == 90


def test_review(choose):
    def review(table_sex="F", **changes):
        rows = {**ONE, "films": [film("P1", "I1", **changes)], "patients": [person("P1", sex=table_sex)]}
        row = row_of(choose(**rows))
        return row["sex"], row["review"]

    assert review() == ("F", 0)
    assert review(verdict="review") == ("F", 1)
    assert review(view="unknown") == ("F", 1)
    assert review(sex="M") == ("F", 1)
    assert review(sex="") == ("F", 0)
    assert review(table_sex="", sex="M") == ("M", 1)


def test_the_development_centre_is_not_divided_yet(choose):
    cohort = choose(**ONE).cohort
    assert list(cohort.columns) == list(COHORT.whole)
    assert set(cohort["set"]) == {""} and cohort["fold"].isna().all()


def test_months_and_the_t_score_of_each_site_of_the_paired_exam(choose):
    exams = [
        exam("P1", -1.4),
        exam("P1", -2.6, "femoral_neck"),
        exam("P1", -3.0, "total_hip", day="2020-09-30"),
    ]
    row = row_of(
        choose(
            films=[film("P1", "I1", "2020-05-10")],
            patients=[person("P1")],
            dxa=exams,
            birth_dates=[born("P1")],
        )
    )
    assert (row["dxa_interval_days"], row["dxa_interval_months"], row["n_sites"]) == (10, 1, 2)
    assert (row["t_score_lumbar"], row["t_score_femoral_neck"], row["t_score"]) == (-1.4, -2.6, -2.6)
    assert pd.isna(row["t_score_total_hip"]), "of another exam"
    only = choose(
        films=[film("P1", "I1")],
        patients=[person("P1")],
        dxa=exams,
        birth_dates=[born("P1")],
        sites=["lumbar"],
    )
    assert row_of(only)["t_score_lumbar"] == -1.4 and pd.isna(row_of(only)["t_score_femoral_neck"]), (
        "not a studied site"
    )


def test_an_external_centre_is_its_own_set(tmp_path):
    selection = select_cohort(**through_files(tmp_path, **ONE), settings=criteria(role="external"))
    assert selection.cohort["set"].tolist() == ["alpha"] and selection.cohort["fold"].isna().all()


@pytest.mark.parametrize("shift", [-1, -17, -59, -200, -1460, -1825])
def test_months_and_birthdays_are_counted_on_true_dates(tmp_path, shift):
    """Whatever the shift, the borders of the interval and of the age lie where they lie on true dates."""

    def moved(day):
        return (pd.Timestamp(day) + pd.Timedelta(days=shift)).strftime("%Y-%m-%d")

    people = {
        "P1": ("1979-03-01", "2020-03-01", "2020-09-01", "included"),
        "P2": ("1979-03-02", "2020-03-01", "2020-09-01", "too_young"),
        "P3": ("1955-03-01", "2020-03-01", "2020-09-02", "no_pair_in_interval"),
        "P4": ("1955-03-01", "2019-08-31", "2020-02-29", "included"),
    }
    rows = {"films": [], "patients": [], "dxa": [], "birth_dates": []}
    for name, (birth, day, exam_day, _) in people.items():
        rows["films"].append(film(name, f"I{name}", moved(day)))
        rows["patients"].append(person(name))
        rows["dxa"].append(exam(name, -3.0, day=moved(exam_day)))
        rows["birth_dates"].append(born(name, moved(birth), shift_days=shift))
    selection = select_cohort(**through_files(tmp_path, **rows), settings=criteria())
    assert {name: reason_of(selection, name) for name in people} == {n: p[3] for n, p in people.items()}
    assert row_of(selection, "P1")["dxa_interval_days"] == 184


OLDER_AND_OLDER = [
    # birth, age at the film, later day, age told
    ("1930-05-10", "2024-05-12", 90),
    ("1935-05-10", "2025-05-12", 90),
    ("1935-05-10", "2024-05-12", 85),
    ("1931-01-01", "2020-12-20", 89),
    ("1950-05-10", "2040-05-12", 90),
    ("1955-05-10", "2030-05-12", 65),
]
"""Born, a later day of the patient, and the age told at a film of 10 May 2020."""


@pytest.mark.parametrize(("birth", "later", "told"), OLDER_AND_OLDER)
@pytest.mark.parametrize("kind", ["film", "lateral film", "exam", "visit"])
def test_an_age_is_not_told_that_would_give_one_above_89_with_the_days_to_a_later_date(
    choose, birth, later, told, kind
):
    rows = {**ONE, "birth_dates": [born("P1", birth)]}
    if "film" in kind:
        rows["films"] = [
            *ONE["films"],
            film("P1", "I9", later, view="lateral" if kind == "lateral film" else "PA"),
        ]
    elif kind == "exam":
        rows["dxa"] = [*ONE["dxa"], exam("P1", -1.0, day=later)]
    else:
        rows["patients"] = [person("P1"), person("P1", measured_on=later, height_cm=None, weight_kg=None)]
    age = row_of(choose(**rows))["age"]
    assert age == told
    assert (age + (pd.Timestamp(later) - pd.Timestamp("2020-05-10")).days / 365.25 < 90) or told == 90


def test_months_follow_from_the_days_alone():
    """Counted on true dates they would tell in which part of the year a pair lies, and with that which shifts
    can't be."""
    rng = np.random.default_rng(3)
    one = pd.Series(pd.to_datetime("2015-01-01") + pd.to_timedelta(rng.integers(0, 3000, 20000), unit="D"))
    days = pd.Series(rng.integers(-400, 400, 20000))
    told = months_of_days(days)
    assert told.groupby(days.abs()).nunique().max() == 1
    fewest = months_between(one, one + pd.to_timedelta(days, unit="D")).groupby(days.abs()).min()
    often = days.abs().value_counts().loc[lambda n: n > 40].index
    assert (told.groupby(days.abs()).first()[often] <= fewest[often]).all()
    assert (
        told[days.abs().isin([31, 62, 92, 184])].isin([1, 2, 3, 6]).all()
        and told[days.abs() == 93].eq(4).all()
    )


# ------------------------------------------------------------------------------------- properties

DAYS = st.dates(pd.Timestamp("2019-06-01").date(), pd.Timestamp("2021-06-01").date()).map(str)
NAMES = st.sampled_from([f"P{i}" for i in range(6)])
FILM_ROWS = st.builds(
    film,
    NAMES,
    st.just(""),
    day=DAYS,
    status=st.sampled_from(["accepted", "accepted", "accepted", "quarantined", "rejected"]),
    view=st.sampled_from(["PA", "AP", "lateral", "unknown"]),
    enrolled=st.sampled_from([1, 1, 1, 0]),
    verdict=st.sampled_from(["pass", "review"]),
    same_day_order=st.integers(1, 2),
    sex=st.sampled_from(["F", "M", ""]),
)
PERSON_ROWS = st.builds(
    person,
    NAMES,
    measured_on=st.one_of(st.just(""), DAYS),
    height_cm=st.sampled_from([None, 150.0, 160.0]),
    calcium=st.sampled_from([None, 2.1, 2.5]),
    smoker=st.sampled_from([None, 0, 1]),
    alcohol=st.sampled_from(["", "never", "daily"]),
    abnormal_spine=st.sampled_from([0, 0, 0, 1, None]),
    poor_image_quality=st.sampled_from([0, 0, 0, 1]),
    conflict=st.sampled_from([0, 0, 0, 0, 1]),
)
EXAM_ROWS = st.one_of(
    st.builds(exam, NAMES, st.sampled_from([None, -3.0, -2.5, -1.0]), site=st.sampled_from(SITES), day=DAYS),
    st.builds(unreadable, NAMES, site=st.sampled_from([*SITES, ""]), day=st.one_of(st.just(""), DAYS)),
)
ASIDE_ROWS = st.builds(aside, NAMES, st.sampled_from(["patients", "dxa", "dxa_other_site"]))
BIRTHS = st.builds(born, NAMES, st.sampled_from(["1950-02-28", "1979-06-01", "1980-02-29", "2001-01-01"]))
WORLDS = st.fixed_dictionaries(
    {
        "films": st.lists(FILM_ROWS, max_size=14),
        "patients": st.lists(PERSON_ROWS, max_size=10),
        "dxa": st.lists(EXAM_ROWS, max_size=14),
        "set_aside": st.lists(ASIDE_ROWS, max_size=4, unique_by=lambda r: (r["patient_id"], r["table"])),
        "birth_dates": st.lists(BIRTHS, max_size=6, unique_by=lambda r: r["patient_id"]),
    }
)
POLICIES = st.fixed_dictionaries(
    {"missing_flag": st.sampled_from(["include", "exclude"]), "review": st.sampled_from(["keep", "exclude"])}
)
QUICK = settings(
    max_examples=12, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def as_frames(world):
    """Frames with the types of ``read_table``, one image id per film, and one plain patient.

    Nobody is set aside in a table that has a row of his.
    """
    left = [
        r
        for r in world["set_aside"]
        if all(r["patient_id"] != o["patient_id"] for o in world[r["table"].removesuffix("_other_site")])
    ]
    rows = {
        "films": [{**r, "image_id": f"I{i:02d}"} for i, r in enumerate(world["films"])] + [film("P9", "I99")],
        "patients": [*world["patients"], person("P9")],
        "dxa": [*world["dxa"], exam("P9", -1.0)],
        "set_aside": left,
        "birth_dates": [*world["birth_dates"], born("P9")],
    }
    types = {"text": "object", "date": "object", "int": "Int64", "float": "float64"}
    return {
        name: (
            pd.DataFrame(rows[name], columns=list(columns)).astype({c: types[k] for c, k in columns.items()})
        )
        for name, columns in KINDS.items()
    }


@QUICK
@given(WORLDS, POLICIES, st.lists(st.integers(-1825, -1), min_size=7, max_size=7))
def test_a_handed_over_centre_is_selected_as_with_true_dates(world, policy, shifts):
    """Ages and pairs counted at the site, whatever the shifts, give the selection that its own birth dates
    give."""
    frames = as_frames(world)
    shift_of = {name: shifts[int(name[1]) % 7] for name in [f"P{i}" for i in range(10)]}
    for name, column in (
        ("films", "film_date"),
        ("patients", "measured_on"),
        ("dxa", "exam_date"),
        ("birth_dates", "birth_date"),
    ):
        days = pd.to_datetime(frames[name][column].where(frames[name][column] != "", None))
        moved = days + pd.to_timedelta(frames[name]["patient_id"].map(shift_of).astype(float), unit="D")
        frames[name][column] = moved.dt.strftime("%Y-%m-%d").astype("object").fillna("")
    # the site's table of shifts has every patient of its tables, whether or not the birth date is known
    listed = sorted({*frames["patients"]["patient_id"], *frames["dxa"]["patient_id"]})
    births = frames["birth_dates"].set_index("patient_id")["birth_date"].reindex(listed).fillna("")
    births = (
        births.rename_axis("patient_id").reset_index().assign(shift_days=[shift_of[name] for name in listed])
    )
    at_the_site = {**frames, "birth_dates": births}
    settings = criteria(**policy)
    films, dxa, patients, older_than = (
        frames["films"],
        frames["dxa"],
        frames["patients"],
        settings["older_than"],
    )
    pairs = pairs_of(films, dxa, births, settings["interval_months"])
    counted = {
        "film_ages": film_ages(films, dxa, patients, births, pairs, older_than), "pairs": pairs,
        "visit_order": visit_order(films, patients),
    }  # fmt: skip
    told = films.assign(age=header_ages_to_tell(films, dxa, patients, older_than))
    handed = {"films": told, "patients": patients, "dxa": dxa, "set_aside": frames["set_aside"], **counted}
    handed = in_order(handed, settings["exam_window_days"])
    counted = Counted(**{name: handed.pop(name) for name in counted})
    at_the_study = {**handed, "birth_dates": frames["birth_dates"].iloc[:0]}
    same = {"settings": criteria(**policy), "predictors": PREDICTORS}
    there = select_cohort(**at_the_site, **same)
    here = select_cohort(**at_the_study, **same, counted=counted)
    for name in ("cohort", "flow", "excluded", "further"):
        pd.testing.assert_frame_equal(getattr(there, name), getattr(here, name))


@QUICK
@given(WORLDS, POLICIES)
def test_every_patient_is_accounted_for_once(world, policy):
    frames = as_frames(world)
    selection = select_cohort(**frames, settings=criteria(**policy))
    everybody = {
        *frames["films"]["patient_id"],
        *frames["patients"]["patient_id"],
        *frames["dxa"]["patient_id"],
        *frames["set_aside"]["patient_id"],
    }
    accounted = [*selection.cohort["patient_id"], *selection.excluded["patient_id"]]
    assert sorted(accounted) == sorted(everybody)
    flow = selection.flow
    of_kind = flow.groupby("kind")["n_patients"].sum()
    assert of_kind["found"] == of_kind["included"] + of_kind["excluded"] == len(everybody)
    assert (flow["n_any"] >= flow["n_patients"]).all()
    unreadable = flow.loc[flow["step"] == "unreadable_row", "n_any"].item()
    aside_rows, exams = frames["set_aside"], frames["dxa"]
    undated = {*exams["patient_id"]} - {*exams.loc[exams["exam_date"] != "", "patient_id"]}
    assert unreadable == len(
        {*aside_rows.loc[aside_rows["table"] != "dxa_other_site", "patient_id"], *undated}
    )
    assert flow.loc[flow["kind"] == "excluded", "step"].tolist() == steps(criteria(**policy))
    assert set(flow.columns) == set(FLOW)
    ages = selection.cohort["age"]
    assert (ages > 40).all() and (selection.cohort["dxa_interval_days"].abs() <= 184).all()


SEVERAL_EXAMS = st.lists(
    st.builds(
        exam,
        NAMES,
        st.sampled_from([None, -3.0, -2.5, -1.0, -1.0]),
        site=st.sampled_from(SITES),
        day=st.sampled_from(["2020-05-20", "2020-05-21", "2020-05-22", "2020-08-01"]),
    ),
    min_size=15,
    max_size=30,
)


@QUICK
@given(SEVERAL_EXAMS, st.data(), st.sampled_from([1, 2]))
def test_damage_of_dxa_rows_changes_nobodys_label(rows, data, min_sites):
    """T-scores, and sites with them, that can't be read any more: a patient keeps label and exam, or
    leaves.
    """
    damaged = []
    for row in rows:
        fault = "none" if row["t_score"] is None else data.draw(st.sampled_from(["none", "t_score", "site"]))
        lost = {} if fault == "none" else {"t_score": None, "unreadable": 1}
        damaged.append({**row, **lost, **({"site": ""} if fault == "site" else {})})
    names = [f"P{i}" for i in range(6)]
    others = {
        "films": [film(name, "") for name in names],
        "patients": [person(name) for name in names],
        "birth_dates": [born(name) for name in names],
        "set_aside": [],
    }
    plain = exam("P9", -1.0, "total_hip")
    before, after = (
        select_cohort(
            **as_frames({**others, "dxa": [*told, plain]}), settings=criteria(min_sites=min_sites)
        ).cohort.set_index("patient_id")
        for told in (rows, damaged)
    )
    assert set(after.index) <= set(before.index), "damage brought somebody in"
    for name in ("label", "dxa_interval_days"):
        assert (after[name] == before.loc[after.index, name]).all(), name


@QUICK
@given(WORLDS, POLICIES, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(world, policy, random):
    frames = as_frames(world)
    mixed = {name: f.sample(frac=1, random_state=random.randrange(2**31)) for name, f in frames.items()}
    one = select_cohort(**frames, settings=criteria(**policy))
    other = select_cohort(**mixed, settings=criteria(**policy))
    for name in ("cohort", "flow", "excluded", "further"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))


@QUICK
@given(WORLDS, POLICIES, NAMES)
def test_one_patient_fewer_changes_nobody_else(world, policy, gone):
    frames = as_frames(world)
    fewer = {name: frame[frame["patient_id"] != gone] for name, frame in frames.items()}
    one = select_cohort(**frames, settings=criteria(**policy))
    other = select_cohort(**fewer, settings=criteria(**policy))
    for name in ("cohort", "excluded", "further"):
        before = getattr(one, name)
        rest = before[before["patient_id"] != gone].reset_index(drop=True)
        pd.testing.assert_frame_equal(rest, getattr(other, name))


@QUICK
@given(WORLDS)
def test_leaving_out_reviews_drops_exactly_the_rows_under_review(world):
    frames = as_frames(world)
    kept = select_cohort(**frames, settings=criteria()).cohort
    strict = select_cohort(**frames, settings=criteria(review="exclude")).cohort
    pd.testing.assert_frame_equal(kept[kept["review"] == 0].reset_index(drop=True), strict)
