"""Studies of real films for ``tests.bench.real``: the workflow itself, each study in a folder of its own.

A *task* says what is to be told from the films:

- ``sex``, ``age``: the label of ``dxa_<task>.csv``, as FILMS gives it
- ``view``: whether the film was taken AP
- ``sex_permuted_3``: a task's labels, permuted among the patients of each hospital by a seed
- ``sex_covered``: a task with the centre of every film covered
- ``bone_3``: a planted bone density that changes the film's bones by up to 3 % (``tests.bench.bone_films``)

Nearly all patients of the development hospital train; the rule that divides them must leave one of each label
for the internal test, which nothing here looks at.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import yaml

from scripts.common.config.cohort import Cohort
from scripts.common.config.files import laid_over, read_config_file
from scripts.common.contracts.intake import MEASURES
from scripts.common.errors import StudyError
from tests.bench.bone_films import plant_bone

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ("Snakefile", "config.yaml", "config", "rules", "scripts", "profiles", "report", "envs")
"""What the workflow needs of the repository."""

SEED = 20260317
CUTOFF = -2.5
COVERED = (0.2, 0.8)
"""Rows and columns of the centre that ``_covered`` covers, as shares of the film."""

KEY = hashlib.sha256(b"the key of the benchmark: public, and it protects nothing").hexdigest()
"""One key for all studies: a patient has one pseudonym, and stays in one half, whatever the task."""


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def development(config: Mapping[str, Any]) -> str:
    """The name of the centre that trains."""
    return next(entry["name"] for entry in config["centers"] if entry["role"] == "development")


def externals(config: Mapping[str, Any]) -> list[str]:
    """The names of the other centres."""
    return [entry["name"] for entry in config["centers"] if entry["role"] == "external"]


def _relocated(value: Any, center: str, folder: Path) -> Any:
    """A centre's entry with its paths below ``folder``, which holds a folder of the centre's name."""
    if isinstance(value, dict):
        return {name: _relocated(one, center, folder) for name, one in value.items()}
    if isinstance(value, str) and f"/{center}/" in value:
        return str(folder / center / value.rpartition(f"/{center}/")[2])
    return value


class Hospitals:
    """The folder FILMS: ``config.yaml``, and of each centre films, tables and ``dxa_<label>.csv``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.config = read_config_file(self.folder / "config.yaml")
        self.centers = [_relocated(entry, entry["name"], self.folder) for entry in self.config["centers"]]

    def columns(self, center: Mapping[str, Any], table: str) -> dict[str, str]:
        """What the columns of a centre's table are called."""
        return center[table]["columns"]

    def table(self, center: Mapping[str, Any], table: str) -> pd.DataFrame:
        """A centre's table as text."""
        return pd.read_csv(center[table]["path"], dtype=str)

    def dxa(self, center: Mapping[str, Any], label: str) -> pd.DataFrame:
        """A centre's ``dxa_<label>.csv`` as text; ``StudyError`` where there is none."""
        path = Path(center["dxa"]["path"]).with_name(f"dxa_{label}.csv")
        if not path.is_file():
            raise StudyError(f"--labels: FILMS has no '{path.name}' in '{path.parent.name}'.")
        return pd.read_csv(path, dtype=str)

    def labels(self, center: Mapping[str, Any], label: str) -> pd.Series:
        """Label of each patient (index) by the lowest T-score of ``dxa_<label>.csv``."""
        named, dxa = self.columns(center, "dxa"), self.dxa(center, label)
        lowest = dxa[named["t_score"]].astype(float).groupby(dxa[named["patient_id"]]).min()
        return (lowest <= CUTOFF).astype(int)

    def first_films(self, center: Mapping[str, Any]) -> pd.DataFrame:
        """The row of the first film of each patient, by patient id."""
        named, images = self.columns(center, "images"), self.table(center, "images")
        later = images[named["view"]].map({"PA": 0, "AP": 1}).fillna(2)
        ordered = images.assign(_later=later).sort_values([named["film_date"], "_later", named["file"]])
        return ordered.drop_duplicates(named["patient_id"]).set_index(named["patient_id"])


@dataclass(frozen=True)
class Task:
    """A task by its parts: ``label`` alone, with a permutation or a cover, or a dose of bone in percent."""

    name: str
    label: str
    permutation: int | None = None
    covered: bool = False
    dose: float | None = None

    @classmethod
    def of(cls, name: str) -> Task:
        """The task called ``name``; ``StudyError`` where it can't be one."""
        found = re.fullmatch(r"bone_(\d+(?:\.\d+)?)|([a-z]+)(?:_permuted_(\d+)|(_covered))?", name)
        if found is None:
            raise StudyError(f"--labels: '{name}' is no task; tests/bench/real_studies.py lists them.")
        dose, label, permutation, covered = found.groups()
        if dose is not None:
            return cls(name, "bone", dose=float(dose))
        return cls(name, label, None if permutation is None else int(permutation), covered is not None)


