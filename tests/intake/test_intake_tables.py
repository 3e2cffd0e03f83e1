"""Clinical tables as hospitals write them, and what becomes of every row."""

from __future__ import annotations

import datetime
import re

import pandas as pd
import pytest

from scripts.common.config import DxaTable, PatientTable
from scripts.common.errors import StudyError
from scripts.common.key import StudyKey
from scripts.intake.cells import codes, numbers, read_date, read_number
from scripts.intake.column_values import dates
from scripts.intake.dxa_rows import read_dxa
from scripts.intake.identity import Pseudonyms
from scripts.intake.patient_rows import read_patients
from scripts.intake.pseudonymization import pseudonymize
from scripts.intake.row_owners import with_other_forms
from scripts.intake.table_checks import account, with_odd_t_scores, without_impossible_births
from scripts.intake.table_columns import ROW, read_cells

IDS = {"strip": True, "leading_zeros": "drop", "upper": False}
HEAD = "id,sex,born,height,weight,spine\n"
PATIENT_COLUMNS = {
    "patient_id": "id",
    "sex": "sex",
    "birth_date": "born",
    "height": "height",
    "weight": "weight",
}
DXA_HEAD = "id,date,site,bmd,t\n"
DXA_COLUMNS = {"patient_id": "id", "exam_date": "date", "site": "site", "bmd": "bmd", "t_score": "t"}
GOOD = "001,F,1950-03-17,160,60,0\n002,M,1948-01-02,172.5,80,1\n003,F,1961-07-31,158,55,\n"
GOOD_DXA = "1,2020-01-05,lumbar,0.9,-1.2\n1,2020-01-05,neck,0.7,-2.6\n2,2021-05-06,hip,1.0,0.1\n"


def patients(tmp_path, body, head=HEAD, **changes):
    path = tmp_path / changes.pop("name", "patients.csv")
    path.write_bytes((head + body).encode(changes.get("encoding", "utf-8")))
    settings = {
        "path": str(path),
        "columns": PATIENT_COLUMNS,
        "exclusions": {"abnormal_spine": "spine"},
        **changes,
    }
    return read_patients(
        PatientTable.model_validate(settings).model_dump(mode="json"), IDS, "centers[c].patients"
    )


def dxa(tmp_path, body, head=DXA_HEAD, **changes):
    path = tmp_path / "dxa.csv"
    path.write_text(head + body, encoding="utf-8")
    settings = {"path": str(path), "columns": DXA_COLUMNS, **changes}
    return read_dxa(DxaTable.model_validate(settings).model_dump(mode="json"), IDS, "centers[c].dxa")


def issues(reading):
    return dict(zip(reading.issues[ROW], reading.issues["reason"]))


def test_a_plain_table_is_read(tmp_path):
    reading = patients(tmp_path, GOOD)
    assert reading.rows["source_id"].tolist() == ["1", "2", "3"] and issues(reading) == {}
    assert reading.rows["height_cm"].tolist() == [160.0, 172.5, 158.0]
    assert reading.rows["birth_date"].tolist()[0] == datetime.date(1950, 3, 17)
    assert reading.rows["abnormal_spine"].tolist()[:2] == [0.0, 1.0] and pd.isna(
        reading.rows["abnormal_spine"].iloc[2]
    )


def test_a_bad_cell_is_missing_and_a_row_without_id_set_aside(tmp_path):
    bad = (
        "4,X,1950-01-01,160,60,0\n5,F,31.12.1950,160,60,0\n6,F,1950-01-01,16,60,0\n7,F,1950-01-01,160,abc,0\n"
        ",F,1950-01-01,160,60,0\n9,F,1950-01-01,160,60,perhaps\n10,F,1950-01-01,160,60,0,surplus\n11,,,,,\n"
    )
    reading = patients(tmp_path, GOOD * 3 + bad)
    assert issues(reading) == {
        5: "identical_row", 6: "identical_row", 7: "identical_row", 8: "identical_row", 9: "identical_row",
        10: "identical_row",
        11: "unknown_sex_code", 12: "unreadable_birth_date", 13: "implausible_height",
        14: "unreadable_weight",
        15: "no_patient_id", 16: "unreadable_flag", 17: "too_many_cells",
    }  # fmt: skip
    assert reading.rows["source_id"].tolist() == [
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "9",
        "11",
    ], "one bad cell costs its value alone"
    rows = reading.rows.set_index("source_id")
    assert rows.loc["4", "sex"] == "" and rows.loc["5", "birth_date"] is None
    assert (
        pd.isna(rows.loc["6", "height_cm"])
        and pd.isna(rows.loc["7", "weight_kg"])
        and rows.loc["7", "height_cm"] == 160
    )
    assert (
        account("patients", reading)
        == "patients: 17 rows = 9 used + 2 set aside with a reason + 6 not needed (identical, other sites,"
        " empty)"
    )


