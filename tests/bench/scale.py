"""How planning grows with the number of films: ``make bench-scale``.

A study with one real centre of 1,000, 20,000 and 100,000 films (``--films``), in batches of about 250 as the
docs advise. The films are files with a few bytes each, in folders of 500: planning looks at names, sizes and
times and opens none. Nothing has run, so every job is planned.

What is timed, in rounds (``tests.bench.rounds``: each round does each once, in a random order), each in a
process of its own:

- Snakemake alone: ``snakemake --version``, the floor that no study goes below, since it imports what a run
  imports.
- plain workflow: a dry run of two rules for each of the largest study's batches, in a Snakefile of a dozen
  lines without config, films or code to hash: what Snakemake itself takes for nearly as many jobs.
- dry run: ``snakemake -n --quiet rules`` of the study: the config is checked, the folder listed, the code
  hashed, the graph of jobs built.
- graph: ``snakemake --dag`` of the study: the same, and the graph written as text.

Printed are the number of jobs, the median of the seconds from start to end, that of the processor's seconds
with the smallest and the largest, and the highest memory of a process. Planning keeps one core busy, so on an
idle machine both are the same; other work lengthens the first. Where a dry run of the largest study takes
more than ``--limit`` seconds of the processor in the median, the command ends with an error.

With ``--overhead`` it then runs the shipped study in a fresh copy of the repository (minutes) and says which
share of the time was Snakemake's own (``tests.bench.overhead``).
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import yaml

from scripts.common.key import make_key

ROOT = Path(__file__).resolve().parents[2]
BATCH = 250
PER_FOLDER = 500


class Planned(NamedTuple):
    """One call of Snakemake: jobs that it plans (None where it plans none), seconds from start to end,
    seconds of the processor, highest memory in MB.
    """

    jobs: int | None
    seconds: float
    cpu: float
    peak_mb: float


def write_films(folder: Path, n_films: int) -> None:
    """``n_films`` files of a few bytes, in folders of ``PER_FOLDER``."""
    for number in range(n_films):
        if number % PER_FOLDER == 0:
            (folder / f"{number // PER_FOLDER:04d}").mkdir(parents=True)
        (folder / f"{number // PER_FOLDER:04d}" / f"{number:06d}.dcm").write_bytes(b"film")


def write_study(films: Path, n_batches: int, work: Path) -> list[str]:
    """A study with one real centre of these films in ``work``; the command that plans it, without what it
    shall print.
    """
    work.mkdir(parents=True, exist_ok=True)
    for name in ("patients.csv", "dxa.csv"):
        (work / name).write_text("id\n1\n")
    make_key(work / "study.key")
    columns = {"patient_id": "id", "sex": "sex", "age": "age", "height": "height", "weight": "weight"}
    dxa_columns = {"patient_id": "id", "exam_date": "day", "site": "site", "bmd": "bmd", "t_score": "t"}
    center = {
        "name": "many",
        "role": "development",
        "dicom": str(films),
        "patients": {"path": str(work / "patients.csv"), "columns": columns},
        "dxa": {"path": str(work / "dxa.csv"), "columns": dxa_columns},
        "batches": n_batches,
    }
    study = {"study": {"key_file": str(work / "study.key")}, "centers": [center]}
    (work / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    (work / "run").mkdir()
    shutil.copy(ROOT / "config.yaml", work / "run")
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "-s",
        str(ROOT / "Snakefile"),
        "--directory",
        str(work / "run"),
    ]
    return [*command, "--configfile", str(work / "study.yaml")]


PLAIN = """
rule all:
    input: [f"{rule}/{b}" for rule in ("one", "two") for b in range(BATCHES)]
rule one:
    output: "one/{b}"
    params: number=lambda wildcards: wildcards.b
    script: "plain.py"
rule two:
    input: "one/{b}"
    output: "two/{b}"
    params: number=lambda wildcards: wildcards.b
    script: "plain.py"
