"""The clinical tables of a simulated centre, written in its own layout: columns, units, codings, dates,
encoding.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
import zipfile
from pathlib import Path

import numpy as np
from openpyxl import Workbook

from scripts.common.files import atomic_path
from scripts.synthetic.cohort_plan import Patient

_EPOCH = (2020, 1, 1, 0, 0, 0)
_UNREADABLE = "20x4-1?-07"


NO_VALUE = 0.05
"""Share of a predictor's cells that are empty."""


def predictor_cells(layout: dict, seed: int) -> dict[str, object]:
    """A patient's cells of the layout's predictors, by column; they depend on ``seed`` alone, and so tell
    nothing of the patient.
    """
    rng = np.random.default_rng(seed)
    cells: dict[str, object] = {}
    for one in layout["predictors"].values():
        levels = list(one.get("coding", {}).values())
        drawn = (
            levels[int(rng.integers(len(levels)))][0] if levels else round(float(rng.normal(2.35, 0.1)), 2)
        )
        cells[one["column"]] = "" if rng.random() < NO_VALUE else drawn
    return cells


def table_contents(
    layout: dict, like: str, patients: list[Patient], further: dict[str, dict[str, object]]
) -> dict[str, list[dict]]:
    """Rows of the patients and the DXA table under the centre's column names, in an order that tells nothing.

    Names, phones and remarks stand in columns that no column map mentions. ``further``: cells of the patients
    table by a patient's name and column.
    """
    table, dxa = layout["patients"], layout["dxa"]
    columns, dates = table["columns"], table.get("date_format")
    chinese = like == "external_2"
    as_number = layout["ids"].get("leading_zeros") == "drop"
    out: dict[str, list[dict]] = {"patients": [], "dxa": []}
    for patient in sorted(patients, key=lambda p: p.identity.phone):
        person, who = patient.person, patient.identity
        for change in patient.table_rows:
            height = person.height_cm + change.get("height_change", 0.0)
            in_metres = table["height_unit"] == "m"
            sex = person.sex if not change.get("other_sex") else {"F": "M", "M": "F"}[person.sex]
            birth = _UNREADABLE if change.get("unreadable_birth") else _day(person.birth_date, dates)
            row = {
                columns["patient_id"]: _table_id(who.patient_id, as_number, bool(change.get("spaces"))),
                "姓名" if chinese else "Name": (who.ideographic if chinese else who.full_name),
                columns["sex"]: table["sex_coding"][sex][0],
                columns["birth_date"]: birth,
                columns["height"]: round(height / 100, 3) if in_metres else round(height, 1),
                columns["weight"]: person.weight_kg,
                **{
                    column: table["flag_coding"]["yes" if patient.flags[name] else "no"][0]
                    for name, column in table["exclusions"].items()
                },
                "联系电话" if chinese else "Phone": who.phone,
                "备注" if chinese else "Remarks": f"{who.address}; {who.insurance}",
                **further.get(patient.name, {}),
            }
            out["patients"].append(row)
        for exam in patient.exams:
            for site, bmd, t_score in exam.rows:
                coded = dxa["site_coding"][site][0] if site != "forearm" else _FOREARM[like]
                out["dxa"].append(
                    {
                        dxa["columns"]["patient_id"]: _table_id(who.patient_id, as_number, False),
                        "姓名" if chinese else "Name": (who.ideographic if chinese else who.full_name),
                        dxa["columns"]["exam_date"]: (
                            _UNREADABLE if exam.unreadable else _day(exam.day, dxa.get("date_format"))
                        ),
                        dxa["columns"]["site"]: coded,
                        dxa["columns"]["bmd"]: bmd,
                        dxa["columns"]["t_score"]: "" if t_score is None else t_score,
                    }
                )
    return out


_FOREARM = {"internal": "Radius 33%", "external_1": "forearm", "external_2": "前臂"}


def _table_id(patient_id: str, as_number: bool, spaces: bool) -> str | int:
    if as_number:  # what Excel makes of it, unless somebody typed it as text
        return f" {patient_id} " if spaces else int(patient_id)
    return f" {patient_id}  " if spaces else patient_id


def _day(day: datetime.date, date_format: str | None) -> str | datetime.date:
    return day if date_format is None else day.strftime(date_format)


def write_tables(layout: dict, contents: dict[str, list[dict]], folder: Path) -> dict[str, str]:
    """Write the tables into ``folder`` under the file names of the centre's layout; return the name of each
    table's file.
    """
    names = {kind: layout[kind]["path"] for kind in ("patients", "dxa")}
    if names["patients"].endswith(".xlsx"):
        _write_excel(
            {layout[kind]["sheet"]: rows for kind, rows in contents.items()}, folder / names["patients"]
        )
    else:
        for kind, name in names.items():
            _write_csv(contents[kind], folder / name, layout[kind]["encoding"])
    return names


def _write_csv(rows: list[dict], path: Path, encoding: str) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(
        {k: v.isoformat() if isinstance(v, datetime.date) else v for k, v in row.items()} for row in rows
    )
    with atomic_path(path) as part:
        part.write_bytes(text.getvalue().encode(encoding))


def _write_excel(sheets: dict[str, list[dict]], path: Path) -> None:
    """Write a workbook without any time of writing in it, so that the same rows give the same bytes."""
    book = Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        sheet.append(list(rows[0]))
        for row in rows:
            sheet.append([None if value == "" else value for value in row.values()])
    book.properties.created = datetime.datetime(*_EPOCH)
    packed = io.BytesIO()
    book.save(packed)
    with atomic_path(path) as part, zipfile.ZipFile(packed) as old, zipfile.ZipFile(part, "w") as new:
        for item in old.infolist():
            content = old.read(item)
            if item.filename == "docProps/core.xml":
                content = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>2020-01-01T00:00:00Z", content)
            fixed = zipfile.ZipInfo(item.filename, _EPOCH)
            fixed.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(fixed, content)