@pytest.mark.parametrize(
    ("body", "changes", "said"),
    [
        (GOOD, {"head": HEAD.replace("height", "Height ")}, "did you mean 'Height'"),
        (GOOD, {"head": HEAD.replace("height", "hieght")}, "did you mean 'hieght'"),
        # 'weight' is near, but the config gives it to another field
        (GOOD, {"head": HEAD.replace("height", "Groesse")}, "no column 'height'; none of its"),
        (
            GOOD.replace("160,", "1.60,").replace("172.5", "1.725").replace("158,", "1.58,"),
            {},
            "heights look like m, not cm",
        ),
        (
            GOOD,
            {"height_unit": "m"},
            "heights look like cm, not m: set centers\\[c\\].patients.height_unit to cm",
        ),
        (GOOD.replace("-", "x"), {}, "give their format in centers\\[c\\].patients.date_format"),
        (GOOD.replace(",F,", ",w,").replace(",M,", ",m,"), {}, "sex_coding"),
        (GOOD.replace(",60,", ",600,").replace(",80,", ",800,"), {}, "no weights in kg"),
        ("", {}, "no rows"),
        (GOOD, {"encoding": "utf-16", "name": "p.csv"}, None),
    ],
)
def test_faults_of_a_whole_column_are_one_sentence(tmp_path, body, changes, said):
    if said is None:
        path = tmp_path / "p.csv"
        path.write_bytes((HEAD + body).replace("F", "女性患者").encode("gb18030"))
        settings = PatientTable.model_validate({"path": str(path), "columns": PATIENT_COLUMNS}).model_dump(
            mode="json"
        )
        with pytest.raises(StudyError, match="gb18030"):
            read_patients(settings, IDS, "centers[c].patients")
        return
    with pytest.raises(StudyError, match=said) as caught:
        patients(tmp_path, body, **changes)
    assert "\n" not in str(caught.value) and "1950" not in str(caught.value)


def test_messages_quote_no_cell_of_a_table_without_heading(tmp_path):
    with pytest.raises(StudyError) as caught:
        patients(tmp_path, GOOD, head="")
    assert "001" not in str(caught.value) and "1950" not in str(caught.value)


