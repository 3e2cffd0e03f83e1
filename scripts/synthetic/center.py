"""A whole simulated centre: films, tables, the truth about both, and the list of what was planted."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.common.files import atomic_folder, write_text
from scripts.common.layouts import LAYOUTS
from scripts.common.log import Log
from scripts.common.seeds import sub_seed
from scripts.common.tables import Columns, write_table
from scripts.common.vocabulary import QUARANTINED
from scripts.synthetic import progress
from scripts.synthetic.cohort_plan import Film, Patient, plan_center
from scripts.synthetic.detector import DETECTORS, Detector
from scripts.synthetic.dicom_writing import ENCODINGS, film_bytes
from scripts.synthetic.identities import Hospital, code, make_hospital
from scripts.synthetic.radiograph import simulate_film
from scripts.synthetic.table_writing import predictor_cells, table_contents, write_tables

TRUTH: Columns = {
    "path": "text",
    "source_patient_id": "text",
    "planted": "text",
    "view": "text",
    "expected_status": "text",
    "expected_reason": "text",
}
"""``truth.csv``: one row per file. ``path`` from the centre's DICOM folder; status and reason as in FILES.

Of two copies of a file either may be the one accepted; a file cut short may hide whose it is.
"""

TRUTH_PATIENTS: Columns = {
    "source_patient_id": "text",
    "name": "text",
    "group": "text",
    "planted": "text",
    "expected": "text",
    "expected_reason": "text",
    "label": "int",
    "t_score": "float",
    "bmd": "float",
    "dxa_site": "text",
    "sex": "text",
    "age": "int",
    "height_cm": "float",
    "weight_kg": "float",
    "film_path": "text",
    "dxa_interval_days": "int",
    "bone_t_score": "float",
    "vendor": "text",
}
"""``truth_patients.csv``: one row per patient.

``expected`` is included or excluded, ``expected_reason`` a step of FLOW.

``film_path`` and ``dxa_interval_days`` are those of the first pair; ``bone_t_score`` is what the films show.
"""


def simulate_center(center: str, simulate: dict, seed: int, folder: Path, log: Log, workers: int = 1) -> None:
    """Make the films, the tables and the truth of one centre under ``folder``. ``simulate`` is the centre's
    section of the config, as plain values.

    Every patient depends on the seed, the centre's name and the patient's own name only: the files have the
    same bytes whatever the number of ``workers``.
    """
    like, layout = simulate["like"], LAYOUTS[simulate["like"]]
    patients = plan_center(seed, center, simulate)
    hospital = make_hospital(seed, center)
    log.say(progress.planned(len(patients), sum(len(p.films) for p in patients)))

    with atomic_folder(folder / "dicom") as dicom:
        work = partial(
            _write_patient,
            seed=seed,
            center=center,
            like=like,
            size=simulate["film_size"],
            hospital=hospital,
            folder=dicom,
        )
        files, planted = [], {}
        for rows, strings in log.progress(_each(work, patients, workers), len(patients), unit="patients"):
            files += rows
            planted.update({f"dicom/{path}": found for path, found in strings.items()})
        if simulate["trouble"]:
            rows, strings = _write_strays(dicom, seed, center, patients)
            files += rows
            planted.update({f"dicom/{path}": found for path, found in strings.items()})
    with atomic_folder(folder / "tables") as tables:
        further = {
            p.name: predictor_cells(layout, sub_seed(seed, "simulate", center, "predictors", p.name))
            for p in (patients if simulate["predictors"] else ())
        }
        contents = table_contents(layout, like, patients, further)
        names = write_tables(layout, contents, tables)
    for kind, name in names.items():
        found = planted.setdefault(f"tables/{name}", {})
        for group, texts in _planted_in_table(contents[kind], patients).items():
            found[group] = sorted({*found.get(group, []), *texts})

    truth = pd.DataFrame(files).sort_values("path", ignore_index=True)
    first = truth[truth["film"] == 1].drop_duplicates("name").set_index("name")["path"]
    write_table(truth.drop(columns=["name", "film"]), folder / "truth.csv", TRUTH)
    people = pd.DataFrame([_truth_of(p) for p in patients])
    people["vendor"] = [detector_of(p, like, seed, center).vendor for p in patients]
    people["film_path"] = people["name"].map(first).fillna("")
    write_table(people, folder / "truth_patients.csv", TRUTH_PATIENTS)
    record = {"center": center, "encodings": ENCODINGS, "files": dict(sorted(planted.items()))}
    write_text(
        folder / "planted.json", json.dumps(record, ensure_ascii=False, indent=0, sort_keys=True) + "\n"
    )


def _each(work: partial, patients: list[Patient], workers: int) -> Iterator[tuple[list[dict], dict]]:
    if workers <= 1:
        yield from map(work, patients)
        return
    # fork: the workers need nothing but what is loaded already.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as pool:
        yield from pool.map(work, patients, chunksize=4)


def detector_of(patient: Patient, like: str, seed: int, center: str) -> Detector:
    """The machine that took a patient's films: drawn, so that it tells nothing of the patient."""
    machines = DETECTORS[like]
    return machines[sub_seed(seed, "simulate", center, "machine", patient.name) % len(machines)]


