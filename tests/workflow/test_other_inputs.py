"""A centre that comes as PNG files or as another site's hand-over gives the patients that its DICOM files
give.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml

from scripts.common.config import Center, with_sources
from scripts.common.log import Log
from scripts.synthetic.center import simulate_center

COHORT = "results/cohort/{}/selected.csv"
FLOW = "results/cohort/{}/flow.csv"


def make_key(study) -> None:
    command = [sys.executable, "-m", "scripts.common.key", "private/study.key"]
    subprocess.run(command, cwd=study.path, check=True, capture_output=True)


def write_config(study, centers: list[dict], **more) -> None:
    raw = yaml.safe_load((study.path / "config/tiny.yaml").read_text(encoding="utf-8"))
    raw = {
        **raw,
        "study": {"key_file": "private/study.key", "title": "Two sites"},
        "centers": centers,
        **more,
    }
    study.configfile = "config/own.yaml"
    (study.path / study.configfile).write_text(
        yaml.safe_dump(raw, allow_unicode=True, sort_keys=False), encoding="utf-8"
    )


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, dtype=str)


@pytest.fixture(scope="module")
def site(fresh_study):
    """A hospital's own machine: a centre's raw data run to the cohort, and the same centre handed over."""
    study = fresh_study("site")
    simulated = Center(
        name="external_1",
        role="external",
        simulate={"like": "external_1", "n_op": 8, "n_non_op": 6, "film_size": 220, "predictors": True},
    )
    folder = study.path / "data/hospital"
    simulate_center(
        simulated.name,
        simulated.simulate.model_dump(mode="json"),
        seed=3,
        folder=folder,
        log=Log(None, "simulate", echo=False),
        workers=2,
    )
    entry = with_sources(simulated).model_dump(
        mode="json", include={"dicom", "patients", "dxa", "ids"}, exclude_none=True
    )
    entry = json.loads(json.dumps(entry).replace("data/synthetic/external_1", "data/hospital"))
    # a period that leaves some films out, so that the hand-over must carry who is inside
    entry |= {
        "name": "hospital",
        "role": "external",
        "batches": 1,
        "enrolment": {"from": "2022-09-15", "to": "2100-01-01"},
    }
    make_key(study)
    write_config(study, [entry | {"role": "development"}])
    study.entry = entry
    study.snakemake(COHORT.format("hospital"), "results/handover/hospital")
    return study


def image_table(site, folder: Path) -> list[dict]:
    """The films of the site as a folder of PNG files under other names, and a table with the hospital's ids
    and dates.

    Some are 8-bit, some have an opaque alpha channel, and every one carries text about its patient.
    """
    rows = []
    for number, crosswalk in enumerate(
        sorted((site.path / "private/hospital/crosswalk").glob("batch_*.csv"))
    ):
        facts = table(site.path / f"results/intake/hospital/dicom/{crosswalk.name}").set_index("image_id")
        for source in table(crosswalk).itertuples():
            png = site.path / f"results/intake/hospital/png/batch_{number}/{source.image_id}.png"
            if not png.is_file():
                continue
            name = f"ward {len(rows) % 3}/film{len(rows):03d}.png"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            image = cv2.imread(str(png), cv2.IMREAD_UNCHANGED)
            cv2.imwrite(str(folder / name), (image >> 8).astype(np.uint8) if len(rows) % 4 == 3 else image)
            fact = facts.loc[source.image_id]
            rows.append(
                {
                    "Datei": name.replace("/", "\\"), "Nummer": "000" + source.source_patient_id,
                    "Tag": source.film_date, "Zeit": source.acquisition_time,
                    "Ansicht": "frontal pa" if fact["view"] == "PA" else fact["view"],
                    "Geschlecht": {"F": "w", "M": "m"}.get(fact["sex"], ""),
                    "Firma": fact["manufacturer"],
                }
            )  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def receiving(site, fresh_study):
    """Another machine with another key: the handed-over centre, and a development centre that has PNG
    files.
    """
    study = fresh_study("receiving")
    make_key(study)
    shutil.copytree(site.path / "results/handover/hospital", study.path / "data/received")
    shutil.copytree(site.path / "data/hospital/tables", study.path / "data/png_hospital/tables")
    rows = image_table(site, study.path / "data/png_hospital/films")
    (study.path / "data/png_hospital/films/Thumbs.db").write_bytes(b"no picture")
    shutil.copy2(
        study.path / "data/png_hospital/films/ward 0/film000.png",
        study.path / "data/png_hospital/films/nobody's.png",
    )
    absent = {**rows[0], "Datei": "ward 9/gone.png", "Nummer": "000123456789"}
    with (study.path / "data/png_hospital/images.csv").open("w", newline="", encoding="gb18030") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows([*rows, absent])
    png = {
        key: json.loads(json.dumps(site.entry[key]).replace("data/hospital", "data/png_hospital"))
        for key in ("patients", "dxa", "ids", "enrolment")
    }
    png |= {
        "name": "png_hospital", "role": "development", "batches": 2, "png": "data/png_hospital/films",
        "images": {
            "path": "data/png_hospital/images.csv", "encoding": "gb18030",
            "columns": {
                "file": "Datei", "patient_id": "Nummer", "film_date": "Tag", "film_time": "Zeit",
                "view": "Ansicht", "sex": "Geschlecht",
                "manufacturer": "Firma",
            },
            "sex_coding": {"F": ["w"], "M": ["m"]},
            "view_coding": {"PA": ["frontal pa"]},
        },
    }  # fmt: skip
    study.rows = rows
    write_config(study, [png, {"name": "hospital", "role": "external", "deidentified": "data/received"}])
    study.printed = study.snakemake(*(COHORT.format(name) for name in ("hospital", "png_hospital")))
    return study


# --------------------------------------------------------------------------------------------- hand-over


def test_a_handed_over_centre_has_the_very_cohort_of_its_raw_data(site, receiving):
    """Selected patients with labels, ages, intervals and verdicts, the flow and who is excluded: the same
    bytes.
    """
    for name in ("selected.csv", "flow.csv", "excluded.csv"):
        path = f"results/cohort/hospital/{name}"
        there = table(site.path / path)
        if name == "selected.csv":
            assert len(there) >= 8 and (there["set"] == "").all(), (
                "the site's is a development centre, which has no set yet"
            )
            there["set"] = "hospital"
            assert (there[["calcium", "smoker", "alcohol"]] != "").sum().gt(5).all()
        pd.testing.assert_frame_equal(there, table(receiving.path / path))
    flow = table(site.path / FLOW.format("hospital")).set_index("step")["n_any"].astype(int)
    assert flow["outside_enrolment"] > 0 and flow["too_young"] > 0 and flow["no_pair_in_interval"] > 0, (
        "nothing was at stake"
    )


def test_the_study_screens_the_films_itself_and_finds_the_same(site, receiving):
    for name in ("files.csv", "films.csv", "exposure.csv"):
        path = f"results/intake/hospital/{name}"
        there, here = table(site.path / path), table(receiving.path / path)
        if name == "films.csv":
            assert (here.pop("film_date") < "1901").all() and there.pop("film_date").gt("1901").any(), (
                "no date left the site"
            )
        pd.testing.assert_frame_equal(there, here)


def test_the_hand_over_holds_nothing_private(site):
    """No id, name, date of the source, no time of day, no shift and no birth date, in any file of the
    folder.
    """
    folder = site.path / "results/handover/hospital"
    content = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    assert {name.split("/")[0] for name in content} <= {
        ".snakemake_timestamp", "manifest.json", "films", "patients.csv", "dxa.csv", "set_aside.csv",
        "table_issues.csv", "film_ages.csv",
        "pairs.csv", "visit_order.csv",
    }  # fmt: skip
    text = b"".join(data for name, data in content.items() if name.endswith((".csv", ".json")))
    planted = json.loads((site.path / "data/hospital/planted.json").read_text(encoding="utf-8"))
    strings = {value for values in planted.values() for value in values if len(value) >= 6}
    source = pd.concat([table(path) for path in (site.path / "private/hospital/crosswalk").glob("*.csv")])
    ids = {value for value in source["source_patient_id"] if len(value) >= 6}
    assert len(strings) > 30 and len(ids) > 10
    assert [value for value in strings | ids if value.encode() in text] == []
    everything = text + b"".join(data for name, data in content.items() if name.endswith(".dcm"))
    assert [value for value in ids if value.encode() in everything] == []
    columns = {column for path in folder.rglob("*.csv") for column in table(path).columns}
    assert len(columns) > 25 and not [
        c for c in columns if "shift" in c or "birth" in c or "time" in c or c == "path"
    ]
    assert str(site.path).encode() not in everything


def test_a_site_needs_no_development_centre_and_runs_the_intake_alone(site, tmp_path):
    study = site.duplicate(tmp_path / "study")
    write_config(study, [site.entry], handover="hospital")
    shutil.rmtree(study.path / "private/hospital")
    shutil.rmtree(study.path / "results/handover")
    planned = study.jobs()
    assert planned == {"all": 1, "hand_over": 1, "pseudonymize_tables": 1, "deidentify": 1}


def refused(study, *targets: str) -> str:
    text = study.snakemake(*targets, check=False)
    errors = sorted({line.split("] ERROR: ")[1] for line in text.splitlines() if "] ERROR: " in line})
    assert len(errors) == 1 and "Traceback" not in text, text[-3000:]
    return errors[0]


def test_a_changed_missing_or_further_file_is_refused(receiving, tmp_path):
    """With one sentence, in the job that takes it in; what was computed stays.

    Each kind: tests/intake/test_intake_handover.py.
    """
    study = receiving.duplicate(tmp_path / "study")
    film = sorted((study.path / "data/received/films/batch_0").glob("*.dcm"))[0]
    film.write_bytes(film.read_bytes()[:-1] + bytes([film.read_bytes()[-1] ^ 1]))
    shutil.rmtree(study.path / "results/intake/hospital/dicom")
    said = refused(study, "results/intake/hospital/dicom/batch_0.csv")
    assert "centers[hospital].deidentified" in said and "1 changed" in said and "make handover" in said
    assert (study.path / COHORT.format("hospital")).is_file()


# --------------------------------------------------------------------------------------------------- PNG


def source_ids(study, center: str) -> dict[str, str]:
    """Pseudonym to the hospital's id without leading zeros."""
    found = {}
    for path in (study.path / f"private/{center}/crosswalk").glob("*.csv"):
        facts = table(study.path / f"results/intake/{center}/dicom/{path.name}").set_index("image_id")
        for row in table(path).itertuples():
            if row.source_patient_id:
                found[facts.loc[row.image_id, "patient_id"]] = row.source_patient_id.lstrip("0")
    return found


