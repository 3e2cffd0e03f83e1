"""Predictors of a patient table: numbers, yes and no, categories, and cells that are none of these."""

from __future__ import annotations

import numpy as np
import openpyxl
import pandas as pd
import pytest

from scripts.common.config import DxaTable, PatientTable
from scripts.common.contracts.intake import PATIENTS
from scripts.common.errors import StudyError
from scripts.common.key import StudyKey
from scripts.common.predictors import with_predictors
from scripts.common.tables import read_with, write_table
from scripts.intake.dxa_rows import read_dxa
from scripts.intake.identity import Pseudonyms
from scripts.intake.patient_rows import read_patients
from scripts.intake.pseudonymization import pseudonymize
from scripts.intake.table_checks import account, reasons

IDS = {"strip": True, "leading_zeros": "keep", "upper": False}
ALCOHOL = {"column": "drinks", "type": "category", "coding": {"never": ["0"], "daily": ["2", "jeden Tag"]}}
PREDICTORS = {
    "calcium": {"column": "Ca", "unit": "mmol/L", "range": [1, 4]},
    "smoker": {"column": "smokes", "type": "yes_no"},
    "alcohol": ALCOHOL,
}
WHERE = "centers[c].patients"


def read(tmp_path, cells: dict[str, list], predictors=PREDICTORS, **columns):
    """A table of as many women as the longest column has cells; height and weight are none of its columns."""
    n = max(map(len, cells.values()))
    frame = pd.DataFrame({"id": [f"A{i}" for i in range(n)], "sex": "F", "born": "1950-03-17", **cells})
    frame.to_csv(tmp_path / "p.csv", index=False)
    names = {"patient_id": "id", "sex": "sex", "birth_date": "born", **columns}
    table = {"path": str(tmp_path / "p.csv"), "columns": names, "predictors": predictors}
    return read_patients(PatientTable.model_validate(table).model_dump(mode="json"), IDS, WHERE)


def test_each_type_is_read_and_a_bad_cell_is_missing_and_counted(tmp_path):
    cells = {
        "Ca": ["2.3", "2,41", "2.2 mmol/L", "9.4", "<2", "9.4 mg/dL", "999", "", "not measured", "2.5*"],
        "smokes": ["1", "no", "是", "maybe", "", "yes", "0", "N", "NA", "1.0"],
        "drinks": ["0", "2", "jeden Tag", "Erika", "", "0", "7", "0", "2", "2"],
    }
    reading = read(tmp_path, cells)
    rows = reading.rows
    nan = np.nan
    np.testing.assert_array_equal(rows["calcium"], [2.3, 2.41, 2.2, nan, nan, nan, nan, nan, nan, 2.5])
    np.testing.assert_array_equal(rows["smoker"], [1, 0, 1, nan, nan, 1, 0, 0, nan, 1])
    assert rows["alcohol"].tolist() == [
        "never",
        "daily",
        "daily",
        "",
        "",
        "never",
        "",
        "never",
        "daily",
        "daily",
    ]
    assert reasons(reading) == [
        ("implausible_predictor_calcium", 1, False),
        ("no_value_code", 1, False),
        ("remark_behind_number", 1, False),
        ("unreadable_predictor_alcohol", 2, False),
        ("unreadable_predictor_calcium", 2, False),
        ("unreadable_predictor_smoker", 1, False),
    ]
    assert account("patients", reading).startswith("patients: 10 rows = 10 used + 0 set aside")
    assert rows["height_cm"].isna().all() and rows["weight_kg"].isna().all()


def test_without_a_range_no_code_of_no_value_and_no_long_number_is_taken(tmp_path):
    cells = {"Ca": ["2.3", "-1e-3", "999", "-9.9", "13800138000", "41", "5", "6", "7", "8"]}
    reading = read(tmp_path, cells, {"calcium": {"column": "Ca"}})
    nan = np.nan
    np.testing.assert_array_equal(reading.rows["calcium"], [2.3, -0.001, nan, nan, nan, 41, 5, 6, 7, 8])
    assert reasons(reading) == [("implausible_predictor_calcium", 1, False), ("no_value_code", 2, False)]


@pytest.mark.parametrize(
    ("cells", "predictor", "said"),
    [
        (["2024-07-31"] * 3, {}, "most of its cells are no numbers; .* A date can't be a predictor"),
        (["20240731", "20240801", "19990101"], {}, "its numbers look like dates; a date can't be"),
        (["20240731", "20240801", "19990101"], {"range": [0, 1e12]}, "its numbers look like dates"),
        (["13800138000", "13800138001", "2.3"], {}, "dates, ids and phone numbers"),
        (["9.4", "9.6", "2.3"], {"range": [1, 4]}, r"predictors.x.range: most of .* outside of 1 to 4"),
        (["yes", "no", "no"], {}, r"predictors.x.column: most of its cells are no numbers"),
        (
            ["J", "J", "N"],
            {"type": "yes_no"},
            r"none of the codes in centers\[c\].patients.predictors.x.coding",
        ),
        (["3", "4", "0"], ALCOHOL | {"column": "x"}, "none of the codes in"),
    ],
)
def test_a_column_that_is_wrong_as_a_whole_ends_the_run_in_a_sentence_without_its_cells(
    tmp_path, cells, predictor, said
):
    with pytest.raises(StudyError, match=said) as error:
        read(tmp_path, {"x": cells}, {"x": {"column": "x", **predictor}})
    assert not any(len(cell) > 3 and cell in str(error.value) for cell in cells)