def _as_labels(dxa: pd.DataFrame, labels: pd.Series, named: Mapping[str, str]) -> pd.DataFrame:
    """A DXA table with T-scores that give ``labels`` (index: patients)."""
    given = dxa[named["patient_id"]].map(labels)
    return dxa.assign(**{named["t_score"]: np.where(given == 1, "-3.0", "-1.0")})


def _cover(source: Path, target: Path) -> None:
    """A film with its centre at the film's mean."""
    film = cv2.imread(str(source), cv2.IMREAD_UNCHANGED)
    rows, columns = (slice(*(round(edge * side) for edge in COVERED)) for side in film.shape)
    film[rows, columns] = round(float(film.mean()))
    cv2.imwrite(str(target), film)


def _altered_centers(hospitals: Hospitals, task: Task, folder: Path) -> list[dict[str, Any]]:
    """The centres of a task; what it alters, tables or films, is written below ``folder``."""
    centers = []
    for entry in hospitals.centers:
        center, own = entry, folder / entry["name"]
        named = hospitals.columns(center, "dxa")
        own.mkdir(parents=True, exist_ok=True)
        first = hospitals.first_films(center)
        any_dxa = pd.read_csv(center["dxa"]["path"], dtype=str)
        if task.dose is not None:
            scores = plant_bone(hospitals, center, task.dose, own / "films")
            given = any_dxa[named["patient_id"]].map(scores).map("{:.2f}".format)
            dxa = any_dxa.assign(**{named["t_score"]: given})
        elif task.label == "view":
            view = first[hospitals.columns(center, "images")["view"]]
            dxa = _as_labels(any_dxa, view.eq("AP").astype(int), named)
        elif task.permutation is not None:
            labels = hospitals.labels(center, task.label).sort_index()
            order = np.random.default_rng([SEED, task.permutation]).permutation(len(labels))
            dxa = _as_labels(any_dxa, labels.set_axis(labels.index[order]), named)
        else:
            dxa = hospitals.dxa(center, task.label)
        if task.covered:
            (own / "films").mkdir(exist_ok=True)
            for film in sorted(Path(center["png"]).glob("*.png")):
                _cover(film, own / "films" / film.name)
        dxa.to_csv(own / "dxa.csv", index=False)
        center = laid_over(center, {"dxa": {"path": str(own / "dxa.csv")}})
        if (own / "films").is_dir():
            center = laid_over(center, {"png": str(own / "films")})
        centers.append(center)
    return centers


def _least_test_share(hospitals: Hospitals, centers: Sequence[Mapping[str, Any]], name: str) -> float:
    """The share of the internal test set that leaves one patient of the rarer label in it."""
    center = next(entry for entry in centers if entry["name"] == name)
    named, dxa = hospitals.columns(center, "dxa"), hospitals.table(center, "dxa")
    lowest = dxa[named["t_score"]].astype(float).groupby(dxa[named["patient_id"]]).min()
    positive = int((lowest <= CUTOFF).sum())
    rarer = min(positive, len(lowest) - positive)
    if rarer < 6:
        raise StudyError(f"FILMS: only {rarer} patients of '{name}' have the rarer label.")
    return round(1.2 / rarer, 6)


@functools.cache
def code_copy(scratch: Path) -> Path:
    """A copy of the workflow as it is now, below ``scratch``: a bench of hours isn't disturbed by work on the
    repository. The same code is copied once.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *WORKFLOW],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = sorted(name for name in set(listed.stdout.decode().split("\0")) if (ROOT / name).is_file())
    contents = {name: (ROOT / name).read_bytes() for name in names}
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    target = scratch / "code" / digest.hexdigest()[:12]
    if not target.is_dir():
        part = target.with_name(f"{target.name}.{os.getpid()}")
        for name, content in contents.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_bytes(content)
        try:
            part.rename(target)
        except OSError:  # another bench has just made it
            shutil.rmtree(part)
    return target


def snakemake(code: Path, folder: Path, targets: Sequence[str], cores: int) -> None:
    """Make ``targets`` of the study in ``folder``, which holds ``config.yaml``, by the workflow in ``code``;
    ``StudyError`` where that fails. What Snakemake prints goes to ``bench.log``.
    """
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(code / "Snakefile")),
        *("--directory", str(folder), "--workflow-profile", str(code / "profiles/default")),
        # films and tables stay when code changes; what a recipe makes is cleared by its trial
        *("--rerun-triggers", "mtime", "--nolock"),
        *("--cores", str(cores), "--quiet", "rules", "--", *targets),
    ]
    log = folder / "bench.log"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SNAKEMAKE")}
    with log.open("a", encoding="utf-8") as file, (folder / "bench.lock").open("w") as lock:
        # Snakemake's own lock outlives a run that was killed; this one is held as long as one of both lives
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StudyError(f"Another bench is at work in '{folder}'. Wait for it, or end it.") from None
        started = subprocess.Popen(
            command,
            cwd=code,
            env=environment,
            stdout=file,
            stderr=file,
            pass_fds=[lock.fileno()],
            start_new_session=True,
        )
        try:
            code = started.wait()
        except BaseException:  # this bench is being ended, so its jobs end too; trainings save their state
            os.killpg(started.pid, signal.SIGTERM)
            started.wait()
            raise
    if code:
        raise StudyError(f"Snakemake ended with {code} in the study '{folder}'; see '{log}'.")


def run_bench(main: Callable[[], None]) -> None:
    """Run ``main`` as a command: SIGTERM ends it as an interrupt does, its jobs with it, and an error is a
    sentence.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except StudyError as error:
        sys.exit(f"ERROR: {error}")


