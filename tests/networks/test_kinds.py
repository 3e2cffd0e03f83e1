"""Every kind of network, and every ablation of the hybrid, through all that a study does with a network."""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from scripts.bundle.ensemble import Ensemble, check_onnx, export_onnx, pattern_films
from scripts.common.files import write_text
from scripts.common.log import Log
from scripts.common.vocabulary import MASKS
from scripts.networks.csv_tables import csv_text, read_csv
from scripts.networks.films import FilmStack
from scripts.networks.fold_training import train_fold
from scripts.networks.gradcam import explain_cases
from scripts.networks.kinds.registry import KINDS, architecture_class, kind_of, new_network
from scripts.networks.masked_scores import score_masked
from scripts.networks.member import Member
from scripts.networks.set_scores import score_set
from scripts.networks.settings import settings_of
from scripts.networks.train_fold import main
from scripts.networks.trained_networks import load_networks
from tests.networks.train_command import train_arguments

SIDE = 64
HYBRID = {"grid": 2, "block_size": 32, "trunk_width": 8, "layers": 1}
CASES = {
    "hybrid": ("hybrid", HYBRID),
    "no Transformer": ("hybrid", HYBRID | {"layers": 0}),
    "no local loss": ("hybrid", HYBRID | {"local_heads": False}),
    "no positions": ("hybrid", HYBRID | {"positions": "none"}),
    "film": (
        "hybrid",
        HYBRID
        | {
            "trunk_sees": "film",
            "block_size": 32,
            "width": 24,
            "feature_norm": True,
            "layer_order": "pre_norm",
        }
        | {"read_out": "token_and_mean"},
    ),
    "lite blocks": ("hybrid", HYBRID | {"trunk": "efficientnet_lite0", "width": 16, "feature_norm": True}),
    "lite film": (
        "hybrid",
        HYBRID | {"trunk": "efficientnet_lite0", "trunk_sees": "film", "layers": 0, "feature_norm": True},
    ),
    "resnet18": ("whole_film", {"backbone": "resnet18", "side": SIDE, "dropout": 0.1}),
    "densenet121": ("whole_film", {"backbone": "densenet121", "side": SIDE, "dropout": 0.1}),
}
OPTIONS = {
    "film": {"optimizer": "adamw", "trunk_rate": 0.1, "trained_stages": 2, "thaw_epoch": 1},
    "lite film": {"optimizer": "adamw", "trained_stages": 0},
    "resnet18": {"trunk_norms": "fixed", "trained_stages": 1},
}
"""What differs in the training of some."""

MEMBER = Member("net", 0)


def test_every_kind_is_here():
    assert {kind for kind, _ in CASES.values()} == KINDS.keys()


@pytest.fixture(scope="module")
def films(make_cache, tmp_path_factory):
    """Twenty films in five folds."""
    return make_cache(tmp_path_factory.mktemp("films") / "cache", 20, SIDE)


@pytest.fixture(scope="module", params=CASES)
def case(request, films, fresh_settings, tmp_path_factory):
    """A network trained without a break: kind, settings and folder."""
    kind, architecture = CASES[request.param]
    settings = fresh_settings()
    hybrid = {name: value for name, value in settings["architecture"].items() if kind == "hybrid"}
    settings["architecture"] = hybrid | architecture
    settings["training"] |= {"batch_size": 4} | OPTIONS.get(request.param, {})
    if kind == "whole_film" or not architecture.get("local_heads", True):
        settings["training"]["local_weight"] = 0.0
    folder = tmp_path_factory.mktemp("net")
    found = SimpleNamespace(kind=kind, settings=settings, folder=folder, weights=folder / "out/weights.pt")
    torch.set_num_threads(1)
    assert trained(found, films, folder) == 8
    return found


def trained(case, films, folder):
    """Train fold 0 into ``folder`` (``out``, ``state``); how many optimiser steps that took."""
    log = Log(folder / "log.txt", "test", echo=False)
    settings = settings_of(json.loads(json.dumps(case.settings)), case.kind)
    assert train_fold(films, MEMBER, settings, None, folder / "out", folder / "state", "cpu", 0, log) == 0
    log.close()
    line = next(line for line in (folder / "log.txt").read_text().splitlines()[::-1] if "optimiser" in line)
    return int("".join(c for c in line.rpartition("optimiser")[2] if c.isdigit()))


