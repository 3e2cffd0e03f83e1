"""Every key of a centre's tables stands in at least one study that runs from tables and films to selected
patients.
"""

from __future__ import annotations

import copy
import datetime
import io
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import openpyxl
import pandas as pd
import pydicom
import pytest
import yaml
from pydantic import BaseModel

from scripts.common.config import DxaTable, IdNormaliser, ImageTable, PatientTable
from scripts.common.contracts.cohort import COHORT
from scripts.common.tables import read_table
from scripts.intake.png_encoding import encode_png16
from tests.intake.fuzz_intake import whole_film

PEOPLE = [
    # id, sex, born, height cm, weight kg, lowest T-score and its site, flags
    ("00A-01", "F", datetime.date(1950, 3, 17), 158.0, 55.0, -3.1, "lumbar", ""),
    ("00A-02", "M", datetime.date(1948, 11, 2), 171.0, 72.0, -0.4, "femoral_neck", ""),
    ("00A-03", "F", datetime.date(1955, 7, 31), 162.0, 61.0, -2.6, "total_hip", ""),
    ("00A-04", "F", datetime.date(1961, 1, 5), 165.0, 66.0, -1.2, "lumbar", ""),
    ("00A-05", "F", datetime.date(1952, 2, 9), 160.0, 58.0, -1.0, "lumbar", "abnormal_spine"),
]  # fmt: skip
FILM_DAY, EXAM_DAY = datetime.date(2019, 5, 21), datetime.date(2019, 6, 3)
SITES = ("lumbar", "femoral_neck", "total_hip")
FLAGS = (
    "secondary_osteoporosis",
    "high_density_foreign_body",
    "abnormal_spine",
    "orthopaedic_surgery",
    "poor_image_quality",
)
PREDICTOR_CELLS = [
    ("2,31", "ja", "nie"), ("2.4 mmol/L", "nein", "jeden Tag"), (9.9, "", "oft"), ("-", "nein", "Täglich"),
    (2.5, "ja", ""),
]  # fmt: skip
"""Of PEOPLE, as a hospital writes them."""
PREDICTOR_VALUES = [
    ("2.31", "1", "never"),
    ("2.4", "0", "daily"),
    ("", "", ""),
    ("", "0", "daily"),
    ("2.5", "1", ""),
]
TITLES = ["A table with a title", ""]


def grid(headings: list[str], rows: list[list[Any]], above: int = 0) -> list[list[Any]]:
    """Rows of a file: ``above`` rows of a title, the headings, the rows."""
    return [[TITLES[k], *[""] * (len(headings) - 1)] for k in range(above)] + [headings, *rows]


def write_csv(path: Path, rows: list[list[Any]], encoding: str, separator: str) -> None:
    text = "\r\n".join(separator.join(str(cell) for cell in row) for row in rows) + "\r\n"
    path.write_bytes(text.encode(encoding))


def write_excel(path: Path, sheet: str, rows: list[list[Any]]) -> None:
    book = openpyxl.Workbook()
    book.active.title = "notes"
    book.active.append(["nothing of use"])
    page = book.create_sheet(sheet)
    for row in rows:
        page.append([None if cell == "" else cell for cell in row])
    book.save(path)


def exam_rows(scan: bool) -> list[tuple[str, str, str, float, float]]:
    """(id, scan, site, density, T-score) of everybody, the study's sites and a forearm."""
    rows = []
    for person, *_, lowest, worst, _flag in PEOPLE:
        for site in SITES:
            t = lowest if site == worst else 0.4
            names = {
                "lumbar": ("Spine", "Total"),
                "femoral_neck": ("Hip", "Neck"),
                "total_hip": ("Hip", "Total"),
            }[site]
            rows.append((person, names[0], names[1] if scan else site, round(1.0 + 0.11 * t, 3), t))
        rows.append((person, "Arm", "Total" if scan else "Arm", 0.5, -4.0))
    return rows


def picture(number: int, bits: int = 12) -> np.ndarray:
    """A well exposed picture of 160 x 140 pixels, another one for each ``number``."""
    ramp = np.add.outer(np.arange(160), np.arange(140)) / 300
    noise = np.random.default_rng(number).normal(0, 0.004, ramp.shape)
    return ((0.1 + 0.75 * ramp + noise).clip(0, 1) * (2**bits - 1)).astype(np.uint16)


