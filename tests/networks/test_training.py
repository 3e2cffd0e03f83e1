"""Loss, schedule, order, learning, and the exactness of a training that was killed."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.common.errors import StudyError
from scripts.common.log import Log
from scripts.networks import collapse
from scripts.networks.changed_films import ChangedFilms
from scripts.networks.csv_tables import read_csv
from scripts.networks.films import FilmStack, data_hash, split_fold
from scripts.networks.fold_training import FoldJob, train_fold
from scripts.networks.kinds.hybrid import HybridNetwork
from scripts.networks.loop import epoch_batches, learning_rate
from scripts.networks.machine import device as compute_device
from scripts.networks.member import Member
from scripts.networks.settings import settings_of
from scripts.networks.training_store import SavedState, Store, fold_key
from tests.networks.train_command import train_arguments

ROOT = Path(__file__).resolve().parents[2]


def run(cache, settings, folder, fold=0, log=None, checkpoint_minutes=5.0):
    """Train in this process; returns the exit status and the log's text."""
    path = folder / "log.txt"
    log = Log(path, "test", echo=False)
    status = train_fold(
        cache,
        Member("net", fold),
        settings_of(settings, "hybrid"),
        None,
        folder / "out",
        folder / "state",
        "cpu",
        checkpoint_minutes,
        log,
    )
    log.close()
    return status, path.read_text()


def command(cache, settings, folder, minutes="5", *, before="", model="net"):
    """Start the training as a command of its own."""
    code = f"{before}\nimport runpy; runpy.run_module('scripts.networks.train_fold', run_name='__main__')"
    more = ("--device", "cpu", "--checkpoint-minutes", minutes, "--log", folder / "log.txt")
    arguments = train_arguments(cache, settings, folder, *more, model=model)
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def files(folder):
    """Content of a fold's files but for its two speeds, which no run repeats."""
    history = [
        {k: v for k, v in row.items() if k not in ("films_per_s", "data_wait")}
        for row in read_csv(folder / "history.csv", ())
    ]
    return (folder / "weights.pt").read_bytes(), (folder / "held_out.csv").read_bytes(), history


def test_loss_is_global_plus_mean_local(settings):
    global_logits, local_logits = (
        torch.tensor([0.3, -1.2]),
        torch.tensor([[0.1, 2.0, -1.0], [0.5, -0.5, 1.5]]),
    )
    labels = torch.tensor([1.0, 0.0])
    network = HybridNetwork(settings_of(settings, "hybrid").architecture)
    loss_global, loss_local = network.loss_terms((global_logits, local_logits), labels)

    def cross_entropy(z, y):
        p = 1 / (1 + math.exp(-z))
        return -math.log(p if y else 1 - p)

    assert loss_global.item() == pytest.approx((cross_entropy(0.3, 1) + cross_entropy(-1.2, 0)) / 2, abs=1e-6)
    each = [cross_entropy(z, 1) for z in (0.1, 2.0, -1.0)] + [cross_entropy(z, 0) for z in (0.5, -0.5, 1.5)]
    assert loss_local.item() == pytest.approx(sum(each) / 6, abs=1e-6)


def test_learning_rate_warms_up_and_falls_to_zero():
    rates = [learning_rate(n, 100, 0.03, 0.05) for n in range(100)]
    assert rates[:5] == pytest.approx([0.006, 0.012, 0.018, 0.024, 0.03])
    assert max(rates) == pytest.approx(0.03)
    assert all(a >= b for a, b in zip(rates[5:], rates[6:]))
    assert rates[-1] < 0.03 * 1e-3
    assert learning_rate(0, 10, 0.03, 0.0) == 0.03


def test_batches_are_whole_shuffled_and_repeatable(cache):
    films, _ = split_fold(FilmStack(cache, 96).films, 0)
    batches = epoch_batches(films, 5, 7, Member("net", 0), 0)
    assert [len(b) for b in batches] == [5] * 6
    assert len({f.image_id for b in batches for f in b}) == 30
    assert batches == epoch_batches(films, 5, 7, Member("net", 0), 0)
    assert batches != epoch_batches(films, 5, 7, Member("net", 0), 1)
    with pytest.raises(
        StudyError,
        match=r"net, fold 2: 3 films to train on.*'models\.net\.training\.batch_size' \(5\)\. Lower it",
    ):
        epoch_batches(films[:3], 5, 7, Member("net", 2), 0)


