"""What the rules ask of centres, sets, networks and resources."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from snakemake.exceptions import WorkflowError
from snakemake.iocontainers import Wildcards

from scripts.common.errors import StudyError
from scripts.workflow import params
from scripts.workflow.centers import Centers
from scripts.workflow.models import Models
from scripts.workflow.resources import grows, simulation_threads
from scripts.workflow.sets import Sets
from scripts.workflow.validation import refusing
from tests.workflow.test_targets import shipped


def of(**names: str) -> Wildcards:
    return Wildcards(fromdict=names)


def with_png_center(tmp_path):
    """The shipped study with a real external centre of five PNG films in two batches."""
    films = tmp_path / "films"
    films.mkdir()
    for number in range(5):
        (films / f"{number}.png").write_bytes(b"film")
    table = tmp_path / "images.csv"
    rows = "".join(f"{n}.png,{n},2020-01-0{n + 1},PA\n" for n in range(5))
    table.write_text("file,patient,day,view\n" + rows)
    (tmp_path / "patients.csv").write_text("id,sex,age,height,weight\n")
    (tmp_path / "dxa.csv").write_text("id,day,site,bmd,t\n")
    columns = {"patient_id": "id", "sex": "sex", "age": "age", "height": "height", "weight": "weight"}
    measured = {"patient_id": "id", "exam_date": "day", "site": "site", "bmd": "bmd", "t_score": "t"}
    config = shipped()
    center = {
        "name": "png_center",
        "role": "external",
        "png": str(films),
        "batches": 2,
        "images": {
            "path": str(table),
            "columns": {"file": "file", "patient_id": "patient", "film_date": "day", "view": "view"},
        },
        "patients": {"path": str(tmp_path / "patients.csv"), "columns": columns},
        "dxa": {"path": str(tmp_path / "dxa.csv"), "columns": measured},
    }
    raw = config.model_dump(mode="json", by_alias=True, exclude_unset=True)
    raw["centers"].append(center)
    raw.setdefault("study", {})["key_file"] = str(tmp_path / "study.key")
    return type(config).model_validate(raw)


def test_patterns_match_the_centres_of_a_kind_and_nothing_where_there_are_none():
    centers = Centers(shipped())
    assert centers.every() == centers.simulated() == centers.own() == "internal|external_1|external_2"
    for none in (centers.real(), centers.handed_over()):
        assert not re.fullmatch(none, "internal") and not re.fullmatch(none, "")


def test_a_film_and_a_row_change_the_fingerprint_of_their_batch_alone(tmp_path):
    config = with_png_center(tmp_path)

    def seen():
        centers = Centers(config)
        jobs = [of(center="png_center", batch=str(b)) for b in centers.batches("png_center")]
        assert len(jobs) == centers.n_batches(jobs[0]) == 2
        return (
            centers.folder_fingerprint(jobs[0]),
            [centers.batch_fingerprint(job) for job in jobs],
            [centers.image_rows(job) for job in jobs],
        )

    folder, films, rows = seen()
    assert seen() == (folder, films, rows)
    (tmp_path / "films/0.png").write_bytes(b"another film")
    changed = seen()
    assert changed[0] != folder and sum(a != b for a, b in zip(changed[1], films)) == 1 and changed[2] == rows
    table = tmp_path / "images.csv"
    table.write_text(table.read_text().replace("2020-01-02", "2021-01-02"))
    again = seen()
    assert again[:2] == changed[:2] and sum(a != b for a, b in zip(again[2], rows)) == 1


def test_inputs_follow_what_a_centre_gives(tmp_path):
    config = with_png_center(tmp_path)
    centers = Centers(config)
    png, simulated = of(center="png_center"), of(center="internal")
    assert centers.listing_for_images(png) == "private/png_center/listing.csv"
    assert centers.listing_for_images(simulated) == centers.image_table(simulated) == []
    assert centers.image_settings(simulated) is centers.image_rows(simulated) is None
    assert str(centers.film_folder(png)) == str(tmp_path / "films")
    assert [path.rsplit("/", 1)[1] for path in centers.clinical_tables(png)] == [
        "dxa.csv",
        "images.csv",
        "patients.csv",
    ]
    assert centers.clinical_tables(simulated) == ["data/synthetic/internal/tables"]
    kinds = [(kind, inside) for name, kind, _, inside in centers.tables_given() if name == "png_center"]
    assert kinds == [("patients", ""), ("dxa", ""), ("images", "")]
    assert centers.section("enrolment")(png) is None and centers.section("ids")(png)
    assert centers.dates(png) == {"birth_dates": "private/png_center/birth_dates.csv"}
    assert centers.key() == str(tmp_path / "study.key") and centers.seed_of_key() is None


def test_an_absent_folder_is_told_in_one_sentence_of_snakemakes_own(tmp_path):
    config = with_png_center(tmp_path)
    shutil.rmtree(tmp_path / "films")
    with pytest.raises(WorkflowError, match="films"):
        Centers(config).folder_fingerprint(of(center="png_center"))


def test_only_errors_for_a_person_are_told_so():
    def fail(error):
        raise error

    with pytest.raises(WorkflowError, match="^Fix the table.$"):
        refusing(fail)(StudyError("Fix the table."))
    with pytest.raises(KeyError):
        refusing(fail)(KeyError("x"))


def test_sets_read_their_own_centre_and_cohort_alone():
    config = shipped()
    sets = Sets(config, Centers(config))
    assert sets.cohort(of(set="train")) == "results/cohort/train.csv"
    assert sets.cohort(of(set="external_1")) == "results/cohort/external_1/selected.csv"
    assert sets.films(of(set="internal_test")) == "results/intake/internal/films.csv"
    assert len(sets.pngs(of(set="train"))) == len(Centers(config).batches("internal"))
    assert all(path.startswith("results/intake/external_2/") for path in sets.pngs(of(set="external_2")))
    assert sets.further(of(set="train")) == sets.further_films() == []
    every = shipped(cohort={"train_on": "all_films"})
    sets = Sets(every, Centers(every))
    assert sets.further(of(set="train")) == "results/cohort/internal/further_films.csv"
    assert sets.further(of(set="internal_test")) == []
    assert Centers(every).selection(of(center="internal")) == Centers(config).selection(of(center="internal"))


def test_settings_of_a_training_hold_no_key_of_the_machine():
    def settings(**sections):
        return Models(shipped(**sections)).training_settings(of(model="deep"))

    base = settings()
    assert settings(networks={"device": "cpu", "checkpoint_minutes": 1, "gpus_per_fold": 0}) == base
    assert set(json.loads(base)) == {
        "seed",
        "init",
        "cpu_threads",
        "architecture",
        "training",
        "augmentation",
    }
    assert settings(study={"seed": 5}) != base


def test_where_a_gpu_is_asked_for_the_cpu_is_not_taken_in_silence():
    def asked(**machine):
        return Models(shipped(networks=machine)).device_asked()

    assert asked(gpus_per_fold=1) == "cuda" and asked(gpus_per_fold=0) == "auto"
    assert asked(gpus_per_fold=1, device="cpu") == "cpu"


def test_a_bundles_facts_tell_no_path(tmp_path):
    weights = str(tmp_path / "hospital.pth")
    config = shipped(models={"deep": {"init": weights}})
    assert params.bundle_facts(config, "deep")["init"] == "a file"


def test_resources_grow_with_attempts_and_threads_with_patients():
    assert [grows(500)(of(), attempt) for attempt in (1, 2, 3)] == [500, 1000, 1500]
    raw = shipped().model_dump(mode="json", by_alias=True, exclude_unset=True)
    for n, threads in ((100, 1), (600, 3), (9000, 8)):
        raw["centers"][0]["simulate"].update(n_op=n, n_non_op=n)
        config = type(shipped()).model_validate(raw)
        assert simulation_threads(config)(of(center="internal")) == threads