def dicom_films(folder: Path, spell) -> None:
    folder.mkdir(parents=True)
    for number, (person, sex, born, *_) in enumerate(PEOPLE):
        film = pydicom.dcmread(io.BytesIO(whole_film("explicit", (160, 140))))
        film.PatientID, film.PatientSex, film.PatientBirthDate = spell(person), sex, born.strftime("%Y%m%d")
        film.PixelData = picture(number).tobytes()
        film.StudyDate = film.AcquisitionDate = FILM_DAY.strftime("%Y%m%d")
        for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
            film[
                keyword
            ].value = (
                f"1.2.826.0.1.3680043.10.999.{len(str(folder.parent.name)) * 10 + len(keyword)}.{number + 1}"
            )
        film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
        film.save_as(folder / f"IM{number}")


def png_films(folder: Path, bits: int) -> None:
    folder.mkdir(parents=True)
    for number in range(len(PEOPLE)):
        (folder / f"film{number}.png").write_bytes(encode_png16(picture(number, bits)))


def gb18030_and_scans(data: Path) -> dict:
    """Patients as CSV in GB18030 under a title, heights in metres, day first; DXA in a sheet, its site told
    by two columns.
    """
    data.mkdir(parents=True)
    headings = ["病历号", "性别", "生日", "身高", "体重", "测量日", *FLAGS]
    rows = [
        [
            p,
            {"F": "女性", "M": "男性"}[s],
            b.strftime("%d/%m/%Y"),
            h / 100,
            "无秤" if p == "00A-04" else w,
            "21/05/2019",
        ]
        + ["yes!" if flag == name else "no!" for name in FLAGS]
        for p, s, b, h, w, _, _, flag in PEOPLE
    ]
    write_csv(data / "patients.csv", grid(headings, rows, 2), "gb18030", ";")
    exams = [
        [p.replace("-", ""), EXAM_DAY, scan, site, bmd, t, "Lunar 7"]
        for p, scan, site, bmd, t in exam_rows(scan=True)
    ]
    write_excel(
        data / "dxa.xlsx", "results", grid(["ID", "Day", "Scan", "Region", "BMD", "T", "Device"], exams, 1)
    )
    dicom_films(data / "films", lambda person: f" {person.lower().removeprefix('00')} ")
    return {
        "dicom": str(data / "films"), "batches": 1,
        "ids": {"strip": True, "leading_zeros": "drop", "upper": True, "separators": "drop"},
        "enrolment": {"from": "2019-01-01", "to": "2019-12-31"},
        "patients": {
            "path": str(data / "patients.csv"), "encoding": "gb18030", "header_row": 3, "missing": ["无秤"],
            "date_format": "%d/%m/%Y", "height_unit": "m",
            "columns": {"patient_id": "病历号", "sex": "性别", "birth_date": "生日", "height": "身高",
            "weight": "体重", "measured_on": "测量日"},
            "exclusions": {name: name for name in FLAGS},
            "sex_coding": {"F": ["女性"], "M": ["男性"]}, "flag_coding": {"yes": ["yes!"], "no": ["no!"]},
        },
        "dxa": {
            "path": str(data / "dxa.xlsx"), "sheet": "results", "header_row": 2, "most_odd_t_scores": 0.1,
            "columns": {"patient_id": "ID", "exam_date": "Day", "scan": "Scan", "site": "Region",
            "bmd": "BMD", "t_score": "T", "device": "Device"},
            "site_coding": {"lumbar": ["Spine / Total"], "femoral_neck": ["Hip / Neck"],
            "total_hip": ["Hip / Total"], "other": ["Arm / Total"]},
        },
    }  # fmt: skip


