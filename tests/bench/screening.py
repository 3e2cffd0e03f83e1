"""What makes the network learn: many short trainings side by side on one device, a row for each as it ends.

``python3 -m tests.bench.screening --films FOLDER --out FOLDER`` on stacks of ``tests.bench.screening_films``.
Each training is a recipe of ``tests.bench.screening_recipes`` (the shipped training with one thing or a few
changed) on one task (label and film set) with one seed, which also chooses the held-out fold. Rows are
appended to ``OUT/rows.jsonl``; a table is printed last (``--table FILES`` prints it alone). The most wanted
trainings of a plan come first; how many the deadline cut off is printed. A training that fails gives a row
with its error and costs no other.

Each worker process has several trainings under way, on a GPU a stream each. It needs PyTorch, torchvision,
NumPy, SciPy, pandas, Pillow and scikit-learn only.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import queue
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

os.environ.setdefault("TORCH_DISABLE_NATIVE_JIT", "1")  # no Triton kernel is compiled in eager mode

import torch

from tests.bench.screened_training import Stacks, Training
from tests.bench.screening_recipes import PLANS, RECIPES, TASKS


def work(wanted: Mapping, trainings: list, taken: Synchronized, rows: multiprocessing.Queue) -> None:
    """A worker: ``lanes`` trainings of the list under way at a time, until none or no time is left."""
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    device = torch.device(wanted["device"])
    stacks, lanes = Stacks(Path(wanted["films"]), device), []
    free = [torch.cuda.Stream(device) if device.type == "cuda" else None for _ in range(wanted["lanes"])]
    lite = Path(wanted["films"]) / "lite0.pth"

    def next_lane() -> bool:
        with taken.get_lock():
            place = taken.value
            taken.value += 1
        if place >= len(trainings) or time.time() > wanted["last_start"]:
            return False
        name, task, seed = trainings[place]
        stream = free.pop()
        training = Training(name, task, seed, stacks, lite, stream, wanted["graphs"])
        lanes.append((trainings[place], training.run(), stream))
        return True

    more = True
    while more or lanes:
        while more and len(lanes) < wanted["lanes"]:
            more = next_lane()
        for lane in list(lanes):
            (name, task, seed), steps, stream = lane
            try:
                next(steps)
            except StopIteration as done:
                rows.put(done.value)
                lanes.remove(lane)
                free.append(stream)
            except Exception as error:  # a failed training gives a row, and costs no other
                lanes.remove(lane)
                free.append(stream)
                text = f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"
                rows.put({"recipe": name, "task": task, "seed": seed, "error": text[:300]})
    rows.put(None)


def screen(trainings: list, wanted: Mapping, out: Path, limit: float, workers: int) -> list[dict]:
    """Run ``trainings`` in ``workers`` processes for at most ``limit`` seconds; rows go to ``out``."""
    began = time.time()
    settings = dict(wanted) | {"last_start": began + limit - wanted["last_start_before"]}
    context = multiprocessing.get_context("spawn")
    taken, rows = context.Value("i", 0), context.Queue()
    started = [
        context.Process(target=work, args=(settings, trainings, taken, rows), daemon=True)
        for _ in range(workers)
    ]
    for process in started:
        process.start()
    found, ended = [], 0
    with (out / "rows.jsonl").open("a", encoding="utf-8") as file:
        while ended < workers and time.time() < began + limit:
            try:
                row = rows.get(timeout=1.0)
            except queue.Empty:
                if not any(process.is_alive() for process in started):
                    break
                continue
            if row is None:
                ended += 1
                continue
            found.append(row)
            file.write(json.dumps(row) + "\n")
            file.flush()
            print(f"[{time.time() - began:5.1f} s] {json.dumps(row)}", flush=True)
    for process in started:
        process.kill()
        process.join()
    print(f"{len(found)} of {len(trainings)} trainings ended in {time.time() - began:.0f} s", flush=True)
    return found


def learned(row: Mapping, like: Sequence[Mapping]) -> bool:
    """Whether a training learned.

    The held-out AUC's lower bound lies above .5, and the SD of its logits is at least a third of the median
    of ``like``, all trainings of the task.
    """
    if row.get("low_end") is None or row.get("sd_end") is None:
        return False
    spread = statistics.median(r["sd_end"] for r in like if r.get("sd_end") is not None)
    return row["low_end"] > 0.5 and row["sd_end"] >= spread / 3


COLUMNS = (
    ("clipped", "steps clipped"),
    ("norm", "gradient norm"),
    ("token_share_early", "token's share, epoch 2"),
    ("auc_early", "AUC, epoch 2"),
    ("auc_end", "AUC"),
    ("auc_local_end", "AUC of the local mean"),
    ("sd_end", "SD of logits"),
    ("loss_global", "global loss"),
    ("external_auc", "external AUC"),
    ("seconds", "s"),
)
"""Figures of a row in the table, and their titles."""

RANGES = ("auc_end", "sd_end")
"""Figures that the table gives with the lowest and the highest."""


def table(rows: Sequence[Mapping]) -> str:
    """Markdown: a table a task, a line a recipe, medians over the seeds; a training counts once."""
    once = {(row["task"], row["recipe"], row["seed"]): row for row in rows if "error" not in row}
    failed = [row for row in rows if "error" in row]
    titles = ["recipe", "learned", *(title for _, title in COLUMNS)]
    parts = []
    for task in TASKS:
        inside = [row for key, row in once.items() if key[0] == task]
        lines = [f"{task}:\n", "| " + " | ".join(titles) + " |", "| -- " * len(titles) + "|"]
        for name in RECIPES:
            group = [row for row in inside if row["recipe"] == name]
            lost = sum(row["task"] == task and row["recipe"] == name for row in failed)
            if not group and not lost:
                continue
            cells = [f"{sum(learned(row, inside) for row in group)} of {len(group) + lost}"]
            for key, _ in COLUMNS:
                values = [row[key] for row in group if row.get(key) is not None]
                text = f"{statistics.median(values):.{0 if key == 'seconds' else 2}f}" if values else ""
                if key in RANGES and len(values) > 1:
                    text += f" ({min(values):.2f} to {max(values):.2f})"
                cells.append(text)
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        if len(lines) > 3:
            parts.append("\n".join(lines))
    return "\n\n".join(parts)


def read_rows(paths: Sequence[Path]) -> list[dict]:
    return [
        json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines() if line
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plan", default="first", choices=PLANS)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=5)
    parser.add_argument("--lanes", type=int, default=4, help="trainings under way at a time in each worker")
    parser.add_argument("--limit", type=float, default=540, help="seconds, all in all")
    parser.add_argument(
        "--last-start", type=float, default=40, help="seconds before the limit after which no training starts"
    )
    parser.add_argument("--eager", action="store_true", help="record no CUDA graph")
    parser.add_argument(
        "--done", type=Path, nargs="*", default=[], help="rows of earlier runs, not made again"
    )
    parser.add_argument(
        "--table", type=Path, nargs="*", help="print the table of these files of rows and end"
    )
    wanted = parser.parse_args()
    if wanted.table:
        print(table(read_rows(wanted.table)))
        return
    wanted.out.mkdir(parents=True, exist_ok=True)
    earlier = {(r["recipe"], r["task"], r["seed"]) for r in read_rows(wanted.done) if "error" not in r}
    trainings = [training for training in PLANS[wanted.plan] if training not in earlier]
    if wanted.device.startswith("cuda"):
        print(
            f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, {len(trainings)} trainings",
            flush=True,
        )
    options = {
        "device": wanted.device,
        "films": str(wanted.films),
        "lanes": wanted.lanes,
        "graphs": not wanted.eager,
        "last_start_before": wanted.last_start,
    }
    rows = screen(trainings, options, wanted.out, wanted.limit, wanted.workers)
    print(table(rows))


if __name__ == "__main__":
    sys.exit(main())
