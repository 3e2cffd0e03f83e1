"""Speed of training and scoring at the paper's size against a naive script, other runtimes and the machine:
``make bench-networks``.

The network is the paper's (36 blocks of 256 x 256 pixels, 34.97 million parameters), with random weights.
Parts (``--parts``):

- roof: floating-point operations per second of the fastest 3x3 convolution of ResNet-18's own shapes, forward
  only, and bytes per second of a copy; on a GPU also operations of a large product of matrices. Beside it the
  share of that roof that would be reached if the network were nothing but its convolutions, each timed alone
  as PyTorch computes it, forward and backward.
- train: ``scripts.networks.training.train``, steps after the first, against ``tests.bench.naive_network``
  (Pillow, torchvision's transforms, DataLoader, fp32, blocks in a loop). Both start from the same PNG files'
  content; ours has it in the cache, as in a run.
- score: ``scripts.networks.scoring.probabilities`` against the naive script, ONNX Runtime and OpenVINO, each
  runtime given the z-scored films and the fused network, on the same number of threads.
- cache: ``cache_films`` on films of 2500 x 2048, films per second of one thread, and the memory that is the
  process's own.
- folds (not by default): the five folds of the shipped configuration, two side by side, from
  ``state/cache`` of a finished run.

Each way runs in a process of its own, so that none finds its memory taken by another. A share of the roof
counts 490.0 GFLOP a film and training step and 164.6 GFLOP a film scored. On a GPU (``--device cuda``)
training is timed eager and compiled, with the films in the device's memory, and a table of where the time
goes is printed. It needs PyTorch, torchvision, NumPy, OpenCV and Pillow; ONNX Runtime and OpenVINO are left
out where they are absent, and said so.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import functools
import importlib.util
import io
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from scripts.common.contracts.networks import HISTORY
from scripts.common.log import Log
from scripts.intake.png_encoding import encode_png16
from scripts.networks.arithmetic import exact_arithmetic
from scripts.networks.film_cache import cache_films, isal_zlib
from scripts.networks.films import FilmStack, split_fold
from scripts.networks.kinds.hybrid import HybridNetwork
from scripts.networks.kinds.hybrid_architecture import HybridArchitecture
from scripts.networks.loop import FoldTraining, train
from scripts.networks.member import Member
from scripts.networks.scoring import films_per_forward, for_scoring, probabilities
from scripts.networks.settings import Settings, settings_of
from scripts.networks.trunks.resnet18 import ResNet18
from tests.bench import naive_network
from tests.bench.films import simulated
from tests.bench.rounds import ratio, seconds_in_rounds

ARCHITECTURE = {
    "grid": 6,
    "block_size": 256,
    "trunk_width": 64,
    "layers": 6,
    "heads": 8,
    "mlp_ratio": 4,
    "dropout": 0.1,
    "head_hidden": 256,
}
TRAINING = {
    "epochs": 50,
    "batch_size": 8,
    "learning_rate": 1e-4,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "warmup_fraction": 0.05,
    "clip_norm": 1.0,
    "local_weight": 1.0,
    "norm_batches": 0,  # outside of what is timed
}
AUGMENTATION = {
    "flip": 0.5,
    "rotation": 10.0,
    "crop_scale": [0.9, 1.1],
    "shift": 0.05,
    "brightness": 0.1,
    "contrast": 0.1,
}
TRAINING_FLOP, SCORING_FLOP = 490.0e9, 164.6e9
"""Floating-point operations a film, of a training step and of a forward pass, at ARCHITECTURE."""

PAPER_FILMS, PAPER_FOLDS, PAPER_EPOCHS = 3422, 5, 50
ROWS, COLUMNS = 2500, 2048


def settings(precision: str, compiled: bool = False, **changes: object) -> Settings:
    """The settings of a training."""
    training = {**TRAINING, "precision": precision, "compile": compiled, **changes}
    return settings_of(
        {
            "seed": 1,
            "init": "random",
            "cpu_threads": 1,
            "architecture": ARCHITECTURE,
            "training": training,
            "augmentation": AUGMENTATION,
        },
        "hybrid",
    )


def side() -> int:
    return ARCHITECTURE["grid"] * ARCHITECTURE["block_size"]


def write_films(folder: Path, n: int) -> tuple[list[Path], list[int]]:
    """``n`` PNG films of ROWS x COLUMNS, as the workflow writes them where ISA-L is installed, and their
    labels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    film = simulated(ROWS, COLUMNS).astype(np.uint16) << 4
    paths = []
    for number in range(n):
        paths.append(folder / f"film{number:04d}.png")
        if not paths[-1].exists():
            rolled = np.roll(film, 37 * number, axis=1)
            if isal_zlib is None:
                cv2.imwrite(str(paths[-1]), rolled, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            else:
                paths[-1].write_bytes(encode_png16(rolled))
    return paths, [number % 2 for number in range(n)]


def write_cache(folder: Path, paths: list[Path], labels: list[int], folds: int = 5) -> Path:
    """The films as ``cache_films`` caches them."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "cohort.csv").open("w", newline="") as file:
        rows = [(f"p{n}", f"i{n:05d}", label, n % folds) for n, label in enumerate(labels)]
        csv.writer(file).writerows([("patient_id", "image_id", "label", "fold"), *rows])
    with (folder / "pngs.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("image_id", "png"), *((f"i{n:05d}", path) for n, path in enumerate(paths))]
        )
    log = Log(None, "bench", echo=False)
    cache_films(
        folder / "cohort.csv", folder / "pngs.csv", side(), folder / "films.npy", folder / "index.csv", 1, log
    )
    return folder


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def fastest(work: Callable[[], object], device: torch.device, seconds: float = 2.0) -> float:
    """Seconds of the fastest of as many repetitions as fit into ``seconds``."""
    best, end = float("inf"), time.perf_counter() + seconds
    work()
    while time.perf_counter() < end:
        synchronise(device)
        start = time.perf_counter()
        work()
        synchronise(device)
        best = min(best, time.perf_counter() - start)
    return best


@torch.inference_mode()
def convolution_roof(device: torch.device, precision: str, films: int = 2) -> float:
    """Operations per second of the fastest 3x3 convolution among those of ResNet-18, on ``films`` films'
    blocks.
    """
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    best = 0.0
    for channels, size in ((64, 64), (128, 32), (256, 16), (512, 8)):
        x = (
            torch.randn(36 * films, channels, size, size, device=device)
            .to(kind)
            .contiguous(memory_format=torch.channels_last)
        )
        weight = (
            torch.randn(channels, channels, 3, 3, device=device)
            .to(kind)
            .contiguous(memory_format=torch.channels_last)
        )
        took = fastest(lambda x=x, w=weight: F.conv2d(x, w, padding=1), device)
        best = max(best, 2 * 9 * x.numel() * channels / took)
    return best


def convolutions_alone(device: torch.device, precision: str, films: int = 2) -> tuple[float, float]:
    """Films per second of a training step and of a forward pass that were nothing but the network's
    convolutions, each at its fastest.
    """
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    trunk = ResNet18(ARCHITECTURE["trunk_width"]).to(device, kind, memory_format=torch.channels_last)
    inputs: list[tuple[nn.Conv2d, torch.Size]] = []
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_pre_hook(lambda module, given: inputs.append((module, given[0].shape)))
    block = ARCHITECTURE["block_size"]
    with torch.inference_mode():
        trunk(torch.zeros(1, 1, block, block, device=device, dtype=kind))
    forward = backward = 0.0
    for convolution, (_, channels, *size) in inputs:
        x = torch.randn(films * ARCHITECTURE["grid"] ** 2, channels, *size, device=device).to(
            kind, memory_format=torch.channels_last
        )
        weight = convolution.weight.detach()
        apply = functools.partial(F.conv2d, stride=convolution.stride, padding=convolution.padding)
        with torch.inference_mode():
            forward += fastest(lambda: apply(x, weight), device, 0.5)  # noqa: B023
        of = (
            (x.requires_grad_(), weight.requires_grad_()) if channels > 1 else (weight.requires_grad_(),)
        )  # none to the film
        y = apply(x, weight)
        gradient = torch.randn_like(y)
        backward += fastest(lambda: torch.autograd.grad(y, of, gradient, retain_graph=True), device, 0.5)  # noqa: B023
    return films / (forward + backward), films / forward


@torch.inference_mode()
def product_roof(device: torch.device) -> float:
    """Operations per second of a large bf16 product of matrices."""
    a = torch.randn(8192, 8192, device=device).to(torch.bfloat16)
    return 2 * 8192**3 / fastest(lambda: a @ a, device)


def copy_roof(device: torch.device) -> float:
    """Bytes per second of a copy of 1 GiB, those that are read and those that are written."""
    source = torch.ones(1 << 30, dtype=torch.int8, device=device)
    target = torch.zeros_like(source)
    return 2 * source.numel() / fastest(lambda: target.copy_(source), device)


def own_process(work: Callable[..., float], *given: object) -> float:
    """``work(*given)`` in a new process: what one way keeps in memory takes none from the next."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *given).result()


def timed_training(stack: FilmStack, options: Settings, steps: int) -> tuple[float, list[list[float]]]:
    """Seconds of ``steps`` training steps of the real loop after two untimed ones, and the rows of its
    history so far.
    """
    training, held_out = split_fold(stack.films, 0)
    run = FoldTraining(Member("bench", 0), len(training), options, None, stack.device)
    ends: list[float] = []
    with contextlib.closing(train(run, stack, training, held_out)) as made:
        for _ in made:
            if len(ends) in (1, steps + 1):
                synchronise(stack.device)
            ends.append(time.perf_counter())
            if len(ends) == steps + 2:
                break
    return ends[-1] - ends[1], run.history


def train_ours(cache: Path, device: str, threads: int, precision: str, compiled: bool, steps: int) -> float:
    """Seconds of ``steps`` steps of the product's training."""
    exact_arithmetic(threads)
    stack = FilmStack(cache, side(), torch.device(device))
    return timed_training(stack, settings(precision, compiled, epochs=1000), steps)[0]


def train_naive(paths: list[Path], labels: list[int], device: str, threads: int, steps: int) -> float:
    """Seconds of ``steps`` steps of the naive script."""
    torch.set_num_threads(threads)
    made = naive_network.train(paths, labels, side(), TRAINING["batch_size"], steps + 2, threads, device)
    next(made), next(made)
    synchronise(torch.device(device))
    start = time.perf_counter()
    for _ in made:
        pass
    synchronise(torch.device(device))
    return time.perf_counter() - start


def worthwhile(ways: dict, roofs: dict[str, float]) -> dict:
    """``ways`` without those in bf16 where the processor imitates it: they would take many minutes a step and
    say nothing.
    """
    return {name: way for name, way in ways.items() if "bf16" not in name or roofs["bf16"] >= roofs["fp32"]}


def bench_training(
    paths: list[Path],
    labels: list[int],
    cache: Path,
    device: str,
    threads: int,
    steps: int,
    rounds: int,
    roofs: dict,
) -> None:
    """Training against the naive script."""
    size = TRAINING["batch_size"]
    kinds = [
        ("bf16", False, ""),
        ("fp32", False, ""),
        *([("bf16", True, ", compiled")] if device == "cuda" else []),
    ]
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        f"ours {kind}{told}": (
            size * steps,
            functools.partial(own_process, train_ours, cache, device, threads, kind, compiled, steps),
        )
        for kind, compiled, told in kinds
    }
    naive = "naive script fp32"
    ways[naive] = (
        size * steps,
        functools.partial(own_process, train_naive, paths, labels, device, threads, steps),
    )
    seconds = seconds_in_rounds(worthwhile(ways, roofs), rounds, warm_up=False)
    print(f"training, batches of {size}, {steps} steps a round, {rounds} rounds")
    for name, values in seconds.items():
        speed = 1 / statistics.median(values)
        kind = "bf16" if "bf16" in name else "fp32"
        told = "" if name == naive else f", {ratio(seconds[naive], values)} times the naive script"
        share = f", {100 * speed * TRAINING_FLOP / roofs[kind]:.0f} % of the convolution roof"
        print(f"  {name:24s} {speed:8.2f} films/s{told}{share}", flush=True)
        if name.startswith("ours bf16"):
            epoch = PAPER_FILMS * (PAPER_FOLDS - 1) / PAPER_FOLDS / speed
            minutes = epoch * PAPER_FOLDS * PAPER_EPOCHS / 60
            print(
                f"  {'':24s} extrapolated: {PAPER_FOLDS} folds x {PAPER_EPOCHS} epochs of the paper's"
                f" training set in {minutes:.0f} min, scoring of the held-out films apart"
            )