def test_excel_with_numbers_as_ids_and_dates(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = "notes"
    sheet = book.create_sheet("people")
    sheet.append(["id", "sex", "born", "height", "weight", "spine"])
    sheet.append([7, "F", datetime.datetime(1950, 3, 17), 160, 60.5, 0])
    sheet.append([12345, "M", "1948-01-02", 170.0, 80, True])
    sheet["A2"].number_format = "00000"
    book.save(tmp_path / "p.xlsx")
    settings = {
        "path": str(tmp_path / "p.xlsx"),
        "columns": PATIENT_COLUMNS,
        "exclusions": {"abnormal_spine": "spine"},
    }
    table = PatientTable.model_validate({**settings, "sheet": "people"}).model_dump(mode="json")
    rows = read_patients(table, {**IDS, "leading_zeros": "keep"}, "w").rows
    assert rows["source_id"].tolist() == ["00007", "12345"] and rows["weight_kg"].tolist() == [60.5, 80.0]
    assert [str(d) for d in rows["birth_date"]] == ["1950-03-17", "1948-01-02"] and rows[
        "abnormal_spine"
    ].tolist() == [0, 1]
    with pytest.raises(StudyError, match="no sheet 'peple'; the workbook has 2") as caught:
        read_cells({**table, "sheet": "peple"}, "w")
    assert "people" not in str(caught.value), "a sheet's name may be a patient's"
    with pytest.raises(StudyError, match="differs in capitals or spaces"):
        read_cells({**table, "sheet": "People "}, "w")


def test_semicolons_tabs_and_chinese_headings(tmp_path):
    text = "病历号;性别;出生日期;身高;体重\nA1;女;1950年3月7日;160,5;60\n"
    (tmp_path / "p.csv").write_bytes(text.encode("gb18030"))
    names = {
        "patient_id": "病历号",
        "sex": "性别",
        "birth_date": "出生日期",
        "height": "身高",
        "weight": "体重",
    }
    table = PatientTable.model_validate(
        {
            "path": str(tmp_path / "p.csv"),
            "columns": names,
            "encoding": "gb18030",
            "date_format": "%Y年%m月%d日",
        }
    ).model_dump(mode="json")
    rows = read_patients(table, IDS, "w").rows
    assert (
        rows.loc[0, ["sex", "height_cm"]].tolist() == ["F", 160.5]
        and str(rows.loc[0, "birth_date"]) == "1950-03-07"
    )
    (tmp_path / "p.tsv").write_text("a\tb\n1\t2,3\n")
    assert read_cells({"path": str(tmp_path / "p.tsv")}, "w")[1].tolist() == ["2,3"]


def test_dxa_table(tmp_path):
    body = (
        GOOD_DXA + "3,2020-01-01,forearm,0.5,-1\n4,not a"
        " day,lumbar,0.9,-1\n5,2020-01-01,lumbar,9.9,-1\n6,2020-01-01,lumbar,0.9,\n"
    )
    reading = dxa(tmp_path, body)
    assert issues(reading) == {5: "other_site", 6: "unreadable_exam_date", 7: "implausible_bmd"}
    assert reading.rows["site"].tolist() == [
        "lumbar",
        "femoral_neck",
        "total_hip",
        "lumbar",
        "lumbar",
        "lumbar",
    ]
    assert reading.rows["unreadable"].tolist() == [0, 0, 0, 1, 0, 0] and pd.isna(
        reading.rows["t_score"].iloc[-1]
    )
    undated, dense = reading.rows.iloc[3], reading.rows.iloc[4]
    assert undated["exam_date"] is None and pd.isna(undated["t_score"]), (
        "what can't be dated gives no number to any exam"
    )
    assert pd.isna(dense["bmd"]) and dense["t_score"] == -1, "an impossible density costs no T-score"
    assert (
        account("dxa", reading)
        == "dxa: 7 rows = 5 used + 1 set aside with a reason + 1 not needed (identical, other sites, empty)"
    )
    with pytest.raises(StudyError, match="mg/cm2"):
        dxa(tmp_path, GOOD_DXA.replace("0.9", "900").replace("0.7", "700").replace("1.0", "1000"))
    with pytest.raises(StudyError, match="site_coding"):
        dxa(tmp_path, GOOD_DXA, site_coding={"lumbar": ["LS"], "femoral_neck": ["FN"], "total_hip": ["TH"]})


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("-2.7 (osteoporosis)", "value"), ("-2.7(骨质疏松)", "value"), ("-2.7*", "value"),
        ("0.4 (右侧)", "value"),
        ("0.4 (无效)", "unreadable"), ("0.4 (Z-score)", "unreadable"), ("0.4 (wrong patient)", "unreadable"),
        ("0.4 (ungültig)", "unreadable"),
        ("骨质疏松（内固定术后）", "unreadable"), ((
            "osteoporosis, prosthesis on the other "
            "side"
), "unreadable"),
        ((
            "Osteoporose, nicht auswertbar "
            "rechts"
), "unreadable"), ("not evaluable", "absent"), ("内固定术后", "absent"), ("TRUE", "unreadable"),
        ("-5.0", "absent"), ("-5", "absent"), ("-5.1", "value"),
    ],
)  # fmt: skip
def test_words_and_remarks_of_a_t_score(cell, kind):
    assert read_number(cell, words=["-5"]).kind == kind


def test_a_density_whose_t_score_is_not_evaluable_is_none_and_one_beside_an_empty_cell_is_kept(tmp_path):
    body = (
        "1,2020-01-05,lumbar,0.9,-1.2\n1,2020-01-05,neck,0.7,prosthesis\n2,2020-01-05,lumbar,0.9,-1\n2,"
        "2020-01-05,neck,0.7,\n"
    )
    assert dxa(tmp_path, body).rows["bmd"].isna().tolist() == [False, True, False, False]


