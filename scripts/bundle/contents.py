"""What a model bundle is made of, its checksums, and the refusal of one that is cut, changed or of another
kind.

=====================
==================================================================================================
``bundle.json``       settings: model, kind, architecture, scoring, preprocessing, exposure rules, view
patterns, threshold, warning, self-check
``weights/fold_k.pt`` the weights of training k, as in ``results/models/<model>/``;
``torch.load(weights_only=True)`` reads them
``model.onnx``        the ensemble of all trainings for a 16-bit film (``scripts/bundle/ensemble.py``); very
large ones have ``model.onnx.data`` beside it
``MODEL_CARD.md``     what the model is for and not for, on whom it was trained and tested
``MANIFEST.sha256``   SHA-256 of every other file, as ``sha256sum`` writes and checks it
=====================
==================================================================================================
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.common.errors import StudyError
from scripts.common.manifest import sha256_of
from scripts.common.standards import SHA256_LIST
from scripts.networks.kinds.registry import HYBRID

SETTINGS = "bundle.json"
CARD = "MODEL_CARD.md"
ONNX = "model.onnx"

FORMAT = "osteocxr model bundle"
VERSION = 2
"""Of the folder's layout and of the keys of ``bundle.json``."""

WITHOUT_KIND = 1
"""The layout of version 0.1.0 of the software: it knew one kind of network and doesn't name it."""

_LINE = re.compile(
    r"([0-9a-f]{64})  (bundle\.json|MODEL_CARD\.md|model\.onnx|model\.onnx\.data|weights/fold_\d+\.pt)"
)
_OWN = {".snakemake_timestamp", SHA256_LIST}
_KEYS = {
    "software": str,
    "code": str,
    "kind": str,
    "synthetic": bool,
    "folds": int,
    "architecture": dict,
    "scoring": dict,
    "preprocessing": dict,
    "threshold": dict,
    "self_check": dict,
}
_ADVICE = "Get the whole folder again from whoever made it; 'make bundle' writes it."


@dataclass(frozen=True)
class Bundle:
    """A checked bundle: its folder, the content of ``bundle.json``, the folds' weights files, and its
    fingerprint.

    The fingerprint, the SHA-256 of the manifest, stands for the whole bundle. It shows that a bundle is the
    one that its maker named; the checksums alone only show that nothing was lost or changed by accident.
    """

    folder: Path
    settings: dict[str, Any]
    weights: list[Path]
    fingerprint: str


def weights_name(fold: int) -> str:
    """Path of a fold's weights from the bundle's folder."""
    return f"weights/fold_{fold}.pt"


def settings_text(settings: Mapping[str, Any]) -> str:
    """``bundle.json``, the same bytes each time."""
    return (
        json.dumps(
            {"format": FORMAT, "version": VERSION, **settings}, indent=1, sort_keys=True, ensure_ascii=False
        )
        + "\n"
    )


def manifest_text(folder: Path) -> str:
    """A line per file of ``folder``, by path: SHA-256 and path."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return "".join(f"{sha256_of(folder / name)}  {name}\n" for name in names if name not in _OWN)


def _listed(folder: Path) -> tuple[dict[str, str], str]:
    """Checksum by file name, as the manifest has it, and the manifest's own."""
    try:
        content = (folder / SHA256_LIST).read_bytes()
    except OSError:
        raise StudyError(
            f"'{folder}' is no model bundle: there is no readable {SHA256_LIST} in it. Name the folder that"
            " 'make bundle' wrote."
        ) from None
    lines = content.decode("utf-8", "replace").splitlines()
    found = [_LINE.fullmatch(line) for line in lines]
    if not lines or not all(found):
        raise StudyError(
            f"The {SHA256_LIST} of '{folder}' is damaged, or not one of a model bundle. {_ADVICE}"
        )
    return {m[2]: m[1] for m in found if m}, hashlib.sha256(content).hexdigest()


def _check_files(folder: Path, listed: Mapping[str, str]) -> None:
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()} - _OWN
    faults = {
        "missing": sorted(listed.keys() - there),
        "not in the manifest": sorted(there - listed.keys()),
        "changed or cut": sorted(n for n in listed.keys() & there if sha256_of(folder / n) != listed[n]),
    }
    said = "; ".join(
        f"{what}: {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
        for what, names in faults.items()
        if names
    )
    if said:
        raise StudyError(
            f"The files of the bundle '{folder}' are not those of its {SHA256_LIST} ({said}). {_ADVICE}"
        )