def scoring_network() -> HybridNetwork:
    torch.manual_seed(1)
    return for_scoring(HybridNetwork(HybridArchitecture(**ARCHITECTURE)))


def score_ours(cache: Path, device: str, threads: int, precision: str, rows: list[int]) -> float:
    """Seconds in which the product scores films ``rows``, after a first film."""
    exact_arithmetic(threads)
    stack = FilmStack(cache, side(), torch.device(device))
    fused = scoring_network().to(device)
    at_once = films_per_forward(fused, device, precision)
    probabilities([fused], stack, rows[:1], precision, at_once)
    start = time.perf_counter()
    probabilities([fused], stack, rows, precision, at_once)  # ends with numbers on the CPU
    return time.perf_counter() - start


def score_naive(paths: list[Path], device: str, threads: int) -> float:
    """Seconds in which the naive script scores ``paths``."""
    torch.set_num_threads(threads)
    naive_network.score(paths[:1], side(), 1, 1, device)
    start = time.perf_counter()
    naive_network.score(paths, side(), min(8, len(paths)), threads, device)
    return time.perf_counter() - start


def score_runtime(name: str, model: Path, cache: Path, threads: int, rows: list[int]) -> float:
    """Seconds in which another runtime scores z-scored films ``rows``, after a first film."""
    stack = FilmStack(cache, side(), "cpu")
    if name.startswith("ONNX"):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        run: Callable[[np.ndarray], object] = lambda films: session.run(None, {"films": films})  # noqa: E731
    else:
        import openvino

        core = openvino.Core()
        hints = {
            "INFERENCE_PRECISION_HINT": "bf16" if "bf16" in name else "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        run = core.compile_model(
            core.read_model(model), "CPU", {**hints, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
        )
    run(stack.batch(rows[:1]).numpy())
    start = time.perf_counter()
    for row in rows:
        run(stack.batch([row]).numpy())
    return time.perf_counter() - start


def runtimes(folder: Path) -> tuple[list[str], Path]:
    """The other runtimes that are installed, and the fused network as an ONNX file for them."""
    model = folder / "network.onnx"
    names = [
        name
        for module, found in (
            ("onnxruntime", ["ONNX Runtime fp32"]),
            ("openvino", ["OpenVINO fp32", "OpenVINO bf16"]),
        )
        for name in (found if importlib.util.find_spec(module) else [])
    ]
    if len(names) < 3 or not importlib.util.find_spec("onnxscript"):
        print(
            "left out where they are not installed: ONNX Runtime, OpenVINO, onnxscript; there is:"
            f" {', '.join(names) or 'none'}"
        )
    if names and importlib.util.find_spec("onnxscript"):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            film = torch.zeros(1, 1, side(), side())
            torch.onnx.export(
                scoring_network(), (film,), model, dynamo=True, input_names=["films"], verbose=False
            )
        return names, model
    return [], model


def bench_scoring(
    paths: list[Path], cache: Path, n: int, device: str, threads: int, rounds: int, roofs: dict, folder: Path
) -> None:
    """Scoring against the naive script and other runtimes."""
    count = 8 if device == "cpu" else min(n, 256)
    rows, few = list(range(count)), paths[: min(count, 32)]
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        f"ours {kind}": (
            count,
            functools.partial(own_process, score_ours, cache, device, threads, kind, rows),
        )
        for kind in ("bf16", "fp32")
    }
    naive = "naive script fp32"
    ways[naive] = (len(few), functools.partial(own_process, score_naive, few, device, threads))
    if device == "cpu":
        names, model = runtimes(folder)
        ways |= {
            name: (count, functools.partial(own_process, score_runtime, name, model, cache, threads, rows))
            for name in names
        }
    seconds = seconds_in_rounds(worthwhile(ways, roofs), rounds, warm_up=False)
    print(f"scoring, {count} films a round, {rounds} rounds")
    for name, values in seconds.items():
        kind = "bf16" if "bf16" in name else "fp32"
        speed = 1 / statistics.median(values)
        told = f", {100 * speed * SCORING_FLOP / roofs[kind]:.0f} % of the convolution roof"
        if name.startswith("ours"):
            told += f", {ratio(seconds[naive], values)} times the naive script"
            for peer in seconds:
                if peer.endswith(kind) and peer.startswith(("ONNX", "OpenVINO")):
                    told += f", {ratio(seconds[peer], values)} times {peer}"
        print(f"  {name:24s} {speed:8.2f} films/s{told}", flush=True)


