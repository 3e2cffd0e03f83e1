"""`make score`'s command: a row for every file, the study's own numbers, no name of the source in the
scores.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from scripts.bundle.contents import manifest_text, open_bundle
from scripts.bundle.film_scoring import Scorer, film_numbers, private_path, score_folder
from scripts.bundle.score import main
from scripts.common.errors import StudyError
from scripts.common.standards import SHA256_LIST
from scripts.deep.csv_tables import read_csv
from scripts.deep.film_cache import resize_film
from scripts.deep.scoring import for_scoring
from scripts.deep.trained_networks import load_networks
from tests.bundle.conftest import chest

ROOT = Path(__file__).resolve().parents[2]

EXPECTED = {
    "IM1": ("accepted", ""),
    "deep/er/IM2.dcm": ("accepted", ""),
    "IM3": ("accepted", ""),
    "no_id": ("accepted", ""),
    "lateral": ("quarantined", "lateral"),
    "white": ("rejected", "clipped"),
    "text": ("quarantined", "burned_in_text"),
    "cut": ("quarantined", "cut_short"),
    "notes.txt": ("quarantined", "not_dicom"),
}


def by_path(target: Path) -> dict[str, dict[str, str]]:
    path_of = {row["film"]: row["path"] for row in read_csv(private_path(target), ("film", "path"))}
    rows = read_csv(target, ("film", "status", "reason", "verdict", "deep", "positive", "fold_0", "fold_1"))
    assert sorted(path_of) == [row["film"] for row in rows]
    return {path_of[row["film"]]: row for row in rows}


def test_every_file_gets_a_row_and_the_right_ones_a_score(made, films, tmp_path, capsys):
    target = tmp_path / "scores.csv"
    assert main(["--bundle", str(made), "--dicom", str(films), "--to", str(target), "--device", "cpu"]) == 0
    said = capsys.readouterr().err
    assert (
        "SYNTHETIC" in said
        and "9 files: 4 accepted, 4 quarantined, 1 rejected" in said
        and "self-check passed" in said
    )
    rows = by_path(target)
    assert {path: (row["status"], row["reason"]) for path, row in rows.items()} == EXPECTED
    for row in rows.values():
        folds = [row["fold_0"], row["fold_1"]]
        if row["status"] != "accepted":
            assert [row["deep"], row["positive"], *folds] == [""] * 4
            continue
        assert float(row["deep"]) == pytest.approx(np.mean([float(p) for p in folds]), abs=1e-15)
        assert row["positive"] == str(int(float(row["deep"]) >= 0.4375))
    assert rows["IM3"]["deep"] == rows["IM1"]["deep"], "MONOCHROME1 of the inverted picture is the same film"
    assert rows["white"]["verdict"] == "reject"


def test_a_score_is_that_of_the_networks_on_the_resized_film(made, films, tmp_path, bundle, silent):
    score_folder(bundle, films, tmp_path / "scores.csv", "cpu", None, silent)
    film = resize_film(chest(2, (500, 430)) << 4, 96)
    assert film.shape == cv2.resize(film, (96, 96)).shape
    z = (torch.from_numpy(film.astype(np.float32)) - float(film.mean(dtype=np.float64))) / float(
        film.std(dtype=np.float64)
    )
    networks, _ = load_networks(bundle.weights, torch.device("cpu"))
    row = by_path(tmp_path / "scores.csv")["deep/er/IM2.dcm"]
    for k, network in enumerate(networks):
        with torch.no_grad():
            expected = torch.sigmoid(for_scoring(network)(z[None, None])[0]).item()
        assert float(row[f"fold_{k}"]) == pytest.approx(expected, abs=1e-6)


def test_a_score_depends_on_no_other_film(made, films, tmp_path, bundle, silent):
    score_folder(bundle, films, tmp_path / "all.csv", "cpu", None, silent)
    alone = tmp_path / "alone"
    shutil.copytree(films / "deep", alone)
    score_folder(bundle, alone, tmp_path / "one.csv", "cpu", None, silent)
    both = [by_path(tmp_path / "all.csv")["deep/er/IM2.dcm"], by_path(tmp_path / "one.csv")["er/IM2.dcm"]]
    assert both[0]["film"] != both[1]["film"]
    assert [{k: v for k, v in row.items() if k != "film"} for row in both][0] == {
        k: v for k, v in both[1].items() if k != "film"
    }


def test_the_scores_name_nothing_of_the_source_and_the_private_file_is_closed(
    made, films, tmp_path, bundle, silent, capfd
):
    target = tmp_path / "out/scores.csv"
    main(["--bundle", str(made), "--dicom", str(films), "--to", str(target)])
    printed = "".join(capfd.readouterr())
    for secret in (
        "Müller",
        "IM1",
        "IM2",
        "lateral.dcm",
        "notes",
        "Musterfrau",
        "HOSP-0042",
        "ACME",
        "1.2.826.0.1",
    ):
        assert secret not in target.read_text(encoding="utf-8")
        assert secret not in printed
    assert private_path(target).stat().st_mode & 0o777 == 0o600
    assert "deep/er/IM2.dcm" in private_path(target).read_text(encoding="utf-8")
    assert {p.name for p in target.parent.iterdir()} == {"scores.csv", "scores_private.csv"}


def test_names_of_films_tell_no_order_and_never_repeat():
    first, second = film_numbers(200), film_numbers(200)
    assert len({*first, *second}) == 400
    assert first != sorted(first)
    assert len({name.split("-")[0] for name in first}) == 1


@pytest.mark.parametrize("there", ["scores.csv", "scores_private.csv"])
def test_earlier_scores_are_never_overwritten(made, films, tmp_path, there, capsys):
    (tmp_path / there).write_text("earlier")
    with pytest.raises(SystemExit) as end:
        main(["--bundle", str(made), "--dicom", str(films), "--to", str(tmp_path / "scores.csv")])
    assert end.value.code == 1 and "is there already" in capsys.readouterr().err
    assert (tmp_path / there).read_text() == "earlier"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("", "Name the file of the scores with TO="),
        ("there.csv/scores.csv", "can't be written (File exists)"),
        ("results/scores.csv", "lies in 'results'"),
    ],
)
def test_a_target_that_cannot_or_may_not_be_written_is_refused_before_any_film_is_read(
    made, films, tmp_path, target, said, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_text("of another thing")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit):
        main(["--bundle", str(made), "--dicom", str(films), "--to", target, "--device", "cpu"])
    told = capsys.readouterr().err
    assert said in told and "self-check" not in told
    assert sorted(tmp_path.iterdir()) == before


def test_ctrl_c_ends_with_a_sentence_and_leaves_nothing(made, films, tmp_path, monkeypatch, capsys):
    def stop(self, given):
        raise KeyboardInterrupt

    before = list(tmp_path.iterdir())
    monkeypatch.setattr(Scorer, "__call__", stop)
    assert (
        main(
            [
                "--bundle",
                str(made),
                "--dicom",
                str(films),
                "--to",
                str(tmp_path / "scores.csv"),
                "--device",
                "cpu",
            ]
        )
        == 130
    )
    assert "stopped: no scores are written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == before


def test_a_folder_that_is_absent_or_empty_is_refused(made, tmp_path, bundle, silent):
    (tmp_path / "empty").mkdir()
    for folder, said in (("nowhere", "no folder"), ("empty", "no file")):
        with pytest.raises(StudyError, match=said):
            score_folder(bundle, tmp_path / folder, tmp_path / "scores.csv", "cpu", None, silent)
    assert not list(tmp_path.glob("scores*"))


def test_the_self_check_finds_another_network(made, tmp_path, films, silent):
    """Weights exchanged by somebody who made the checksums anew: same shapes, other numbers."""
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    shutil.copyfile(copy / "weights/fold_0.pt", copy / "weights/fold_1.pt")
    (copy / SHA256_LIST).write_text(manifest_text(copy))
    with pytest.raises(StudyError, match="self-check failed"):
        score_folder(open_bundle(copy), films, tmp_path / "scores.csv", "cpu", None, silent)
    assert not list(tmp_path.glob("scores*"))


def test_too_little_memory_is_said_and_leaves_nothing(bundle, films, tmp_path, silent, monkeypatch):
    def full(*given):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("scripts.deep.kinds.hybrid.HybridNetwork.logits", full)
    with pytest.raises(StudyError, match="Out of memory.*DEVICE=cpu"):
        score_folder(bundle, films, tmp_path / "scores.csv", "cpu", None, silent)
    assert not list(tmp_path.glob("scores*"))


def test_weights_of_another_architecture_are_refused(made, tmp_path, bundle):
    settings = bundle.settings
    with pytest.raises(StudyError, match="another architecture"):
        Scorer(
            bundle.weights,
            {**settings["architecture"], "head_hidden": 8},
            settings["scoring"],
            torch.device("cpu"),
        )


def test_other_code_than_the_makers_is_said(made, tmp_path, films, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    content = json.loads((copy / "bundle.json").read_text())
    content["code"] = "0" * 16
    (copy / "bundle.json").write_text(json.dumps(content))
    (copy / SHA256_LIST).write_text(manifest_text(copy))
    main(["--bundle", str(copy), "--dicom", str(films), "--to", str(tmp_path / "scores.csv")])
    assert "WARNING: another version of the software" in capsys.readouterr().err


def test_the_command_needs_no_workflow_and_no_r(made, films, tmp_path):
    """In a process of its own that may import neither Snakemake, R's bridge nor XGBoost."""
    program = (
        "import sys\nfor name in ('snakemake', 'rpy2', 'xgboost', 'statsmodels', 'sklearn', 'matplotlib'):"
        " sys.modules[name] = None\nfrom scripts.bundle.score import main\nsys.exit(main(['--bundle',"
        f" {str(made)!r}, '--dicom', {str(films)!r}, '--to', {str(tmp_path / 'scores.csv')!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(by_path(tmp_path / "scores.csv")) == len(EXPECTED)


def test_help_names_every_option():
    done = subprocess.run(
        [sys.executable, "-m", "scripts.bundle.score", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    for option in ("--bundle", "--dicom", "--to", "--device", "--threads", "_private.csv"):
        assert option in done.stdout