def test_a_scan_column_may_be_empty_and_the_forearm_is_known_with_its_side(tmp_path):
    head = "id,date,side,site,bmd,t\n"
    body = (
        "1,2020-01-05,,L1-L4,0.9,-1.2\n1,2020-01-05,Left,Hip,0.8,-1\n1,2020-01-05,Left Forearm,Total,0.5,-4\n"
    )
    coding = {"lumbar": ["L1-L4"], "total_hip": ["Left / Hip"]}
    reading = dxa(tmp_path, body, head=head, columns={**DXA_COLUMNS, "scan": "side"}, site_coding=coding)
    assert reading.rows["site"].tolist() == ["lumbar", "total_hip"] and issues(reading) == {4: "other_site"}


def test_a_file_that_is_no_text_is_named_as_such(tmp_path):
    (tmp_path / "p.csv").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(StudyError, match="no text table, but Excel, PDF or an archive"):
        read_cells({"path": str(tmp_path / "p.csv")}, "w")


@pytest.mark.parametrize(
    ("written", "format_given", "named"),
    [
        ("03/25/2020", None, "as '%m/%d/%Y': give"), ("03/25/2020", "%d/%m/%Y", "as '%m/%d/%Y': give"),
        ("25.03.2020", None, "as '%d.%m.%Y': give"),
        ("03/05/2020", None, (
            "as '%d/%m/%Y' and as '%m/%d/%Y': "
            "give"
)), ("the day", None, "give their format in"),
    ],
)  # fmt: skip
def test_the_format_that_dates_have_is_named(tmp_path, written, format_given, named):
    with pytest.raises(StudyError, match=re.escape(named)):
        dxa(tmp_path, f"1,{written},lumbar,0.9,-1\n2,{written},neck,0.8,-2\n", date_format=format_given)


def test_rows_with_decimal_commas_in_a_file_with_commas_are_named(tmp_path):
    with pytest.raises(StudyError, match="decimal commas in a file with commas"):
        dxa(tmp_path, "1,2020-01-05,lumbar,0,9,-1,2\n2,2020-01-05,neck,0,8,-2,1\n" * 3)


def test_a_total_beside_results_of_the_forearm_is_undecided(tmp_path):
    body = (
        "1,2020-01-05,lumbar,0.9,-1.2\n1,2020-01-05,Total,0.4,-3.1\n1,2020-01-05,1/3,0.6,-1.9\n2,"
        "2020-01-05,Total,0.9,-0.4\n"
    )
    coding = {"total_hip": ["Total", "Hip Total"]}
    reading = dxa(tmp_path, body, site_coding=coding)
    assert issues(reading) == {3: "ambiguous_total", 4: "other_site"}
    assert reading.rows["unreadable"].tolist() == [0, 1, 0] and pd.isna(reading.rows["t_score"].iloc[1])
    assert issues(dxa(tmp_path, body.replace("Total", "Hip Total"), site_coding=coding)) == {4: "other_site"}
    assert issues(dxa(tmp_path, body.replace("1/3", "Radius 33%"), site_coding=coding)) == {4: "other_site"}
    assert issues(dxa(tmp_path, body + "1,2020-01-05,neck,0.7,-1\n", site_coding=coding)) == {4: "other_site"}


def cells(*values):
    return pd.Series(list(values), dtype="object")


def test_numbers_dates_and_codes():
    read = numbers(cells("1.5", "1,5", "-2", "\u22122", "", "NA", "abc", "1 000", "1e2"))
    assert read.values.dropna().tolist() == [1.5, 1.5, -2.0, -2.0, 100.0] and read.unreadable.sum() == 2
    _, bad = dates(cells("2020-02-30", "2020-02-29", "20200229", "2020/2/9", "2020-02-29 00:00:00", ""), None)
    assert bad.tolist() == [True, False, False, False, False, False]
    assert read_date("05/06/2020", "%d/%m/%Y") == datetime.date(2020, 6, 5)
    assert read_date("2020-06-05", "%d/%m/%Y") == datetime.date(2020, 6, 5), "the year first has one meaning"
    assert read_date("1020-06-05", None) is None
    meaning, unknown = codes(cells("1.0", "f", "FEMALE", "", "x"), {"F": ["F", "female"], "M": ["M", "1"]})
    assert meaning.tolist() == ["M", "F", "F", "", ""] and unknown.tolist() == [False] * 4 + [True]


# -------------------------------------------------------------------------------------- pseudonymous tables


@pytest.fixture
def key_names():
    return Pseudonyms(StudyKey(b"a key of the tests, 32 bytes...."), "c", IDS)


