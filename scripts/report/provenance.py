"""What a run was made from and what it made: config, code, versions, seeds and checksums, with no time and no
machine in it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.common.code_hash import ROOT, code_hash
from scripts.common.errors import StudyError
from scripts.common.key import StudyKey

CODE_PATHS = ("Snakefile", "rules", "scripts", "envs")
"""What counts as code when the working tree is compared with its commit; a user's config and data don't."""


def git_state(root: Path = ROOT) -> dict[str, Any]:
    """The commit of ``root`` and whether its code differs from it.

    ``{"commit": "unknown", "code_modified": None}`` where git is not installed or ``root`` is no checkout.
    """
    base = ["git", "-c", f"safe.directory={root}", "-C", str(root)]
    try:
        top = _output([*base, "rev-parse", "--show-toplevel"])
        if Path(top).resolve() != root.resolve():
            return {"commit": "unknown", "code_modified": None}
        commit = _output([*base, "rev-parse", "HEAD"])
        changed = _output([*base, "status", "--porcelain", "--untracked-files=no", "--", *CODE_PATHS])
    except (OSError, subprocess.CalledProcessError):
        return {"commit": "unknown", "code_modified": None}
    return {"commit": commit, "code_modified": bool(changed)}


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def package_versions(requirements: str | Path) -> dict[str, str]:
    """Installed versions of the packages that ``requirements`` pins; those not installed here are left out.

    Raises ``StudyError`` where the file pins nothing.
    """
    text = Path(requirements).read_text(encoding="utf-8")
    names = sorted(set(re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", text, flags=re.MULTILINE)))
    if not names:
        raise StudyError(f"'{Path(requirements).name}' pins no package. Restore it from the repository.")
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def rule_code(root: Path = ROOT) -> dict[str, str]:
    """Content hash of every script that a rule runs, with all that it imports; blind to comments and
    layout.
    """
    named: set[str] = set()
    for rules in sorted((root / "rules").glob("*.smk")):
        text = rules.read_text(encoding="utf-8")
        named |= set(re.findall(r"scripts/(?:\w+/)+\w+\.py", text))
        named |= {name.replace(".", "/") + ".py" for name in re.findall(r"-m (scripts(?:\.\w+)+)", text)}
    return {script: code_hash(script, root=root) for script in sorted(named)}


def listing_checksum(path: str | Path, key: StudyKey) -> dict[str, Any]:
    """Number of files of a centre's listing and a keyed checksum of their paths and sizes.

    Times are left out: the same export copied to another disk has the same checksum. The order of rows does
    not count.
    """
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, usecols=["path", "size"])
    lines = sorted(f"{row.path}\t{row.size}" for row in frame.itertuples(index=False))
    return {"files": len(lines), "checksum": key.checksum("\n".join(lines).encode("utf-8"))}


def trained_on(records: Sequence[tuple[str, str, str | Path]]) -> dict[str, dict[str, dict[str, str]]]:
    """Device and PyTorch version of each training, by network and fold, from the files that stand beside the
    weights; the time that it took stays out.

    What the config asks for says nothing of it: a finished fold is taken from the store on whatever machine.
    """
    found: dict[str, dict[str, dict[str, str]]] = {}
    for network, run, path in records:
        told = json.loads(Path(path).read_text(encoding="utf-8"))
        found.setdefault(network, {})[run] = {key: told[key] for key in ("device", "torch")}
    return found


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, hex."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def provenance(
    *,
    config: Mapping[str, Any],
    synthetic: bool,
    key: StudyKey,
    listings: Mapping[str, str],
    tables: Sequence[tuple[str, str, str]],
    weights: Sequence[tuple[str, str]],
    embeddings: Sequence[tuple[str, str]],
    engine: Mapping[str, Any],
    outputs: Sequence[str],
    trainings: Sequence[tuple[str, str, str | Path]],
    requirements: str | Path,
    root: Path = ROOT,
) -> dict[str, Any]:
    """The record of a run, ready for JSON.

    Parameters
    ----------
    config: the redacted config.
    listings: centre to its listing of films.
    tables: centre, kind (patients, dxa, review) and source file. Two kinds may share one file.
    weights: model and file of weights that it starts from (none for random weights).
    embeddings: model and file of embeddings that the user gave for it.
    engine: ``engine`` of the DeLong tests, and the versions ``R`` and ``pROC`` where it is R.
    outputs: result files, relative to the working folder.
    trainings: network, fold (and seed) and ``trained_on.json`` of every training.
    requirements: the file with the pinned packages.
    """
    inputs = {}
    for center, listing in listings.items():
        inputs[center] = {
            "films": listing_checksum(listing, key),
            "tables": {
                kind: key.checksum(Path(path).read_bytes()) for name, kind, path in tables if name == center
            },
        }
    sums = {Path(p).as_posix(): file_sha256(p) for p in sorted(outputs)}
    return {
        "synthetic": synthetic,
        "config": dict(config),
        "git": git_state(root),
        "code": rule_code(root),
        "versions": {
            "python": platform.python_version(),
            "R": engine["R"] if engine["engine"] == "r" else None,
            "pROC": engine["pROC"] if engine["engine"] == "r" else None,
            "packages": package_versions(requirements),
        },
        "platform": f"{platform.system()} {platform.machine()}",
        "delong_engine": engine["engine"],
        "seeds": {"study": config["study"]["seed"], "key_fingerprint": key.fingerprint()},
        "inputs": {
            "method": (
                "HMAC-SHA256 with the study key over the files' SHA-256; films: over the list of their paths"
                " and sizes; weights: SHA-256"
            ),
            "centers": inputs,
            "embeddings": {name: key.checksum(Path(path).read_bytes()) for name, path in embeddings},
            "weights": {name: file_sha256(path) for name, path in weights},
        },
        "outputs": {"method": "SHA-256", "files": sums},
        "trained_on": trained_on(trainings),
    }


def provenance_text(record: Mapping[str, Any]) -> str:
    """The record as JSON, keys in order, the same bytes each time."""
    return json.dumps(record, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
