"""Whole runs of the workflow in copies of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]


def copy_of_the_repository(target: Path) -> Path:
    """Copy what git tracks, and what it would track, to ``target``: a clone that knows uncommitted
    changes.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    subprocess.run(["git", "init", "-q"], cwd=target, check=True)
    return target


@dataclass
class Study:
    """A copy of the repository and how to run it."""

    path: Path
    configfile: str = "config/tiny.yaml"

    def snakemake(
        self, *arguments: str, cores: int = 2, check: bool = True, more: dict[str, str] | None = None
    ) -> str:
        """Run Snakemake, with ``more`` environment variables; return all that it printed."""
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--configfile",
            self.configfile,
            "--cores",
            str(cores),
            *arguments,
        ]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SNAKEMAKE")} | (more or {})
        done = subprocess.run(
            command,
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"{' '.join(command[2:])} ended with {done.returncode}:\n{done.stdout[-6000:]}"
            )
        return done.stdout

    def jobs(self, *arguments: str) -> dict[str, int]:
        """Jobs by rule that a dry run plans."""
        text = self.snakemake("-n", *arguments)
        if "Nothing to be done" in text:
            return {}
        table = text[text.index("Job stats:") :]
        found = re.findall(r"^([a-z_]+)\s+(\d+)\s*$", table, flags=re.M)
        return {rule: int(count) for rule, count in dict(found).items() if rule != "total"}

    def optimiser_steps(self) -> int:
        """Optimiser steps that the logs of the folds report."""
        logs = sorted((self.path / "logs/train_fold").rglob("*.log"))
        assert logs
        return sum(int(n) for log in logs for n in re.findall(r"optimiser steps: (\d+)", log.read_text()))

    def edit_config(self, change) -> None:
        """Apply ``change`` to the config that is laid over the shipped one."""
        path = self.path / self.configfile
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(raw)
        path.write_text(yaml.safe_dump(raw, allow_unicode=True, sort_keys=False), encoding="utf-8")

    def duplicate(self, target: Path) -> Study:
        """A copy of this study with all that it has made."""
        shutil.copytree(self.path, target, symlinks=True)
        return Study(target, self.configfile)


@pytest.fixture(scope="session")
def fresh_study(tmp_path_factory):
    """Makes copies of the repository in which nothing has run."""

    def make(name: str) -> Study:
        return Study(copy_of_the_repository(tmp_path_factory.mktemp(name)))

    return make


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Study:
    """The tiny study, run to its end on two cores. Tests must not change it: they take a duplicate.

    Of several pytest-xdist workers one makes it, in the folder that they share, and the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, printed = shared / "finished", shared / "finished_printed.txt"
    with FileLock(shared / "finished.lock"):
        if not printed.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            copy_of_the_repository(folder)
            shutil.copy2(Path(__file__).with_name("opened_files.py"), folder / "sitecustomize.py")
            text = Study(folder).snakemake()
            printed.write_text(text, encoding="utf-8")
    study = Study(folder)
    study.printed = printed.read_text(encoding="utf-8")
    return study


@pytest.fixture
def duplicate(finished, tmp_path) -> Study:
    """A finished study that a test may change."""
    return finished.duplicate(tmp_path / "study")