def test_tables_join_with_films_and_keep_intervals(tmp_path, key_names):
    found = pseudonymize(patients(tmp_path, GOOD), dxa(tmp_path, GOOD_DXA), key_names)
    one = key_names.patient("1")
    assert set(found.dxa["patient_id"]) <= set(found.patients["patient_id"])
    shift = datetime.timedelta(days=key_names.shift_days("1"))
    assert found.dxa.loc[found.dxa["patient_id"] == one, "exam_date"].unique().tolist() == [
        (datetime.date(2020, 1, 5) + shift).isoformat()
    ]
    born = found.birth_dates.set_index("patient_id").loc[one]
    assert (
        born["birth_date"] == (datetime.date(1950, 3, 17) + shift).isoformat()
        and born["shift_days"] == shift.days
    )
    assert found.patients["patient_id"].is_monotonic_increasing and "source_id" not in found.patients
    assert not {"1950-03-17", "2020-01-05"} & set(found.patients.astype(str).to_numpy().ravel())


def test_order_of_rows_in_the_source_changes_nothing(tmp_path, key_names):
    lines = GOOD.splitlines(keepends=True)
    one = pseudonymize(patients(tmp_path, GOOD), dxa(tmp_path, GOOD_DXA), key_names)
    two = pseudonymize(patients(tmp_path, "".join(reversed(lines))), dxa(tmp_path, GOOD_DXA), key_names)
    pd.testing.assert_frame_equal(one.patients, two.patients)
    pd.testing.assert_frame_equal(one.birth_dates, two.birth_dates)


def test_contradicting_rows_are_marked(tmp_path, key_names):
    extra = "1,F,1950-03-17,165,60,0\n2,F,1948-01-02,172.5,80,1\n"
    found = pseudonymize(
        patients(tmp_path, GOOD + extra), dxa(tmp_path, GOOD_DXA + "1,2020-01-05,neck,0.7,-2.4\n"), key_names
    )
    marked = set(found.patients.loc[found.patients["conflict"] == 1, "patient_id"])
    assert marked == {key_names.patient("1"), key_names.patient("2")}
    assert found.dxa["conflict"].sum() == 2 and set(found.dxa.loc[found.dxa["conflict"] == 1, "site"]) == {
        "femoral_neck"
    }


def test_visits_on_several_days_do_not_contradict(tmp_path, key_names):
    head = HEAD.replace("spine", "spine,day")
    body = (
        "1,F,1950-03-17,160,60,0,2020-01-01\n1,F,1950-03-17,160,66,0,2021-01-01\n2,F,1951-01-01,160,66,0,"
        "2021-01-01\n"
    )
    reading = patients(tmp_path, body, head=head, columns={**PATIENT_COLUMNS, "measured_on": "day"})
    found = pseudonymize(reading, dxa(tmp_path, GOOD_DXA), key_names)
    assert found.patients["conflict"].sum() == 0 and len(found.patients) == 3


def test_ages_above_89_are_capped(tmp_path, key_names):
    names = {k: v for k, v in PATIENT_COLUMNS.items() if k != "birth_date"} | {"age": "born"}
    reading = patients(tmp_path, "1,F,93,160,60,0\n2,F,89,160,60,0\n", columns=names)
    found = pseudonymize(reading, dxa(tmp_path, GOOD_DXA), key_names)
    assert sorted(found.patients["age"]) == [89.0, 90.0] and (found.birth_dates["birth_date"] == "").all()


@pytest.mark.parametrize(
    ("visits", "exam", "told"),
    [
        (["1,F,85,160,60,0,2008-01-04"], "2020-01-05", [90]),
        (["1,F,85,160,60,0,2016-01-04"], "2020-01-05", [85]),
        (["1,F,85,160,60,0,2008-01-04", "1,F,92,160,60,0,2015-01-04"], "2008-01-05", [90, 90]),
        (["1,F,85,160,60,0,2008-01-04", "1,F,86,160,60,0,2009-01-04"], "2013-06-01", [90, 90]),
        (["1,F,70,160,60,0,2008-01-04"], "2020-01-05", [70]),
    ],
)
def test_given_ages_tell_no_age_above_89_with_the_days_to_a_later_visit_or_exam(
    tmp_path, key_names, visits, exam, told
):
    names = {k: v for k, v in PATIENT_COLUMNS.items() if k != "birth_date"} | {
        "age": "born",
        "measured_on": "day",
    }
    reading = patients(
        tmp_path, "\n".join(visits) + "\n", head=HEAD.replace("spine\n", "spine,day\n"), columns=names
    )
    found = pseudonymize(reading, dxa(tmp_path, f"1,{exam},lumbar,0.9,-1.2\n"), key_names)
    assert found.patients["age"].tolist() == told