def test_a_column_that_is_not_there_is_named_with_the_nearest(tmp_path):
    with pytest.raises(
        StudyError, match=r"predictors.calcium.column: the table has no column 'Ca'; did you mean"
    ):
        read(tmp_path, {"CA ": ["2.3"], "smokes": ["1"], "drinks": ["0"]})


def test_dates_that_excel_stores_are_no_numbers(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["id", "sex", "born", "x"])
    for n in range(3):
        book.active.append([f"A{n}", "F", pd.Timestamp("1950-03-17"), pd.Timestamp(f"2024-07-0{n + 1}")])
    book.save(tmp_path / "p.xlsx")
    table = {"path": str(tmp_path / "p.xlsx"), "predictors": {"x": {"column": "x"}}}
    table["columns"] = {"patient_id": "id", "sex": "sex", "birth_date": "born"}
    with pytest.raises(StudyError, match="A date can't be a predictor"):
        read_patients(PatientTable.model_validate(table).model_dump(mode="json"), IDS, WHERE)


@pytest.fixture
def under_pseudonyms(tmp_path):
    """A reading under pseudonyms, with one DXA exam, written and read again."""

    def go(reading):
        (tmp_path / "d.csv").write_text("id,date,site,bmd,t\nA0,2020-01-05,lumbar,0.9,-1.2\n")
        columns = {"patient_id": "id", "exam_date": "date", "site": "site", "bmd": "bmd", "t_score": "t"}
        table = DxaTable.model_validate({"path": str(tmp_path / "d.csv"), "columns": columns})
        names = Pseudonyms(StudyKey(b"a key of the tests, 32 bytes...."), "c", IDS)
        found = pseudonymize(reading, read_dxa(table.model_dump(mode="json"), IDS, "centers[c].dxa"), names)
        write_table(found.patients, tmp_path / "patients.csv", with_predictors(PATIENTS, reading.predictors))
        return read_with(tmp_path / "patients.csv", PATIENTS, reading.predictors), names

    return go


def test_predictors_stand_behind_the_usual_columns_in_the_configs_order(tmp_path, under_pseudonyms):
    frame, _ = under_pseudonyms(read(tmp_path, {"Ca": ["2.3", ""], "smokes": ["1", ""], "drinks": ["2", ""]}))
    assert list(frame.columns) == [*PATIENTS, "calcium", "smoker", "alcohol"]
    assert sorted(frame["alcohol"]) == ["", "daily"] and frame["calcium"].sum() == 2.3
    assert frame["smoker"].dtype == "Int64" and frame["smoker"].sum() == 1
    assert "jeden Tag" not in (tmp_path / "patients.csv").read_text()


def test_a_table_without_a_predictor_gives_empty_cells_of_its_type(tmp_path, under_pseudonyms):
    under_pseudonyms(read(tmp_path, {"Ca": ["2.3", ""], "smokes": ["1", ""], "drinks": ["2", ""]}))
    further = {"x": "number", "y": "yes_no", "z": "category"}
    frame = read_with(tmp_path / "patients.csv", PATIENTS, further)
    assert frame["x"].isna().all() and frame["y"].isna().all() and frame["z"].eq("").all()
    assert [str(frame[name].dtype) for name in "xyz"] == ["float64", "Int64", "object"]


@pytest.mark.parametrize(
    ("days", "conflict"), [(["2020-01-01", "2020-01-01"], True), (["2020-01-01", "2021-01-01"], False)]
)
@pytest.mark.parametrize("name", ["calcium", "smoker", "alcohol"])
def test_two_values_contradict_each_other_within_one_visit_alone(
    tmp_path, under_pseudonyms, days, conflict, name
):
    cells = {
        "Ca": ["2.3", "2.3"],
        "smokes": ["1", "1"],
        "drinks": ["2", "2"],
        "day": days,
        "id": ["A0", "A0"],
    }
    other = {"calcium": ("Ca", "2.4"), "smoker": ("smokes", "0"), "alcohol": ("drinks", "0")}[name]
    cells[other[0]][1] = other[1]
    frame, _ = under_pseudonyms(read(tmp_path, cells, measured_on="day"))
    assert len(frame) == 2 and frame["conflict"].tolist() == [int(conflict)] * 2


def test_rows_of_one_visit_fill_each_others_gaps(tmp_path, under_pseudonyms):
    cells = {"Ca": ["2.3", ""], "smokes": ["", "1"], "drinks": ["", "2"], "id": ["A0", "A0"]}
    frame, _ = under_pseudonyms(read(tmp_path, cells))
    assert frame[["calcium", "smoker", "alcohol", "conflict"]].to_numpy().tolist() == [[2.3, 1, "daily", 0]]
