"""A hospital whose tables are right, written as CSV or Excel, and what the real reading and selection make
of them.

Tests damage a copy of it and compare what comes out with what is known of each person.
"""

from __future__ import annotations

import copy
import csv
import datetime
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd

from scripts.cohort.selection import select_cohort
from scripts.common.config import Cohort, DxaTable, IdNormaliser, PatientTable
from scripts.common.contracts.intake import FILMS_WITH_AGES
from scripts.common.errors import StudyError, StudyErrors, sentences_of
from scripts.common.key import StudyKey
from scripts.intake.dxa_rows import read_dxa
from scripts.intake.identity import Pseudonyms
from scripts.intake.patient_rows import read_patients
from scripts.intake.pseudonymization import pseudonymize
from scripts.intake.readings import Reading
from scripts.intake.table_checks import account, checked, refuse_unjoined

CENTER = "hospital"
SITES = {"lumbar": "L1-L4", "femoral_neck": "Neck", "total_hip": "Total Hip"}
"""The study's sites and the codes under which this hospital writes them."""
FLAG = "secondary_osteoporosis"
LINES = {
    ("lumbar", "F"): (1.047, 0.110),
    ("femoral_neck", "F"): (0.850, 0.120),
    ("total_hip", "F"): (0.942, 0.122),
    ("lumbar", "M"): (1.091, 0.115),
    ("femoral_neck", "M"): (0.930, 0.136),
    ("total_hip", "M"): (1.033, 0.144),
}
"""Young mean and SD of the density (g/cm2) by site and sex: T = (density - mean) / SD."""
ALONE, WITH_OTHERS, WITHOUT = 15, 15, 30
"""Patients with osteoporosis at one site alone, at two or three sites, and without osteoporosis."""


@dataclass(frozen=True)
class Person:
    """A patient as he is. ``t`` and ``bmd`` by site, rounded as densitometers print them (0.1 and 0.001)."""

    source_id: str
    name: str
    sex: str
    born: datetime.date
    height: float
    weight: float
    film: datetime.date
    exam: datetime.date
    t: dict[str, float]
    bmd: dict[str, float]

    @property
    def label(self) -> int:
        return int(min(self.t.values()) <= -2.5)

    @property
    def age(self) -> int:
        """Completed years at the film."""
        return (
            self.film.year
            - self.born.year
            - ((self.film.month, self.film.day) < (self.born.month, self.born.day))
        )