def test_issues_are_counted(tmp_path, key_names):
    found = pseudonymize(
        patients(tmp_path, GOOD + "4,X,1950-01-01,160,60,0\n"), dxa(tmp_path, GOOD_DXA), key_names
    )
    assert found.issues.to_dict("records") == [
        {"table": "patients", "reason": "unknown_sex_code", "n_rows": 1}
    ]
    assert found.rows.to_dict("records") == [{"table": "patients", "row": 5, "reason": "unknown_sex_code"}]


def test_patients_with_unreadable_rows_alone_are_named(tmp_path, key_names):
    """4 and 5 have no row of use, 6 and 7 rows of the forearm alone; 1 and 3 have another row; one row has no
    id.
    """
    bad = (
        "4,F,1950-01-01,160,60,0,surplus\n4,F,1950-01-01,160,60\n1,X,1950-03-17,160,60,0\n,X,1950-01-01,160,"
        "60,0\n"
    ) + GOOD * 4
    bad_dxa = (
        "3,2020-01-01,lumbar,0.9,-1x\n3,2020-01-01,neck,0.9,-1\n4,2020-01-01,,0.9,-1\n4,2020-01-01,forearm,0.5,-1\n5,not"
        " a day,lumbar,0.9,-1\n6,2020-01-01,forearm,0.5,-1\n6,not a day,forearm,0.5,-1\n7,not a"
        " day,forearm,0.5,-1\n"
    )
    found = pseudonymize(patients(tmp_path, GOOD + bad), dxa(tmp_path, GOOD_DXA + bad_dxa), key_names)
    named = [("4", "patients"), ("4", "dxa"), ("5", "dxa"), ("6", "dxa_other_site"), ("7", "dxa_other_site")]
    expected = sorted((key_names.patient(source), table) for source, table in named)
    assert list(found.set_aside.itertuples(index=False, name=None)) == expected
    sure = found.dxa[found.dxa["unreadable"] == 0]
    for table, frame in (("patients", found.patients), ("dxa", sure), ("dxa_other_site", found.dxa)):
        aside = found.set_aside.loc[found.set_aside["table"] == table, "patient_id"]
        assert not set(aside) & set(frame["patient_id"])
    undecided = set(found.dxa.loc[found.dxa["unreadable"] == 1, "patient_id"])
    assert undecided == {key_names.patient(source) for source in "345"}
    none = pseudonymize(patients(tmp_path, GOOD), dxa(tmp_path, GOOD_DXA), key_names)
    assert none.set_aside.empty and list(none.set_aside) == ["patient_id", "table"]


def test_a_column_of_t_scores_without_minus_signs_is_refused(tmp_path):
    rows = "".join(f"{i},2020-01-05,lumbar,0.{60 + i},{{}}{(31 - i) / 10}\n" for i in range(1, 31))
    assert len(dxa(tmp_path, rows.format(*["-"] * 30)).rows) == 30
    with pytest.raises(StudyError, match="t_score: no T-score of 30 is below 0"):
        dxa(tmp_path, rows.format(*[""] * 30))


def test_weights_in_pounds_are_refused(tmp_path):
    def table(factor):
        return "".join(f"{i:03d},F,1950-03-17,160,{(55 + i) * factor:.1f},0\n" for i in range(30))

    assert len(patients(tmp_path, table(1.0)).rows) == 30
    with pytest.raises(StudyError, match="median body mass index is 60"):
        patients(tmp_path, table(2.2046))


def people(tmp_path, n):
    """A patient table of ``n`` women with the ids 0 to n - 1."""
    return patients(tmp_path, "".join(f"{i},F,1950-03-17,160,{60 + i % 9},0\n" for i in range(n)))


