"""All that needs a GPU, within a time limit: ``python3 -m tests.bench.gpu --out FOLDER --limit 540``.

For a GPU that is at hand for ten minutes. The most wanted parts come first; a part that would not fit into
what is left of the limit is left out, which is said, and the failure of one part costs no other. Every figure
is printed when it is known and kept in ``FOLDER/gpu.json``. The network is the paper's (36 blocks of 256 x
256 pixels) with random weights, the films are made up.

It needs PyTorch, torchvision, NumPy, pandas, OpenCV, Pillow and pytest: no package of the intake or of
Snakemake.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("TORCH_DISABLE_NATIVE_JIT", "1")  # no Triton kernel is compiled in eager mode

import cv2
import numpy as np
import torch

from scripts.common.contracts.networks import HISTORY
from scripts.deep.arithmetic import autocast, exact_arithmetic
from scripts.deep.augmentation import augment
from scripts.deep.films import FilmStack, split_fold
from scripts.deep.kinds.hybrid import HybridNetwork
from scripts.deep.loop import FoldTraining, train
from scripts.deep.scoring import films_per_forward, probabilities
from scripts.deep.settings import Settings
from tests.bench import deep, naive_network

BATCH = deep.TRAINING["batch_size"]


@dataclass
class Findings:
    """Figures by name, printed and written to ``folder/gpu.json`` as they come."""

    folder: Path
    began: float = field(default_factory=time.monotonic)
    figures: dict[str, object] = field(default_factory=dict)

    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def say(self, name: str, value: object) -> None:
        self.figures[name] = value
        print(f"[{self.elapsed():5.0f} s] {name}: {value}", flush=True)
        (self.folder / "gpu.json").write_text(
            json.dumps(self.figures, indent=1, default=str), encoding="utf-8"
        )


def write_films(folder: Path, n: int, threads: int) -> list[Path]:
    """A film cache of ``n`` different films at the paper's size in ``folder``, and the paths of 64 PNG films
    for the naive script.
    """
    side, rng = deep.side(), np.random.default_rng(1)
    base = cv2.GaussianBlur(rng.normal(size=(side, side)).astype(np.float32), (0, 0), 3)
    base = (20000 + 9000 * base / base.std()).clip(0, 65535).astype(np.uint16)
    stripes = np.arange(side, dtype=np.uint16) % 512
    films = np.lib.format.open_memmap(folder / "films.npy", mode="w+", dtype=np.uint16, shape=(n, side, side))
    rows = []
    for k in range(n):
        films[k] = np.roll(base, (37 * k, 61 * k), (0, 1)) + (k % 2) * stripes
        digest = hashlib.sha256(films[k].tobytes()).hexdigest()
        rows.append(
            (
                k,
                f"i{k:05d}",
                f"p{k:05d}",
                k % 2,
                k * 5 // n,
                float(films[k].mean()),
                float(films[k].std()),
                digest,
            )
        )
    films.flush()
    with (folder / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("row", "image_id", "patient_id", "label", "fold", "mean", "sd", "sha256"), *rows]
        )
    large = cv2.resize(base, (deep.COLUMNS, deep.ROWS))
    paths = [folder / f"film{k:03d}.png" for k in range(64)]

    def write(k: int) -> None:
        cv2.imwrite(str(paths[k]), np.roll(large, 37 * k, 1), [cv2.IMWRITE_PNG_COMPRESSION, 1])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(write, range(len(paths))))
    return paths


def gpu_tests(found: Findings, seconds: int) -> None:
    """The tests marked ``gpu``, in a process of their own; what they print is kept in ``gpu_tests.txt``."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", "tests/deep"]
    began, report = time.monotonic(), found.folder / "gpu_tests.txt"
    with report.open("w") as file, contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, timeout=seconds, check=False)
    signs = (" passed", " failed", "FAILED", "ERROR")
    told = [line for line in report.read_text().splitlines() if any(sign in line for sign in signs)]
    found.say("gpu tests", (told or ["stopped at their limit"])[-8:] + [f"{time.monotonic() - began:.0f} s"])