def ages_and_semicolons(data: Path) -> dict:
    """Ages in place of birth dates and predictors, patients in a sheet; DXA as CSV with decimal commas, day
    first, in another encoding.
    """
    data.mkdir(parents=True)
    rows = [
        [p, s, f"{2019 - b.year - ((b.month, b.day) > (5, 21))} years", h, w, *cells]
        for (p, s, b, h, w, *_), cells in zip(PEOPLE, PREDICTOR_CELLS, strict=True)
    ]
    headings = ["id", "sex", "age", "height", "weight", "Ca", "raucht", "Alkohol"]
    write_excel(data / "patients.xlsx", "people", grid(headings, rows))
    exams = [
        [
            p,
            EXAM_DAY.strftime("%d.%m.%Y"),
            f"{site}é",
            str(bmd).replace(".", ","),
            "k.A." if site == "Arm" else str(t).replace(".", ","),
        ]
        for p, _, site, bmd, t in exam_rows(scan=False)
    ]
    write_csv(data / "dxa.csv", grid(["Nr", "Datum", "Ort", "Dichte", "T"], exams, 1), "cp1252", ";")
    dicom_films(data / "films", lambda person: person)
    names = {"patient_id": "id", "sex": "sex", "age": "age", "height": "height", "weight": "weight"}
    return {
        "dicom": str(data / "films"), "batches": 1,
        "patients": {
            "path": str(data / "patients.xlsx"), "sheet": "people", "columns": names,
            "predictors": {
                "calcium": {"column": "Ca", "type": "number", "unit": "mmol/L", "range": [1, 4],
                "label": {"en": "Calcium", "zh": "血钙"}},
                "smoker": {"column": "raucht", "type": "yes_no",
                "coding": {"yes": ["ja"], "no": ["nein"]}},
                "alcohol": {"column": "Alkohol", "type": "category",
                "coding": {"never": ["nie"], "daily": ["täglich", "jeden Tag"]}},
            },
        },
        "dxa": {
            "path": str(data / "dxa.csv"), "encoding": "cp1252", "header_row": 2, "date_format": "%d.%m.%Y",
            "missing": ["k.A."],
            "columns": {"patient_id": "Nr", "exam_date": "Datum", "site": "Ort", "bmd": "Dichte",
            "t_score": "T"},
            "site_coding": {site: [f"{site}é"] for site in SITES} | {"other": ["Armé"]},
        },
    }  # fmt: skip


def png_with(data: Path, images: dict, write) -> dict:
    """PNG films of 12 bits and an image table that ``write`` writes; the other tables are plain."""
    data.mkdir(parents=True)
    png_films(data / "films", 12)
    headings = ["file", "who", "day", "view", "time", "sex", "age", "maker", "text"]
    day = FILM_DAY.strftime(images.get("date_format") or "%Y-%m-%d")
    rows = [
        [
            f"film{k}.png",
            p,
            day,
            "frontal",
            "10:15",
            {"F": "w", "M": "m"}[s],
            "-" if k == 3 else 2019 - b.year,
            "Wandong",
            "keiner",
        ]
        for k, (p, s, b, *_) in enumerate(PEOPLE)
    ]
    write(data / images["path"], grid(headings, rows, 1))
    patients = [[p, s, b, h, w] for p, s, b, h, w, *_ in PEOPLE]
    write_csv(data / "patients.csv", grid(["id", "sex", "born", "height", "weight"], patients), "utf-8", ",")
    exams = [[p, EXAM_DAY, site, bmd, t] for p, _, site, bmd, t in exam_rows(scan=False)]
    write_csv(data / "dxa.csv", grid(["id", "day", "site", "bmd", "t"], exams), "utf-8", ",")
    return {
        "png": str(data / "films"), "batches": 1,
        "images": {
            **images, "path": str(data / images["path"]), "header_row": 2, "bits": 12, "missing": ["-"],
            "columns": {
                "file": "file", "patient_id": "who", "film_date": "day", "view": "view", "film_time": "time",
                "sex": "sex", "age": "age",
                "manufacturer": "maker", "burned_in": "text",
            },
            "sex_coding": {"F": ["w"], "M": ["m"]}, "flag_coding": {"yes": ["einer"], "no": ["keiner"]},
            "view_coding": {"PA": ["frontal"], "AP": ["bett"], "lateral": ["seitlich"]},
        },
        "patients": {
            "path": str(data / "patients.csv"),
            "columns": {"patient_id": "id", "sex": "sex", "birth_date": "born", "height": "height",
            "weight": "weight"},
        },
        "dxa": {
            "path": str(data / "dxa.csv"),
            "columns": {"patient_id": "id", "exam_date": "day", "site": "site", "bmd": "bmd", "t_score": "t"},
            "site_coding": {"other": ["Arm"]},
        },
    }  # fmt: skip


def png_and_csv(data: Path) -> dict:
    images = {"path": "images.csv", "encoding": "gb18030", "date_format": "%d/%m/%Y"}
    return png_with(data, images, lambda path, rows: write_csv(path, rows, "gb18030", "\t"))