def test_png_films_give_the_patients_of_the_dicom_films(site, receiving):
    there, here = (
        table(site.path / COHORT.format("hospital")),
        table(receiving.path / COHORT.format("png_hospital")),
    )
    assert not set(there["patient_id"]) & set(here["patient_id"]), "another key"
    there["patient_id"] = there["patient_id"].map(source_ids(site, "hospital"))
    here["patient_id"] = here["patient_id"].map(source_ids(receiving, "png_hospital"))
    same = [
        "patient_id",
        "label",
        "sex",
        "age",
        "height_cm",
        "weight_kg",
        "bmd",
        "t_score",
        "dxa_site",
        "dxa_interval_days",
        "manufacturer",
    ]
    pd.testing.assert_frame_equal(
        there[same].sort_values("patient_id", ignore_index=True),
        here[same].sort_values("patient_id", ignore_index=True),
    )


def test_every_png_file_and_every_row_is_accounted_for(receiving):
    files = table(receiving.path / "results/intake/png_hospital/files.csv")
    assert len(files) == len(receiving.rows) + 2
    assert set(files["status"]) <= {"accepted", "quarantined", "rejected"}
    reasons = files["reason"].value_counts()
    assert reasons["not_png"] == 1 and reasons["not_in_image_table"] == 1
    issues = table(receiving.path / "results/intake/png_hospital/table_issues.csv")
    assert ("images", "no_such_file", "1") in set(issues.itertuples(index=False, name=None))
    excluded = table(receiving.path / "results/cohort/png_hospital/excluded.csv")
    aside = table(receiving.path / "results/intake/png_hospital/set_aside.csv")
    gone = set(aside.loc[aside["table"] == "images", "patient_id"])
    assert len(gone) == 1 and set(excluded.loc[excluded["patient_id"].isin(gone), "reason"]) == {"no_film"}
    ids = {row["Nummer"].lstrip("0") for row in receiving.rows}
    for path in (receiving.path / "results/intake/png_hospital").rglob("*.csv"):
        text = path.read_text(encoding="utf-8")
        assert (
            "ward" not in text
            and "film0" not in text
            and not any(re.search(rf"\b0*{i}\b", text) for i in ids if len(i) > 4)
        ), path.name