"""


def write_plain(n_batches: int, work: Path) -> list[str]:
    """A workflow of two jobs for each batch in ``work``; the command that plans it."""
    work.mkdir()
    (work / "plain.py").write_text("")
    (work / "Snakefile").write_text(PLAIN.replace("BATCHES", str(n_batches)))
    return [
        sys.executable,
        "-m",
        "snakemake",
        "-s",
        str(work / "Snakefile"),
        "--directory",
        str(work),
        "-n",
        "--quiet",
        "rules",
    ]


def plan(command: list[str]) -> Planned:
    """Run ``command``, a call of Snakemake, and measure it. Ends the program where it fails."""
    with tempfile.TemporaryFile("w+") as printed:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=printed, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        text = printed.read()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{text[-3000:]}")
    total = re.search(r"^total\s+(\d+)", text, flags=re.MULTILINE)
    jobs = int(total[1]) if total else len(re.findall(r"^\s*\d+\[label", text, flags=re.MULTILINE)) or None
    return Planned(jobs, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def dry_run(films: Path, n_batches: int, work: Path) -> Planned:
    """One dry run of a study of these films."""
    return plan([*write_study(films, n_batches, work), "-n", "--quiet", "rules"])


def compare(sizes: list[int], rounds: int, work: Path) -> dict[str, list[Planned]]:
    """All calls in rounds, each once before, unmeasured."""
    calls = {"Snakemake alone": [sys.executable, "-m", "snakemake", "--version"]}
    calls["plain workflow"] = write_plain(max(1, round(sizes[-1] / BATCH)), work / "plain")
    for n_films in sizes:
        write_films(work / f"films_{n_films}", n_films)
        study = write_study(
            work / f"films_{n_films}", max(1, round(n_films / BATCH)), work / f"study_{n_films}"
        )
        calls[f"dry run, {n_films:,} films"] = [*study, "-n", "--quiet", "rules"]
        calls[f"graph, {n_films:,} films"] = [*study, "--dag"]
    for command in calls.values():
        plan(command)
    found: dict[str, list[Planned]] = {name: [] for name in calls}
    for number in range(rounds):
        order = list(calls)
        random.Random(number).shuffle(order)
        for name in order:
            found[name].append(plan(calls[name]))
    return found


def described(name: str, found: list[Planned]) -> str:
    """One line on the rounds of one call."""
    cpu = sorted(one.cpu for one in found)
    jobs = "-" if found[0].jobs is None else str(found[0].jobs)
    seconds, peak = statistics.median(one.seconds for one in found), max(one.peak_mb for one in found)
    return (
        f"{name:<26} {jobs:>5} jobs  {seconds:6.2f} s, processor {statistics.median(cpu):6.2f} s"
        f" ({cpu[0]:.2f} to {cpu[-1]:.2f})  {peak:5.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, nargs="+", default=[1000, 20000, 100000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--limit",
        type=float,
        default=5.0,
        help="seconds of the processor that a dry run of the largest study may take in the median",
    )
    parser.add_argument(
        "--overhead",
        action="store_true",
        help="also run the shipped study and tell Snakemake's share of its time",
    )
    chosen = parser.parse_args()
    sizes = sorted(chosen.films)
    with tempfile.TemporaryDirectory() as folder:
        found = compare(sizes, chosen.rounds, Path(folder))
    for name, measured in found.items():
        print(described(name, measured), flush=True)
    if chosen.overhead:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["git", "clone", "-q", str(ROOT), f"{folder}/clone"], check=True)
            subprocess.run([sys.executable, "-m", "tests.bench.overhead"], cwd=f"{folder}/clone", check=True)
    largest = statistics.median(one.cpu for one in found[f"dry run, {sizes[-1]:,} films"])
    if largest > chosen.limit:
        raise SystemExit(
            f"A dry run of {sizes[-1]:,} films takes {largest:.2f} s of the processor, more than"
            f" {chosen.limit:g} s."
        )


if __name__ == "__main__":
    sys.exit(main())
