"""What models learn from real films with a known answer: ``make bench-real FILMS=<folder>``.

FILMS is a folder as ``tests.bench.real_studies`` reads it. Each task is a study of its own in a scratch
folder, made by the workflow itself; each recipe of ``real_recipes.yaml`` is one of its models. Nothing is
re-implemented: cohort, folds, caches, trainings and scores are the workflow's. Scores go to ``rows.jsonl`` in
the scratch folder as each recipe ends, so a stopped bench goes on where it was, and in the middle of a fold
at that; a row stays valid until its recipe, its task or FILMS changes (code does not count; ``--again`` makes
it anew). Two benches may run at a time on different tasks.

The tables compare with the anchor, frozen features with a ridge regression, in the same folds, patient by
patient (DeLong). ``--half 1`` looks at one half of the patients, by a hash of their pseudonyms: choose
recipes on it, confirm on ``--half 2``. All patients train either way. The external hospital is scored with
``--external`` alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.common.errors import StudyError
from tests.bench.real_recipes import ANCHOR, RECIPES, Recipe, Trial, read_recipes
from tests.bench.real_studies import ROOT, Hospitals, Study, Task
from tests.bench.real_tables import TITLES, half_of, lines_of, markdown


def processor() -> str:
    """The processor's name, as the machine tells it, and its cores."""
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    named = next((line.split(":", 1)[1] for line in told.splitlines() if line.startswith("model name")), "")
    return f"{named.strip() or platform.processor() or platform.machine()}, {os.cpu_count()} cores"


class Rows:
    """The rows of all benches in a scratch folder; of equal ones the last counts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """All rows; a line that was cut is left out."""
        if not self.path.exists():
            return []
        found = {}
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            found[row["key"], row["recipe"], row["what"], row["seed"]] = row
        return list(found.values())

    def of(self, trial: Trial, external: bool) -> list[dict[str, Any]]:
        """The rows of a trial as far as they are there."""
        whats = ("folds", "external") if external else ("folds",)
        same = [row for row in self.read() if row["key"] == trial.key and row["what"] in whats]
        inside = [row for row in same if row["what"] == "folds" and row["seed"] < trial.seeds]
        beyond = [row for row in same if row["what"] == "external" and row["seed"] == trial.seeds]
        return inside + beyond

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows, whole lines each."""
        about = {"machine": processor(), "commit": _commit(), "at": time.strftime("%Y-%m-%d %H:%M")}
        with self.path.open("a", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps({**row, **about}) + "\n")


def _commit() -> str:
    """The repository's commit, with a ``+`` where files differ from it."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True
    )
    return said.stdout.strip()


def bench(
    study: Study, recipes: Sequence[Recipe], rows: Rows, wanted: argparse.Namespace
) -> dict[str, list[dict[str, Any]]]:
    """The rows of each recipe on a study, made where they are absent; a recipe that fails has none."""
    found = {}
    for recipe in recipes:
        try:
            trial = Trial(study, recipe, wanted.seeds)
            there = [] if wanted.again else rows.of(trial, wanted.external)
            if len(there) < trial.seeds + wanted.external and not wanted.table:
                began = time.monotonic()
                print(f"{study.task.name}, {recipe.name}: begun", flush=True)
                trial.train(wanted.cores, wanted.external)
                rows.add(trial.rows(wanted.external))
                there = rows.of(trial, wanted.external)
                print(f"{study.task.name}, {recipe.name}: {time.monotonic() - began:.0f} s", flush=True)
        except StudyError as error:
            print(f"{study.task.name}, {recipe.name}: {error}", flush=True)
            continue
        if any(row["what"] == "folds" for row in there):
            found[recipe.name] = there
    return found


def table_of(rows: Mapping[str, Sequence[Mapping[str, Any]]], cohort: pd.DataFrame, half: int | None) -> str:
    """The table of a task; ``half`` looks at that half of the training patients."""
    inside, outside = cohort[cohort["fold"].notna()], cohort[cohort["fold"].isna()]
    if half is not None:
        inside = inside[[half_of(patient) == half for patient in inside["patient_id"]]]
    lines = []
    for name, own in rows.items():
        lines.append([name, *lines_of(own, inside, outside, rows.get(ANCHOR, []))])
    return markdown(TITLES, lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=Path, required=True, help="the folder with hospitals and config.yaml")
    parser.add_argument("--recipes", default="", help="names, with commas; the anchor is always among them")
    parser.add_argument(
        "--labels", default="sex,age", help="tasks, with commas (tests/bench/real_studies.py)"
    )
    parser.add_argument("--seeds", type=int, default=1, help="networks a fold; the worst is reported")
    parser.add_argument("--half", type=int, choices=(1, 2), help="look at one half of the patients")
    parser.add_argument("--external", action="store_true", help="score the external hospital too")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="folds side by side")
    parser.add_argument("--again", action="store_true", help="don't take rows that are there")
    parser.add_argument("--table", action="store_true", help="print what is there and train nothing")
    parser.add_argument("--file", type=Path, default=RECIPES, help="the recipes")
    parser.add_argument(
        "--scratch",
        type=Path,
        default=Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "osteocxr_bench_real",
        help="the folder of studies and rows, kept between calls",
    )
    wanted = parser.parse_args(arguments)
    wanted.scratch.mkdir(parents=True, exist_ok=True)
    hospitals, rows = Hospitals(wanted.films), Rows(wanted.scratch / "rows.jsonl")
    known = read_recipes(wanted.file)
    asked = [name for name in wanted.recipes.split(",") if name and name != ANCHOR]
    unknown = next((name for name in asked if name not in known), None)
    if unknown:
        raise StudyError(f"--recipes: there is no '{unknown}'; '{wanted.file}' has {', '.join(known)}.")
    parts = [f"{processor()}; code {_commit()}"]
    for name in wanted.labels.split(","):
        found: dict[str, list[dict[str, Any]]] = {}
        cohort = None
        for recipe in (known[one] for one in (ANCHOR, *asked)):
            study = Study(hospitals, Task.of(name), recipe.cohort, wanted.scratch)
            if not wanted.table:
                study.prepare(wanted.cores)
            found |= bench(study, [recipe], rows, wanted)
            cohort = study.cohort if cohort is None else cohort
        if found:
            half = f", half {wanted.half}" if wanted.half else ""
            parts.append(f"{name}{half}:\n\n{table_of(found, cohort, wanted.half)}")
    print("\n" + "\n\n".join(parts))


if __name__ == "__main__":
    try:
        main()
    except StudyError as error:
        sys.exit(f"ERROR: {error}")
