"""The folder that a site hands over: it tells what a study needs, no true date, and notices every change."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import shutil

import pandas as pd
import pydicom
import pytest

from scripts.common.contracts.intake import (
    BATCH_FILMS,
    BIRTH_DATES,
    CROSSWALK,
    DXA,
    FILM_AGES,
    HANDED_FILMS,
    LISTING,
    PAIRS,
    PATIENTS,
    SET_ASIDE,
    TABLE_ISSUES,
)
from scripts.common.errors import StudyError
from scripts.common.manifest import MANIFEST, fingerprints, read_manifest, sha256_of
from scripts.common.tables import read_table, write_table
from scripts.intake.batch_deidentification import deidentify_batch
from scripts.intake.handover import hand_over, handed_films, receive_films, receive_tables

WHERE = "centers[b]"
PREDICTORS = {
    "calcium": {"type": "number", "levels": [], "unit": "mmol/L"},
    "smoker": {"type": "yes_no", "levels": [], "unit": None},
    "alcohol": {"type": "category", "levels": ["never", "daily"], "unit": None},
}
CRITERIA = {"interval_months": 6, "older_than": 40, "exam_window_days": 1}


def test_the_order_in_a_day_stands_for_the_time(tmp_path):
    films = pd.DataFrame(
        {
            "image_id": [f"I{n}" for n in range(6)], "patient_id": ["P1"] * 4 + ["P2", ""],
            "status": "accepted", "reason": "",
            "film_date": ["2020-01-01"] * 3 + ["2020-01-02", "2020-01-01", ""], "view": "PA", "sex": "F",
            "manufacturer": "", "burned_in": "NO",
        }
    )  # fmt: skip
    source = films[["image_id"]].assign(
        uid_image_id="", path_image_id=films["image_id"], path="secret", source_patient_id="secret",
        source_sop_instance_uid="secret",
        film_date=["2021-05-01"] * 3 + ["2021-05-02", "2021-06-01", ""],
        acquisition_time=["101500", "1015", "101500", "", "09", "08"], age=60,
    )  # fmt: skip
    write_table(films, tmp_path / "f.csv", BATCH_FILMS)
    write_table(source, tmp_path / "c.csv", CROSSWALK)
    told = handed_films(
        [tmp_path / "f.csv"], [tmp_path / "c.csv"], {"from": "2021-05-01", "to": "2021-05-01"}
    )
    assert told["order_in_day"].astype(object).where(told["order_in_day"].notna(), None).tolist() == [
        2,
        1,
        2,
        None,
        1,
        None,
    ]
    assert told["enrolled"].astype(object).where(told["enrolled"].notna(), None).tolist() == [
        1,
        1,
        1,
        0,
        0,
        None,
    ]
    assert list(told.columns) == [*HANDED_FILMS, "batch"]


@pytest.fixture
def handed(tmp_path, make_film, save, names, patterns, silent):
    """A hand-over of two batches with three films and a letter, made from de-identified files; returns its
    folder.
    """
    source, out = tmp_path / "source", tmp_path / "out"
    for n in range(3):
        changes = {
            "SOPInstanceUID": f"1.2.3.{n}",
            "PatientID": f"HOSP-{n:04d}",
            "StudyDate": f"2019052{n}",
            "AcquisitionDate": f"2019052{n}",
        }
        save(make_film(**changes), source / f"Erika Musterfrau {n}")
    (source / "letter").write_text("Dear Sir")
    for b in range(2):
        deidentify_batch(
            folder=source, batch=b, n_batches=2, names=names, patterns=patterns,
            films_folder=out / f"batch_{b}", films_table=out / f"batch_{b}.csv",
            crosswalk=out / f"crosswalk_{b}.csv", log=silent,
        )  # fmt: skip
    patient = names.patient("HOSP-0000")
    rows = {
        "patients": (
            {**PATIENTS, "calcium": "float", "smoker": "int", "alcohol": "text"},
            [
                [patient, "F", None, 160.0, 60.0, "", *[0] * 5, 0, 2.31, 1, "daily"],
                [names.patient("HOSP-0001"), "M", None, 170.0, 70.0, "", *[0] * 5, 0, None, None, ""],
            ],
        ),
        "dxa": (
            DXA,
            [
                [
                    patient,
                    names.shifted(datetime.date(2019, 6, 1), "HOSP-0000").isoformat(),
                    "lumbar",
                    0.8,
                    -2.6,
                    None,
                    None,
                    0,
                    0,
                ]
            ],
        ),
        "set_aside": (SET_ASIDE, []),
        "table_issues": (TABLE_ISSUES, []),
        "birth_dates": (
            BIRTH_DATES,
            [
                [
                    patient,
                    names.shifted(datetime.date(1950, 3, 17), "HOSP-0000").isoformat(),
                    names.shift_days("HOSP-0000"),
                ]
            ],
        ),
    }
    for name, (columns, content) in rows.items():
        write_table(pd.DataFrame(content, columns=list(columns)), out / f"{name}.csv", columns)
    hand_over(
        center="b", film_folders=[str(out / f"batch_{b}") for b in range(2)],
        film_tables=[str(out / f"batch_{b}.csv") for b in range(2)],
        crosswalks=[str(out / f"crosswalk_{b}.csv") for b in range(2)],
        tables={name: str(out / f"{name}.csv") for name in ("patients", "dxa", "set_aside", "table_issues")},
        birth_dates=str(out / "birth_dates.csv"), enrolment=None, criteria=CRITERIA, predictors=PREDICTORS,
        target=tmp_path / "handed", log=silent,
    )  # fmt: skip
    return tmp_path / "handed"


@pytest.fixture
def receive(tmp_path, silent):
    """Takes a hand-over in, tables first, and returns the folder with what is made of it."""

    def go(folder, criteria=CRITERIA, predictors=PREDICTORS):
        made = tmp_path / "made"
        names = ("patients", "dxa", "set_aside", "table_issues", "film_ages", "pairs", "visit_order")
        receive_tables(
            folder=str(folder), where=WHERE, criteria=criteria, predictors=predictors,
            targets={n: str(made / f"{n}.csv") for n in names},
            listing=str(made / "private/listing.csv"), log=silent,
        )  # fmt: skip
        for b in range(read_manifest(folder, WHERE).batches):
            receive_films(
                folder=str(folder), batch=b, where=WHERE, films_folder=str(made / f"batch_{b}"),
                films_table=str(made / f"batch_{b}.csv"),
                crosswalk=str(made / f"private/crosswalk_{b}.csv"), log=silent,
            )  # fmt: skip
        return made

    return go


def test_what_is_handed_over_is_what_is_received(handed, receive, tmp_path):
    made = receive(handed)
    for b in range(2):
        there, here = tmp_path / f"out/batch_{b}", made / f"batch_{b}"
        assert sorted(p.name for p in there.iterdir()) == sorted(p.name for p in here.iterdir())
        for path in there.iterdir():
            one, other = pydicom.dcmread(path), pydicom.dcmread(here / path.name)
            differ = {element.keyword for element in one if element != other[element.tag]}
            assert differ == {"StudyDate", "AcquisitionDate"} and {other[name].value for name in differ} == {
                "19000101"
            }
        told, taken = (
            read_table(folder.with_suffix(".csv"), BATCH_FILMS)[list(BATCH_FILMS)] for folder in (there, here)
        )
        pd.testing.assert_frame_equal(told.drop(columns="film_date"), taken.drop(columns="film_date"))
    assert len(read_table(made / "private/listing.csv", LISTING)) == 4, "every file found at the site counts"
    assert read_table(made / "film_ages.csv", FILM_AGES)["age"].tolist() == [69]
    assert read_table(made / "pairs.csv", PAIRS).drop(columns="patient_id").values.tolist() == [
        ["1900-01-01", "1900-01-03", 12]
    ]
    assert (made / "private").stat().st_mode & 0o777 == 0o700
    for path in handed.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not [
            s
            for s in (b"HOSP", b"Erika", b"1.2.3.", b"2019-05", b"201905", b"1950", b"101500")
            if s in content[:4000]
        ], path.name


def test_a_hand_over_carries_the_predictors_that_the_study_knows(handed, receive):
    assert json.loads((handed / MANIFEST).read_text())["predictors"] == PREDICTORS
    further = {"calcium": "float", "alcohol": "text"}
    study = {"weight_lab": PREDICTORS["calcium"], **{name: PREDICTORS[name] for name in further}}
    path = receive(handed, predictors=study) / "patients.csv"
    frame = read_table(path, {**PATIENTS, **further})
    assert list(frame.columns) == [*PATIENTS, *further]
    assert frame[[*further]].fillna(0).values.tolist() == [[2.31, "daily"], [0, ""]]


@pytest.mark.parametrize(
    ("name", "change"),
    [("calcium", {"unit": "mg/dL"}), ("smoker", {"type": "number"}), ("alcohol", {"levels": ["never", "x"]})],
)
def test_a_predictor_that_is_another_thing_at_the_site_is_refused(handed, receive, name, change):
    said = f"the {next(iter(change))} of the predictor '{name}' differs"
    with pytest.raises(StudyError, match=said):
        receive(handed, predictors={name: PREDICTORS[name] | change})


def test_the_levels_may_stand_in_another_order(handed, receive):
    turned = PREDICTORS["alcohol"] | {"levels": ["daily", "never"]}
    assert receive(handed, predictors={"alcohol": turned})


def test_a_film_of_the_hand_over_is_a_file_of_its_own(handed, tmp_path):
    """A viewer that saves into it must not change the study's own film."""
    film = film_in(handed)
    twin = next((tmp_path / "out").glob(f"batch_*/{film.name}"))
    before = twin.read_bytes()
    flipped(film)
    assert twin.read_bytes() == before


