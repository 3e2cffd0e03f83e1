"""The manifest of a hand-over: the de-identified folder that one site makes and another site's study takes.

It names every file of the folder with its size and SHA-256, so that a changed, missing or further file is
noticed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.common.errors import StudyError
from scripts.common.predictors import is_declaration

MANIFEST = "manifest.json"
FORMAT = "osteocxr hand-over"
VERSION = 2
"""Of the folder's layout and of the columns of its tables. 1 held shifted dates."""

CRITERIA = ("interval_months", "older_than", "exam_window_days")
"""Keys of the config's ``cohort`` that ages and pairs of a hand-over are counted for."""

_NAME = re.compile(r"films/batch_\d+(\.csv|/I[0-9A-F]{16}\.dcm)|[a-z_]+\.csv")
_ADVICE = "ask the site for the whole folder again, as 'make handover' wrote it"


@dataclass(frozen=True)
class Recorded:
    """A file of the hand-over: bytes and SHA-256 (hex)."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """``center`` is the site's own name of the centre, ``software`` the version that wrote the folder,
    ``criteria`` what its ages and pairs were counted for (``CRITERIA``), ``predictors`` what the site says of
    each (type, levels, unit), by name.
    """

    center: str
    batches: int
    software: str
    criteria: dict[str, int]
    files: dict[str, Recorded]
    predictors: dict[str, dict] = field(default_factory=dict)

    def text(self) -> str:
        """The manifest as JSON, the same bytes each time."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "software": self.software,
            "center": self.center,
            "batches": self.batches,
            "criteria": self.criteria,
            "files": {name: {"size": r.size, "sha256": r.sha256} for name, r in sorted(self.files.items())},
        }
        if self.predictors:
            content["predictors"] = self.predictors
        return json.dumps(content, indent=1, sort_keys=True) + "\n"


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, hex."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_manifest(folder: str | Path, where: str) -> Manifest:
    """The manifest in ``folder``. ``where`` is the centre's place in the config, for messages.

    Raises ``StudyError``.
    """
    at = f"{where}.deidentified"
    try:
        raw = json.loads((Path(folder) / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(
            f"{at}: there is no {MANIFEST} in the folder, so it is no hand-over; {_ADVICE}."
        ) from None
    except (OSError, ValueError):
        raise StudyError(f"{at}: the {MANIFEST} can't be read; {_ADVICE}.") from None
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise StudyError(f"{at}: the {MANIFEST} is not one of a hand-over; {_ADVICE}.")
    if raw.get("version") != VERSION:
        raise StudyError(
            f"{at}: the hand-over has layout {raw.get('version')!r} and this software reads layout {VERSION};"
            " use the same version at both sites."
        )
    try:
        files = {
            name: Recorded(int(entry["size"]), str(entry["sha256"])) for name, entry in raw["files"].items()
        }
        criteria = {key: int(raw["criteria"][key]) for key in CRITERIA}
        predictors = dict(raw.get("predictors", {}))
        found = Manifest(
            str(raw["center"]), int(raw["batches"]), str(raw["software"]), criteria, files, predictors
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise StudyError(f"{at}: the {MANIFEST} is damaged; {_ADVICE}.") from None
    damaged = found.batches < 1 or not all(_NAME.fullmatch(name) for name in files)
    if damaged or not all(is_declaration(name, one) for name, one in predictors.items()):
        raise StudyError(f"{at}: the {MANIFEST} is damaged; {_ADVICE}.")
    tables = {name for name in files if re.fullmatch(r"films/batch_\d+\.csv", name)}
    folders = {f"{name.rsplit('/', 1)[0]}.csv" for name in files if name.endswith(".dcm")}
    if (
        tables != {f"films/batch_{b}.csv" for b in range(min(found.batches, len(files) + 1))}
        or not folders <= tables
    ):
        raise StudyError(
            f"{at}: the {MANIFEST} says {found.batches} batch(es) of films, and that isn't what it lists"
            f" ({len(tables)} tables of batches, films in {len(folders)}); it was changed: {_ADVICE}, and"
            f" compare the {MANIFEST}'s SHA-256 with the one that the site tells you."
        )
    return found


def fingerprints(manifest: Manifest, sizes: dict[str, int]) -> tuple[str, list[str]]:
    """Sixteen hex digits for the whole hand-over and for the films and the table of each batch.

    They change with names, sizes, the number of batches and the manifest's checksums, and not with times: the
    same hand-over copied again is the same.
    """

    def of(start: str) -> str:
        lines = [
            f"{name}\0{size}\0" for name, size in sizes.items() if name.startswith(start) and name != MANIFEST
        ]
        lines += [
            f"{name}\0{r.size}\0{r.sha256}" for name, r in manifest.files.items() if name.startswith(start)
        ]
        if not start:
            lines.append(f"batches\0{manifest.batches}")
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]

    return of(""), [of(f"films/batch_{b}/") + of(f"films/batch_{b}.csv") for b in range(manifest.batches)]


def check_criteria(manifest: Manifest, criteria: Mapping[str, object], where: str) -> None:
    """Refuse a hand-over whose ages and pairs were counted for other ``criteria`` than the study's
    (``StudyError``)."""
    for key in CRITERIA:
        if manifest.criteria[key] != criteria[key]:
            raise StudyError(
                f"{where}.deidentified: the hand-over was made for cohort.{key} {manifest.criteria[key]}, and"
                f" this study has {criteria[key]}; have the site set cohort.{key} to {criteria[key]} and run"
                " 'make handover' again."
            )


CONFIG_KEYS = {"type": "type", "levels": "coding", "unit": "unit"}
"""What a site says of a predictor, and the key of the config that sets it."""


def check_predictors(manifest: Manifest, predictors: Mapping[str, dict], where: str) -> None:
    """Refuse a hand-over with a predictor of the study that is another thing there (``StudyError``).

    ``predictors`` is what the study says of each (type, levels, unit).
    """
    for name, one in predictors.items():
        there = manifest.predictors.get(name)
        for what, key in () if there is None else CONFIG_KEYS.items():
            same = sorted(there[what]) == sorted(one[what]) if what == "levels" else there[what] == one[what]
            if not same:
                raise StudyError(
                    f"{where}.deidentified: the {what} of the predictor '{name}' differs from this study's;"
                    f" have the site set patients.predictors.{name}.{key} as it is here and run"
                    " 'make handover' again."
                )


def check_names(manifest: Manifest, sizes: dict[str, int], where: str) -> None:
    """Refuse a folder whose files aren't those of its manifest (``StudyError``).

    ``sizes``: bytes by path from the folder.
    """
    there = {name: size for name, size in sizes.items() if name != MANIFEST}
    faults = {
        "missing": len(manifest.files.keys() - there.keys()),
        "not in the manifest": len(there.keys() - manifest.files.keys()),
        "changed": sum(1 for name, r in manifest.files.items() if name in there and there[name] != r.size),
    }
    _refuse(faults, where)


def check_contents(manifest: Manifest, folder: str | Path, names: Iterable[str], where: str) -> None:
    """Refuse files of the hand-over whose bytes aren't those that the manifest recorded (``StudyError``)."""
    changed = sum(1 for name in names if sha256_of(Path(folder) / name) != manifest.files[name].sha256)
    _refuse({"changed": changed}, where)


def _refuse(faults: dict[str, int], where: str) -> None:
    said = ", ".join(f"{n} {what}" for what, n in faults.items() if n)
    if said:
        raise StudyError(
            f"{where}.deidentified: the files of the folder are not those of its {MANIFEST} ({said});"
            f" {_ADVICE}."
        )
