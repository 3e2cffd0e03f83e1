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
``--external`` alone. ``--controls`` adds what short cuts alone tell (``tests.bench.real_controls``), and the
task ``view`` is their positive control. ``--permuted 200`` has the anchor learn permuted labels; a network
does with ``--labels sex_permuted_1,sex_permuted_2``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.common.errors import StudyError
from tests.bench.real_controls import controls, permuted
from tests.bench.real_recipes import ANCHOR, RECIPES, Recipe, Trial, read_recipes
from tests.bench.real_studies import ROOT, Hospitals, Study, Task, run_bench
from tests.bench.real_tables import (
    TITLES,
    correlations,
    doses,
    lines_of,
    markdown,
    permuted_tasks,
    permuted_text,
)


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
            found[row["key"], row["what"], row["seed"]] = row
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


@dataclass
class Found:
    """What a task has given: the cohort that its patients are taken from, and the rows of each recipe."""

    task: Task
    cohort: pd.DataFrame
    rows: dict[str, list[dict[str, Any]]]


class Bench:
    """Tasks and recipes, made where their rows are absent."""

    def __init__(self, wanted: argparse.Namespace) -> None:
        self.wanted = wanted
        self.hospitals = Hospitals(wanted.films)
        self.rows = Rows(wanted.scratch / "rows.jsonl")
        self.known = read_recipes(wanted.file)
        names = [ANCHOR, *(name for name in wanted.recipes.split(",") if name and name != ANCHOR)]
        unknown = next((name for name in names if name not in self.known), None)
        if unknown:
            raise StudyError(
                f"--recipes: there is no '{unknown}'; '{wanted.file}' has {', '.join(self.known)}."
            )
        self.recipes = [self.known[name] for name in names]

    def study(self, task: Task, recipe: Recipe) -> Study:
        """The study of a recipe on a task, made where it is absent."""
        study = Study(self.hospitals, task, recipe.cohort, self.wanted.scratch)
        if not self.wanted.table:
            study.prepare(self.wanted.cores)
        return study

    def found(self, task: Task, recipes: Sequence[Recipe], with_controls: bool) -> Found | None:
        """The rows of ``recipes`` on a task, and of the controls; None where nothing is there."""
        first = self.study(task, recipes[0])
        if not first.ready:
            return None
        given = [(recipe, self.study(task, recipe)) for recipe in recipes]
        if with_controls:
            given += [(recipe, first) for recipe in controls(first)]
        rows = {}
        for recipe, study in given:
            rows |= self._rows(study, recipe) if study.ready else {}
        return Found(task, first.cohort, rows) if rows else None

    def _rows(self, study: Study, recipe: Recipe) -> dict[str, list[dict[str, Any]]]:
        """The rows of a recipe by its name, made where they are absent; one that fails has none."""
        wanted, name = self.wanted, f"{study.task.name}, {recipe.name}"
        try:
            trial = Trial(study, recipe, wanted.seeds)
            there = [] if wanted.again else self.rows.of(trial, wanted.external)
            if len(there) < trial.seeds + wanted.external and not wanted.table:
                began = time.monotonic()
                print(f"{name}: begun", flush=True)
                trial.train(wanted.cores, wanted.external, wanted.again)
                self.rows.add(trial.rows(wanted.external))
                there = self.rows.of(trial, wanted.external)
                print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
        except StudyError as error:
            print(f"{name}: {error}", flush=True)
            return {}
        return {recipe.name: there} if any(row["what"] == "folds" for row in there) else {}

    def permuted(self, task: Task, found: Found) -> list[float]:
        """AUCs of the anchor with permuted labels, made where they are absent."""
        study = self.study(task, self.recipes[0])
        trial = Trial(study, self.recipes[0], 1)
        numbers = range(self.wanted.permuted)
        same = [row for row in self.rows.read() if row["key"] == trial.key and row["what"] == "permuted"]
        there = {row["seed"]: row["auc"] for row in same}
        missing = [number for number in numbers if number not in there]
        if missing and not self.wanted.table:
            # the embeddings may be those of an earlier bench whose rows alone are left
            trial.train(self.wanted.cores, False)
            for row in permuted(trial, missing, self.wanted.cores):
                self.rows.add([row])
                there[row["seed"]] = row["auc"]
        return [there[number] for number in numbers if number in there]


def part_of(bench: Bench, task: Task) -> tuple[str, Found | None]:
    """The text of a task: its table, and what belongs below it."""
    wanted = bench.wanted
    found = bench.found(task, bench.recipes, wanted.controls)
    if found is None:
        return "", None
    anchor = found.rows.get(ANCHOR, [])
    lines = [[name, *lines_of(rows, found.cohort, anchor, wanted.half)] for name, rows in found.rows.items()]
    if wanted.controls:
        covered = bench.found(Task.of(f"{task.name}_covered"), bench.recipes[:1], False)
        if covered is not None:
            lines.append(
                ["anchor, centre covered", *lines_of(covered.rows[ANCHOR], covered.cohort, [], wanted.half)]
            )
    half = f", half {wanted.half}" if wanted.half else ""
    parts = [f"{task.name}{half}:", markdown(TITLES, lines)]
    if task.dose is not None:
        parts.append(correlations(found.cohort))
    if wanted.permuted and ANCHOR in found.rows:
        parts.append(permuted_text(bench.permuted(task, found), found))
    return "\n\n".join(parts), found


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
    parser.add_argument("--controls", action="store_true", help="what short cuts alone tell, too")
    parser.add_argument(
        "--permuted", type=int, default=0, help="times that the anchor learns permuted labels (200)"
    )
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
    bench = Bench(wanted)
    tasks = [Task.of(name) for name in wanted.labels.split(",")]
    print(f"{processor()}; code {_commit()}", flush=True)
    all_found = []
    for task in tasks:
        text, found = part_of(bench, task)
        if found is not None:
            print(f"\n{text}\n", flush=True)
            all_found.append(found)
    for text in filter(None, (permuted_tasks(all_found), doses(all_found))):
        print(f"\n{text}")


if __name__ == "__main__":
    run_bench(main)