def test_the_same_files_give_the_same_manifest(handed):
    manifest = json.loads((handed / MANIFEST).read_text())
    assert manifest["version"] == 2 and manifest["software"] and len(manifest["files"]) == 7 + 2 + 3
    for name, entry in manifest["files"].items():
        assert (handed / name).stat().st_size == entry["size"] and sha256_of(handed / name) == entry["sha256"]


def test_another_hand_over_touches_the_batches_that_changed(handed):
    def found():
        return fingerprints(
            read_manifest(handed, WHERE),
            {p.relative_to(handed).as_posix(): p.stat().st_size for p in handed.rglob("*") if p.is_file()},
        )

    whole, parts = found()
    for path in handed.rglob("*"):
        os.utime(path)
    assert found() == (whole, parts), "copied again"
    flipped(handed / "films/batch_1.csv")
    assert found() == (
        whole,
        parts,
    ), "a change against the manifest is no new hand-over; it is found when the file is read"
    recorded_again(handed, "films/batch_1.csv")
    again, there = found()
    assert again != whole and there[0] == parts[0] and there[1] != parts[1]
    fewer = dataclasses.replace(read_manifest(handed, WHERE), batches=1)
    assert fingerprints(fewer, {})[0] != fingerprints(read_manifest(handed, WHERE), {})[0]
    (handed / "films/batch_0/more").write_text("x")
    assert found()[1][0] != parts[0] and found()[1][1] == there[1]


