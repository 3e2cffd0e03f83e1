"""The screening of trainings: its loop is the shipped one, and every recipe runs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from scripts.common.errors import StudyError
from scripts.common.log import Log
from scripts.common.trunks import EFFICIENTNET_LITE0
from scripts.common.weights_files import IMAGENET
from scripts.networks.films import FilmStack, split_fold
from scripts.networks.kinds.hybrid import HybridNetwork
from scripts.networks.kinds.hybrid_architecture import HybridArchitecture
from scripts.networks.loop import FoldTraining, train
from scripts.networks.member import Member
from scripts.networks.settings import settings_of
from scripts.networks.weights_file import address_of, fetch_weights
from tests.bench import screened_training, screening, screening_recipes
from tests.bench.screened_networks import Changes, ScreenedNetwork, pretrained_trunk, share_between_films
from tests.bench.screening_films import decoded, encoded, stratified_folds

LITE = IMAGENET[EFFICIENTNET_LITE0]
TINY = {
    "grid": 3,
    "block_size": 32,
    "trunk_width": 8,
    "layers": 2,
    "heads": 4,
    "mlp_ratio": 4,
    "dropout": 0,
    "head_hidden": 16,
}


@pytest.fixture
def tiny(monkeypatch, tmp_path, make_cache):
    """Stacks of forty films of 96 x 96 with the pixels of the cache beside them; one epoch a training."""
    monkeypatch.setattr(screened_training, "ARCHITECTURE", TINY)
    epochs = screening_recipes.STANDARD_EPOCHS
    monkeypatch.setattr(screening_recipes, "STANDARD_EPOCHS", dict.fromkeys(epochs, 1))
    folder = make_cache(tmp_path / "cache", 40, 96)
    films = np.load(folder / "films.npy") >> 8
    np.save(folder / "films.npy", films)
    lines = [line.split(",") for line in (folder / "index.csv").read_text().splitlines()]
    for line, film in zip(lines[1:], films):
        line[5:7] = [repr(float(film.mean())), repr(float(film.std()))]
    (folder / "index.csv").write_text("\n".join(map(",".join, lines)) + "\n")
    labels, folds = np.arange(40) % 2, np.arange(40) // 2 % 5
    stored = encoded([film.astype(np.uint8) for film in films], format="WEBP", lossless=True)
    for name in ("hospital_a", "hospital_b", "simulated_train", "simulated_external_1"):
        named = {f"label_{t}": labels for t in screening.TASKS} | {
            f"fold_{t}": folds for t in screening.TASKS
        }
        np.savez(tmp_path / f"{name}.npz", **stored, **named)
    fetch_weights(address_of(LITE), tmp_path / LITE, Log(None, "test", echo=False))
    (tmp_path / LITE).rename(tmp_path / "lite0.pth")
    return folder, screened_training.Stacks(tmp_path, torch.device("cpu"))


def run(name: str, task: str, seed: int, stacks: screened_training.Stacks) -> dict:
    """The row of one training."""
    weights = stacks.folder / "lite0.pth"
    steps = screened_training.Training(name, task, seed, stacks, weights, None, False).run()
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value


def shrunk(name: str) -> screening_recipes.Recipe:
    """Recipe ``name`` on films of 96 x 96."""
    return screening_recipes.recipe(
        screening.RECIPES[name], grid=3, block=32, width=8, epochs=None, norm_batches=2, batch=8
    )


def test_the_loop_is_the_shipped_one(tiny, settings, monkeypatch):
    folder, stacks = tiny
    shipped = screening_recipes.recipe(grid=3, block=32, width=8, norm_batches=2, epochs=4)
    monkeypatch.setattr(screening_recipes, "STANDARD_EPOCHS", {"sex": 4})
    monkeypatch.setitem(screening.RECIPES, "shipped", shipped)
    row = run("shipped", "sex", 0, stacks)
    settings["seed"] = screened_training.SEED
    settings["architecture"] = TINY
    settings["augmentation"] = screened_training.AUGMENTATION
    settings["training"] |= {"epochs": 4, "batch_size": 5, "learning_rate": 0.01}
    stack = FilmStack(folder, 96)
    training, held_out = split_fold(stack.films, 0)
    ended = FoldTraining(Member("net", 0), len(training), settings_of(settings, "hybrid"), None, stack.device)
    for _ in train(ended, stack, training, held_out):
        pass
    last = ended.history[-1]
    assert (row["loss_global"], row["loss_local"]) == pytest.approx(tuple(last[2:4]), abs=2e-4)
    logits = np.log(np.array(ended.held_out) / (1 - np.array(ended.held_out)))
    assert row["sd_end"] == pytest.approx(logits.std(), rel=2e-2)
    assert row["auc_end"] == pytest.approx(last[4], abs=0.07)
    assert row["steps"] == ended.step


PRETRAINED = (
    "pretrained film, frozen",
    "pretrained blocks, frozen",
    "pretrained film, Post-Norm 6, token + mean",
)


def covering() -> list[str]:
    """Recipes from random weights of which each has a value that none before it has."""
    seen: set = set()
    chosen = []
    for name, recipe in screening.RECIPES.items():
        values = {
            **vars(recipe.changes),
            "clip": recipe.clip,
            "parts": recipe.clip_parts,
            "by": recipe.optimizer,
        }
        if not recipe.changes.trunk.startswith("lite") and not seen.issuperset(values.items()):
            seen.update(values.items())
            chosen.append(name)
    return chosen


@pytest.mark.parametrize("name", [*covering(), *PRETRAINED])
def test_every_recipe_trains(tiny, monkeypatch, name):
    monkeypatch.setitem(screening.RECIPES, name, shrunk(name))
    row = run(name, "simulated", 1, tiny[1])
    assert (
        row["steps"] == 4
        and np.isfinite(row["loss_global"])
        and 0 <= row["auc_end"] <= 1
        and 0 <= row["clipped"] <= 1
    )
    json.dumps(row, allow_nan=False)


def test_unchanged_the_network_is_the_shipped_one():
    films = torch.randn(3, 1, 96, 96)
    networks = []
    for make in (
        lambda: HybridNetwork(HybridArchitecture(**TINY)),
        lambda: ScreenedNetwork(Changes(), **TINY),
    ):
        torch.manual_seed(1)
        networks.append(make())
    for ours, shipped in zip(networks[1](films), networks[0](films)):
        assert torch.equal(ours, shipped)


def test_clipping_and_steps_are_those_of_pytorch():
    torch.manual_seed(0)
    for optimizer, make in (
        ("sgd", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-4)),
        ("adamw", lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=1e-4)),
    ):
        theirs = [torch.nn.Parameter(torch.randn(4, 3)), torch.nn.Parameter(torch.randn(5))]
        ours = [torch.nn.Parameter(p.detach().clone()) for p in theirs]
        peer = make(theirs)
        own = screened_training.Optimizer([(ours, 1.0)], screening_recipes.recipe(optimizer=optimizer))
        for k in range(3):
            gradients = [torch.randn_like(p) for p in theirs]
            for p, g in zip(theirs, gradients):
                p.grad = g.clone()
            norm = torch.nn.utils.clip_grad_norm_(theirs, 1.0)
            peer.step()
            found, clipped = screened_training.clip([gradients], 1.0, False)
            own.step([gradients], torch.tensor(0.1), torch.tensor(k + 1))
            assert found == pytest.approx(norm.item()) and clipped == 1
        for a, b in zip(ours, theirs):
            assert torch.allclose(a, b, atol=1e-5)


def test_norm_per_part_is_limited_in_each():
    gradients = [[torch.full((4,), 10.0)], [torch.full((4,), 0.01)], []]
    screened_training.clip(gradients, 1.0, True)
    assert gradients[0][0].norm() == pytest.approx(1) and gradients[1][0].norm() == pytest.approx(0.02)


def test_share_between_films():
    same, torn = torch.ones(6, 1, 4), torch.tensor([1.0, -1.0] * 3).view(6, 1, 1).expand(6, 1, 4)
    assert share_between_films(torch.cat([same, torn], 1)) == pytest.approx((0, 1))


def test_an_absent_weights_file_says_how_to_put_it_there(tmp_path):
    with pytest.raises(StudyError, match="--weights"):
        pretrained_trunk(tmp_path / "absent.pth")


def test_stacks_keep_pixels_and_folds_are_stratified():
    films = [np.random.default_rng(k).integers(0, 255, (32, 32)).astype(np.uint8) for k in range(3)]
    assert np.array_equal(decoded(encoded(films, format="WEBP", lossless=True)), np.stack(films))
    labels = np.array([1] * 10 + [0] * 25)
    folds = stratified_folds(labels, 5, 1)
    assert [(labels[folds == f] == 1).sum() for f in range(5)] == [2] * 5 and np.bincount(folds).tolist() == [
        7
    ] * 5


def test_a_failed_training_costs_no_other(tiny, monkeypatch, tmp_path, capsys):
    """In this process, as a worker runs it: one of the two has no stack."""
    import multiprocessing
    import time

    monkeypatch.setitem(screening.RECIPES, "shipped", shrunk("shipped"))
    monkeypatch.setitem(screening.TASKS, "age", ("absent", "absent"))
    wanted = {"device": "cpu", "films": tmp_path, "lanes": 2, "graphs": True, "last_start": time.time() + 60}
    rows = multiprocessing.Queue()
    screening.work(
        wanted, [("shipped", "age", 0), ("shipped", "sex", 0)], multiprocessing.Value("i", 0), rows
    )
    found = [rows.get(timeout=10) for _ in range(3)]
    assert found[-1] is None and ["error" in row for row in found[:2]] == [True, False]
    assert screening.table(found[:2]).count("| shipped | ") == 2


def test_learned_asks_for_rank_and_spread():
    rows = [{"low_end": 0.6, "sd_end": sd} for sd in (0.2, 0.9, 1.0)]
    assert [screening.learned(row, rows) for row in rows] == [False, True, True]
    assert not screening.learned({"low_end": 0.5, "sd_end": 1.0}, rows)
