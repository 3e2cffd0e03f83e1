"""The folder that a site hands over: it tells what a study needs, no true date, and notices every change."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import shutil

import numpy as np
import pandas as pd
import pydicom
import pytest

from scripts.common.errors import StudyError
from scripts.common.intervals import completed_years, months_between
from scripts.common.manifest import MANIFEST, fingerprints, read_manifest, sha256_of
from scripts.common.tables import (
    BIRTH_DATES,
    DXA,
    FILM_AGES,
    PAIR_MONTHS,
    PATIENTS,
    SET_ASIDE,
    read_table,
    write_table,
)
from scripts.intake.batch_deidentification import BATCH_FILMS, CROSSWALK, deidentify_batch
from scripts.intake.handover import (
    HANDED_FILMS,
    film_ages,
    hand_over,
    handed_films,
    pair_months,
    receive_films,
    receive_tables,
)
from scripts.intake.listing import LISTING
from scripts.intake.pseudonymization import TABLE_ISSUES

WHERE = "centers[b]"
TRUE = {
    "Pa": ("1960-02-29", ["2020-02-28", "2020-02-29"], ["2020-08-31", "2019-08-29"]),
    "Pb": ("1930-05-01", ["2021-08-31", "2021-04-30"], ["2022-02-28", "2021-10-31", "2021-10-30"]),
    "Pc": ("1979-12-31", ["2020-12-31", "2020-12-30"], ["2020-06-30", "2020-06-29"]),
}
"""Birth date, films and exams, on month ends and birthdays."""


def shifted(day: str, shift: int) -> str:
    return (datetime.date.fromisoformat(day) + datetime.timedelta(days=shift)).isoformat()


def tables_of(shift_of: dict[str, int]):
    films = pd.DataFrame(
        [(p, shifted(day, shift_of[p])) for p, (_, films, _) in TRUE.items() for day in films], columns=["patient_id", "film_date"]
    )
    dxa = pd.DataFrame(
        [(p, shifted(day, shift_of[p])) for p, (_, _, exams) in TRUE.items() for day in exams], columns=["patient_id", "exam_date"]
    )
    births = pd.DataFrame([(p, shifted(born, shift_of[p]), shift_of[p]) for p, (born, _, _) in TRUE.items()], columns=list(BIRTH_DATES))
    return films, dxa, births


def test_ages_and_months_are_those_of_the_true_dates():
    shift_of = {"Pa": -731, "Pb": -40, "Pc": -1217}
    films, dxa, births = tables_of(shift_of)
    stranger = pd.DataFrame({"patient_id": ["Pz", "Pa"], "film_date": ["2020-01-01", ""]})
    ages = film_ages(pd.concat([films, stranger]), births)
    told = {(p, shifted(day, -shift_of[p])): age for p, day, age in ages.itertuples(index=False)}
    assert told == {
        ("Pa", "2020-02-28"): 59, ("Pa", "2020-02-29"): 60, ("Pb", "2021-08-31"): 90, ("Pb", "2021-04-30"): 90, ("Pc", "2020-12-31"): 41,
        ("Pc", "2020-12-30"): 40,
    }  # fmt: skip
    months = pair_months(films, dxa, births)
    told = {(p, shifted(f, -shift_of[p]), shifted(e, -shift_of[p])): n for p, f, e, n in months.itertuples(index=False)}
    assert told["Pa", "2020-02-28", "2020-08-31"] == 7 and told["Pa", "2020-02-29", "2020-08-31"] == 7
    assert told["Pa", "2020-02-29", "2019-08-29"] == 6 and told["Pa", "2020-02-28", "2019-08-29"] == 6
    assert told["Pb", "2021-08-31", "2022-02-28"] == 6 and told["Pb", "2021-08-31", "2021-10-31"] == 2
    assert told["Pb", "2021-04-30", "2021-10-30"] == 6 and told["Pb", "2021-04-30", "2021-10-31"] == 7
    assert told["Pc", "2020-12-31", "2020-06-30"] == 7 and told["Pc", "2020-12-30", "2020-06-30"] == 6
    assert len(told) == 14


def test_shifted_dates_alone_would_tell_other_months():
    """Why the site counts: one in some pairs near the limit falls on the other side when its days are moved."""
    rng = np.random.default_rng(5)
    one = pd.Series(pd.to_datetime("2015-01-01") + pd.to_timedelta(rng.integers(0, 3000, 4000), unit="D"))
    other = one + pd.to_timedelta(rng.integers(178, 188, 4000), unit="D")
    moved = pd.to_timedelta(-rng.integers(1, 1826, 4000), unit="D")
    true, told = months_between(one, other), months_between(one + moved, other + moved)
    assert 0.02 < float(((true <= 6) != (told <= 6)).mean()) < 0.5
    assert (completed_years(one, other) == 0).all()


def test_the_order_in_a_day_stands_for_the_time(tmp_path):
    films = pd.DataFrame(
        {
            "image_id": [f"I{n}" for n in range(6)], "patient_id": ["P1"] * 4 + ["P2", ""], "status": "accepted", "reason": "",
            "film_date": ["2020-01-01"] * 3 + ["2020-01-02", "2020-01-01", ""], "view": "PA", "sex": "F", "age": 60, "manufacturer": "", "burned_in": "NO",
        }
    )  # fmt: skip
    source = films[["image_id"]].assign(
        uid_image_id="", path_image_id=films["image_id"], path="secret", source_patient_id="secret", source_sop_instance_uid="secret",
        film_date=["2021-05-01"] * 3 + ["2021-05-02", "2021-06-01", ""], acquisition_time=["101500", "1015", "101500", "", "09", "08"],
    )  # fmt: skip
    write_table(films, tmp_path / "f.csv", BATCH_FILMS)
    write_table(source, tmp_path / "c.csv", CROSSWALK)
    told = handed_films([tmp_path / "f.csv"], [tmp_path / "c.csv"], {"from": "2021-05-01", "to": "2021-05-01"})
    assert told["order_in_day"].astype(object).where(told["order_in_day"].notna(), None).tolist() == [2, 1, 2, None, 1, None]
    assert told["enrolled"].astype(object).where(told["enrolled"].notna(), None).tolist() == [1, 1, 1, 0, 0, None]
    assert list(told.columns) == [*HANDED_FILMS, "batch"]


@pytest.fixture
def handed(tmp_path, make_film, save, names, patterns, silent):
    """A hand-over of two batches with three films and a letter, made from de-identified files; returns its folder."""
    source, out = tmp_path / "source", tmp_path / "out"
    for n in range(3):
        changes = {"SOPInstanceUID": f"1.2.3.{n}", "PatientID": f"HOSP-{n:04d}", "StudyDate": f"2019052{n}", "AcquisitionDate": f"2019052{n}"}
        save(make_film(**changes), source / f"Erika Musterfrau {n}")
    (source / "letter").write_text("Dear Sir")
    for b in range(2):
        deidentify_batch(
            folder=source, batch=b, n_batches=2, names=names, patterns=patterns, films_folder=out / f"batch_{b}", films_table=out / f"batch_{b}.csv",
            crosswalk=out / f"crosswalk_{b}.csv", log=silent,
        )  # fmt: skip
    patient = names.patient("HOSP-0000")
    rows = {
        "patients": (PATIENTS, [[patient, "F", None, 160.0, 60.0, "", *[0] * 5, 0]]),
        "dxa": (DXA, [[patient, names.shifted(datetime.date(2019, 6, 1), "HOSP-0000").isoformat(), "lumbar", 0.8, -2.6, None, None, 0, 0]]),
        "set_aside": (SET_ASIDE, []),
        "table_issues": (TABLE_ISSUES, []),
        "birth_dates": (BIRTH_DATES, [[patient, names.shifted(datetime.date(1950, 3, 17), "HOSP-0000").isoformat(), names.shift_days("HOSP-0000")]]),
    }
    for name, (columns, content) in rows.items():
        write_table(pd.DataFrame(content, columns=list(columns)), out / f"{name}.csv", columns)
    hand_over(
        center="b", film_folders=[str(out / f"batch_{b}") for b in range(2)], film_tables=[str(out / f"batch_{b}.csv") for b in range(2)],
        crosswalks=[str(out / f"crosswalk_{b}.csv") for b in range(2)],
        tables={name: str(out / f"{name}.csv") for name in ("patients", "dxa", "set_aside", "table_issues")},
        birth_dates=str(out / "birth_dates.csv"), enrolment=None, target=tmp_path / "handed", log=silent,
    )  # fmt: skip
    return tmp_path / "handed"


@pytest.fixture
def receive(tmp_path, silent):
    """Takes a hand-over in, tables first, and returns the folder with what is made of it."""

    def go(folder):
        made = tmp_path / "made"
        names = ("patients", "dxa", "set_aside", "table_issues", "film_ages", "pair_months")
        receive_tables(
            folder=str(folder), where=WHERE, targets={n: str(made / f"{n}.csv") for n in names}, listing=str(made / "private/listing.csv"), log=silent
        )
        for b in range(read_manifest(folder, WHERE).batches):
            receive_films(
                folder=str(folder), batch=b, where=WHERE, films_folder=str(made / f"batch_{b}"), films_table=str(made / f"batch_{b}.csv"),
                crosswalk=str(made / f"private/crosswalk_{b}.csv"), log=silent,
            )  # fmt: skip
        return made

    return go


def test_what_is_handed_over_is_what_is_received(handed, receive, tmp_path):
    made = receive(handed)
    for b in range(2):
        there, here = tmp_path / f"out/batch_{b}", made / f"batch_{b}"
        assert sorted(p.name for p in there.iterdir()) == sorted(p.name for p in here.iterdir())
        assert all((here / p.name).read_bytes() == p.read_bytes() for p in there.iterdir())
        pd.testing.assert_frame_equal(read_table(there.with_suffix(".csv"), BATCH_FILMS), read_table(here.with_suffix(".csv"), BATCH_FILMS)[list(BATCH_FILMS)])
    assert len(read_table(made / "private/listing.csv", LISTING)) == 4, "every file found at the site counts"
    assert read_table(made / "film_ages.csv", FILM_AGES)["age"].tolist() == [69]
    assert read_table(made / "pair_months.csv", PAIR_MONTHS)["months"].tolist() == [1]
    assert (made / "private").stat().st_mode & 0o777 == 0o700
    for path in handed.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not [s for s in (b"HOSP", b"Erika", b"1.2.3.", b"2019-05", b"201905", b"1950", b"101500") if s in content[:4000]], path.name


def test_a_film_of_the_hand_over_is_a_file_of_its_own(handed, tmp_path):
    """A viewer that saves into it must not change the study's own film."""
    film = film_in(handed)
    twin = next((tmp_path / "out").glob(f"batch_*/{film.name}"))
    before = twin.read_bytes()
    flipped(film)
    assert twin.read_bytes() == before


