"""With every word of the network's jobs taken away, all that they make has the same bytes."""

from __future__ import annotations

import inspect
import json

import pytest

from scripts.common.files import write_text
from scripts.common.log import Log
from scripts.networks import progress
from scripts.networks.csv_tables import csv_text, read_csv
from scripts.networks.fold_training import train_fold
from scripts.networks.gradcam import explain_cases
from scripts.networks.masked_scores import score_masked
from scripts.networks.member import Member
from scripts.networks.out_of_fold import collect_out_of_fold
from scripts.networks.set_scores import score_set
from scripts.networks.settings import settings_of
from scripts.networks.training_store import SavedState


def silence(patch):
    """A stand-in for every function of the leaves: it says nothing and gives back what passes through."""
    kinds = {"None": lambda *_, **__: None, "str": lambda *_, **__: "", "bool": lambda *_, **__: False}
    silent = 0
    for owner in (progress, progress.FoldProgress, Log):
        for name, function in vars(owner).copy().items():
            if not inspect.isfunction(function) or name == "__init__":
                continue
            if name == "progress":
                patch.setattr(owner, name, lambda self, items, *_, **__: iter(items))
            else:
                patch.setattr(owner, name, kinds[function.__annotations__["return"]])
            silent += 1
    assert silent > 30


def everything(cache, settings, folder):
    """Content by name of all that two folds, their scores, masks and maps make; speeds and times left out."""
    log = Log(folder / "log.txt", "test", echo=False)
    folds = [folder / f"fold_{k}" for k in (0, 1)]
    for k, out in enumerate(folds):
        train_fold(cache, Member("net", k), settings, None, out, folder / "state", "cpu", 5, log)
    weights = [out / "weights.pt" for out in folds]
    score_set(cache, weights, folder / "scores.csv", "cpu", 1, log)
    score_masked(cache, weights, folder / "masked.csv", (0.35, 0.65), 0.08, "cpu", 1, log)
    films = {row["patient_id"]: row for row in read_csv(cache / "index.csv", ())}
    train = [row for row in films.values() if row["fold"] in ("0", "1")]
    write_text(folder / "index.csv", csv_text(tuple(train[0]), [tuple(row.values()) for row in train]))
    collect_out_of_fold(
        folder / "index.csv", [out / "held_out.csv" for out in folds], folder / "out_of_fold.csv"
    )
    rows = [
        (row["patient_id"], "internal_test", films[row["patient_id"]]["label"], float(row["score"]))
        for row in read_csv(folder / "scores.csv", ())
    ]
    write_text(folder / "predictions.csv", csv_text(("patient_id", "set", "label", "net"), rows))
    write_text(folder / "thresholds.csv", csv_text(("model", "threshold"), [("net", 0.5)]))
    write_text(folder / "learning.csv", csv_text(("model", "fold", "learned"), [("net", "all", "yes")]))
    explain_cases(
        "net", folder / "predictions.csv", folder / "thresholds.csv", folder / "learning.csv", 
        "internal_test", cache, weights,
        1, 2, 3, folder / "cases.csv", folder / "maps.npz", "cpu", 1, log,
    )  # fmt: skip
    log.close()
    made = {}
    for path in sorted(folder.rglob("*")):
        if path.name == "history.csv":
            made[path.relative_to(folder)] = [list(row.values())[:-2] for row in read_csv(path, ())]
        elif path.name == "trained_on.json":
            told = json.loads(path.read_text())
            assert told.pop("seconds") > 0
            made[path.relative_to(folder)] = told
        elif path.is_file() and path.name not in ("log.txt", "record.json"):
            made[path.relative_to(folder)] = path.read_bytes()
    return made


@pytest.fixture
def talkative(settings):
    """Settings that are warned about, in memory and rate."""
    settings["training"]["learning_rate"] = 1e-4
    return settings_of(json.loads(json.dumps(settings)), "hybrid")


def test_words_change_no_byte(cache, talkative, tmp_path, monkeypatch):
    (tmp_path / "said").mkdir()
    (tmp_path / "silent").mkdir()
    monkeypatch.setattr("scripts.networks.fold_training.device_memory", lambda _: (10**6, 10**12))
    said = everything(cache, talkative, tmp_path / "said")
    assert (tmp_path / "said/log.txt").read_text().count("WARNING") == 4
    with monkeypatch.context() as patch:
        silence(patch)
        silent = everything(cache, talkative, tmp_path / "silent")
    assert len(said) > 12 and said.keys() == silent.keys()
    assert [name for name in said if said[name] != silent[name]] == []
    assert (tmp_path / "silent/log.txt").read_text() == ""


def test_a_state_is_found_and_left_without_words(tmp_path, monkeypatch):
    state = SavedState(tmp_path, "key", "cpu")
    state.save({"step": 3})
    with monkeypatch.context() as patch:
        silence(patch)
        assert state.load(lambda _: None)["step"] == 3
        state.path.write_bytes(b"cut")
        assert state.load(lambda _: None) is None