@dataclass
class Sheet:
    """A table as it is going to be written: headings and rows of text, numbers and days, and how.

    ``book_changes`` get the workbook and its sheet before it is saved, ``byte_changes`` the file's bytes.
    ``settings`` are laid over the table's section of the config. ``n_rows``: how many rows below the heading
    a reader must find; None where damage to the file's form leaves that open.
    """

    headings: list[str]
    rows: list[list[Any]]
    decimals: dict[str, int]
    kind: str = "csv"
    separator: str = ","
    quoting: int = csv.QUOTE_MINIMAL
    line_end: str = "\n"
    encoding: str = "utf-8"
    before: list[list[str]] = field(default_factory=list)
    book_changes: list[Callable[[Any, Any], None]] = field(default_factory=list)
    byte_changes: list[Callable[[bytes], bytes]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    rows_known: bool = True

    def at(self, heading: str) -> int:
        """The column called ``heading``."""
        return self.headings.index(heading)

    def text(self, value: Any, column: int) -> str:
        """A cell as a text file has it."""
        if isinstance(value, float):
            name = self.headings[column] if column < len(self.headings) else ""
            return f"{value:.{self.decimals.get(name, 1)}f}"
        return "" if value is None else value.isoformat() if isinstance(value, datetime.date) else str(value)

    @property
    def n_rows(self) -> int | None:
        filled = [row for row in self.rows if any(str(value).strip() for value in row if value is not None)]
        return len(filled) if self.rows_known else None

    def content(self) -> bytes:
        """The file."""
        if self.kind == "xlsx":
            content = self._workbook()
        else:
            out = io.StringIO(newline="")
            writer = csv.writer(
                out, delimiter=self.separator, quoting=self.quoting, lineterminator=self.line_end
            )
            writer.writerows(self.before)
            writer.writerow(self.headings)
            for row in self.rows:
                writer.writerow([self.text(value, column) for column, value in enumerate(row)])
            content = out.getvalue().encode(self.encoding)
        for change in self.byte_changes:
            content = change(content)
        return content

    def _workbook(self) -> bytes:
        book = openpyxl.Workbook()
        table = book.active
        table.title = "data"
        for row in [*self.before, self.headings, *self.rows]:
            table.append(row)
        for change in self.book_changes:
            change(book, table)
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()

    def write(self, folder: Path, stem: str) -> Path:
        path = folder / f"{stem}.{self.kind}"
        path.write_bytes(self.content())
        return path


@dataclass
class Hospital:
    """Persons, their tables, and the config's rule for ids.

    ``secrets``: further texts that no message may hold. ``not_measured``: source id and site of what the
    tables say was not measured.
    """

    people: tuple[Person, ...]
    patients: Sheet
    dxa: Sheet
    ids: dict[str, Any] = field(default_factory=dict)
    cohort: dict[str, Any] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    not_measured: set[tuple[str, str]] = field(default_factory=set)

    def copy(self) -> Hospital:
        """A copy whose tables can be damaged."""
        return Hospital(
            self.people,
            copy.deepcopy(self.patients),
            copy.deepcopy(self.dxa),
            dict(self.ids),
            dict(self.cohort),
            set(self.secrets),
            set(self.not_measured),
        )


@cache
def people() -> tuple[Person, ...]:
    """Sixty patients, 30 with osteoporosis, half of these at one site alone; many lie next to the cut-off."""
    random = np.random.default_rng(2026)
    found = []
    for number in range(ALONE + WITH_OTHERS + WITHOUT):
        sex = "FMF"[number % 3]
        high = [round(float(value), 1) for value in random.uniform(-2.4, 0.8, 3)]
        low = [-2.5 if number % 4 == 0 else round(float(value), 1) for value in random.uniform(-3.9, -2.6, 3)]
        if number < ALONE:
            high[number % 3] = low[0]
        elif number < ALONE + WITH_OTHERS:
            high = low if number % 2 else [*low[:2], high[2]]
        elif number % 5 == 0:
            high[number % 3] = -2.4
        t = dict(zip(SITES, high))
        bmd = {
            site: round(
                LINES[site, sex][0] + LINES[site, sex][1] * (value + float(random.uniform(-0.04, 0.04))), 3
            )
            for site, value in t.items()
        }
        film = datetime.date(2018, 1, 8) + datetime.timedelta(days=int(random.integers(0, 1800)))
        born = datetime.date(1935, 2, 3) + datetime.timedelta(days=int(random.integers(0, 12000)))
        height = round(float(random.normal(158 if sex == "F" else 169, 5)), 1)
        found.append(
            Person(
                f"{int(random.integers(100_000, 999_999)):08d}", f"Musterfrau{number:02d}", sex, born, height,
                round(float(random.normal(23.5, 2.5)) * (height / 100) ** 2, 1), film,
                film + datetime.timedelta(days=int(random.integers(-90, 90))), t, bmd,
            )
        )  # fmt: skip
    order = random.permutation(len(found))
    return tuple(found[i] for i in order)


@cache
def _good() -> Hospital:
    rows = [[p.source_id, p.name, p.sex, p.born, p.height, p.weight, 0] for p in people()]
    results = [[p.source_id, p.exam, SITES[site], p.bmd[site], p.t[site]] for p in people() for site in SITES]
    return Hospital(
        people(),
        Sheet(
            ["PatientID", "Name", "Sex", "BirthDate", "Height", "Weight", "Secondary"],
            rows,
            {"Height": 1, "Weight": 1},
        ),
        Sheet(["PatientID", "ExamDate", "Region", "BMD", "TScore"], results, {"BMD": 3, "TScore": 1}),
    )


def good_hospital() -> Hospital:
    """A fresh copy of the hospital whose tables are right."""
    return _good().copy()


KEY = StudyKey(b"a key of the tests, 32 bytes....")
COHORT = Cohort().model_dump(mode="json", exclude={"test_fraction", "folds"}) | {
    "center": CENTER,
    "role": "development",
}
PATIENT_COLUMNS = {
    "patient_id": "PatientID",
    "sex": "Sex",
    "birth_date": "BirthDate",
    "height": "Height",
    "weight": "Weight",
}
DXA_COLUMNS = {
    "patient_id": "PatientID",
    "exam_date": "ExamDate",
    "site": "Region",
    "bmd": "BMD",
    "t_score": "TScore",
}
CODING = {site: [code] for site, code in SITES.items()}


def settings_of(hospital: Hospital, paths: dict[str, Path]) -> dict[str, dict]:
    """The config's sections for both tables and the ids."""
    patients = {
        "columns": PATIENT_COLUMNS,
        "exclusions": {FLAG: "Secondary"},
        **hospital.patients.settings,
        "path": str(paths["patients"]),
    }
    dxa = {"columns": DXA_COLUMNS, "site_coding": CODING, **hospital.dxa.settings, "path": str(paths["dxa"])}
    return {
        "patients": PatientTable.model_validate(patients).model_dump(mode="json"),
        "dxa": DxaTable.model_validate(dxa).model_dump(mode="json"),
        "ids": IdNormaliser.model_validate(hospital.ids).model_dump(mode="json"),
    }


@dataclass
class Outcome:
    """What became of a hospital's persons. ``refused``: the sentences that refuse its tables; then nothing
    else stands here.

    ``cohort``: a row per included person, by source id. ``excluded``: source id (or a pseudonym of nobody) to
    reason. ``said``: everything that the log and check-data would show.
    """

    refused: list[str] = field(default_factory=list)
    cohort: pd.DataFrame = field(default_factory=pd.DataFrame)
    excluded: dict[str, str] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    @property
    def labels(self) -> dict[str, int]:
        return {} if self.refused else self.cohort["label"].astype(int).to_dict()

    def reasons(self, table: str) -> set[str]:
        """Reasons and notes of a table's rows."""
        return set(self.readings[table].issues["reason"])


def films(hospital: Hospital, names: Pseudonyms, births: bool = True) -> pd.DataFrame:
    """The FILMS_WITH_AGES rows of one frontal film per person, as the intake writes them."""
    rows = [
        {
            "image_id": names.image_of_uid(p.source_id), "patient_id":
            names.patient(names.normalised(p.source_id)), "status": "accepted", "reason": "",
            "film_date": names.shifted(p.film, names.normalised(p.source_id)).isoformat(), "same_day_order":
            1, "view": "PA", "sex": p.sex, "age": p.age,
            "manufacturer": "ACME", "enrolled": 1, "burned_in": "NO", "verdict": "pass", "verdict_reason": "",
            "png": "x.png",
        }
        for p in hospital.people
    ]  # fmt: skip
    frame = pd.DataFrame(rows)[list(FILMS_WITH_AGES)]
    return frame.astype({"same_day_order": "Int64", "age": "Int64", "enrolled": "Int64"})


def taken_in(hospital: Hospital, folder: Path) -> Outcome:
    """The hospital's tables written, read, checked, put under pseudonyms and selected from, by the real
    functions.
    """
    paths = {
        "patients": hospital.patients.write(folder, "patients"),
        "dxa": hospital.dxa.write(folder, "dxa"),
    }
    settings = settings_of(hospital, paths)
    names = Pseudonyms(KEY, CENTER, settings["ids"])
    faults: list[str] = []
    readings: dict[str, Reading] = {}
    for kind, read in (("patients", read_patients), ("dxa", read_dxa)):
        try:
            readings[kind] = read(settings[kind], settings["ids"], f"centers[{CENTER}].{kind}")
        except StudyError as error:
            faults += sentences_of(error)
    if faults:
        return Outcome(faults)
    try:
        patients, dxa, faults = checked(
            readings["patients"], readings["dxa"], None, settings["dxa"], f"centers[{CENTER}]"
        )
        if faults:
            raise StudyErrors(faults)
        refuse_unjoined(
            {names.normalised(p.source_id) for p in hospital.people},
            patients.rows["source_id"],
            ("films", "patient table"),
            f"centers[{CENTER}].patients",
        )
        found = pseudonymize(patients, dxa, names)
        chosen = select_cohort(
            films(hospital, names),
            found.patients,
            found.dxa,
            found.set_aside,
            found.birth_dates,
            COHORT | hospital.cohort,
        )
    except StudyError as error:
        return Outcome(sentences_of(error))
    source = {names.patient(names.normalised(p.source_id)): p.source_id for p in hospital.people}
    cohort = chosen.cohort.assign(
        patient_id=chosen.cohort["patient_id"].map(lambda name: source.get(name, name))
    ).set_index("patient_id")
    excluded = {
        source.get(name, name): reason
        for name, reason in zip(chosen.excluded["patient_id"], chosen.excluded["reason"])
    }
    said = [account(kind, reading) for kind, reading in (("patients", patients), ("dxa", dxa))] + [
        *patients.form,
        *dxa.form,
    ]
    return Outcome([], cohort, excluded, {"patients": patients, "dxa": dxa}, said)


def fault_of(hospital: Hospital, outcome: Outcome) -> str:
    """What breaks the principle in an outcome: a wrong label or number, a person lost or doubled, rows not
    accounted for, a secret told.

    Empty where nothing does.
    """
    secrets = (
        {p.source_id for p in hospital.people}
        | {p.source_id.lstrip("0") for p in hospital.people}
        | {p.name for p in hospital.people}
    )
    secrets |= (
        {p.born.isoformat() for p in hospital.people}
        | {p.exam.isoformat() for p in hospital.people}
        | hospital.secrets
    )
    for sentence in [*outcome.refused, *outcome.said]:
        if any(secret in sentence for secret in secrets if secret):
            return "a message holds a cell's content"
    for sentence in outcome.refused:
        if "\n" in sentence or not sentence.rstrip().endswith((".", "?")):
            return "a refusal is no plain sentence"
    if outcome.refused:
        return ""
    for kind, sheet in (("patients", hospital.patients), ("dxa", hospital.dxa)):
        n = len(outcome.readings[kind].cells)
        if sheet.n_rows is not None and n != sheet.n_rows:
            return f"{n} of {sheet.n_rows} rows of {kind} were found"
    known = {p.source_id: p for p in hospital.people}
    stray = set(outcome.cohort.index) - set(known)
    if stray or outcome.cohort.index.has_duplicates:
        return "somebody in the cohort is nobody, or stands there twice"
    lost = set(known) - set(outcome.cohort.index) - set(outcome.excluded)
    if lost:
        return f"{len(lost)} persons are neither in nor out"
    for row in outcome.cohort.itertuples():
        person = known[row.Index]
        lowest = min(
            t for site, t in person.t.items() if (person.source_id, site) not in hospital.not_measured
        )
        if int(row.label) != person.label:
            return f"a wrong label: {row.label}"
        if row.sex != person.sex or int(row.age) != person.age:
            return "another person's sex or age"
        if not pd.isna(row.t_score) and abs(row.t_score - lowest) > 1e-6:
            return f"T-score {row.t_score} in place of {lowest}"
        if not pd.isna(row.bmd) and round(row.bmd, 3) not in person.bmd.values():
            return "another density"
        for value, true in ((row.height_cm, person.height), (row.weight_kg, person.weight)):
            if not pd.isna(value) and abs(value - true) > 0.06:
                return f"{value} in place of {true}"
    return ""


__all__ = ["Hospital", "Outcome", "Person", "Sheet", "fault_of", "good_hospital", "people", "taken_in"]