@pytest.mark.parametrize(
    ("key", "value"), [("interval_months", 3), ("older_than", 49), ("exam_window_days", 0)]
)
def test_a_hand_over_for_other_criteria_is_refused(handed, receive, key, value):
    with pytest.raises(
        StudyError,
        match=rf"was made for cohort.{key} {CRITERIA[key]}, and this study has {value}; have the site set",
    ):
        receive(handed, {**CRITERIA, key: value})


def film_in(folder):
    return sorted(folder.glob("films/*/*.dcm"))[0]


def recorded_again(folder, name: str) -> None:
    """A manifest that fits a changed file, as somebody would make it by hand."""
    raw = json.loads((folder / MANIFEST).read_text())
    raw["files"][name] = {"size": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
    (folder / MANIFEST).write_text(json.dumps(raw))


def flipped(path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))


def true_ids(folder) -> None:
    path = folder / "patients.csv"
    path.write_text(path.read_text().replace(read_table(path, PATIENTS)["patient_id"][0], "HOSP-0000"))
    recorded_again(folder, "patients.csv")


def a_film_of_somebody(folder) -> None:
    film = film_in(folder)
    dataset = pydicom.dcmread(film)
    dataset.PatientID = "HOSP-0000"
    dataset.save_as(film)
    recorded_again(folder, film.relative_to(folder).as_posix())


