"""Share of a run's time that is Snakemake's own: ``python tests/bench/overhead.py [--configfile F] [--cores
N]`` in a fresh clone.

The time in which at least one rule computes is taken from the benchmark and log files' own record: each
rule's
``benchmarks/<rule>/*.tsv`` gives its seconds, and its end is the file's time of change. What is left of the
whole run's wall time is start-up, planning and bookkeeping.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import time
from pathlib import Path


def covered(intervals: list[tuple[float, float]]) -> float:
    """Seconds covered by at least one of the intervals (start, end)."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted(intervals):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total


def job_intervals(folder: Path, since: float) -> list[tuple[float, float]]:
    """(start, end) of each job that ended after ``since``, in seconds since the epoch."""
    found = []
    for path in folder.rglob("*.tsv"):
        end = path.stat().st_mtime
        if end >= since:
            with path.open() as stream:
                seconds = float(next(csv.DictReader(stream, delimiter="\t"))["s"])
            found.append((end - seconds, end))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", default="config.yaml")
    parser.add_argument("--cores", default="2")
    chosen = parser.parse_args()
    start = time.time()
    subprocess.run(
        [
            sys.executable,
            "-m",
            "snakemake",
            "--configfile",
            chosen.configfile,
            "--cores",
            chosen.cores,
            "--quiet",
            "all",
        ],
        check=True,
    )
    wall = time.time() - start
    jobs = job_intervals(Path("benchmarks"), start)
    busy = covered(jobs)
    print(
        f"jobs {len(jobs)}, wall {wall:.1f} s, at least one job at work {busy:.1f} s, overhead"
        f" {100 * (1 - busy / wall):.1f} %"
    )


if __name__ == "__main__":
    main()
