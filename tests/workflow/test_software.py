"""Which Python a job runs with: that of the job's conda environment or container, else Snakemake's own."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest

from scripts.common.config.upgrade import MOVED
from scripts.common.files import write_text
from scripts.common.vocabulary import FORMER_FOLDERS
from scripts.networks.csv_tables import csv_text
from scripts.workflow.commands import command_prefix

ROOT = Path(__file__).resolve().parents[2]
TARGET = "results/models/deep/fold_0/weights.pt"
ONLY = ("--allowed-rules", "cache_films", "train_fold", "--")

# As much of conda as Snakemake calls. Activation replaces the active environment in PATH where it stands, so
# that what stood before it stays before it, as conda does.
CONDA = r"""#!/usr/bin/env bash
set -eu
base="$(cd "$(dirname "$0")/.." && pwd)"
case "$*" in
  "info --json") echo "{\"conda_prefix\": \"$base\", \"platform\": \"linux-64\"}" ;;
  "--version") echo "conda 25.1.0" ;;
  "config --get channel_priority --json") echo '{"get": {"channel_priority": "strict"}}' ;;
  "env create "*)
    while [ $# -gt 0 ]; do
      case "$1" in --file) file="$2" ;; --file=*) file="${1#*=}" ;; --prefix) prefix="$2" ;; esac
      shift
    done
    grep -q r-proc "$file"
    mkdir -p "$prefix/bin" && cp "$base/env_python" "$prefix/bin/python" ;;
  "clean "*) ;;
  *) echo "unknown: $*" >&2; exit 1 ;;
esac
"""
ACTIVATE = r"""
if [ -n "${CONDA_PREFIX-}" ]; then PATH="${PATH/"$CONDA_PREFIX/bin"/"$1/bin"}"; else PATH="$1/bin:$PATH"; fi
export PATH CONDA_PREFIX="$1"
"""
# As much of Apptainer: the image is a folder, PATH becomes the image's own and not the host's.
APPTAINER = r"""#!/usr/bin/env bash
set -eu
[ "$*" = "--version" ] && { echo "apptainer version 1.3.4"; exit; }
while [ "$1" != image ]; do shift; done
export APPTAINER_CONTAINER="$PWD/image" PATH="$PWD/image/bin:/usr/bin:/bin"
shift
# Snakemake's own modules lie where it mounts them; here they are the host's
export PYTHONPATH=
exec "$@"
"""


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def recording(log: Path) -> str:
    """A `python` that notes what it was called with and is Snakemake's Python otherwise. It installs nothing,
    but sees that the requirements are there.
    """
    return f"""#!/usr/bin/env bash