def test_held_out_patients_are_never_trained_on(cache, settings, tmp_path, monkeypatch):
    seen = set()
    standardize = FilmStack.standardize

    def watched(self, bits, rows):
        seen.update(rows)
        return standardize(self, bits, rows)

    monkeypatch.setattr(FilmStack, "standardize", watched)
    monkeypatch.setattr(ChangedFilms, "scores", lambda self, network, films: [0.5] * len(films))
    run(cache, settings, tmp_path)
    held_out = {int(row["row"]) for row in read_csv(cache / "index.csv", ()) if row["fold"] == "0"}
    assert len(seen) == 32 and not seen & held_out


def test_a_patient_on_both_sides_or_one_label_only_is_refused(cache, make_cache, tmp_path):
    films = FilmStack(cache, 96).films
    moved = [f if f.row != 3 else type(f)(**{**f.__dict__, "patient_id": films[0].patient_id}) for f in films]
    with pytest.raises(StudyError, match="fold 0 and in another"):
        split_fold(moved, 0)
    with pytest.raises(StudyError, match="same label"):
        split_fold([f for f in films if f.label or f.fold == 0], 0)
    with pytest.raises(StudyError, match=r"cohort\.folds"):
        split_fold(films, 9)


def test_it_learns_a_texture_and_its_scores_are_out_of_fold(make_cache, settings, tmp_path):
    cache = make_cache(tmp_path / "cache", 100, 96, seed=1)
    settings["training"]["epochs"] = 6
    status, log = run(cache, settings, tmp_path)
    rows = read_csv(tmp_path / "out" / "held_out.csv", ("patient_id", "image_id", "fold", "label", "score"))
    history = read_csv(tmp_path / "out" / "history.csv", ())
    assert status == 0 and len(rows) == 20 and {row["fold"] for row in rows} == {"0"}
    assert list(history[0]) == [
        "epoch",
        "loss",
        "loss_global",
        "loss_local",
        "held_out_auc",
        "lr",
        "films_per_s",
        "data_wait",
    ]
    assert all(0 <= float(row["data_wait"]) < 1 for row in history)
    assert float(history[-1]["held_out_auc"]) > 0.8
    assert float(history[-1]["loss"]) < float(history[0]["loss"])
    assert "optimiser steps: 60" in log and "epoch 6/6" in log