def png_and_excel(data: Path) -> dict:
    return png_with(
        data, {"path": "images.xlsx", "sheet": "films"}, lambda path, rows: write_excel(path, "films", rows)
    )


CENTERS = {
    "scans": gb18030_and_scans,
    "ages": ages_and_semicolons,
    "png_csv": png_and_csv,
    "png_excel": png_and_excel,
}
ALL = {"00A-01": 1, "00A-02": 0, "00A-03": 1, "00A-04": 0, "00A-05": 0}


def leaves(model: type[BaseModel]) -> set[str]:
    """The keys of a config section, those of its sections with a dot."""
    found = set()
    for name, field in model.model_fields.items():
        sections = [
            t
            for t in (field.annotation, *get_args(field.annotation))
            if isinstance(t, type) and issubclass(t, BaseModel)
        ]
        found |= {f"{name}.{leaf}" for leaf in leaves(sections[0])} if sections else {name}
    return found


def given(section: dict) -> set[str]:
    """The keys that a config gives, in the same form; of predictors without their names."""
    found = set()
    for name, value in section.items():
        if name == "predictors":
            found |= {f"{name}.{leaf}" for one in value.values() for leaf in given({**one, "coding": None})}
            continue
        found |= {f"{name}.{leaf}" for leaf in given(value)} if isinstance(value, dict) else {name}
    return found


@pytest.fixture(scope="module")
def run(fresh_study):
    """One run over four centres, from their films and tables to the selected patients."""
    study = fresh_study("keys")
    study.configfile = "config/keys.yaml"
    subprocess.run(
        [sys.executable, "-m", "scripts.common.key", "private/study.key"],
        cwd=study.path,
        check=True,
        capture_output=True,
    )
    study.entries = []
    for number, (name, make) in enumerate(CENTERS.items()):
        entry = make(study.path / "data" / name)
        study.entries.append({"name": name, "role": "external" if number else "development", **entry})
    text = yaml.safe_dump(
        {"study": {"key_file": "private/study.key"}, "centers": study.entries}, allow_unicode=True
    )
    (study.path / study.configfile).write_text(text.replace(f"{study.path}/", ""), encoding="utf-8")
    study.snakemake(*(f"results/cohort/{name}/selected.csv" for name in CENTERS))
    return study


def test_every_key_of_the_tables_stands_in_a_run(run):
    known = {"patients": PatientTable, "dxa": DxaTable, "images": ImageTable, "ids": IdNormaliser}
    missing = {
        f"{section}.{key}"
        for section, model in known.items()
        for key in leaves(model) - set().union(*(given(entry.get(section, {})) for entry in run.entries))
    }
    assert not missing, "keys without a run"


@pytest.mark.parametrize("name", CENTERS)
def test_the_run_gives_the_right_patients_and_labels(run, name):
    selected = read_table(run.path / f"results/cohort/{name}/selected.csv", COHORT)
    expected = copy.copy(ALL)
    if name == "scans":
        del expected["00A-05"]  # the only centre with a column of its flag
    assert len(selected) == len(expected) and int(selected["label"].sum()) == 2
    by_t = selected.set_index("t_score")
    people = {p[5]: p for p in PEOPLE if p[0] in expected}
    assert set(by_t.index) == set(people)
    for t, row in by_t.iterrows():
        _, sex, born, height, weight, *_ = people[t]
        assert row["label"] == int(t <= -2.5) and row["sex"] == sex and row["dxa_site"] == people[t][6]
        assert row["age"] == 2019 - born.year - ((born.month, born.day) > (FILM_DAY.month, FILM_DAY.day))
        assert (
            row["height_cm"] == height
            and row["n_sites"] == 3
            and row["dxa_interval_days"] == (EXAM_DAY - FILM_DAY).days
        )
        assert np.isnan(row["weight_kg"]) if (name, t) == ("scans", -1.2) else row["weight_kg"] == weight


def test_the_run_gives_the_predictors(run):
    selected = pd.read_csv(
        run.path / "results/cohort/ages/selected.csv", dtype=str, keep_default_na=False
    ).astype({"t_score": float})
    by_t = selected.set_index("t_score")[["calcium", "smoker", "alcohol"]]
    assert [tuple(by_t.loc[person[5]]) for person in PEOPLE] == PREDICTOR_VALUES
    assert "calcium" not in (run.path / "results/cohort/scans/selected.csv").read_text(), (
        "what an external centre brings changes nothing that is trained"
    )