@contextlib.contextmanager
def own_memory() -> Iterator[list[int]]:
    """Samples of the memory that is this process's own (proc(5), RssAnon), in KiB, while the block runs."""
    samples: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
            samples.append(next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def bench_cache(folder: Path, n: int) -> None:
    """Films cached per second on one thread, and the memory of a quarter of them against all."""
    paths, labels = write_films(folder / "png", n)
    peaks = []
    for count in (n // 4, n):
        with own_memory() as samples:
            start = time.perf_counter()
            write_cache(folder / f"cache{count}", paths[:count], labels[:count])
            took = time.perf_counter() - start
        peaks.append(max(samples) / 1024)
    print(
        f"cache: {n / took:.1f} films/s of {ROWS} x {COLUMNS} on one thread; own memory {peaks[0]:.0f} MB for"
        f" {n // 4} films, {peaks[1]:.0f} MB for {n}",
        flush=True,
    )


def bench_folds() -> None:
    """The five folds of the shipped configuration on a finished run's cache, each a command of its own, two
    at a time.
    """
    from snakemake.iocontainers import Wildcards

    from scripts.common.config import read_config
    from scripts.common.config.files import read_config_file
    from scripts.workflow.models import Models

    config = read_config(read_config_file("config.yaml"))
    models, network = Models(config), Wildcards(fromdict={"model": config.main_network})
    cache = Path(models.cache("films.npy", "train")(network))
    if not cache.exists():
        raise SystemExit("the part 'folds' needs a finished run of the shipped study here: make demo")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:

        def fold(number: int) -> None:
            command = [
                sys.executable,
                "-m",
                "scripts.networks.train_fold",
                "--cache",
                str(cache.parent),
                "--model",
                "bench",
                "--run",
                str(number),
                "--kind",
                models.kind(network),
            ]
            command += [
                "--settings",
                models.training_settings(network),
                "--output",
                f"{folder}/{number}",
                "--state",
                f"{folder}/state",
            ]
            subprocess.run(command, check=True, capture_output=True)

        start = time.perf_counter()
        list(pool.map(fold, range(config.cohort.folds)))
        print(
            f"{config.cohort.folds} folds of the shipped configuration, two at a time:"
            f" {time.perf_counter() - start:.0f} s",
            flush=True,
        )


def where_the_time_goes(stack: FilmStack, steps: int) -> None:
    """Print the GPU's time of some training steps by kernel, and the share of time in which no kernel ran."""
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CUDA, torch.profiler.ProfilerActivity.CPU]
    ) as profile:
        took, _ = timed_training(stack, settings("bf16", epochs=1000), steps)
    events = sorted(profile.key_averages(), key=lambda e: -e.self_device_time_total)
    total = sum(e.self_device_time_total for e in events)
    print(f"GPU time by kernel, {steps} steps in {1000 * took:.0f} ms (kernels of warm-up steps included)")
    for event in events[:12]:
        print(f"  {100 * event.self_device_time_total / total:5.1f} %  {event.key[:110]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--parts", default="roof,train,score,cache", help="comma-separated: roof, train, score, cache, folds"
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of all ways")
    parser.add_argument("--films", type=int, help="films in the cache (20 on the CPU, 512 on a GPU)")
    parser.add_argument("--steps", type=int, help="training steps a round (1 on the CPU, 20 on a GPU)")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    parts = chosen.parts.split(",")
    on_gpu = chosen.device == "cuda"
    exact_arithmetic(chosen.threads)
    device = torch.device(chosen.device)
    name = torch.cuda.get_device_name() if on_gpu else f"{chosen.threads} CPU threads"
    print(f"PyTorch {torch.__version__}, {name}; {json.dumps(ARCHITECTURE)}")
    if not {"roof", "train", "score"}.isdisjoint(parts):
        roofs = {kind: convolution_roof(device, kind, 8 if on_gpu else 2) for kind in ("bf16", "fp32")}
        print(
            "convolution roof: "
            + ", ".join(f"{kind} {1e-9 * value:.0f} GFLOP/s" for kind, value in roofs.items()),
            flush=True,
        )
        if roofs["bf16"] < roofs["fp32"]:
            print("ways in bf16 are left out: this processor imitates it", flush=True)
        for kind in worthwhile(roofs, roofs):
            training, scoring = convolutions_alone(device, kind, 8 if on_gpu else 2)
            shares = [
                f"{100 * speed * flop / roofs[kind]:.0f} %"
                for speed, flop in ((training, TRAINING_FLOP), (scoring, SCORING_FLOP))
            ]
            print(
                f"convolutions alone, {kind}: {shares[0]} of the roof in training, {shares[1]} in scoring",
                flush=True,
            )
        if on_gpu:
            print(f"matrix product (bf16): {1e-12 * product_roof(device):.0f} TFLOP/s", flush=True)
        print(f"copy: {1e-9 * copy_roof(device):.1f} GB/s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        if not {"train", "score"}.isdisjoint(parts):
            n = chosen.films or (512 if on_gpu else 20)
            paths, labels = write_films(Path(folder) / "png", min(n, 64))
            cache = write_cache(
                Path(folder) / "cache", [paths[k % len(paths)] for k in range(n)], [k % 2 for k in range(n)]
            )
            if "train" in parts:
                steps = chosen.steps or (20 if on_gpu else 1)
                bench_training(
                    paths, labels, cache, chosen.device, chosen.threads, steps, chosen.rounds, roofs
                )
                if on_gpu:
                    stack = FilmStack(cache, side(), device)
                    torch.cuda.reset_peak_memory_stats()
                    many = len(split_fold(stack.films, 0)[0]) // TRAINING["batch_size"] + 2
                    _, history = timed_training(stack, settings("bf16", epochs=1000), many)
                    print(
                        f"  memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB; epoch:"
                        f" {dict(zip(HISTORY, history[0]))}"
                    )
                    where_the_time_goes(stack, 5)
            if "score" in parts:
                bench_scoring(
                    paths, cache, n, chosen.device, chosen.threads, chosen.rounds, roofs, Path(folder)
                )
        if "cache" in parts:
            bench_cache(Path(folder), 48)
    if "folds" in parts:
        bench_folds()


if __name__ == "__main__":
    sys.exit(main())
