"""The intake of a real centre, killed in the middle of a batch and run again; then a new film in a nested
folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pydicom
import pytest
import yaml

from scripts.common.config import FrontalView, IdNormaliser
from scripts.common.contracts.intake import LISTING
from scripts.common.key import open_key
from scripts.common.leftover_scripts import STARTED
from scripts.common.log import Log
from scripts.common.tables import read_table
from scripts.intake.batch_conversion import convert_batch
from scripts.intake.batch_deidentification import deidentify_batch
from scripts.intake.dicom_reading import silence_readers
from scripts.intake.identity import Pseudonyms
from scripts.intake.listing import batch_of
from tests.intake.fuzz_intake import WINDOW, whole_film

TARGET = "results/intake/hospital_a/films.csv"
COLUMNS = {
    "patient_id": "PatientID",
    "sex": "Sex",
    "birth_date": "BirthDate",
    "height": "Height",
    "weight": "Weight",
}
DXA = {
    "patient_id": "PatientID",
    "exam_date": "ExamDate",
    "site": "Region",
    "bmd": "BMD",
    "t_score": "TScore",
}


@pytest.fixture
def study(fresh_study):
    study = fresh_study("killed")
    films = study.path / "data/films"
    films.mkdir(parents=True)
    image = whole_film("explicit", (1200, 1000))
    for number in range(60):
        uid = b"1.2.826.0.1.3680043.10.999.8"
        assert image.count(uid) == 2
        (films / f"IM{number}").write_bytes(
            image.replace(uid, uid[:-4] + b"%04d" % (1000 + number))[:-2] + b"%02d" % number
        )
    for name, columns in (("patients", COLUMNS), ("dxa", DXA)):
        (study.path / f"data/{name}.csv").write_text(",".join(columns.values()) + "\n")
    subprocess.run(
        [sys.executable, "-m", "scripts.common.key", "private/study.key"],
        cwd=study.path,
        check=True,
        capture_output=True,
    )
    center = {
        "name": "hospital_a", "role": "development", "dicom": "data/films", "batches": 2,
        "patients": {"path": "data/patients.csv", "columns": COLUMNS, "height_unit": "cm"},
        "dxa": {"path": "data/dxa.csv", "columns": DXA, "site_coding": {"lumbar": ["L1-L4"]}},
    }  # fmt: skip
    study.configfile = "config/killed.yaml"
    raw = {"study": {"key_file": "private/study.key"}, "centers": [center]}
    (study.path / study.configfile).write_text(yaml.safe_dump(raw), encoding="utf-8")
    return study


def kill_in_the_middle_of_a_batch(study) -> None:
    command = [sys.executable, "-m", "snakemake", "--configfile", study.configfile, "--cores", "2", TARGET]
    process = subprocess.Popen(
        command, cwd=study.path, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    ends = time.monotonic() + 60
    while not list((study.path / "results/intake/hospital_a/dicom").glob(".part-*/*.dcm")):
        assert process.poll() is None and time.monotonic() < ends, "it was over before it was killed"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.3)


def unbroken(study, batch: int, target: Path) -> None:
    """What one batch gives without Snakemake and without a break."""
    silence_readers()
    names = Pseudonyms(
        open_key(study.path / "private/study.key", None), "hospital_a", IdNormaliser().model_dump()
    )
    deidentify_batch(
        folder=study.path / "data/films", batch=batch, n_batches=2, names=names,
        patterns=FrontalView().model_dump(),
        films_folder=target / f"dicom/batch_{batch}", films_table=target / f"dicom/batch_{batch}.csv",
        crosswalk=target / "crosswalk.csv", log=Log(None, "test", echo=False),
    )  # fmt: skip
    convert_batch(
        films_folder=target / f"dicom/batch_{batch}", films_table=target / f"dicom/batch_{batch}.csv",
        window=WINDOW,
        png_folder=target / f"png/batch_{batch}", png_table=target / f"png/batch_{batch}.csv",
        log=Log(None, "test", echo=False),
    )  # fmt: skip
    (target / "crosswalk.csv").unlink()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for part in ("dicom", "png")
        for p in (folder / part).rglob("*")
        if p.is_file() and p.name != ".snakemake_timestamp"
    }


def test_a_killed_intake_goes_on_and_a_new_film_touches_its_batch_only(study, tmp_path):
    kill_in_the_middle_of_a_batch(study)
    assert list((study.path / "results/intake/hospital_a/dicom").glob(".part-*")), (
        "a half-written batch is there"
    )
    left = list((study.path / ".snakemake/scripts").glob("*"))
    assert left, "the kill left no copy of a script"
    film = pydicom.dcmread(study.path / "data/films/IM1", stop_before_pixels=True)
    secrets = [
        str(film.PatientID),
        str(film.PatientName),
        (study.path / "private/study.key").read_text().strip(),
        "IM1",
        "IM59",
    ]
    for path in left:
        assert [value for value in secrets if value.encode() in path.read_bytes()] == []
        os.utime(path, (time.time() - 2 * STARTED,) * 2)
    assert "cannot be locked" in study.snakemake(TARGET, check=False)
    study.snakemake("--unlock")
    study.snakemake(TARGET)
    for batch in (0, 1):
        unbroken(study, batch, tmp_path)
    made, expected = contents(study.path / "results/intake/hospital_a"), contents(tmp_path)
    assert len(expected) == 2 * 60 + 4 and made == expected
    assert [p for p in study.path.rglob(".part-*")] == [], "leftovers of the killed run"
    assert list((study.path / ".snakemake/scripts").glob("*")) == [], (
        "copies of scripts, with the paths of the tables"
    )
    listed = read_table(study.path / "private/hospital_a/listing.csv", LISTING)
    assert len(listed) == 60

    new = study.path / "data/films/2024/11/IM0"
    new.parent.mkdir(parents=True)
    new.write_bytes(whole_film("jpeg_ls"))
    printed = study.snakemake("-n", TARGET)
    batch = batch_of("2024/11/IM0", 2)
    assert (
        f"deidentify/hospital_a_{batch}.log" in printed
        and f"deidentify/hospital_a_{1 - batch}.log" not in printed
    )
    assert (
        f"convert_png/hospital_a_{batch}.log" in printed
        and f"convert_png/hospital_a_{1 - batch}.log" not in printed
    )
