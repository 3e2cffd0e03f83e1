"""Folds that version 0.1.0 finished: taken over with their bytes, and never trained again unasked."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scripts.common.errors import StudyError
from scripts.common.log import Log
from scripts.networks import earlier_releases
from scripts.networks.csv_tables import read_csv
from scripts.networks.films import FilmStack, data_hash, split_fold
from scripts.networks.fold_training import train_fold
from scripts.networks.member import Member
from scripts.networks.settings import settings_of

CODE = "450b82b3958e7412"
"""The hash that version 0.1.0 gave its own training code."""


def key_of_0_1_0(data, settings, fold, initial):
    """As version 0.1.0 computed it."""
    settings = {name: value for name, value in settings.items() if name != "init"}
    parts = {
        "data": data,
        "settings": settings,
        "fold": fold,
        "initial": "random" if initial is None else hashlib.sha256(initial).hexdigest(),
        "code": CODE,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def run(cache, settings, study, model="net", member=None):
    """Train as the rule does, in the folder ``study``; returns the log."""
    path, member = study / "log.txt", member or Member(model, 0)
    log = Log(path, "test", echo=False)
    output = study / "results/models" / member.model / f"fold_{member.run}"
    read, weights = settings_of(settings, "hybrid"), None if settings["init"] == "random" else Path(__file__)
    try:
        train_fold(cache, member, read, weights, output, study / "state", "cpu", 5, log)
    finally:
        log.close()
    return path.read_text()


@pytest.fixture
def new(cache, settings, tmp_path):
    """The folder of fold 0, trained by the present code."""
    run(cache, settings, tmp_path / "new")
    return tmp_path / "new/results/models/net/fold_0"


@pytest.fixture
def study(cache, settings, new, tmp_path):
    """A finished study of version 0.1.0, whose network was called net."""
    folder = tmp_path / "study"
    data = data_hash(*split_fold(FilmStack(cache, 96).films, 0))
    files = {name: (new / name).read_bytes() for name in ("weights.pt", "history.csv", "held_out.csv")}
    files["held_out.csv"] = files["held_out.csv"].replace(b",score\n", b",deep\n", 1)
    assert files["held_out.csv"].startswith(b"patient_id,image_id,fold,label,deep\n")
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    record = {"fold": 0, "settings": settings, "torch": "2.15.0", "device": "cuda", "sha256": sums}
    files["record.json"] = (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()
    for place in (f"state/store/{key_of_0_1_0(data, settings, 0, None)}", "results/net/fold_0"):
        (folder / place).mkdir(parents=True)
        for name, content in files.items():
            (folder / place / name).write_bytes(content)
    return folder


def test_the_keys_are_those_of_version_0_1_0(settings):
    """Both were computed by its own code."""
    known = {None: "5e6274886eb26822d747a85b38e46882", b"weights": "9ea362049dd8d540a313ddf73bbfe251"}
    read = settings_of(settings, "hybrid")
    for initial, key in known.items():
        assert key_of_0_1_0("d" * 64, settings, 3, initial) == key
        assert earlier_releases.keys("d" * 64, read, Member("any", 3), initial) == [key]
    assert earlier_releases.keys("d" * 64, read, Member("any", 3, 1), None) == []
    assert earlier_releases.keys("d" * 64, replace(read, kind="whole_film"), Member("any", 3), None) == []


def test_weights_files_have_the_bytes_and_the_form_of_version_0_1_0(settings, new):
    found = torch.load(new / "weights.pt", weights_only=True)
    assert list(found) == ["architecture", "precision", "fold", "model"]
    assert found["architecture"] == dict(sorted(settings["architecture"].items()))


def test_a_finished_fold_is_taken_over_and_nothing_is_trained(cache, settings, study, new):
    log = run(cache, settings, study)
    assert "an earlier release trained this fold" in log and log.endswith("optimiser steps: 0\n")
    fold = study / "results/models/net/fold_0"
    for name in ("weights.pt", "history.csv", "held_out.csv"):
        assert (fold / name).read_bytes() == (new / name).read_bytes(), name
    assert json.loads((fold / "trained_on.json").read_text()) == {"device": "cuda", "torch": "2.15.0"}
    again = run(cache, settings, study)
    assert "an earlier release" not in again and again.endswith("optimiser steps: 0\n")


def test_the_settings_that_0_1_0_didnt_know_are_at_their_old_values_by_default(cache, settings, study):
    """A config that gives them in full, with the norm off, is the one of 0.1.0."""
    settings["architecture"] |= {"feature_norm": False, "trunk": "resnet18", "width": None}
    settings["training"] |= {"optimizer": "sgd", "trained_stages": "all", "trunk_norms": "batch", "views": 0}
    assert run(cache, settings, study).endswith("optimiser steps: 0\n")


def test_a_network_of_another_name_is_taken_over_too(cache, settings, study):
    assert run(cache, settings, study, model="other").endswith("optimiser steps: 0\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda s: s["training"].update(epochs=1),
            "'models.net.training.epochs' is 1 and was 2. Put the config",
        ),
        (lambda s: s.update(seed=8), "'study.seed' is 8 and was 7"),
        (lambda s: s.update(cpu_threads=2), "'networks.cpu_threads' is 2 and was 1"),
        (
            lambda s: s["architecture"].update(positions="none"),
            "'models.net.architecture.positions' is 'none' and was not known then",
        ),
        (
            lambda s: s["architecture"].update(feature_norm=True),
            "'models.net.architecture.feature_norm' is True and was not known then. Put the config",
        ),
        (
            lambda s: s["training"].update(optimizer="adamw"),
            "'models.net.training.optimizer' is 'adamw' and was not known then",
        ),
        (lambda s: s.update(init=__file__), f"'models.net.init' is '{__file__}' and was 'random'"),
        (lambda s: s["architecture"].update(layers=1), "'models.net.architecture.layers' is 1 and was 2"),
    ],
)
def test_a_fold_that_would_be_trained_again_stops_the_run_and_says_why(cache, settings, study, change, said):
    change(settings)
    with pytest.raises(StudyError, match=r"net, fold 0: version 0\.1\.0 trained this fold") as caught:
        run(cache, settings, study)
    assert said in str(caught.value) and f"move '{study / 'results/net'}' away" in str(caught.value)
    assert not (study / "results/models/net/fold_0").exists() and not (study / "state/train").exists()


def test_with_the_results_of_0_1_0_moved_away_it_trains(cache, settings, study):
    settings["training"]["epochs"] = 1
    (study / "results/net").rename(study / "results/before")
    assert "optimiser steps: 4" in run(cache, settings, study)


def test_changed_films_stop_the_run_too(settings, study, make_cache, tmp_path):
    cache = make_cache(tmp_path / "other films", 40, 96, seed=1)
    with pytest.raises(StudyError, match="since its films, labels or folds .* Put back what changed"):
        run(cache, settings, study)


def test_only_the_network_of_0_1_0_is_stopped_and_only_until_its_fold_is_taken_over(cache, settings, study):
    settings["training"]["epochs"] = 1
    assert "optimiser steps: 4" in run(cache, settings, study, model="further")
    settings["training"]["epochs"] = 2
    assert "optimiser steps: 8" in run(cache, settings, study, member=Member("net", 0, 1))
    assert "optimiser steps: 8" in run(cache, settings, study, member=Member("net", 1))
    run(cache, settings, study)
    settings["training"]["epochs"] = 3
    assert "optimiser steps: 12" in run(cache, settings, study)


def test_a_damaged_fold_is_trained_again(cache, settings, study, new):
    (stored,) = study.glob("state/store/*/weights.pt")
    stored.write_bytes(stored.read_bytes()[:-100])
    log = run(cache, settings, study)
    assert "is damaged" in log and "optimiser steps: 8" in log
    fold = study / "results/models/net/fold_0"
    assert (fold / "weights.pt").read_bytes() == (new / "weights.pt").read_bytes()


def test_with_its_store_moved_away_it_trains(cache, settings, study):
    settings["training"]["epochs"] = 1
    (study / "state/store").rename(study / "state/elsewhere")
    assert "optimiser steps: 4" in run(cache, settings, study)
    assert len(read_csv(study / "results/models/net/fold_0/held_out.csv", ("score",))) == 8
