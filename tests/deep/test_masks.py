"""Films with a part covered: which part, with what, and the scores that follow."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.common.log import Log
from scripts.common.vocabulary import MASKS
from scripts.deep.csv_tables import read_csv
from scripts.deep.films import FilmStack
from scripts.deep.kinds.hybrid import HybridNetwork
from scripts.deep.kinds.hybrid_architecture import HybridArchitecture
from scripts.deep.masked_scores import score_masked
from scripts.deep.masks import MaskedFilmStack, visible_part
from scripts.deep.set_scores import score_set
from scripts.deep.training_store import weights_bytes


def hybrid(settings):
    return HybridNetwork(HybridArchitecture(**settings["architecture"]))


ROOT = Path(__file__).resolve().parents[2]
SPINE, BORDER = (0.35, 0.65), 0.08


def test_each_mask_covers_what_its_name_says():
    seen = {mask: visible_part(mask, 100, SPINE, BORDER) for mask in MASKS}
    assert {tuple(part.unique().tolist()) for part in seen.values()} == {(0.0, 1.0)}
    columns = torch.arange(100)
    band = (columns >= 35) & (columns < 65)
    assert ((seen["spine_masked"] == 0) == band).all()
    assert (seen["spine_only"] + seen["spine_masked"] == 1).all()
    flanks = (seen["flanks_masked"] == 0)[0]
    assert ((seen["flanks_masked"] == 0) == flanks).all()
    assert flanks.sum() == band.sum() and not (flanks & band).any()
    assert flanks[:50].sum() == flanks[50:].sum()
    assert seen["border_masked"].sum() == 84 * 84 and seen["border_masked"][8:92, 8:92].all()


def test_covered_is_the_films_own_mean_and_the_rest_is_untouched(cache):
    whole, masked = FilmStack(cache, 96), MaskedFilmStack(cache, 96)
    seen = visible_part("border_masked", 96, SPINE, BORDER)
    films = whole.batch([3, 17])
    assert torch.equal(masked.batch([3, 17]), films)
    masked.cover(seen)
    covered = masked.batch([3, 17])
    assert torch.equal(covered[..., seen == 1], films[..., seen == 1])
    assert (covered[..., seen == 0] == 0).all()
    grey = np.load(cache / "films.npy")[3].astype(float)
    film = masked.films[3]
    assert covered[0, 0, 0, 0].item() * film.sd + film.mean == pytest.approx(grey.mean(), abs=1e-6)


def test_scores_change_only_where_the_film_is_covered(settings, make_cache, tmp_path):
    """On films that are blank outside the spine the masks of the rest change no score, and that of the spine
    leaves one.
    """
    cache, paths = make_cache(tmp_path / "films", 12, 96, folds=None), []
    for fold in range(2):
        torch.manual_seed(fold)
        paths.append(tmp_path / f"{fold}.pt")
        paths[-1].write_bytes(weights_bytes(hybrid(settings), "fp32", fold))
    log = Log(None, "test", echo=False)
    score_set(cache, paths, tmp_path / "whole.csv", "cpu", 1, log)
    score_masked(cache, paths, tmp_path / "masked.csv", SPINE, BORDER, "cpu", 1, log)
    whole, masked = read_csv(tmp_path / "whole.csv", ()), read_csv(tmp_path / "masked.csv", ())
    assert list(masked[0]) == ["patient_id", "image_id", *MASKS]
    assert [row["image_id"] for row in masked] == [row["image_id"] for row in whole]
    for mask in MASKS:
        assert all(0 < float(row[mask]) < 1 for row in masked)
        assert sum(float(a[mask]) != float(b["deep"]) for a, b in zip(masked, whole)) > 9
    index = read_csv(cache / "index.csv", ())
    films = np.load(cache / "films.npy")
    left, right = round(0.35 * 96), round(0.65 * 96)
    blank = tmp_path / "blank"
    blank.mkdir()
    for row, film in zip(index, films):
        band = film[:, left:right].astype(np.int64)
        band += 30000 - round(band.mean())
        film[:] = 30000
        film[:, left:right] = np.clip(band, 0, 65535)
        row["mean"], row["sd"] = "30000.0", repr(float(film.std()))
    np.save(blank / "films.npy", films)
    lines = [",".join(index[0]), *(",".join(row.values()) for row in index)]
    (blank / "index.csv").write_text("\n".join(lines) + "\n")
    score_set(blank, paths, tmp_path / "blank.csv", "cpu", 1, log)
    score_masked(blank, paths, tmp_path / "blank_masked.csv", SPINE, BORDER, "cpu", 1, log)
    a, b = read_csv(tmp_path / "blank.csv", ()), read_csv(tmp_path / "blank_masked.csv", ())
    assert [float(row["deep"]) for row in a] == pytest.approx(
        [float(row["spine_only"]) for row in b], abs=1e-12
    )
    assert [float(row["deep"]) for row in a] == pytest.approx(
        [float(row["flanks_masked"]) for row in b], abs=1e-12
    )
    flat = {round(float(row["spine_masked"]), 9) for row in b}
    assert len(flat) == 1, "films that differ in the spine alone get one score when it is covered"


def test_the_command_writes_the_same(settings, make_cache, tmp_path):
    cache = make_cache(tmp_path / "films", 6, 96, folds=None)
    torch.manual_seed(1)
    (tmp_path / "0.pt").write_bytes(weights_bytes(hybrid(settings), "fp32", 0))
    command = [
        sys.executable,
        "-m",
        "scripts.deep.score_masked",
        "--cache",
        cache,
        "--weights",
        tmp_path / "0.pt",
    ]
    command += ["--output", tmp_path / "m.csv", "--spine", 0.3, 0.6, "--border", 0.1, "--device", "cpu"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    score_masked(
        cache,
        [tmp_path / "0.pt"],
        tmp_path / "n.csv",
        (0.3, 0.6),
        0.1,
        "cpu",
        1,
        Log(None, "test", echo=False),
    )
    assert (tmp_path / "m.csv").read_bytes() == (tmp_path / "n.csv").read_bytes()
