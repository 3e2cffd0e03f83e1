"""The benchmark of real films, on two hospitals of simulated ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.special import ndtr

from scripts.common.config import read_config
from scripts.common.config.files import read_config_file
from scripts.common.errors import StudyError
from tests.bench import real
from tests.bench.bone_films import MEAN, SD, bones, plant_bone, traits
from tests.bench.films import simulated
from tests.bench.real_controls import shuffled_within
from tests.bench.real_recipes import read_recipes
from tests.bench.real_studies import ROOT, Hospitals, Task, code_copy
from tests.bench.real_tables import auc_text, difference_text, half_of

PATIENTS = {"hospital_a": 24, "hospital_b": 8}


def hospital(folder: Path, n: int, rng: np.random.Generator) -> dict:
    """A hospital in the layout of FILMS: sex is in the picture, as a bright corner; its entry of the
    config.
    """
    (folder / "films").mkdir(parents=True)
    film = simulated(160, 160) >> 4
    ids = [f"P{k:03d}" for k in range(n)]
    women = np.arange(n) % 2 == 0
    for name, woman in zip(ids, women):
        seen = np.clip(film + rng.normal(0, 4, film.shape), 0, 255)
        seen[20:60, 20:60] += 60 * woman
        cv2.imwrite(str(folder / "films" / f"{name}.png"), np.clip(seen, 0, 255).astype(np.uint8))
    sexes = ["F" if woman else "M" for woman in women]
    views = rng.permutation(["AP", "PA"] * (n // 2))
    told = {"PatientID": ids, "Sex": sexes}
    images = {"File": [f"{name}.png" for name in ids], "Date": "2020-03-01", "View": views}
    pd.DataFrame(told | images).to_csv(folder / "images.csv", index=False)
    patients = {"BirthDate": "1960-05-05", "Height": 165, "Weight": rng.integers(50, 90, n)}
    pd.DataFrame(told | patients).to_csv(folder / "patients.csv", index=False)
    dxa = {"PatientID": ids, "ExamDate": "2020-03-09", "Site": "lumbar", "BMD": 0.8}
    dxa |= {"T": np.where(women, -3.1, -0.4)}
    pd.DataFrame(dxa).to_csv(folder / "dxa_sex.csv", index=False)
    place = f"elsewhere/{folder.name}"
    return {
        "name": folder.name,
        "role": "development" if folder.name == "hospital_a" else "external",
        "png": f"{place}/films",
        "batches": 1,
        "images": {
            "path": f"{place}/images.csv",
            "columns": {
                "file": "File",
                "patient_id": "PatientID",
                "film_date": "Date",
                "view": "View",
                "sex": "Sex",
            },
        },
        "patients": {
            "path": f"{place}/patients.csv",
            "columns": {
                "patient_id": "PatientID",
                "sex": "Sex",
                "birth_date": "BirthDate",
                "height": "Height",
                "weight": "Weight",
            },
        },
        "dxa": {
            "path": f"{place}/dxa_sex.csv",
            "columns": {
                "patient_id": "PatientID",
                "exam_date": "ExamDate",
                "site": "Site",
                "bmd": "BMD",
                "t_score": "T",
            },
            "site_coding": {"lumbar": ["lumbar"]},
        },
    }


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(5)
    centers = [hospital(folder / name, n, rng) for name, n in PATIENTS.items()]
    config = {"centers": centers, "cohort": {"folds": 2, "sites": ["lumbar"]}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    recipes = {
        "anchor": {"model": {"kind": "logistic", "predictors": ["sex"]}},
        "network": {"base": "config/tiny.yaml", "model": {"like": "deep", "training": {"epochs": 1}}},
    }
    (folder / "recipes.yaml").write_text(yaml.safe_dump(recipes), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def benched(films, tmp_path_factory):
    """Arguments of a bench that has run once: the network with two seeds, and the external hospital."""
    scratch = tmp_path_factory.mktemp("scratch")
    arguments = ["--films", str(films), "--scratch", str(scratch), "--file", str(films / "recipes.yaml")]
    arguments += ["--labels", "sex", "--recipes", "network", "--cores", "2"]
    real.main([*arguments, "--seeds", "2", "--external"])
    return scratch, arguments


def test_every_seed_and_the_external_hospital_have_rows(benched):
    rows = [json.loads(line) for line in (benched[0] / "rows.jsonl").read_text().splitlines()]
    told = {(row["recipe"], row["what"], row["seed"]): row for row in rows}
    assert set(told) == {
        ("anchor", "folds", 0),
        ("anchor", "external", 1),
        ("network", "folds", 0),
        ("network", "folds", 1),
        ("network", "external", 2),
    }
    assert len({len(row["scores"]) for row in rows if row["what"] == "folds"}) == 1
    assert told["network", "folds", 0]["scores"] != told["network", "folds", 1]["scores"]
    assert len(told["network", "external", 2]["scores"]) == PATIENTS["hospital_b"]
    assert all(row["minutes"] > 0 and row["machine"] for row in rows if row["what"] == "folds")


def test_what_is_there_is_not_made_again(benched, monkeypatch, capsys):
    scratch, arguments = benched
    before = (scratch / "rows.jsonl").read_bytes()
    monkeypatch.setattr("tests.bench.real_studies.Study.run", None)
    real.main([*arguments, "--seeds", "1", "--half", "1"])
    assert (scratch / "rows.jsonl").read_bytes() == before
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| anchor")]
    cells = [cell.strip() for cell in line.split("|")]
    assert 0 < int(cells[2]) < PATIENTS["hospital_a"] - 2 and cells[3] == "1.000"


def test_a_cut_line_is_left_out_and_a_changed_recipe_is_no_longer_there(benched, films, tmp_path):
    scratch, _ = benched
    rows = real.Rows(tmp_path / "rows.jsonl")
    text = (scratch / "rows.jsonl").read_text(encoding="utf-8")
    rows.path.write_text(text[:-40], encoding="utf-8")
    assert len(rows.read()) == len(text.splitlines()) - 1
    study = real.Study(Hospitals(films), Task.of("sex"), {}, scratch)
    recipe = read_recipes(films / "recipes.yaml")["network"]
    assert len(rows.of(real.Trial(study, recipe, 2), False)) == 2
    changed = {**recipe.model, "training": {**recipe.model["training"], "epochs": 2}}
    other = real.Recipe("network", changed, {}, recipe.networks)
    assert rows.of(real.Trial(study, other, 2), False) == []


def test_what_another_recipe_of_the_name_made_is_cleared(benched, films, tmp_path):
    shutil.copytree(benched[0] / "studies", tmp_path / "studies")
    study = real.Study(Hospitals(films), Task.of("sex"), {}, tmp_path)
    recipe = read_recipes(films / "recipes.yaml")["network"]
    made = study.path / "results/models/network/out_of_fold.csv"
    real.Trial(study, recipe, 3)._clear(again=False)  # more seeds make no other recipe
    assert made.is_file()
    other = {**recipe.model, "training": {**recipe.model["training"], "epochs": 2}}
    real.Trial(study, real.Recipe("network", other, {}, recipe.networks), 2)._clear(again=False)
    assert not made.is_file() and made.parent.is_dir()


def test_a_task_alters_labels_or_films_and_nothing_else(films, tmp_path):
    hospitals = Hospitals(films)
    center = hospitals.centers[0]
    given = hospitals.labels(center, "sex")
    studies = {}
    for name in ("sex", "sex_permuted_1", "sex_permuted_2", "view", "sex_covered"):
        studies[name] = real.Study(hospitals, Task.of(name), {}, tmp_path)
        studies[name]._write_base()
    labels = {
        name: pd.read_csv(study.path / "altered/hospital_a/dxa.csv").groupby("PatientID")["T"].min() <= -2.5
        for name, study in studies.items()
    }
    assert (labels["sex"] == given.eq(1)).all() and (labels["sex_covered"] == given.eq(1)).all()
    for name in ("sex_permuted_1", "sex_permuted_2"):
        assert labels[name].sum() == given.sum() and (labels[name] != given.eq(1)).any()
    assert (labels["sex_permuted_1"] != labels["sex_permuted_2"]).any()
    images = pd.read_csv(films / "hospital_a/images.csv").set_index("PatientID")
    assert (labels["view"] == images["View"].eq("AP")).all()
    covered = cv2.imread(str(studies["sex_covered"].path / "altered/hospital_a/films/P000.png"), -1)
    whole = cv2.imread(str(films / "hospital_a/films/P000.png"), -1)
    assert np.unique(covered[32:128, 32:128]).size == 1 and (covered[:32] == whole[:32]).all()
    assert len({study.key for study in studies.values()}) == len(studies)


def test_halves_are_about_equal_and_stay():
    halves = [half_of(f"P{k:016X}") for k in range(1000)]
    assert 440 < halves.count(1) < 560 and set(halves) == {1, 2}
    assert [half_of("P0042CE31CDBCDDC6"), half_of("P0042CE31CDBCDDC7")] == [1, 2]


def test_permuted_labels_keep_the_share_of_each_fold():
    labels, folds = pd.Series([1, 0, 0, 0] * 30), pd.Series(list(range(5)) * 24)
    shuffled = shuffled_within(labels, folds, 3)
    assert (pd.Series(shuffled).groupby(folds).sum() == labels.groupby(folds).sum()).all()
    assert (shuffled != labels).any() and (shuffled == shuffled_within(labels, folds, 3)).all()
    assert (shuffled != shuffled_within(labels, folds, 4)).any()


def test_a_difference_is_paired():
    rng = np.random.default_rng(1)
    labels = np.arange(200) % 2
    anchor = labels + rng.normal(0, 1, 200)
    better = anchor + 0.3 * labels
    low, high = difference_text(labels, better, anchor).split("(")[1].strip(")").split(" to ")
    assert 0 < float(low) < float(high) < 0.15
    assert auc_text(labels, labels) == "1.000"


def test_planted_bone_is_told_by_nothing_else_and_changes_bones_alone(films, tmp_path):
    hospitals = Hospitals(films)
    center = hospitals.centers[0]
    none, some = (plant_bone(hospitals, center, dose, tmp_path / str(dose)) for dose in (0, 5))
    assert none.equals(some)
    given = traits(hospitals, center)
    told = given.loc[:, given.std() > 0]
    assert abs(told.corrwith(some)).max() < 1e-9 and len(told.columns) == 2  # all are of one age
    for name in ("P000", "P001"):
        before = cv2.imread(str(films / f"hospital_a/films/{name}.png"), -1)
        assert (cv2.imread(str(tmp_path / f"0/{name}.png"), -1) == before).all()
        change = cv2.imread(str(tmp_path / f"5/{name}.png"), -1).astype(float) - before
        where = bones(before)
        assert (change[where < 0.001] == 0).all()
        fall = -change[where > 0.9].mean() / before[where > 0.9].mean()
        share = float(ndtr((MEAN - some[name]) / SD))
        assert fall == pytest.approx(0.05 * share, abs=0.006)


def test_the_copy_of_the_workflow_is_made_once_and_is_whole(tmp_path):
    copy = code_copy(tmp_path)
    assert copy == code_copy(tmp_path)
    for name in (
        "Snakefile",
        "rules/networks.smk",
        "scripts/networks/train_fold.py",
        "profiles/default/config.yaml",
    ):
        assert (copy / name).read_bytes() == (ROOT / name).read_bytes()
    assert not (copy / "tests").exists() and not (copy / ".git").exists()


@pytest.mark.parametrize("name", ["bone", "Sex", "sex_permuted", "sex_covered_2", ""])
def test_an_unknown_task_is_refused(name, films, tmp_path):
    with pytest.raises(StudyError, match="--labels"):
        real.Study(Hospitals(films), Task.of(name), {}, tmp_path)._write_base()


def test_the_shipped_recipes_are_models_of_a_config():
    recipes = read_recipes()
    assert next(iter(recipes)) == "anchor"
    raw = read_config_file(ROOT / "config.yaml")
    models = {name: recipe.with_seeds(2) for name, recipe in recipes.items()}
    config = read_config({**raw, "models": {**raw["models"], **models}})
    assert {name: config.models[name].role for name in models} == {
        name: "ablation" if recipe.network else "baseline" for name, recipe in recipes.items()
    }
