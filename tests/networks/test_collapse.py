"""A training that has learned nothing begins once more, at most once, and says so."""

import json
import math

import pytest
import torch

from scripts.common.log import Log
from scripts.networks import collapse, fold_training
from scripts.networks.collapse import LEAST_STEPS, entropy, learned_nothing, logit_spread
from scripts.networks.csv_tables import read_csv
from scripts.networks.fold_training import FoldJob, train_fold
from scripts.networks.member import Member
from scripts.networks.settings import settings_of


def test_the_entropy_is_the_loss_of_one_score_for_all():
    labels = torch.tensor([1.0] * 35 + [0.0] * 65)
    constant = torch.full((100,), math.log(0.35 / 0.65))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(constant, labels)
    assert entropy(0.35) == pytest.approx(loss.item(), abs=1e-6)


def test_the_spread_is_that_of_the_logits():
    logits = torch.tensor([-2.0, 0.5, 3.0, 1.0], dtype=torch.float64)
    assert logit_spread(torch.sigmoid(logits).tolist()) == pytest.approx(logits.std(unbiased=False).item())
    assert logit_spread([1.0, 1.0]) == 0 and math.isfinite(logit_spread([0.0, 1.0]))


@pytest.mark.parametrize(
    ("loss", "positive", "spread", "nothing"),
    [
        (0.68, 0.44, 0.01, True),  # real films, sex, as shipped before: the token collapsed
        (0.65, 0.35, 0.02, True),  # simulated films, as collapsed
        (0.60, 0.35, 0.11, True),  # simulated films: one fold's scores span .32 to .42
        (0.64, 0.44, 0.48, False),  # real films, sex, norm on features, the least spread of five
        (0.41, 0.17, 0.45, False),  # real films, age, trunk over the film
        (0.39, 0.35, 2.13, False),  # simulated films, norm on features
        (0.75, 0.44, 1.5, True),  # scores that differ, and know less than one score for all
    ],
)
def test_what_counts_as_nothing(loss, positive, spread, nothing):
    assert learned_nothing(1000, loss, positive, spread) is nothing
    assert not learned_nothing(LEAST_STEPS - 1, loss, positive, spread)


def run(cache, settings, folder, minutes=5.0):
    path = folder / "log.txt"
    log = Log(path, "test", echo=False)
    read = settings_of(settings, "hybrid")
    status = train_fold(
        cache, Member("net", 0), read, None, folder / "out", folder / "state", "cpu", minutes, log
    )
    log.close()
    return status, path.read_text()


@pytest.fixture
def lost(settings, monkeypatch):
    """Settings with which a training of a moment learns nothing: its rate is next to none."""
    monkeypatch.setattr(collapse, "LEAST_STEPS", 1)
    settings["training"]["learning_rate"] = 1e-9
    return settings


def test_a_training_that_learned_nothing_begins_once_more_and_no_third_time(cache, lost, tmp_path):
    status, log = run(cache, lost, tmp_path)
    told = json.loads((tmp_path / "out/trained_on.json").read_text())
    assert status == 0 and told["attempts"] == 2
    assert log.count("it begins once more") == 1 and "optimiser steps: 16" in log
    assert "net, fold 0, attempt 2: epoch 2/2" in log
    assert "WARNING: net, fold 0: in every attempt it has learned nothing" in log
    assert len(read_csv(tmp_path / "out/history.csv", ("epoch",))) == 2
    # from the store it comes with the number of its attempts, and takes no step
    (tmp_path / "out/trained_on.json").unlink()
    _, again = run(cache, lost, tmp_path)
    assert "optimiser steps: 0" in again
    assert json.loads((tmp_path / "out/trained_on.json").read_text()) == told


def test_of_two_failures_the_one_with_the_lower_loss_is_kept(cache, lost, tmp_path, monkeypatch):
    ended, failed = [], FoldJob.failed
    monkeypatch.setattr(FoldJob, "failed", lambda job, one: ended.append(one) or failed(job, one))
    run(cache, lost, tmp_path)
    first, second = ended[:2]
    assert first.weights != second.weights and first.loss != second.loss
    better = min(ended, key=lambda one: one.loss)
    assert (tmp_path / "out/weights.pt").read_bytes() == better.weights
    scores = [float(row["score"]) for row in read_csv(tmp_path / "out/held_out.csv", ("score",))]
    assert scores == better.held_out
    losses = [float(row["loss_global"]) for row in read_csv(tmp_path / "out/history.csv", ())]
    assert losses[-1] == better.loss


def test_a_second_attempt_that_learns_counts_and_has_other_random_numbers(
    cache, settings, tmp_path, monkeypatch
):
    (tmp_path / "plain").mkdir()
    run(cache, settings, tmp_path / "plain")
    verdicts = iter([True, False, False])
    monkeypatch.setattr(fold_training, "learned_nothing", lambda *_: next(verdicts))
    _, log = run(cache, settings, tmp_path)
    assert json.loads((tmp_path / "out/trained_on.json").read_text())["attempts"] == 2
    assert "WARNING" not in log
    first, second = ((f / "out/weights.pt").read_bytes() for f in (tmp_path / "plain", tmp_path))
    assert first != second
    assert json.loads((tmp_path / "plain/out/trained_on.json").read_text())["attempts"] == 1


@pytest.mark.parametrize("broken_at", [3, 8, 11])
def test_a_training_broken_in_either_attempt_ends_with_the_same_files(
    cache, lost, tmp_path, monkeypatch, broken_at
):
    (tmp_path / "whole").mkdir()
    run(cache, lost, tmp_path / "whole")
    made = 0

    def breaks(self, *arguments):
        nonlocal made
        made += 1
        if made == broken_at:
            raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(fold_training.progress.FoldProgress, "after_step", breaks)
        with pytest.raises(KeyboardInterrupt):
            run(cache, lost, tmp_path, minutes=0)
    _, log = run(cache, lost, tmp_path, minutes=0)
    assert f"optimiser steps: {16 - broken_at + 1}" in log
    for name in ("weights.pt", "held_out.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole/out" / name).read_bytes(), name
    assert json.loads((tmp_path / "out/trained_on.json").read_text())["attempts"] == 2
    assert not any((tmp_path / "state/train").glob("*"))


def test_the_first_attempt_has_the_seeds_that_it_always_had():
    first, second = Member("net", 2, 1), Member("net", 2, 1, attempt=2)
    assert first.sub_seed(7, "init") == Member("net", 2, 1, attempt=1).sub_seed(7, "init")
    assert first.sub_seed(7, "init") != second.sub_seed(7, "init")
    assert first.run == second.run and str(second) == "net, fold 2, seed 1, attempt 2"
