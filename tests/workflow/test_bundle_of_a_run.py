"""The bundle of a finished run: nothing of patients in it, and new films get the very scores that the run
gave them.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from scripts.share.pack_results import pack
from tests.workflow.test_finished_run import leaks, planted_strings

NETWORK = "deep"
"""The main network of the shipped study."""

BUNDLE = f"results/bundle/{NETWORK}"


@pytest.fixture(scope="module")
def bundled(finished, tmp_path_factory):
    """A copy of the finished study with its bundle."""
    study = finished.duplicate(tmp_path_factory.mktemp("bundled") / "study")
    study.printed = study.snakemake("--", "bundle")
    return study


def score(study, bundle, films, to, *more):
    """The command that `make score` runs, elsewhere than the study."""
    command = [
        sys.executable,
        "-m",
        "scripts.bundle.score",
        "--bundle",
        bundle,
        "--dicom",
        films,
        "--to",
        to,
        *more,
    ]
    environment = {**os.environ, "PYTHONPATH": str(study.path)}
    return subprocess.run(
        list(map(str, command)), cwd=to.parent, capture_output=True, text=True, env=environment
    )


@pytest.fixture(scope="module")
def scored(bundled, tmp_path_factory):
    """Scores of the first external centre's films, its paths beside them; the bundle was moved out of the
    study before.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run(["cp", "-r", bundled.path / BUNDLE, folder / "model"], check=True)
    films = bundled.path / "data/synthetic/external_1/dicom"
    done = score(bundled, folder / "model", films, folder / "scores.csv", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    frame = pd.read_csv(folder / "scores.csv", dtype=str, keep_default_na=False)
    names = pd.read_csv(folder / "scores_private.csv", dtype=str, keep_default_na=False)
    crosswalk = pd.concat(
        pd.read_csv(p, dtype=str)
        for p in sorted((bundled.path / "private/external_1/crosswalk").glob("*.csv"))
    )
    joined = frame.merge(names, on="film", validate="one_to_one").merge(
        crosswalk[["path", "image_id"]], on="path", validate="one_to_one"
    )
    assert len(joined) == len(frame) == len(names) == len(crosswalk)
    joined.attrs["folder"], joined.attrs["said"] = folder, done.stderr
    return joined


def test_the_bundle_is_made_by_one_job_and_is_no_part_of_a_plain_run(bundled, finished):
    assert "make_bundle" not in finished.printed and "2 of 2 steps" in bundled.printed
    assert "Nothing to be done" in bundled.snakemake("-n", "--", BUNDLE)
    log = (bundled.path / f"logs/make_bundle/{NETWORK}.log").read_text()
    assert "ONNX Runtime and PyTorch agree" in log


def test_no_identifier_pseudonym_date_or_path_is_in_the_bundle(bundled):
    folder = bundled.path / BUNDLE
    assert leaks(folder, planted_strings(bundled)) == []
    cohort = pd.read_csv(bundled.path / "results/cohort/cohort.csv", dtype=str)
    films = pd.read_csv(bundled.path / "results/intake/internal/films.csv", dtype=str, keep_default_na=False)
    secrets = {
        *cohort["patient_id"],
        *cohort["image_id"],
        *films["film_date"],
        str(bundled.path),
        "site-packages",
        "/tmp/",
    } - {""}
    makers = {name for name in cohort["manufacturer"].dropna() if len(name) > 3}
    assert makers
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not [s for s in secrets | makers if s.encode() in content], path.name


def test_the_search_finds_an_identifier_in_a_bundle(bundled, tmp_path):
    one = next(iter(planted_strings(bundled)))
    weights = (bundled.path / BUNDLE / "weights/fold_0.pt").read_bytes()
    (tmp_path / "fold_0.pt").write_bytes(weights[:5000] + one + weights[5000:])
    assert leaks(tmp_path, planted_strings(bundled)) == [str(tmp_path / "fold_0.pt")]


def test_new_films_get_the_runs_own_scores_to_the_last_bit(bundled, scored):
    """On the same machine, processor and threads; the texts of the numbers are compared."""
    own = pd.read_csv(bundled.path / "results/models/deep/scores/external_1.csv", dtype=str)
    both = own.merge(scored, on="image_id", suffixes=("", "_new"), validate="one_to_one")
    assert len(both) == len(own) > 10
    for column in ("score", *(f"fold_{k}" for k in range(5))):
        assert (both[column] == both[f"{column}_new"]).all(), column
    threshold = (
        pd.read_csv(bundled.path / "results/statistics/thresholds.csv")
        .set_index("model")
        .loc[NETWORK, "threshold"]
    )
    assert (both["positive"] == (own["score"].astype(float) >= threshold).astype(int).astype(str)).all()


def test_every_file_has_the_status_that_the_run_gave_it(bundled, scored):
    """But for what a score needs no answer to: whose film it is, and whether another copy is there."""
    own = pd.read_csv(bundled.path / "results/intake/external_1/files.csv", dtype=str, keep_default_na=False)
    both = own.merge(scored, on="image_id", suffixes=("", "_new"), validate="one_to_one")
    assert len(both) == len(own)
    free = both["reason"].isin(["no_patient_id", "no_film_date", "duplicate", "conflicting_duplicate"])
    assert free.any() and (both.loc[free, "status_new"] == "accepted").all()
    assert (both.loc[~free, "status"] == both.loc[~free, "status_new"]).all()
    assert (both.loc[~free, "reason"] == both.loc[~free, "reason_new"]).all()
    assert {"accepted", "quarantined", "rejected"} == set(both["status_new"])
    exposure = pd.read_csv(
        bundled.path / "results/intake/external_1/exposure.csv", dtype=str, keep_default_na=False
    )
    judged = exposure.merge(scored, on="image_id", suffixes=("", "_new"))
    assert len(judged) == len(exposure)
    assert (judged["fixed_verdict"] == judged["verdict_new"]).all() and (
        judged["fixed_reason"] == judged["verdict_reason"]
    ).all()


def test_the_scores_and_what_is_printed_hold_no_identifier(bundled, scored, tmp_path):
    folder = scored.attrs["folder"]
    (tmp_path / "out").mkdir()
    (tmp_path / "out/scores.csv").write_bytes((folder / "scores.csv").read_bytes())
    (tmp_path / "out/printed.log").write_text(scored.attrs["said"])
    assert leaks(tmp_path / "out", planted_strings(bundled)) == []
    assert (folder / "scores_private.csv").stat().st_mode & 0o777 == 0o600
    assert "SYNTHETIC" in scored.attrs["said"]


def test_a_cut_bundle_scores_nothing(bundled, tmp_path):
    subprocess.run(["cp", "-r", bundled.path / BUNDLE, tmp_path / "model"], check=True)
    with (tmp_path / "model/weights/fold_2.pt").open("r+b") as file:
        file.truncate(5000)
    done = score(
        bundled, tmp_path / "model", bundled.path / "data/synthetic/external_1/dicom", tmp_path / "scores.csv"
    )
    assert (
        done.returncode == 1
        and "changed or cut: weights/fold_2.pt" in done.stderr
        and "Traceback" not in done.stderr
    )
    assert not list(tmp_path.glob("scores*"))


def test_the_onnx_file_gives_the_runs_scores(bundled):
    session = onnxruntime.InferenceSession(
        str(bundled.path / f"{BUNDLE}/model.onnx"), providers=["CPUExecutionProvider"]
    )
    side = session.get_inputs()[0].shape[1]
    for name in ("internal_test", "external_1"):
        mean, each = session.run(
            None, {"film": np.load(bundled.path / f"state/cache/{side}/{name}/films.npy")}
        )
        own = pd.read_csv(bundled.path / f"results/models/deep/scores/{name}.csv")
        np.testing.assert_allclose(mean, own["score"], rtol=0, atol=1e-4)
        np.testing.assert_allclose(each, own[[f"fold_{k}" for k in range(5)]], rtol=0, atol=1e-4)


def test_make_share_leaves_the_bundle_out(bundled, tmp_path):
    chosen = pack(bundled.path / "results", bundled.path / "private", tmp_path / "shared.tar.gz")
    assert "bundle/*" in chosen.left_out and not [
        name for name in chosen.members if name.startswith("bundle")
    ]


def test_make_says_what_score_needs(bundled):
    done = subprocess.run(
        ["make", "-n", "score", "BUNDLE=b", "DICOM=films"], cwd=bundled.path, capture_output=True, text=True
    )
    assert '--to "scores.csv"' in done.stdout and '--device "auto"' in done.stdout
    done = subprocess.run(
        ["make", "-n", "score", "BUNDLE=b", "DICOM=films", "TO=mine.csv"],
        cwd=bundled.path,
        capture_output=True,
        text=True,
    )
    assert '--to "mine.csv"' in done.stdout