def roofs(found: Findings, device: torch.device) -> None:
    """What this card gives: a large matrix product, the fastest convolution of the network's, a copy; and the
    convolutions alone.
    """
    product, copy = deep.product_roof(device), deep.copy_roof(device)
    found.say("roofs", {
        "matrix product bf16, TFLOP/s": round(product / 1e12), "copy, TB/s": round(copy / 1e12, 2),
        **{f"convolution {kind}, TFLOP/s": round(deep.convolution_roof(device, kind,
        8) / 1e12) for kind in ("bf16", "fp32")},
    })  # fmt: skip
    alone = deep.convolutions_alone(device, "bf16", 8)
    found.say(
        "convolutions alone, bf16, films/s", {"training": round(alone[0], 1), "scoring": round(alone[1], 1)}
    )


def speed(found: Findings, name: str, stack: FilmStack, options: Settings, steps: int) -> None:
    """Films per second of ``steps`` steps of the real loop, and the memory that they took."""
    torch.cuda.reset_peak_memory_stats()
    began = time.monotonic()
    took, _ = deep.timed_training(stack, options, steps)
    rate = BATCH * steps / took
    found.say(name, {
        "films/s": round(rate, 1), "TFLOP/s": round(rate * deep.TRAINING_FLOP / 1e12, 1),
        "allocated, GiB": round(torch.cuda.max_memory_allocated() / 2**30, 2),
        "reserved, GiB": round(torch.cuda.max_memory_reserved() / 2**30, 2),
        "with the start, s": round(time.monotonic() - began, 1),
    })  # fmt: skip


def epoch(found: Findings, name: str, stack: FilmStack) -> None:
    """A whole epoch with its end (norms, held-out films): what history.csv says of it, and the seconds of
    all.
    """
    steps = len(split_fold(stack.films, 0)[0]) // BATCH + 1
    began = time.monotonic()
    _, history = deep.timed_training(stack, deep.settings("bf16", epochs=1000, norm_batches=8), steps)
    row = dict(zip(HISTORY, history[0]))
    found.say(
        name,
        {k: round(row[k], 4) for k in ("films_per_s", "data_wait", "loss")}
        | {"s": round(time.monotonic() - began, 1)},
    )