def test_the_network_is_what_its_architecture_says(case):
    architecture = architecture_class(case.kind)(**case.settings["architecture"])
    network = new_network(case.kind, architecture)
    assert kind_of(network) == case.kind and network.side == architecture.side == SIDE
    assert architecture.parameter_count() == sum(p.numel() for p in network.parameters())
    largest = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda _, __, out: largest.append(out.numel()))
    outputs = network.eval()(torch.randn(1, 1, SIDE, SIDE))
    assert max(largest) <= network.largest_map() <= 4 * max(largest)
    outputs[0].sum().backward()
    loss_global, loss_local = network.loss_terms(network(torch.randn(2, 1, SIDE, SIDE)), torch.ones(2))
    (loss_global + case.settings["training"]["local_weight"] * loss_local).backward()
    assert all(p.grad is not None for p in network.parameters())  # none that nothing trains


def test_a_killed_training_ends_with_the_same_weights(case, films, tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["scripts.networks.fold_training"])
    more = ("--device", "cpu", "--checkpoint-minutes", "0")
    arguments = train_arguments(films, case.settings, tmp_path, *more, kind=case.kind)
    process = context.Process(target=main, args=(arguments,))
    process.start()
    end = time.monotonic() + 120
    while not list((tmp_path / "state").glob("train/*/cpu.pt")) and time.monotonic() < end:
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert 0 < trained(case, films, tmp_path) < 8
    for name in ("weights.pt", "held_out.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (case.folder / "out" / name).read_bytes(), name


def test_a_finished_training_comes_from_the_store(case, films):
    before = case.weights.read_bytes()
    case.weights.unlink()
    assert trained(case, films, case.folder) == 0
    assert case.weights.read_bytes() == before


def test_scores_are_the_networks_own_and_masks_change_them(case, films, tmp_path):
    log = Log(None, "test", echo=False)
    score_set(films, [case.weights], tmp_path / "scores.csv", "cpu", 1, log)
    score_masked(films, [case.weights], tmp_path / "masked.csv", (0.35, 0.65), 0.08, "cpu", 1, log)
    scores = np.array([float(row["score"]) for row in read_csv(tmp_path / "scores.csv", ())])
    (network,), precision = load_networks([case.weights], torch.device("cpu"))
    with torch.no_grad():
        logits = network(FilmStack(films, SIDE).batch(range(20)))[0]
    assert precision == "fp32" and len(np.unique(scores)) == 20
    np.testing.assert_allclose(scores, torch.sigmoid(logits).numpy(), atol=1e-5)
    for row, score in zip(read_csv(tmp_path / "masked.csv", ()), scores, strict=True):
        masked = [float(row[mask]) for mask in MASKS]
        assert all(0 <= p <= 1 for p in masked) and any(abs(p - score) > 1e-6 for p in masked)


def test_heat_maps_show_the_networks_evidence(case, films, tmp_path):
    index = read_csv(films / "index.csv", ())
    rows = [(row["patient_id"], "internal_test", row["label"], n / 20) for n, row in enumerate(index)]
    write_text(tmp_path / "predictions.csv", csv_text(("patient_id", "set", "label", "net"), rows))
    write_text(tmp_path / "thresholds.csv", csv_text(("model", "threshold"), [("net", 0.5)]))
    write_text(tmp_path / "learning.csv", "model,fold,learned\nnet,all,yes\n")
    explain_cases(
        "net", tmp_path / "predictions.csv", tmp_path / "thresholds.csv", tmp_path / "learning.csv",
        "internal_test", films, [case.weights], 1, 2, 3, tmp_path / "cases.csv", tmp_path / "maps.npz", "cpu",
        1, Log(None, "test", echo=False),
    )  # fmt: skip
    maps = np.load(tmp_path / "maps.npz", allow_pickle=False)
    assert maps["evidence"].shape == maps["film"].shape == (6, SIDE, SIDE)
    (network,), _ = load_networks([case.weights], torch.device("cpu"))
    row = next(int(row["row"]) for row in index if row["image_id"] == maps["image_id"][0])
    evidence = network.evidence(FilmStack(films, SIDE).batch([row]))[0].detach().numpy()
    np.testing.assert_allclose(maps["grid"][0], evidence * evidence.size, rtol=1e-4, atol=1e-6)


def test_onnx_gives_the_same(case, tmp_path):
    networks, _ = load_networks([case.weights, case.weights], torch.device("cpu"))
    ensemble = Ensemble(networks)
    export_onnx(ensemble, tmp_path / "model.onnx")
    assert check_onnx(tmp_path / "model.onnx", ensemble, pattern_films(SIDE)) < 1e-4
