"""A study of 'real' centres: the simulated films and tables given by path, with a key of the study's own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
import yaml

from scripts.common.config import Center, with_sources

NAMES = {"internal": "hospital_a", "external_1": "hospital_b", "external_2": "hospital_c"}


def as_real(simulated: str, folder: str) -> dict:
    """The config entry of a centre whose data are those of a simulated one, moved to ``folder``."""
    center = with_sources(
        Center(name=simulated, role="external", simulate={"like": simulated, "n_op": 8, "n_non_op": 8})
    )
    entry = center.model_dump(
        mode="json", by_alias=True, exclude={"simulate", "enrolment", "review", "label"}
    )
    old = f"data/synthetic/{simulated}"
    entry["name"] = NAMES[simulated]
    entry["role"] = "development" if simulated == "internal" else "external"
    entry["dicom"] = entry["dicom"].replace(old, folder)
    entry["batches"] = 2
    for table in ("patients", "dxa"):
        entry[table]["path"] = entry[table]["path"].replace(old, folder)
    return entry


@pytest.fixture(scope="module")
def real(finished, fresh_study):
    study = fresh_study("real")
    for simulated, name in NAMES.items():
        source = finished.path / "data/synthetic" / simulated
        target = study.path / "data" / name
        shutil.copytree(source, target)
        for truth in ("truth.csv", "planted.json", "truth_patients.csv"):
            (target / truth).unlink(missing_ok=True)
    subprocess.run(
        [sys.executable, "-m", "scripts.common.key", "private/study.key"],
        cwd=study.path,
        check=True,
        capture_output=True,
    )
    raw = yaml.safe_load((study.path / "config/tiny.yaml").read_text())
    raw["study"] = {"key_file": "private/study.key", "title": "Two hospitals"}
    raw["centers"] = [as_real(simulated, f"data/{name}") for simulated, name in NAMES.items()]
    del raw["models"]["habits"]  # these tables map no columns of their own
    study.configfile = "config/real.yaml"
    (study.path / study.configfile).write_text(
        yaml.safe_dump(raw, allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
    study.snakemake()
    return study


def test_the_same_patients_are_found(real, finished):
    there = pd.read_csv(real.path / "results/cohort/cohort.csv")
    here = pd.read_csv(finished.path / "results/cohort/cohort.csv")
    renamed = here["center"].map(NAMES)
    assert (
        there.groupby(["center", "label"]).size().to_dict()
        == here.groupby([renamed, "label"]).size().to_dict()
    )
    assert sorted(there["t_score"].fillna(9)) == sorted(here["t_score"].fillna(9))


def test_another_key_gives_other_pseudonyms(real, finished):
    there = pd.read_csv(real.path / "results/cohort/cohort.csv")
    here = pd.read_csv(finished.path / "results/cohort/cohort.csv")
    assert not set(there["patient_id"]) & set(here["patient_id"])
    assert not set(there["image_id"]) & set(here["image_id"])


def test_a_real_study_never_says_synthetic(real):
    for path in (real.path / "results").rglob("*"):
        if path.name == "provenance.json":
            assert json.loads(path.read_text(encoding="utf-8"))["synthetic"] is False
        elif path.suffix in (".html", ".svg", ".csv", ".json"):
            assert "synthetic" not in path.read_text(encoding="utf-8").lower(), path.name
        if path.suffix == ".docx":
            text = zipfile.ZipFile(path).read("word/document.xml").decode()
            assert "synthetic" not in text.lower(), path.name


def test_no_path_or_key_in_the_results(real):
    secret = (real.path / "private/study.key").read_text().strip()
    for path in (real.path / "results").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert secret.encode() not in content and str(real.path).encode() not in content, path.name
            assert b"data/hospital_a" not in content, path.name


def test_second_run_has_nothing_to_do(real):
    assert "Nothing to be done" in real.snakemake()


def test_a_new_film_touches_its_batch_only(real, tmp_path):
    """A film of a new patient in a nested folder: its batch is done again, nothing is trained."""
    study = real.duplicate(tmp_path / "study")
    source = next(
        p
        for p in sorted((study.path / "data/hospital_b/dicom").rglob("*"))
        if p.is_file() and p.stat().st_size > 20_000
    )
    deep = study.path / "data/hospital_b/dicom/new/nested"
    deep.mkdir(parents=True)
    shutil.copy2(source, deep / "one more film")
    planned = study.jobs()
    assert planned["list_films"] == 1
    assert "train_fold" not in planned and planned.get("deidentify", 0) <= 1
    study.snakemake()
    files = pd.read_csv(study.path / "results/intake/files.csv", keep_default_na=False)
    before = pd.read_csv(real.path / "results/intake/files.csv", keep_default_na=False)
    assert len(files) == len(before) + 1
    assert (files["reason"] == "duplicate").sum() == (before["reason"] == "duplicate").sum() + 1
    assert "Nothing to be done" in study.snakemake()


def test_new_patients_of_an_external_centre_rescore_that_centre_alone(real, tmp_path):
    """A film, a row of the patient table and an exam: what is planned names that centre and no other, and
    trains nothing.
    """
    study = real.duplicate(tmp_path / "study")
    folder = study.path / "data/hospital_b"
    source = next(
        p for p in sorted((folder / "dicom").rglob("*")) if p.is_file() and p.stat().st_size > 20_000
    )
    shutil.copy2(source, folder / "dicom/another patient")
    workbook = openpyxl.load_workbook(folder / "tables/clinical_data.xlsx")
    for sheet in workbook:
        sheet.append([cell.value for cell in sheet[sheet.max_row]])
    workbook.save(folder / "tables/clinical_data.xlsx")
    printed = study.snakemake("-n")
    planned = study.jobs()
    assert not {"train_fold", "fit_model", "split_cohort"} & planned.keys()
    assert all(
        planned[rule] == 1
        for rule in (
            "list_films",
            "pseudonymize_tables",
            "deidentify",
            "convert_png",
            "screen_exposure",
            "select_cohort",
        )
    )
    assert all(
        planned[rule] == 1 for rule in ("cache_films", "score_images", "score_model", "merge_predictions")
    )
    named = {
        part
        for line in printed.splitlines()
        if line.strip().startswith("wildcards:")
        for part in line.replace(",", " ").split()
    }
    assert {"center=hospital_b", "set=hospital_b"} <= named
    others = {
        f"{kind}={name}"
        for kind in ("center", "set")
        for name in ("hospital_a", "hospital_c", "train", "internal_test")
    }
    assert not named & others


# -------------------------------------------------------------------------------------------- bad input


def rewrite(path: Path, change) -> None:
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    change(frame).to_csv(path, index=False)


def run_until_refused(study, *targets: str) -> str:
    text = study.snakemake(*targets, check=False)
    errors = [line for line in text.splitlines() if "ERROR:" in line]
    assert errors, text[-3000:]
    assert "Traceback" not in text
    return errors[0]


BAD_TABLES = {
    "column not there": (lambda f: f.rename(columns={"Gender": "Sexe"}), ("Gender", "patients")),
    "heights in metres": (
        lambda f: f.assign(
            Height_cm=(pd.to_numeric(f["Height_cm"], errors="coerce") / 100).round(2).astype(str)
        ),
        ("height_unit",),
    ),
    "dates in another format": (
        lambda f: f.assign(
            DOB=pd.to_datetime(f["DOB"], errors="coerce", format="mixed").dt.strftime("%d. %b %y")
        ),
        ("date_format",),
    ),
    "empty table": (lambda f: f.iloc[:0], ("no row",)),
}


@pytest.mark.parametrize("fault", BAD_TABLES)
def test_a_bad_table_gives_one_clear_sentence(real, tmp_path, fault):
    change, words = BAD_TABLES[fault]
    study = real.duplicate(tmp_path / "study")
    rewrite(study.path / "data/hospital_a/tables/patients.csv", change)
    said = run_until_refused(study, "results/intake/hospital_a/patients.csv")
    for word in words:
        assert word in said
    assert (study.path / "results/predictions.csv").is_file(), "what was computed is lost"


def test_a_key_that_others_can_read_is_refused(real):
    key = real.path / "private/study.key"
    try:
        key.chmod(0o644)
        assert "chmod 600" in real.snakemake("-n", check=False)
    finally:
        key.chmod(0o600)


def test_check_data_says_what_the_data_will_give(real):
    done = subprocess.run(
        [sys.executable, "-m", "scripts.check.check_data", "--configfile", real.configfile],
        cwd=real.path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    cohort = pd.read_csv(real.path / "results/cohort/cohort.csv")
    for name in NAMES.values():
        assert name in done.stdout
        assert str((cohort["center"] == name).sum()) in done.stdout
