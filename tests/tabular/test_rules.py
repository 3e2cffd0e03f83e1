"""The rules of the cohort and tabular stages on hand-made intake tables, scores of networks and embeddings,
run by Snakemake.

They run in a copy of the repository that holds these two stages only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts.common.contracts.cohort import COHORT, FLOW, PREDICTIONS
from scripts.common.contracts.intake import DXA, FILMS, HEADER_AGES, PATIENTS, SET_ASIDE
from scripts.common.contracts.models import SET_SCORES
from scripts.common.predictors import with_predictors
from scripts.common.tables import read_table, read_with, write_table
from scripts.common.vocabulary import EXCLUSIONS
from scripts.workflow.models import Models

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("cohort", "tabular")
NETWORKS = ("deep", "second")
CENTERS = {"internal": 60, "external_1": 14}
PREDICTORS = {"calcium": "number", "smoker": "yes_no", "alcohol": "category"}
"""Those that the simulated development centre has; the external centre has none."""
CONFIG = """
centers:
  - name: internal
    role: development
    simulate: {like: internal, predictors: true, n_op: 20, n_non_op: 30}
  - {name: external_1, role: external, simulate: {like: external_1, n_op: 8, n_non_op: 6}}
models:
  clinical: {trees: 30}
  combined: {trees: 30}
  second: {like: deep, role: ablation}
  head: {kind: features, embeddings: embeddings.csv, penalties: [10, 1000]}
  stacked: {kind: logistic, role: baseline, predictors: [age, second, head, combined]}
  habits: {kind: logistic, role: baseline, predictors: [smoker, weight_kg, alcohol, calcium]}
  branched:
    {kind: trees, role: baseline, predictors: [calcium, alcohol, smoker], trees: 20, min_child_weight: 1}