def told_as(table: str, **changes):
    """A table in which somebody wrote what no hand-over holds."""

    def change(folder):
        frame = pd.read_csv(folder / table, dtype="object", keep_default_na=False)
        for column, value in changes.items():
            frame.loc[frame.index[0], column] = value
        frame.to_csv(folder / table, index=False)
        recorded_again(folder, table)

    return change


def another_entry(**changes):
    def change(folder):
        raw = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).write_text(json.dumps(raw | changes))

    return change


def unlisted(name: str):
    """A file that is neither in the folder nor in its manifest."""

    def change(folder):
        raw = json.loads((folder / MANIFEST).read_text())
        del raw["files"][name]
        (folder / MANIFEST).write_text(json.dumps(raw))
        (folder / name).unlink()

    return change


FAULTS = {
    "a film changed": (lambda f: flipped(film_in(f)), "1 changed"),
    "a table changed": (lambda f: flipped(f / "dxa.csv"), "1 changed"),
    "a film table changed": (lambda f: flipped(f / "films/batch_1.csv"), "1 changed"),
    "a film cut": (lambda f: film_in(f).write_bytes(film_in(f).read_bytes()[:-2]), "1 changed"),
    "a film lost": (lambda f: film_in(f).unlink(), "1 missing"),
    "a batch lost": (lambda f: shutil.rmtree(f / "films"), "5 missing"),
    "a further file": (lambda f: (f / "films/batch_0/notes.txt").write_text("x"), "1 not in the manifest"),
    "no manifest": (lambda f: (f / MANIFEST).unlink(), "no manifest.json"),
    "a batch left out": (
        another_entry(batches=1),
        "says 1 batch(es) of films, and that isn't what it lists (2 tables",
    ),
    "batches that aren't there": (another_entry(batches=9), "says 9 batch(es) of films"),
    "a table of a batch left out": (unlisted("films/batch_1.csv"), "says 2 batch(es) of films"),
    "half a manifest": (
        lambda f: (f / MANIFEST).write_text((f / MANIFEST).read_text()[:200]),
        "can't be read",
    ),
    "another format": (another_entry(format="x"), "not one of a hand-over"),
    "another version": (another_entry(version=1), "same version at both sites"),
    "a path out of the folder": (
        another_entry(files={"../private/study.key": {"size": 1, "sha256": "0"}}),
        "damaged",
    ),
    "true ids": (true_ids, "no pseudonyms"),
    "a film that is not de-identified": (a_film_of_somebody, "not as de-identification writes a film"),
    "a name in a film table": (
        told_as("films/batch_0.csv", manufacturer="Erika Müller, HOSP-0000"),
        "in its column 'manufacturer'",
    ),
    "a name as a reason": (told_as("films/batch_1.csv", reason="HOSP-0000"), "in its column 'reason'"),
    "an age above 89": (told_as("patients.csv", age="93"), "in its column 'age'"),
    "a shifted date": (told_as("dxa.csv", exam_date="2017-03-02"), "in its column 'exam_date'"),
    "no criteria": (another_entry(criteria={"older_than": 40}), "damaged"),
    "a word that is no level": (told_as("patients.csv", alcohol="Erika"), "in its column 'alcohol'"),
    "neither yes nor no": (told_as("patients.csv", smoker="2"), "in its column 'smoker'"),
    "a word for a number": (told_as("patients.csv", calcium="Erika"), "can't be read"),
    "dates as a predictor": (told_as("patients.csv", calcium="20190601"), "numbers that look like dates"),
    "a predictor's odd name": (
        another_entry(predictors={"HOSP 0000": PREDICTORS["calcium"]}),
        "damaged",
    ),
    "a predictor of no type": (another_entry(predictors={"calcium": {"type": "date"}}), "damaged"),
    "another day": (told_as("dxa.csv", exam_date="1.6.2019"), "in its column 'exam_date'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_hand_over_that_is_not_whole_is_refused_in_one_sentence(handed, receive, fault):
    change, said = FAULTS[fault]
    change(handed)
    with pytest.raises(StudyError) as refusal:
        receive(handed)
    message = str(refusal.value)
    assert said in message and message.startswith("centers[b].deidentified: ") and "\n" not in message
    assert "HOSP" not in message and str(handed) not in message