def test_the_same_files_give_the_same_manifest(handed):
    manifest = json.loads((handed / MANIFEST).read_text())
    assert manifest["version"] == 1 and manifest["software"] and len(manifest["files"]) == 6 + 2 + 3
    for name, entry in manifest["files"].items():
        assert (handed / name).stat().st_size == entry["size"] and sha256_of(handed / name) == entry["sha256"]


def test_another_hand_over_touches_the_batches_that_changed(handed):
    def found():
        return fingerprints(read_manifest(handed, WHERE), {p.relative_to(handed).as_posix(): p.stat().st_size for p in handed.rglob("*") if p.is_file()})

    whole, parts = found()
    for path in handed.rglob("*"):
        os.utime(path)
    assert found() == (whole, parts), "copied again"
    flipped(handed / "films/batch_1.csv")
    assert found() == (whole, parts), "a change against the manifest is no new hand-over; it is found when the file is read"
    recorded_again(handed, "films/batch_1.csv")
    again, there = found()
    assert again != whole and there[0] == parts[0] and there[1] != parts[1]
    fewer = dataclasses.replace(read_manifest(handed, WHERE), batches=1)
    assert fingerprints(fewer, {})[0] != fingerprints(read_manifest(handed, WHERE), {})[0]
    (handed / "films/batch_0/more").write_text("x")
    assert found()[1][0] != parts[0] and found()[1][1] == there[1]


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
    "a batch left out": (another_entry(batches=1), "says 1 batch(es) of films, and that isn't what it lists (2 tables"),
    "batches that aren't there": (another_entry(batches=9), "says 9 batch(es) of films"),
    "a table of a batch left out": (unlisted("films/batch_1.csv"), "says 2 batch(es) of films"),
    "half a manifest": (lambda f: (f / MANIFEST).write_text((f / MANIFEST).read_text()[:200]), "can't be read"),
    "another format": (another_entry(format="x"), "not one of a hand-over"),
    "another version": (another_entry(version=2), "same version at both sites"),
    "a path out of the folder": (another_entry(files={"../private/study.key": {"size": 1, "sha256": "0"}}), "damaged"),
    "true ids": (true_ids, "no pseudonyms"),
    "a film that is not de-identified": (a_film_of_somebody, "not as de-identification writes a film"),
    "a name in a film table": (told_as("films/batch_0.csv", manufacturer="Erika Müller, HOSP-0000"), "in its column 'manufacturer'"),
    "a name as a reason": (told_as("films/batch_1.csv", reason="HOSP-0000"), "in its column 'reason'"),
    "an age above 89": (told_as("patients.csv", age="93"), "in its column 'age'"),
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