def test_a_new_png_and_its_row_touch_their_batch_only(receiving, tmp_path):
    study = receiving.duplicate(tmp_path / "study")
    folder = study.path / "data/png_hospital"
    targets = [COHORT.format(name) for name in ("hospital", "png_hospital")]
    shutil.copy2(folder / "films/ward 1/film001.png", folder / "films/ward 1/late.png")
    with (folder / "images.csv").open("a", encoding="gb18030") as handle:
        handle.write("ward 1/late.png,000778899,2015-02-03,,PA,w,\r\n")
    planned = study.jobs(*targets)
    assert planned["deidentify"] == 1 and planned["convert_png"] == 1 and "receive_films" not in planned
    assert planned["pseudonymize_tables"] == 1 and planned["select_cohort"] == 1


def test_check_data_foretells_both_kinds(receiving):
    command = [sys.executable, "-m", "scripts.check.check_data", "--configfile", receiving.configfile]
    done = subprocess.run(command, cwd=receiving.path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    png, received = done.stdout.split("\n\n")[:2]
    for said, name in ((png, "png_hospital"), (received, "hospital")):
        n = len(table(receiving.path / COHORT.format(name)))
        assert name in said and f": {n} patients" in said
    assert "not in image table: 1" in png and "no such file: 1 rows" in png
    assert (
        "handed over by another site" in received
        and "not compared" not in received
        and "TO FIX" not in received
    )
    manifest = receiving.path / "data/received/manifest.json"
    whole = manifest.read_text()
    for batches in (2, 9):
        manifest.write_text(json.dumps({**json.loads(whole), "batches": batches}))
        done = subprocess.run(command, cwd=receiving.path, capture_output=True, text=True)
        planned = receiving.snakemake("-n", COHORT.format("hospital"), check=False)
        for said in (done.stderr, planned):
            assert f"says {batches} batch(es) of films" in said and "Traceback" not in said
        assert done.returncode == 1
    manifest.write_text(whole)