echo "$*" >>{log}
[ "${{2-}}" = pip ] && {{ [ -s "${{@: -1}}" ]; exit; }}
exec {sys.executable} "$@"
"""


@pytest.fixture
def study(fresh_study):
    """A study with the films and tables that the intake and the cohort leave, 12 patients in two folds."""
    study = fresh_study("software")

    def small(raw):
        raw["cohort"] = {"folds": 2}
        raw["centers"][0]["batches"] = 1
        raw["models"]["deep"]["training"]["epochs"] = 1

    study.edit_config(small)
    films, cohort = [], []
    draw = np.random.default_rng(0)
    for i in range(12):
        png = study.path / f"results/intake/internal/png/batch_0/{i}.png"
        png.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(png), draw.integers(0, 65536, (220, 200), np.uint16))
        films.append((f"I{i}", png.relative_to(study.path).as_posix()))
        cohort.append((f"P{i}", f"I{i}", i % 2, i // 2 % 2))
    write_text(study.path / "results/intake/internal/films.csv", csv_text(("image_id", "png"), films))
    columns = ("patient_id", "image_id", "label", "fold")
    write_text(study.path / "results/cohort/train.csv", csv_text(columns, cohort))
    return study


def calls(log: Path) -> tuple[bool, bool]:
    """Whether the recording Python ran the script of ``cache_films``, and the command of ``train_fold``."""
    text = log.read_text() if log.exists() else ""
    return "cache_films.py" in text, "-m scripts.networks.train_fold" in text


def test_scripts_and_commands_run_with_the_python_of_the_conda_environment(study, tmp_path):
    """Also where Snakemake itself runs in a virtual environment on top of an active conda environment, with
    the study in another folder.
    """
    base, ran, wrong = tmp_path / "conda", tmp_path / "ran.txt", tmp_path / "wrong.txt"
    executable(base / "bin/conda", CONDA)
    executable(base / "bin/activate", ACTIVATE)
    executable(base / "env_python", recording(ran))
    executable(base / "bin/python", recording(wrong))
    work = tmp_path / "elsewhere"
    work.mkdir()
    (study.path / "results").rename(work / "results")
    environment = {
        "CONDA_PREFIX": str(base),
        "PATH": f"{Path(sys.executable).parent}:{base}/bin:/usr/bin:/bin",
    }
    configs = [str(study.path / name) for name in ("config.yaml", study.configfile)]
    there = ["--directory", str(work), "--configfile", *configs]
    study.snakemake(*there, "--sdm", "conda", *ONLY, TARGET, more=environment)
    assert calls(ran) == (True, True) and calls(wrong) == (False, False)
    assert f"{study.path}/envs/requirements.txt" in ran.read_text(), "the pinned packages were not installed"

    # without --sdm conda the active environment is the user's own and none of the job's
    ran.unlink()
    (work / TARGET).unlink()
    study.snakemake(*there, "--forceall", *ONLY, TARGET, more=environment)
    assert (work / TARGET).is_file() and not ran.exists() and calls(wrong) == (False, False)


def test_scripts_and_commands_run_with_the_python_of_the_container(study, tmp_path):
    ran, wrong = tmp_path / "ran.txt", tmp_path / "wrong.txt"
    executable(tmp_path / "bin/apptainer", APPTAINER)
    executable(study.path / "image/bin/python", recording(ran))
    executable(tmp_path / "bin/python", recording(wrong))
    snakefile = study.path / "Snakefile"
    snakefile.write_text('container: "image"\n' + snakefile.read_text())
    environment = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    study.snakemake("--sdm", "apptainer", *ONLY, TARGET, more=environment)
    assert calls(ran) == (True, True) and calls(wrong) == (False, False)


def python_found(environment: dict[str, str], before: dict[str, str]) -> str:
    """The `python` of a job in ``environment``, of a Snakemake that runs in ``before``."""
    prefix = command_prefix("/snakemake's own/python", "/repository", before).format()
    done = subprocess.run(
        ["bash", "-c", prefix + 'echo "${PATH%%:*} $PYTHONPATH"'],
        env={"PATH": "/user/bin:" + os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("environment", "before", "first"),
    [
        ({}, {}, "/snakemake's own"),
        ({"CONDA_PREFIX": "/mine"}, {"CONDA_PREFIX": "/mine"}, "/snakemake's own"),
        ({"CONDA_PREFIX": "/job's"}, {}, "/job's/bin"),
        ({"CONDA_PREFIX": "/job's"}, {"CONDA_PREFIX": "/mine"}, "/job's/bin"),
        ({"APPTAINER_CONTAINER": "/x.sif"}, {}, "/user/bin"),
        ({"SINGULARITY_CONTAINER": "/x.sif"}, {"CONDA_PREFIX": "/mine"}, "/user/bin"),
        # Snakemake itself runs in the container
        ({"APPTAINER_CONTAINER": "/x.sif"}, {"APPTAINER_CONTAINER": "/x.sif"}, "/snakemake's own"),
        ({"APPTAINER_CONTAINER": "/x.sif", "CONDA_PREFIX": "/job's"}, {}, "/job's/bin"),
    ],
)
def test_the_python_of_a_job(environment, before, first):
    assert python_found(environment, before) == f"{first} /repository"


def test_other_pins_are_another_conda_environment():
    """Snakemake knows an environment by the text of its files; one of them holds the pins' checksum."""
    total = hashlib.sha256((ROOT / "envs/requirements.txt").read_bytes()).hexdigest()
    text = (ROOT / "envs/osteocxr.post-deploy.sh").read_text(encoding="utf-8")
    assert f"# requirements.txt: {total}\n" in text, "run 'make lock'"


def test_the_version_is_the_same_wherever_it_stands():
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    cited = re.search(r"(?m)^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"))[1]
    newest = re.search(r"(?m)^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))[1]
    assert stated == cited == newest


def test_the_page_on_upgrading_names_every_key_that_moved():
    page = (ROOT / "docs/upgrading.md").read_text(encoding="utf-8")
    absent = [".".join(old) for old in MOVED if f"`{'.'.join(old)}`" not in page]
    assert not absent and "`boosting.*`" in page
    assert [folder for folder in FORMER_FOLDERS if f"`{folder}`" not in page] == []