def densities(tmp_path, lost=(), contradicting=(), other=(), **changes):
    """Two hundred exams whose T-scores are (density - 1.0) / 0.12; rows ``lost`` lack their minus sign,
    ``contradicting`` have the opposite,
    ``other`` are of another region."""
    rows = []
    for i in range(200):
        bmd = 0.55 + 0.0027 * i
        t = (bmd - 1.0) / 0.12
        t = abs(t) if i in lost else -t if i in contradicting else t
        rows.append(f"{i},2020-01-05,lumbar,{bmd - 0.2 * (i in other):.3f},{t:.1f}\n")
    table = DxaTable.model_validate({"path": "x", "columns": DXA_COLUMNS, **changes}).model_dump(mode="json")
    return with_odd_t_scores(dxa(tmp_path, "".join(rows)), people(tmp_path, 200), table, "c.dxa")


def test_t_scores_that_contradict_the_density_are_refused(tmp_path):
    assert "doubtful_t_score" not in set(densities(tmp_path).issues["reason"])
    with pytest.raises(StudyError, match="'lumbar' don't rise with the bone density"):
        densities(
            tmp_path, lost=set(range(200)) - {3, 20, 40}
        )  # one negative value is no proof of the others
    with pytest.raises(StudyError, match="lost their minus signs"):
        densities(tmp_path, contradicting=range(200))


def test_a_few_odd_t_scores_are_counted_and_many_refused(tmp_path):
    reading = densities(tmp_path, lost={1, 5, 11}, other={100})
    odd = {row: reason for row, reason in issues(reading).items() if reason == "doubtful_t_score"}
    assert odd == dict.fromkeys((3, 7, 13, 102), "doubtful_t_score")
    assert len(reading.rows) == 200, "they are used: the table may be right"
    with pytest.raises(
        StudyError,
        match=r"10 of 200 T-scores \(5.0 %\) don't fit .*one code for two regions.*most_odd_t_scores",
    ):
        densities(tmp_path, other=range(60, 70))
    assert len(densities(tmp_path, other=range(60, 70), most_odd_t_scores=0.05).rows) == 200


def test_a_share_of_weights_in_pounds_is_counted(tmp_path):
    body = "".join(
        f"{i:03d},F,1950-03-17,160,{(55 + i) * (2.2046 if i >= 25 else 1):.1f},0\n" for i in range(30)
    )
    reading = patients(tmp_path, body)
    assert issues(reading) == dict.fromkeys(range(27, 32), "doubtful_bmi") and len(reading.rows) == 30


def test_births_after_an_exam_are_an_issue_of_their_own(tmp_path, key_names):
    two_digits = (
        GOOD.replace("1950-03-17", "17.03.50")
        .replace("1948-01-02", "02.01.48")
        .replace("1961-07-31", "31.07.61")
    )
    exams = dxa(tmp_path, GOOD_DXA)
    with pytest.raises(StudyError, match="most birth dates lie after .*w.date_format") as caught:
        without_impossible_births(patients(tmp_path, two_digits, date_format="%d.%m.%y"), exams, None, "w")
    assert "1950" not in str(caught.value) and "2050" not in str(caught.value)
    reading = patients(tmp_path, GOOD.replace("1950", "2050") + "004,F,2050-01-01,160,60,0\n")
    kept = without_impossible_births(reading, exams, None, "w")
    assert kept.rows["source_id"].tolist() == ["1", "2", "3", "4"] and kept.set_aside == []
    assert kept.rows["birth_date"].isna().tolist() == [
        True,
        False,
        False,
        False,
    ], "then the film's header tells the age"
    assert kept.issues.to_dict("records") == [{ROW: 2, "reason": "born_after_exam"}]
    same = patients(tmp_path, GOOD)
    assert without_impossible_births(same, exams, None, "w") is same


def test_letters_that_pass_for_digits_leave_an_exam_undecided(tmp_path):
    """The low site's row bears O for 0: its patient must not pass for healthy by the site that is left."""
    people_ = patients(tmp_path, "".join(f"1{n:03d}0,F,1950-03-17,160,{60 + n},0\n" for n in range(6)))
    rows = [f"1{n:03d}0,2020-01-05,{site},0.9,-1\n" for n in range(6) for site in ("lumbar", "neck")]
    rows[4] = "1OO2O,2020-01-05,lumbar,0.6,-3.5\n"
    kept = with_other_forms(people_, dxa(tmp_path, "".join(rows)))
    undecided = kept.rows[kept.rows["unreadable"] == 1]
    assert undecided["source_id"].tolist() == ["10020"] and undecided["t_score"].isna().all()
