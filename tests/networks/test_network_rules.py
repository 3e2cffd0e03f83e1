"""The rules of the networks under Snakemake, from PNG films to scores, without the stages around it."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from scripts.common.files import write_text
from scripts.networks.csv_tables import csv_text, read_csv

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).resolve().parents[2]
RULES = ("cache_films", "train_fold", "score_out_of_fold", "score_images")
MODEL = "results/models/deep"
SCORES = [f"{MODEL}/out_of_fold.csv", f"{MODEL}/scores/external_1.csv"]
TWICE = ["results/models/twice/out_of_fold.csv", "results/models/twice/scores/external_1.csv"]


def small_config(folder, **machine):
    """The tiny study with two folds, one epoch and one batch of films per centre, and a network of two seeds
    beside its first one.
    """
    config = yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text())
    config["cohort"] = {"folds": 2}
    for center in config["centers"]:
        center["batches"] = 1
    config["models"]["deep"]["training"]["epochs"] = 1
    config["models"]["twice"] = {"like": "deep", "seeds": 2, "role": "ablation"}
    config["networks"] = config.get("networks", {}) | machine
    (folder / "small.yaml").write_text(yaml.safe_dump(config))


def write_set(folder, center, table, set_name, n, start):
    rng = np.random.default_rng(start)
    films, cohort = [], []
    for i in range(start, start + n):
        path = f"results/intake/{center}/png/batch_0/{i:04d}.png"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / path), rng.integers(20000 * (1 + i % 2), 65536, (220, 200), np.uint16))
        films.append((f"{i:04d}", path))
        cohort.append((f"p{i:04d}", f"{i:04d}", i % 2, (i // 2) % 2 if set_name == "train" else ""))
    write_text(folder / table, csv_text(("patient_id", "image_id", "label", "fold"), cohort))
    return films


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A working folder with the films and tables that the stages before leave."""
    folder = tmp_path_factory.mktemp("study")
    internal = write_set(folder, "internal", "results/cohort/train.csv", "train", 20, 0)
    write_text(folder / "results/intake/internal/films.csv", csv_text(("image_id", "png"), internal))
    external = write_set(folder, "external_1", "results/cohort/external_1/selected.csv", "external_1", 5, 100)
    write_text(folder / "results/intake/external_1/films.csv", csv_text(("image_id", "png"), external))
    return folder


def snakemake(folder, cores, *more, wanted=SCORES):
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "-s",
        ROOT / "Snakefile",
        "--directory",
        folder,
        "--cores",
        cores,
    ]
    command += [
        "--configfile",
        ROOT / "config.yaml",
        folder / "small.yaml",
        *more,
        "--allowed-rules",
        *RULES,
        "--",
        *wanted,
    ]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def products(folder):
    kept = [
        *SCORES,
        *(f"{MODEL}/fold_{k}/{name}" for k in (0, 1) for name in ("weights.pt", "held_out.csv")),
    ]
    return {name: (folder / name).read_bytes() for name in kept}


def steps(folder, *runs):
    return [
        (folder / f"logs/train_fold/{run}.log").read_text().split("optimiser steps: ")[1].strip()
        for run in runs
    ]


def test_cores_change_no_byte_and_settings_without_effect_train_nothing(study):
    small_config(study)
    snakemake(study, 2)
    first = products(study)
    assert steps(study, "deep_0", "deep_1") == ["2", "2"]
    assert len(read_csv(study / SCORES[0], ("patient_id", "image_id", "score", "raw", "fold"))) == 20
    assert (
        len(read_csv(study / SCORES[1], ("patient_id", "image_id", "score", "raw", "fold_0", "fold_1"))) == 5
    )

    small_config(study, device="cpu", checkpoint_minutes=1.5)
    assert "Nothing to be done" in snakemake(study, 1)

    for kept in (study / "state/store").iterdir():
        kept.rename(study / "state" / kept.name)
    (study / MODEL / "fold_1/weights.pt").unlink()
    snakemake(study, 1, "--forcerun", "train_fold")
    assert steps(study, "deep_0", "deep_1") == ["2", "2"]
    assert products(study) == first


def test_a_further_network_trains_itself_alone_and_takes_from_the_store_what_it_shares(study):
    """Its first seed has the settings, and so the key, of the network that it is like."""
    small_config(study)
    snakemake(study, 2)
    first = products(study)
    snakemake(study, 2, wanted=[*SCORES, *TWICE])
    runs = [f"twice_{run}" for run in ("0", "0_seed_1", "1", "1_seed_1")]
    assert steps(study, *runs) == ["0", "2", "0", "2"]
    assert products(study) == first
    twice = study / "results/models/twice"
    weights = {run.name: (run / "weights.pt").read_bytes() for run in twice.glob("fold_*")}
    assert weights["fold_0"] == first[f"{MODEL}/fold_0/weights.pt"] != weights["fold_0_seed_1"]
    columns = [f"fold_{run}" for run in ("0", "0_seed_1", "1", "1_seed_1")]
    scores = read_csv(study / TWICE[1], ())
    assert list(scores[0]) == ["patient_id", "image_id", "score", "raw", *columns]
    alone = {row["image_id"]: row for row in read_csv(study / SCORES[1], ())}
    for row in scores:
        assert row["fold_0"] == alone[row["image_id"]]["fold_0"] != row["fold_0_seed_1"]
        assert float(row["score"]) == pytest.approx(np.mean([float(row[name]) for name in columns]))
    seen = {row["image_id"]: float(row["score"]) for row in read_csv(study / SCORES[0], ())}
    for row in read_csv(study / TWICE[0], ()):
        tables = [read_csv(twice / f"fold_{row['fold']}{more}/held_out.csv", ()) for more in ("", "_seed_1")]
        each = [float(r["score"]) for table in tables for r in table if r["image_id"] == row["image_id"]]
        assert each[0] == seen[row["image_id"]] and float(row["score"]) == pytest.approx(np.mean(each))