def _write_patient(
    patient: Patient, seed: int, center: str, like: str, size: int, hospital: Hospital, folder: Path
) -> tuple[list[dict], dict]:
    """Write all films of one patient; return rows of TRUTH (with ``name`` and ``film``) and what was planted
    where.
    """
    detector = detector_of(patient, like, seed, center)
    person = patient.person
    rows, planted = [], {}
    for film in patient.films:
        pixels = simulate_film(
            (seed, center, patient.name), film.number, person.sex, person.age, person.height_cm, person.bmi,
            patient.bone_t_score, detector, size, lateral=film.view == "lateral", exposure=film.exposure,
        )  # fmt: skip
        rng = np.random.default_rng(sub_seed(seed, "simulate", center, patient.name, "header", film.number))
        content, found = film_bytes(patient, film, pixels, detector, hospital, like, rng)
        for copy in range(film.copies + 1):
            path, distinctive = file_name(patient, film, like, rng)
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            planted[path] = {**found.as_lists(), "paths": sorted(distinctive)}
            rows.append(
                {
                    "path": path,
                    "source_patient_id": patient.identity.patient_id,
                    "planted": film.planted or ("duplicate_file" if film.copies else ""),
                    "view": film.view,
                    "expected_status": film.status if copy == 0 else QUARANTINED,
                    "expected_reason": film.reason if copy == 0 else "duplicate",
                    "name": patient.name,
                    "film": film.number if copy == 0 else 0,
                }
            )
    return rows, planted


def file_name(patient: Patient, film: Film, like: str, rng: np.random.Generator) -> tuple[str, set[str]]:
    """A path as archives make them, and its parts that identify somebody: names, ids, dates, Chinese, no
    suffix, spaces.
    """
    who, day = patient.identity, film.day
    token = code(rng, 8)
    views = {"PA": "chest pa", "AP": "chest ap", "lateral": "chest lat"}
    if like == "internal":
        if rng.random() < 0.5:
            parts = [f"{who.family}_{who.given}", f"{day:%Y-%m-%d} {views[film.view]}", f"IM{token}"]
        else:
            parts = ["PACS export", who.patient_id, "SE 1", f"{token} {who.family}.dcm"]
    elif like == "external_1":
        suffix = str(rng.choice([".IMA", ".img", "", ".DCM"]))
        parts = [f"{day:%Y}", f"{who.patient_id}", f"A{token}", f"{who.family.upper()} {day:%d%m%Y}{suffix}"]
    else:
        parts = [f"{day.year}年{day.month}月", f"{who.ideographic}_{who.patient_id}", f"胸部 {token}"]
        if rng.random() < 0.5:
            parts.append("DICOM")
            parts.append(f"{who.family}.{film.number}")
    identifying = {
        part
        for part in parts
        if any(s in part for s in (who.family, who.family.upper(), who.patient_id, token))
    }
    return "/".join(parts), identifying


def _write_strays(folder: Path, seed: int, center: str, patients: list[Patient]) -> tuple[list[dict], dict]:
    """Files that are no films among them: notes, an index, a text under a film's name; rows of TRUTH and what
    is planted.
    """
    rng = np.random.default_rng(sub_seed(seed, "simulate", center, "strays"))
    about = patients[int(rng.integers(len(patients)))].identity
    rows, planted = [], {}
    for path, text in (
        ("README export.txt", f"Export for {about.full_name}, {about.phone}\n"),
        ("DICOMDIR", "index of the export, cut off\n"),
        (f"late films/IM{code(rng, 8)}.dcm", f"This film of {about.full_name} could not be exported.\n" * 20),
    ):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        if about.full_name in text:
            planted[path] = {"names": [about.full_name]}
        rows.append(
            {
                "path": path, "source_patient_id": "", "planted": "not_dicom", "view": "",
                "expected_status": QUARANTINED, "expected_reason": "not_dicom", "name": "", "film": 0,
            }
        )  # fmt: skip
    return rows, planted


def _truth_of(patient: Patient) -> dict:
    person = patient.person
    interval = (patient.exams[0].day - patient.films[0].day).days if patient.exams and patient.films else None
    return {
        "source_patient_id": patient.identity.patient_id,
        "name": patient.name,
        "group": "OP" if person.op else "non-OP",
        "planted": patient.planted,
        "expected": "included" if patient.included else "excluded",
        "expected_reason": patient.reason,
        "label": int(person.op),
        "t_score": person.t_score,
        "bmd": person.bmd,
        "dxa_site": person.site,
        "sex": person.sex,
        "age": person.age,
        "height_cm": person.height_cm,
        "weight_kg": person.weight_kg,
        "dxa_interval_days": interval,
        "bone_t_score": patient.bone_t_score,
    }


def _planted_in_table(rows: list[dict], patients: list[Patient]) -> dict[str, set[str]]:
    """Identifying strings in the rows of one clinical table."""
    text = "\n".join("\t".join(map(str, row.values())) for row in rows)
    found: dict[str, set[str]] = {"ids": set(), "names": set(), "phones": set(), "addresses": set()}
    for who in (patient.identity for patient in patients):
        for group, values in (
            ("ids", (who.patient_id, who.patient_id.lstrip("0"), who.insurance)),
            ("names", (who.ideographic, who.full_name)),
            ("phones", (who.phone,)),
            ("addresses", (who.address,)),
        ):
            found[group].update(value for value in values if value in text)
    return {group: texts for group, texts in found.items() if texts}