"""


def write_intake(folder, center, n, first=0):
    """Intake tables of ``n`` patients; every tenth has an abnormal spine, one has no film, one no row."""
    draw = np.random.default_rng([len(center), n])
    ids = [f"P{center[-1].upper()}{first + i:05d}" for i in range(n)]
    films = pd.DataFrame(
        {
            "image_id": [f"I{p[1:]}" for p in ids], "patient_id": ids, "status": "accepted", "reason": "",
            "film_date": "2020-05-10", "same_day_order": 1, "view": "PA", "sex": "F",
            "manufacturer": "Maker", "enrolled": 1, "burned_in": "NO", "verdict": "pass",
            "verdict_reason": "",
            "png": "x.png",
        }
    )  # fmt: skip
    patients = pd.DataFrame({"patient_id": ids, "sex": "F", "age": np.nan, "measured_on": "", "conflict": 0})
    patients["height_cm"], patients["weight_kg"] = draw.normal(158, 6, n), draw.normal(58, 8, n)
    patients[list(EXCLUSIONS)] = 0
    if center == "internal":
        patients["calcium"] = np.where(draw.random(n) < 0.9, draw.normal(2.3, 0.1, n).round(2), np.nan)
        patients["smoker"] = pd.array(draw.integers(0, 2, n), dtype="Int64")
        patients.loc[draw.random(n) < 0.1, "smoker"] = pd.NA
        patients["alcohol"] = draw.choice(["never", "sometimes", "daily", ""], n)
    patients["abnormal_spine"] = [int(i % 10 == 9) for i in range(n)]
    dxa = pd.DataFrame(
        {
            "patient_id": ids,
            "exam_date": "2020-06-01",
            "site": "lumbar",
            "bmd": 0.7,
            "t_below": None,
            "t_above": None,
            "unreadable": 0,
            "conflict": 0,
        }
    )
    dxa["t_score"] = [-3.0 if i % 2 else -1.0 for i in range(n)]
    births = pd.DataFrame({"patient_id": ids, "birth_date": "1955-01-01", "shift_days": -3})
    where = folder / "results/intake" / center
    write_table(films.iloc[1:], where / "films.csv", FILMS)
    ages = pd.DataFrame({"image_id": films["image_id"], "age": 60}).iloc[1:]
    write_table(ages, folder / "private" / center / "header_ages.csv", HEADER_AGES)
    own = with_predictors(PATIENTS, PREDICTORS if center == "internal" else {})
    write_table(patients.drop(index=2), where / "patients.csv", own)
    write_table(dxa, where / "dxa.csv", DXA)
    write_table(pd.DataFrame(columns=list(SET_ASIDE)), where / "set_aside.csv", SET_ASIDE)
    write_table(
        births, folder / "private" / center / "birth_dates.csv", {"patient_id": "text", "birth_date": "date"}
    )


def write_scores(folder, name, path):
    """Scores of both networks for the patients of a set."""
    cohort = read_table(path, COHORT)
    for model in NETWORKS:
        draw = np.random.default_rng([len(name), len(model)])
        score = np.clip(0.3 + 0.3 * cohort["label"].astype(float) + draw.normal(0, 0.1, len(cohort)), 0, 1)
        table = cohort[["patient_id", "image_id"]].assign(score=score, raw=score)
        write_table(table, folder / Models.scores(model, name), SET_SCORES)


def write_embeddings(folder):
    """An embedding of every film of the cohort."""
    images = read_table(folder / "results/cohort/cohort.csv", COHORT)["image_id"]
    draw = np.random.default_rng(5)
    table = pd.DataFrame(draw.normal(size=(len(images), 3)), columns=["a", "b", "c"])
    table.insert(0, "image_id", images)
    table.to_csv(folder / "embeddings.csv", index=False)


def copy_of_two_stages(folder):
    """The Snakefile without the other stages' includes, and what the two stages run."""
    lines = (ROOT / "Snakefile").read_text().splitlines(keepends=True)
    kept = [f'include: "rules/{name}.smk"\n' for name in ("common", *STAGES)]
    left_out = [x for x in lines if x.strip().startswith("include:") and x.strip() + "\n" not in kept]
    (folder / "Snakefile").write_text(
        "".join(x.replace(x.strip(), "pass") if x in left_out else x for x in lines)
    )
    for name in ("config.yaml", *(f"rules/{n}.smk" for n in ("common", *STAGES))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / "study.yaml").write_text(CONFIG)
    for name in ("profiles", "envs", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


def snakemake(folder, *targets, options=()):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "study.yaml", *options]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SNAKEMAKE")}
    return subprocess.run(
        [*command, "--", *targets],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def finished(done):
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder in which both stages have run to their end."""
    folder = tmp_path_factory.mktemp("study")
    copy_of_two_stages(folder)
    for center, n in CENTERS.items():
        write_intake(folder, center, n)
    (folder / "embeddings.csv").write_text("image_id,a\n")  # the config is read before there is a cohort
    finished(snakemake(folder, "results/cohort/cohort.csv", "results/models/clinical/model.json"))
    write_embeddings(folder)
    for name in ("train", "internal_test"):
        write_scores(folder, name, folder / f"results/cohort/{name}.csv")
    write_scores(folder, "external_1", folder / "results/cohort/external_1/selected.csv")
    finished(snakemake(folder, "results/predictions.csv"))
    return folder


def test_every_patient_found_is_accounted_for(study):
    flow = read_table(study / "results/cohort/flow.csv", FLOW)
    cohort = read_table(study / "results/cohort/cohort.csv", COHORT)
    excluded = read_table(
        study / "results/cohort/excluded.csv", {"center": "text", "patient_id": "text", "reason": "text"}
    )
    for center, n in CENTERS.items():
        own = flow[flow["center"] == center].set_index("step")
        assert own.loc["found", "n_patients"] == n
        assert own.loc["no_film", "n_patients"] == own.loc["not_in_patients_table", "n_patients"] == 1
        assert own.loc["abnormal_spine", "n_patients"] == n // 10
        assert own.loc["included", "n_patients"] == n - 2 - n // 10 == (cohort["center"] == center).sum()
        assert (excluded["center"] == center).sum() == 2 + n // 10
    own = flow[flow["center"] == "internal"].set_index("step")
    assert own["kind"].tolist().count("set") == 2
    for column in ("n_patients", "n_op"):
        assert own.loc["train", column] + own.loc["internal_test", column] == own.loc["included", column]
    assert cohort["set"].drop_duplicates().tolist() == ["train", "internal_test", "external_1"]


def test_one_prediction_per_included_patient(study):
    predictions = read_table(study / "results/predictions.csv", PREDICTIONS)
    cohort = read_table(study / "results/cohort/cohort.csv", COHORT)
    assert sorted(predictions["patient_id"]) == sorted(cohort["patient_id"])
    models = [*predictions.columns[5:]]
    assert models == [
        *("deep", "clinical", "combined", "age", "logistic", "osta", "second", "head", "stacked"),
        *("habits", "branched"),
    ]
    assert predictions[models].apply(lambda scores: scores.between(0, 1).all()).all()
    train = predictions["set"] == "train"
    assert (
        set(predictions.loc[train, "fold"]) == set(range(5)) and predictions.loc[~train, "fold"].isna().all()
    )
    for name, rows in predictions.groupby("set", sort=False):
        assert rows["patient_id"].is_monotonic_increasing, name


def test_a_model_on_predictors_of_every_type_scores_those_who_lack_them(study):
    """By hand from the fitted model's numbers: yes is 1, a level is 1 in its column, a gap is the median."""
    model = json.loads((study / "results/models/habits/model.json").read_text())
    levels = ["never", "sometimes", "daily"]
    assert model["names"] == ["smoker", "weight_kg", *(f"alcohol={level}" for level in levels), "calcium"]
    train = read_with(study / "results/cohort/train.csv", COHORT, PREDICTORS)
    assert all(train[name].replace("", pd.NA).isna().any() for name in PREDICTORS)
    for name, path in (
        ("internal_test", "results/cohort/internal_test.csv"),
        ("external_1", "results/cohort/external_1/selected.csv"),
    ):
        cohort = read_with(study / path, COHORT, PREDICTORS)
        known = cohort["alcohol"].ne("")
        columns = [
            cohort["smoker"].astype(float),
            cohort["weight_kg"],
            *(cohort["alcohol"].eq(level).astype(float).where(known) for level in levels),
            cohort["calcium"],
        ]
        logit = model["intercept"] + sum(
            (column.fillna(median) - mean) / sd * coefficient
            for column, median, mean, sd, coefficient in zip(
                columns, model["median"], model["mean"], model["sd"], model["coefficients"], strict=True
            )
        )
        found = read_table(study / Models.scores("habits", name), SET_SCORES)
        np.testing.assert_allclose(found["score"], 1 / (1 + np.exp(-logit)), rtol=1e-9)
        branched = read_table(study / Models.scores("branched", name), SET_SCORES)["score"]
        lacking = name == "external_1"
        assert cohort[list(PREDICTORS)].replace("", pd.NA).isna().all(axis=None) == lacking
        assert (branched.nunique() == 1) == lacking, "of trees a gap has a way of its own"
    assert np.abs(model["coefficients"]).min() > 0


def test_a_second_run_does_nothing(study):
    assert "Nothing to be done" in finished(
        snakemake(study, "results/predictions.csv", "results/cohort/cohort.csv")
    )


def test_test_patients_have_no_part_in_training(study, tmp_path):
    """Other labels, scores and ages of every test patient change no byte of what was trained."""
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    paths = {
        "internal_test": "results/cohort/internal_test.csv",
        "external_1": "results/cohort/external_1/selected.csv",
    }
    for name, path in paths.items():
        table = read_with(copy / path, COHORT, PREDICTORS)
        changed = table.assign(label=1 - table["label"], age=90, bmi=15.0, calcium=9.0, alcohol="daily")
        write_table(changed, copy / path, with_predictors(COHORT, PREDICTORS))
        for model in NETWORKS:
            scores = pd.read_csv(copy / Models.scores(model, name))
            scores.assign(score=0.5).to_csv(copy / Models.scores(model, name), index=False)
    fitted = ("clinical", "combined", "age", "osta", "head", "stacked", "habits", "branched")
    trained = [
        f"results/models/{m}/{f}" for m in fitted for f in ("model.json", "out_of_fold.csv", "variables.csv")
    ]
    for path in trained:
        (copy / path).unlink()
    finished(snakemake(copy, *(f"results/models/{model}/model.json" for model in fitted)))
    for path in trained:
        assert (copy / path).read_bytes() == (study / path).read_bytes(), path


def test_new_patients_move_nobody(study, tmp_path):
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    write_intake(copy, "internal", 75)
    finished(snakemake(copy, "results/cohort/train.csv"))
    before = pd.concat(
        read_table(study / f"results/cohort/{n}.csv", COHORT) for n in ("train", "internal_test")
    )
    after = pd.concat(
        read_table(copy / f"results/cohort/{n}.csv", COHORT) for n in ("train", "internal_test")
    )
    both = before.merge(after, on="patient_id", suffixes=("", "_after"))
    assert len(both) == len(before) < len(after)
    assert (both["set"] == both["set_after"]).all()
    assert both["fold"].fillna(-1).equals(both["fold_after"].fillna(-1))


def test_another_fraction_under_the_same_lock_is_refused_in_one_sentence(study, tmp_path):
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    done = snakemake(copy, "results/cohort/train.csv", options=["--config", "cohort={test_fraction: 0.3}"])
    assert done.returncode != 0
    assert (
        "ERROR: cohort.test_fraction is 0.3, but the split in 'state/split_lock.csv' was drawn with 0.2."
        in done.stdout
    )
    assert "Traceback" not in done.stdout