def test_measured_norms_are_those_of_the_batches_and_leave_the_training_alone(cache, settings, tmp_path):
    """Of two trainings that differ in ``norm_batches`` alone, only the statistics for scoring differ."""
    weights, losses = {}, {}
    for batches in (0, 2):
        settings["training"]["norm_batches"] = batches
        (folder := tmp_path / str(batches)).mkdir()
        run(cache, settings, folder)
        weights[batches] = torch.load(folder / "out" / "weights.pt", weights_only=True)["model"]
        losses[batches] = [row["loss"] for row in read_csv(folder / "out" / "history.csv", ())]
    assert losses[0] == losses[2]
    differ = {name for name, value in weights[0].items() if not torch.equal(value, weights[2][name])}
    statistics = {name for name in weights[0] if ".running_" in name or name.endswith("num_batches_tracked")}
    assert differ == statistics and "trunk.bn1.running_mean" in differ

    # the first convolution's own output tells what the first BatchNorm must hold
    stack = FilmStack(cache, 96)
    films, _ = split_fold(stack.films, 0)
    means, variances = [], []
    for batch in epoch_batches(films, 8, settings["seed"], Member("net", 0), epoch=1)[:2]:
        blocks = (
            stack.batch([film.row for film in batch])
            .double()
            .unfold(2, 32, 32)
            .unfold(3, 32, 32)
            .reshape(-1, 1, 32, 32)
        )
        maps = torch.nn.functional.conv2d(
            blocks, weights[2]["trunk.conv1.weight"].double(), stride=2, padding=3
        )
        means.append(maps.mean((0, 2, 3)))
        variances.append(maps.var((0, 2, 3)))
    torch.testing.assert_close(
        weights[2]["trunk.bn1.running_mean"].double(), sum(means) / 2, rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(
        weights[2]["trunk.bn1.running_var"].double(), sum(variances) / 2, rtol=1e-4, atol=1e-5
    )


def test_second_run_takes_the_fold_from_the_store(cache, settings, tmp_path):
    _, first = run(cache, settings, tmp_path)
    before = files(tmp_path / "out")
    for file in (tmp_path / "out").iterdir():
        file.unlink()
    _, second = run(cache, {**settings, "init": "random"}, tmp_path)
    assert "optimiser steps: 8\n" in first and "optimiser steps: 0\n" in second
    assert files(tmp_path / "out") == before
    assert not any((tmp_path / "state" / "train").glob("*"))


def test_the_time_of_a_training_is_the_sum_of_its_parts_and_comes_with_it_from_the_store(
    cache, settings, tmp_path
):
    def seconds() -> float:
        return json.loads((tmp_path / "out/trained_on.json").read_text())["seconds"]

    run(cache, settings, tmp_path)
    told = seconds()
    assert 0 < told < 600
    (tmp_path / "out/trained_on.json").unlink()
    run(cache, settings, tmp_path)
    assert seconds() == told
    job = FoldJob(Member("net", 0), None, None, [], [], None, 5, None, before=100.0)
    assert 100 <= job.seconds <= job.seconds < 101


def test_two_trainings_give_the_same_bytes(cache, settings, tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        run(cache, settings, tmp_path / name)
    assert files(tmp_path / "a" / "out") == files(tmp_path / "b" / "out")


def test_a_damaged_store_is_trained_again(cache, settings, tmp_path):
    run(cache, settings, tmp_path)
    before = files(tmp_path / "out")
    stored = next((tmp_path / "state" / "store").glob("*/weights.pt"))
    stored.write_bytes(stored.read_bytes()[:-100])
    _, log = run(cache, settings, tmp_path)
    assert "is damaged" in log and "optimiser steps: 8" in log
    assert files(tmp_path / "out") == before


def test_the_key_follows_data_settings_and_start_but_not_what_changes_no_number(cache, settings):
    films = FilmStack(cache, 96).films
    data = data_hash(*split_fold(films, 0))
    settings = settings_of(settings, "hybrid")
    key = fold_key(data, settings, Member("net", 0), None)
    assert key == fold_key(data, replace(settings, init="imagenet"), Member("net", 0), None)
    assert key == fold_key(data, settings, Member("other", 0), None)
    assert key != fold_key(data, settings, Member("net", 0, 1), None)
    assert key != fold_key(data, replace(settings, seed=8), Member("net", 0), None)
    assert key != fold_key(data, settings, Member("net", 1), None)
    assert key != fold_key(data, settings, Member("net", 0), b"weights")
    assert key != fold_key(data_hash(*split_fold(films, 1)), settings, Member("net", 0), None)
    assert data == data_hash(*split_fold(films[::-1], 0))
    # patients who change places between two folds that are trained on alike change nothing
    swapped = [f if f.fold in (0, 4) else type(f)(**{**f.__dict__, "fold": 4 - f.fold}) for f in films]
    assert data == data_hash(*split_fold(swapped, 0))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", None])
def test_a_cut_or_foreign_state_is_ignored_with_a_message(cache, settings, tmp_path, content):
    (tmp_path / "plain").mkdir()
    run(cache, settings, tmp_path / "plain")
    films = FilmStack(cache, 96).films
    key = fold_key(data_hash(*split_fold(films, 0)), settings_of(settings, "hybrid"), Member("net", 0), None)
    state = SavedState(tmp_path / "state" / "train", key, "cpu")
    if content is None:
        other = SavedState(tmp_path / "other", "another key", "cpu")
        other.save({"step": 3})
        state.path.parent.mkdir(parents=True)
        state.path.write_bytes(other.path.read_bytes())
    else:
        state.path.parent.mkdir(parents=True)
        state.path.write_bytes(content)
    status, log = run(cache, settings, tmp_path)
    assert status == 0 and "is ignored and the fold starts anew" in log and "optimiser steps: 8" in log
    assert files(tmp_path / "out") == files(tmp_path / "plain" / "out")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_killed_training_ends_with_the_weights_of_an_unbroken_one(cache, settings, tmp_path, number, status):
    settings["training"]["epochs"] = 12  # 48 steps
    (tmp_path / "whole").mkdir()
    run(cache, settings, tmp_path / "whole")
    minutes = "0" if number == signal.SIGKILL else "5"
    process = command(cache, settings, tmp_path, minutes)
    log = tmp_path / "log.txt"
    while not (log.exists() and "epoch 2/12" in log.read_text()):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == status
    saved = list((tmp_path / "state" / "train").glob("*/cpu.pt"))
    assert len(saved) == 1 and not (tmp_path / "out" / "weights.pt").exists()
    step = torch.load(saved[0], weights_only=True)["step"]
    assert 7 <= step < 48  # the epoch's line comes before its last step's state
    if number == signal.SIGTERM:
        assert "the state is saved" in log.read_text()
    _, resumed = run(cache, settings, tmp_path)
    assert f"resuming from step {step}" in resumed and f"optimiser steps: {48 - step}" in resumed
    assert files(tmp_path / "out") == files(tmp_path / "whole" / "out")


def test_it_runs_where_only_torch_and_numpy_are(cache, settings, tmp_path):
    settings["training"]["epochs"] = 1
    absent = (
        "pandas",
        "pydicom",
        "snakemake",
        "sklearn",
        "scipy",
        "cv2",
        "torchvision",
        "pydantic",
        "yaml",
        "rpy2",
        "xgboost",
    )
    process = command(
        cache, settings, tmp_path, before=f"import sys\nfor name in {absent}: sys.modules[name] = None"
    )
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert (tmp_path / "out" / "weights.pt").exists()


def test_a_loss_that_explodes_names_the_key_to_change(cache, settings, tmp_path):
    settings["training"] |= {"learning_rate": 1e30, "clip_norm": 1e30, "warmup_fraction": 0}
    with pytest.raises(StudyError, match=r"models\.net\.training\.learning_rate"):
        run(cache, settings, tmp_path)
    assert not (tmp_path / "out" / "weights.pt").exists()


def test_random_weights_at_the_papers_rate_are_warned_about(cache, settings, tmp_path):
    settings["training"] |= {"learning_rate": 1e-4, "epochs": 1}
    _, log = run(cache, settings, tmp_path)
    assert "WARNING: random weights" in log


@pytest.mark.parametrize("native", [False, True])
def test_bf16_on_a_processor_without_it_is_warned_about(cache, settings, tmp_path, monkeypatch, native):
    monkeypatch.setattr(compute_device, "has_bf16", lambda: native)
    settings["training"] |= {"precision": "bf16", "epochs": 1}
    _, log = run(cache, settings, tmp_path)
    assert ("no bf16 arithmetic" in log and "models.net.training.precision: fp32" in log) is not native


def test_neither_fp32_nor_a_gpu_is_warned_about(monkeypatch):
    monkeypatch.setattr(compute_device, "has_bf16", lambda: False)
    said = []
    compute_device.warn_of_slow_bf16(torch.device("cpu"), "fp32", "key", said.append)
    compute_device.warn_of_slow_bf16(torch.device("cuda", 0), "bf16", "key", said.append)
    assert said == []
    compute_device.warn_of_slow_bf16(torch.device("cpu"), "bf16", "key", said.append)
    assert len(said) == 1


def test_a_cache_of_another_size_is_refused(cache, settings, tmp_path):
    settings["architecture"]["block_size"] = 64
    with pytest.raises(StudyError, match="192 x 192"):
        run(cache, settings, tmp_path)


def test_films_reach_the_network_z_scored_also_from_device_memory(cache):
    stack = FilmStack(cache, 96)
    mapped = stack.batch([4, 0, 39])
    assert mapped.dtype == torch.float32
    np.testing.assert_allclose(mapped.mean((1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(mapped.std((1, 2, 3)), 1, atol=1e-3)
    stack.load_to_device()
    assert torch.equal(stack.batch([4, 0, 39]), mapped)


def test_a_store_appears_whole(tmp_path):
    store = Store(tmp_path, "k")
    assert store.get(print) is None
    products = {"weights.pt": b"1", "history.csv": b"2", "held_out.csv": b"3"}
    store.put(products, {"fold": 0, "device": "cpu", "torch": "2.15"})
    assert store.get(print) == products | {"trained_on.json": b'{"device": "cpu", "torch": "2.15"}\n'}


@pytest.mark.parametrize("model", ["net", "same_settings"])
def test_a_fold_is_trained_by_one_process_at_a_time(cache, settings, tmp_path, model):
    """A training that a killed run left over still works; the next run waits for it and takes its result. So
    does a network with the same settings.
    """
    settings["training"]["epochs"] = 40
    first = command(cache, settings, tmp_path)
    while not (tmp_path / "log.txt").exists() or "training and" not in (tmp_path / "log.txt").read_text():
        assert first.poll() is None
        time.sleep(0.05)
    second = command(cache, settings, tmp_path, model=model)
    said = second.communicate(timeout=120)[1]
    assert first.wait(timeout=60) == second.returncode == 0
    assert (
        "another process trains this fold" in said
        and "taken from the store" in said
        and "optimiser steps: 0" in said
    )


def test_scores_that_are_one_for_all_are_warned_of(cache, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(collapse, "LEAST_STEPS", 1)
    settings["training"].update(learning_rate=1e3, epochs=2)
    status, log = run(cache, settings, tmp_path)
    assert status == 0 and "in every attempt it has learned nothing" in log
