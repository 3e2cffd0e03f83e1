"""Speed of the statistics stage: ``make bench-statistics`` (``BENCH="--parts bootstrap"`` for one part).

- bootstrap: percentile intervals of all threshold metrics (sensitivity, specificity, accuracy, PPV, NPV, F1)
  of three models from 2,000 replicates, from scores to intervals, at 856 patients (the paper's internal test
  set) and at 100,000. At 856 beside it pROC's ``ci.coords`` for the same three models and thresholds, as many
  replicates, the metrics that it knows (F1 is none of them), its own defaults (one thread, bootstrap within
  classes). Each round does each way once; processor time and wall time are told apart, since a machine that
  other work shares stretches the wall time. R's start is not counted.
- stage: the whole stage by Snakemake on simulated scores of the paper's cohort sizes, two jobs side by side,
  from predictions.csv and cohort.csv to tables and figures, with 2,000 replicates and pROC.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import yaml

from scripts.statistics.performance import bootstrap_metrics, percentile_interval
from tests.bench.rounds import ratio, seconds_in_rounds

ROOT = Path(__file__).resolve().parents[2]
PAPER = {"train": (1214, 2208), "internal_test": (304, 552), "external_1": (119, 69), "external_2": (63, 13)}
"""OP and non-OP patients of the paper's sets (doi:10.13929/j.issn.1003-3289.2026.03.017)."""

REPLICATES = 2000
CUTS = np.array([0.40, 0.45, 0.35])


def simulated(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) and scores (3, n) of models about as good as the paper's."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < PAPER["internal_test"][0] / 856).astype(np.int64)
    skill = np.array([2.7, 1.4, 2.9])[:, None]
    return labels, 1 / (1 + np.exp(-(skill * (labels - 0.5) + rng.normal(size=(3, n)))))


def ours(labels: np.ndarray, scores: np.ndarray) -> list[tuple[float, float]]:
    """Intervals of six metrics of three models."""
    drawn = bootstrap_metrics(labels, scores >= CUTS[:, None], REPLICATES, 1)
    return [percentile_interval(values, 0.95) for models in drawn.values() for values in models]


def of_proc(folder: Path) -> tuple[float, float]:
    """Processor and wall seconds of pROC's ``ci.coords`` for the three models in ``folder``; R times
    itself.
    """
    script = folder / "coords.R"
    script.write_text(
        "suppressMessages(library(pROC)); set.seed(1)\n"
        f'd <- read.csv("{folder / "scores.csv"}"); cuts <- c({", ".join(map(str, CUTS))})\n'
        'curves <- lapply(d[-1], function(x) roc(d$label, x, levels = c(0, 1), direction = "<", quiet ='
        " TRUE))\n"
        "spent <- system.time(for (i in 1:3) ci.coords(curves[[i]], x = cuts[i], input = 'threshold',"
        " progress = 'none',\n"
        f"  ret = c('sensitivity', 'specificity', 'accuracy', 'ppv', 'npv'), boot.n = {REPLICATES}))\n"
        'cat(sprintf("%.6f\\n", c(spent[["user.self"]] + spent[["sys.self"]], spent[["elapsed"]])))\n',
        encoding="utf-8",
    )
    done = subprocess.run(["Rscript", "--vanilla", str(script)], capture_output=True, text=True, check=True)
    processor, wall = map(float, done.stdout.split())
    return processor, wall


def bootstrap(rounds: int) -> None:
    """Print the times of both ways and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels, scores = simulated(856)
        np.savetxt(
            folder / "scores.csv",
            np.column_stack([labels, *scores]),
            delimiter=",",
            header="label,a,b,c",
            comments="",
            fmt="%.17g",
        )
        wall: dict[str, list[float]] = {}

        def timed(way: str, work) -> float:
            start, clock = time.process_time(), time.perf_counter()
            told = work()
            spent, stretch = (
                (told)
                if isinstance(told, tuple)
                else (time.process_time() - start, time.perf_counter() - clock)
            )
            wall.setdefault(way, []).append(stretch)
            return spent

        many = simulated(100_000)
        ways = {
            "ours, 856 patients": (1, lambda: timed("ours, 856 patients", lambda: ours(labels, scores))),
            "ours, 100,000 patients": (1, lambda: timed("ours, 100,000 patients", lambda: ours(*many))),
        }
        if shutil.which("Rscript"):
            ways["pROC, 856 patients"] = (1, lambda: timed("pROC, 856 patients", lambda: of_proc(folder)))
        else:
            print("R is not installed: no comparison with pROC")
        spent = seconds_in_rounds(ways, rounds)
        for way, seconds in spent.items():
            own = sorted(wall[way][1:])  # the first was the warm-up
            print(
                f"{way}: processor time {1000 * median(seconds):.1f} ms ({1000 * min(seconds):.1f} to"
                f" {1000 * max(seconds):.1f}), wall time {1000 * median(own):.1f} ms ({1000 * own[0]:.1f} to"
                f" {1000 * own[-1]:.1f})"
            )
        if "pROC, 856 patients" in spent:
            print(
                "pROC over ours at 856 patients, processor time:"
                f" {ratio(spent['pROC, 856 patients'], spent['ours, 856 patients'])}"
            )


def stage() -> None:
    """Print the wall time of the whole stage and the seconds of its jobs."""
    spec = importlib.util.spec_from_file_location(
        "statistics_conftest", ROOT / "tests/statistics/conftest.py"
    )
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        maker.write_study(folder, PAPER)
        config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
        config["statistics"] = {"engine": "r" if shutil.which("R") else "numpy"}
        (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
        command = [
            sys.executable, "-m", "snakemake", "-s", str(ROOT / "tests/statistics/statistics_alone.smk"),
            "--directory", name,
            "--workflow-profile", str(ROOT / "profiles/default"), "--cores", "2",
        ]  # fmt: skip
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(
            f"whole stage, {sum(map(sum, PAPER.values())):,} patients: {wall:.1f} s, processor time"
            f" {spent:.1f} s"
        )
        for path in sorted((folder / "benchmarks").glob("*.tsv")):
            head, row = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[:2])
            print(f"  {path.stem}: {float(dict(zip(head, row, strict=True))['s']):.1f} s")


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=["bootstrap", "stage"], default=["bootstrap", "stage"])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if "bootstrap" in given.parts:
        bootstrap(given.rounds)
    if "stage" in given.parts:
        stage()


if __name__ == "__main__":
    main()