class Study:
    """A study in its folder: a task, with the config's sections that a recipe may lay over."""

    def __init__(self, hospitals: Hospitals, task: Task, cohort: Mapping[str, Any], scratch: Path) -> None:
        cohort = {**hospitals.config.get("cohort", {}), **cohort}
        own = Cohort.model_validate(cohort).model_dump(mode="json", exclude_defaults=True)
        told = {
            "task": task.name,
            "cohort": own,
            "centers": hospitals.config["centers"],
            "films": str(hospitals.folder),
            "bones": _digest(ROOT / "tests/bench/bone_films.py") if task.dose is not None else None,
            "tables": [_digest(path) for path in sorted(hospitals.folder.rglob("*.csv"))],
        }
        self.key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
        self.task, self._cohort, self._scratch = task, own, scratch
        self.path = scratch / "studies" / f"{task.name}_{self.key}"
        self.hospitals = hospitals
        self.development = development(hospitals.config)
        self.externals = externals(hospitals.config)

    @property
    def _base(self) -> Path:
        return self.path / "base.json"

    def prepare(self, cores: int) -> None:
        """Make the study's films, tables, cohort and folds, unless they are there."""
        self._write_base()
        if not self.ready:
            self.run({}, ["results/cohort/train.csv", *self._selected()], cores)

    @property
    def ready(self) -> bool:
        """Whether cohort and films are there."""
        tables = ["results/cohort/train.csv", *self._selected()]
        return all((self.path / table).is_file() for table in tables)

    def _write_base(self) -> None:
        if self._base.is_file():
            return
        shutil.rmtree(self.path, ignore_errors=True)
        private = self.path / "private"
        private.mkdir(parents=True, mode=0o700)
        (private / "study.key").touch(mode=0o600)
        (private / "study.key").write_text(KEY + "\n", encoding="utf-8")
        centers = _altered_centers(self.hospitals, self.task, self.path / "altered")
        share = _least_test_share(self.hospitals, centers, self.development)
        base = {
            "study": {"title": f"Benchmark: {self.task.name}", "key_file": "private/study.key", "seed": SEED},
            "centers": centers,
            "cohort": {**self._cohort, "test_fraction": share},
            "statistics": {"primary_contrast": None},
        }
        part = self._base.with_suffix(".part")
        part.write_text(json.dumps(base, indent=1), encoding="utf-8")
        part.rename(self._base)

    def _selected(self) -> list[str]:
        return [f"results/cohort/{name}/selected.csv" for name in self.externals]

    def config(self, models: Mapping[str, Any], networks: Mapping[str, Any]) -> dict[str, Any]:
        """The study's whole config with these models, and the network that every study must have; nothing
        asks for its files.
        """
        base = json.loads(self._base.read_text(encoding="utf-8"))
        spare = {"not_trained": {"kind": "hybrid", "init": "random"}}
        return base | {"models": {**models, **spare}, "networks": dict(networks)}

    def run(
        self,
        models: Mapping[str, Any],
        targets: Sequence[str],
        cores: int,
        networks: Mapping[str, Any] | None = None,
    ) -> None:
        """Have Snakemake make ``targets`` of the study with these models; ``StudyError`` where it fails."""
        (self.path / "config.yaml").write_text(
            yaml.safe_dump(self.config(models, networks or {}), sort_keys=False, allow_unicode=True),
            encoding="utf-8",
        )
        snakemake(code_copy(self._scratch), self.path, targets, cores)

    @property
    def cohort(self) -> pd.DataFrame:
        """Training patients and external ones by image id of the film that tests them: ``patient_id, center,
        label, fold`` (empty outside), ``sex, age, t_score, view, png``, and the film's measures of exposure.
        """
        parts = []
        places = [("results/cohort/train.csv", self.development), *zip(self._selected(), self.externals)]
        for path, center in places:
            told = pd.read_csv(self.path / path)
            films = pd.read_csv(self.path / f"results/intake/{center}/films.csv")
            measures = pd.read_csv(self.path / f"results/intake/{center}/exposure.csv")
            told = told[["image_id", "patient_id", "center", "label", "fold", "sex", "age", "t_score"]]
            told = told.merge(films[["image_id", "view", "png"]], on="image_id")
            parts.append(told.merge(measures[["image_id", *MEASURES]], on="image_id"))
        return pd.concat(parts).set_index("image_id")