def on_cpu(value: object) -> object:
    """A copy of a training state with its tensors in main memory."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, dict):
        return {k: on_cpu(v) for k, v in value.items()}
    return [on_cpu(v) for v in value] if isinstance(value, list) else value


def same_bits(a: object, b: object) -> bool:
    """Whether two states hold the same bytes."""
    if isinstance(a, torch.Tensor):
        return a.shape == b.shape and a.contiguous().numpy().tobytes() == b.contiguous().numpy().tobytes()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_bits(a[k], b[k]) for k in a)
    return len(a) == len(b) and all(map(same_bits, a, b)) if isinstance(a, list) else a == b


def state_after(stack: FilmStack, options: Settings, stops: list[int]) -> dict:
    """The state after the last of ``stops`` steps of a training that is stopped and goes on at each of
    them.
    """
    training, held_out = split_fold(stack.films, 0)
    state: dict | None = None
    for stop in stops:
        run = FoldTraining(0, len(training), options, None, stack.device)
        if state is not None:
            run.load(state)
        with contextlib.closing(train(run, stack, training, held_out)) as steps:
            for _ in steps:
                if run.step == stop:
                    break
        state = on_cpu(run.state())
    return state


def resume(found: Findings, stack: FilmStack, precision: str) -> None:
    """Whether six steps in one go and six steps with two stops end with the same bits."""
    options = deep.settings(precision, epochs=1000)
    whole, broken = state_after(stack, options, [6]), state_after(stack, options, [2, 5, 6])
    found.say(
        f"resume at the paper's size, {precision}: same bits",
        all(same_bits(whole[k], broken[k]) for k in ("model", "optimizer", "sums")),
    )


def scoring(found: Findings, stack: FilmStack, precision: str, n: int) -> None:
    """Films per second of scoring ``n`` films with one network."""
    fused = deep.scoring_network().to(stack.device)
    at_once = films_per_forward(fused, "cuda", precision)
    probabilities([fused], stack, range(n), precision)
    began = time.perf_counter()
    probabilities([fused], stack, range(n), precision)
    rate = n / (time.perf_counter() - began)
    found.say(
        f"scoring {precision}, {at_once} films at once",
        {"films/s": round(rate, 1), "TFLOP/s": round(rate * deep.SCORING_FLOP / 1e12, 1)},
    )


def agreement(found: Findings, cache: Path, stack: FilmStack) -> None:
    """The largest difference between the scores of three films on the CPU (fp32) and on the GPU."""
    torch.manual_seed(1)
    fused = deep.scoring_network()
    here = probabilities([fused], FilmStack(cache, deep.side()), range(3), "fp32")
    fused = fused.to(stack.device)
    found.say("largest difference of a score from the CPU's", {
        kind: float(np.abs(probabilities([fused], stack, range(3), kind) - here).max()) for kind in ("fp32",
        "bf16")
    })  # fmt: skip


def naive(found: Findings, paths: list[Path], threads: int, steps: int) -> None:
    """The naive script on the same card: Pillow, torchvision's transforms, a DataLoader with ``threads``
    workers, fp32.
    """
    made = naive_network.train(
        paths, [k % 2 for k in range(len(paths))], deep.side(), BATCH, steps + 2, threads, "cuda"
    )
    next(made), next(made)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in made:
        pass
    torch.cuda.synchronize()
    found.say(
        "naive script, training fp32",
        {"films/s": round(BATCH * steps / (time.perf_counter() - began), 1), "workers": threads},
    )
    began = time.perf_counter()
    naive_network.score(paths[:32], deep.side(), BATCH, threads, "cuda")
    found.say("naive script, scoring fp32", {"films/s": round(32 / (time.perf_counter() - began), 1)})


def step_parts(found: Findings, stack: FilmStack, batch: int, rounds: int = 20) -> None:
    """Milliseconds of a bf16 training step by part on the GPU's clock, of the whole step on the host's, and
    of its launches alone.

    Where the launches take as long as the step, the host is what limits it.
    """
    torch.manual_seed(1)
    options = deep.settings("bf16")
    network = HybridNetwork(options.architecture).to(stack.device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    labels = torch.tensor([k % 2 for k in range(batch)], dtype=torch.float32, device=stack.device)
    rows, names = (
        list(range(batch)),
        (
            "films",
            "augmentation",
            "forward",
            "backward",
            "clipping",
            "optimiser",
        ),
    )
    spent, host, whole = dict.fromkeys(names, 0.0), 0.0, 0.0
    for number in range(rounds + 3):
        if number == 3:
            spent, host = dict.fromkeys(names, 0.0), 0.0
            torch.cuda.synchronize()
            whole = time.perf_counter()
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(len(names) + 1)]
        began = time.perf_counter()
        marks[0].record()
        x = stack.standardize(next(iter(stack.stream([rows]))), rows)
        marks[1].record()
        x = augment(x, number, options.augmentation)
        marks[2].record()
        with autocast(stack.device, "bf16"):
            logits = network(x)
        first, second = network.loss_terms(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        marks[3].record()
        (first + second).backward()
        marks[4].record()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        marks[5].record()
        optimizer.step()
        marks[6].record()
        host += time.perf_counter() - began
        torch.cuda.synchronize()
        for name, start, end in zip(names, marks, marks[1:]):
            spent[name] += start.elapsed_time(end)
    whole = time.perf_counter() - whole
    found.say(f"a step of {batch} films, ms", {
        **{name: round(ms / rounds, 2) for name, ms in spent.items()},
        "launching": round(1000 * host / rounds, 2), "whole": round(1000 * whole / rounds, 2),
        "films/s": round(batch * rounds / whole, 1),
    })  # fmt: skip


def replayed(found: Findings, stack: FilmStack, batch: int = 8, rounds: int = 40) -> None:
    """Films per second of the same forward and backward pass as a CUDA graph: what is left when the host
    launches nothing.
    """
    torch.manual_seed(1)
    torch.set_deterministic_debug_mode("default")
    network = HybridNetwork(deep.settings("bf16").architecture)
    network = network.to(stack.device, memory_format=torch.channels_last).train()
    labels = torch.tensor([k % 2 for k in range(batch)], dtype=torch.float32, device=stack.device)
    x = stack.batch(range(batch))

    def step() -> None:
        for parameter in network.parameters():
            parameter.grad = None
        with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
            logits = network(x)
        first, second = network.loss_terms(logits, labels)
        (first + second).backward()

    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(rounds):
        graph.replay()
    torch.cuda.synchronize()
    took = time.perf_counter() - began
    torch.set_deterministic_debug_mode("error")
    found.say(
        f"forward and backward of {batch} films as a CUDA graph",
        {"ms": round(1000 * took / rounds, 2), "films/s": round(batch * rounds / took, 1)},
    )


def without_determinism(found: Findings, stack: FilmStack, steps: int) -> None:
    """What exact repetition costs: the same training with any algorithm allowed and the fastest convolutions
    chosen by trial.
    """
    torch.set_deterministic_debug_mode("default")
    torch.backends.cudnn.benchmark = True
    try:
        speed(
            found,
            "training bf16, any algorithm, chosen by trial (not what a study runs)",
            stack,
            deep.settings("bf16", epochs=1000),
            steps,
        )
    finally:
        torch.backends.cudnn.benchmark = False
        torch.set_deterministic_debug_mode("error")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for gpu.json and the tests' output")
    parser.add_argument("--limit", type=int, default=540, help="seconds for all")
    parser.add_argument("--films", type=int, default=160)
    parser.add_argument("--steps", type=int, default=40, help="timed training steps")
    parser.add_argument("--threads", type=int, default=min(16, len(os.sched_getaffinity(0))))
    parser.add_argument("--only", help="names of parts, comma-separated")
    parser.add_argument(
        "--tests", type=int, default=170, help="seconds for the tests marked gpu; 0 leaves them out"
    )
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    found = Findings(given.out)
    found.say("machine",
    f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}, "
              f"Python {sys.version.split()[0]}, {given.threads} threads")  # fmt: skip
    exact_arithmetic(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        paths = write_films(cache, given.films, given.threads)
        found.say("films written", given.films)
        held, read = FilmStack(cache, deep.side(), "cuda", 0), FilmStack(cache, deep.side(), "cuda", 10**15)
        bf16, steps = deep.settings("bf16", epochs=1000), given.steps
        parts: list[tuple[int, str, Callable[[], object]]] = [
            (15, "training", lambda: speed(found, "training bf16, films on the GPU", held, bf16, steps)),
            (20, "roofs", lambda: roofs(found, held.device)),
            (given.tests, "tests", lambda: given.tests and gpu_tests(found, given.tests)),
            (15, "resume bf16", lambda: resume(found, held, "bf16")),
            (10, "disk", lambda: speed(found, "training bf16, films from the disk", read, bf16, steps)),
            (10, "epoch", lambda: epoch(found, "an epoch with its end, films on the GPU", held)),
            (10, "epoch, disk", lambda: epoch(found, "an epoch with its end, films from the disk", read)),
            (15, "scoring", lambda: [scoring(found, held, kind, given.films) for kind in ("bf16", "fp32")]),
            (
                90,
                "compiled",
                lambda: speed(
                    found,
                    "training bf16 compiled, films on the GPU",
                    held,
                    deep.settings("bf16", True, epochs=1000),
                    steps,
                ),
            ),
            (
                20,
                "fp32",
                lambda: speed(
                    found, "training fp32, films on the GPU", held, deep.settings("fp32", epochs=1000), steps
                ),
            ),
            (40, "naive", lambda: naive(found, paths, given.threads, 20)),
            (20, "agreement", lambda: agreement(found, cache, held)),
            (20, "resume fp32", lambda: resume(found, held, "fp32")),
            (20, "determinism", lambda: without_determinism(found, held, steps)),
            (30, "step", lambda: [step_parts(found, held, n) for n in (8, 16, 32)]),
            (20, "graph", lambda: replayed(found, held)),
            (30, "profile", lambda: deep.where_the_time_goes(held, 5)),
        ]
        for need, name, work in parts:
            if given.only and name not in given.only.split(","):
                continue
            if found.elapsed() + need > given.limit:
                found.say(f"{name}: left out", f"{need} s would not fit")
                continue
            try:
                work()
            except Exception as error:  # one part's failure must not cost the others
                found.say(f"{name}: FAILED", f"{type(error).__name__}: {str(error)[:300]}")
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # a worker that hangs at its end must not use up the time