def refuse_within_bundle(target: Path) -> None:
    """Refuse to write a bundle into another one's folder, where version 0.1.0 put its only one
    (``StudyError``): neither would be whole.
    """
    if (target.parent / SHA256_LIST).is_file():
        raise StudyError(
            f"'{target.parent}' is itself a bundle, as version 0.1.0 wrote it. Move it out of 'results' or"
            " delete it (docs/upgrading.md), and run 'make bundle' again."
        )


def bundle_warnings(results: Path = Path("results")) -> list[str]:
    """A sentence for each folder of ``bundle`` in ``results`` that is of other weights or another threshold
    than the run that wrote the rest, and for a bundle of version 0.1.0, which lies in ``bundle`` itself.
    """
    found = []
    bundles = results / "bundle"
    if (bundles / SHA256_LIST).is_file():
        found.append(
            f"WARNING: {bundles} is a bundle of version 0.1.0. It still scores, but 'make bundle' writes into"
            " a folder per model there: move it out of 'results', or delete it (docs/upgrading.md)."
        )
    made = sorted(path.parent for path in bundles.glob(f"*/{SHA256_LIST}"))
    if not made:
        return found
    recorded = json.loads((results / "provenance.json").read_text(encoding="utf-8"))["outputs"]["files"]
    with (results / "statistics" / "thresholds.csv").open(encoding="utf-8", newline="") as stream:
        thresholds = {row["model"]: float(row["threshold"]) for row in csv.DictReader(stream)}
    for folder in made:
        model = folder.name
        own = re.compile(rf"results/models/{re.escape(model)}/[^/]+/weights\.pt")
        trained = sorted(checksum for name, checksum in recorded.items() if own.fullmatch(name))
        listed, _ = _listed(folder)
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        if not trained:
            found.append(
                f"WARNING: {folder} is of a network that this study doesn't have. Delete or move it."
            )
        elif (
            sorted(checksum for name, checksum in listed.items() if name.startswith("weights/")) != trained
            or settings["threshold"]["value"] != thresholds[model]
        ):
            found.append(
                f"WARNING: {folder} was made from another network than this run's. 'make bundle"
                f" MODEL={model}' makes it anew."
            )
    return found


def open_bundle(folder: str | Path) -> Bundle:
    """Check every file of a bundle against the manifest, and read its settings.

    Raises ``StudyError`` for a folder that is no bundle, lacks or has a further file, holds a changed one, or
    was written in a layout that this software does not read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise StudyError(
            f"There is no folder '{folder}'. Name the folder of a model bundle, as 'make bundle' wrote it."
        )
    listed, fingerprint = _listed(folder)
    _check_files(folder, listed)
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        right = isinstance(settings, dict) and settings.get("format") == FORMAT
    except (OSError, ValueError):
        right = False
    if not right:
        raise StudyError(
            f"'{folder}' is no model bundle: its {SETTINGS} is absent or of another kind. {_ADVICE}"
        )
    if settings.get("version") == WITHOUT_KIND:
        settings["kind"] = HYBRID
    elif settings.get("version") != VERSION:
        raise StudyError(
            f"The bundle '{folder}' has layout {settings.get('version')!r} and this software reads"
            f" layouts {WITHOUT_KIND} and {VERSION}: use the version of the software that made it"
            f" ({settings.get('software', 'unknown')})."
        )
    if not all(isinstance(settings.get(key), kind) for key, kind in _KEYS.items()):
        raise StudyError(f"The {SETTINGS} of '{folder}' is damaged. {_ADVICE}")
    names = [weights_name(k) for k in range(settings["folds"])]
    if (
        not names
        or set(names) != {name for name in listed if name.startswith("weights/")}
        or not {ONNX, CARD} <= listed.keys()
    ):
        raise StudyError(
            f"The bundle '{folder}' is not whole: it names {len(names)} folds, and not exactly their weights,"
            f" {ONNX} and {CARD} are there. {_ADVICE}"
        )
    return Bundle(folder, settings, [folder / name for name in names], fingerprint)
