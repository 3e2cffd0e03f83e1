"""Files, folders and programs that a config names, looked for before any job starts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from scripts.common.config.reading import refuse
from scripts.common.config.whole import Config
from scripts.common.errors import StudyError
from scripts.common.key import read_key
from scripts.common.manifest import read_manifest


def check_paths(config: Config, files: dict[str, dict[str, Any]] | None = None) -> None:
    """Refuse a config that names files or folders that don't exist (``StudyError``), before any job
    starts.
    """
    faults: list[tuple[tuple[Any, ...], str]] = []
    if config.study.key_file is not None:
        try:
            read_key(config.study.key_file)
        except StudyError as error:
            faults.append((("study", "key_file"), str(error)))
    for name, model in config.models.items() if config.tables is None else ():
        init, embeddings = getattr(model, "init", "random"), getattr(model, "embeddings", None)
        if init not in ("imagenet", "random") and not Path(init).is_file():
            said = (
                f"models.{name}.init: there is no file '{init}'; use imagenet, random or the path of a file"
                f" of {model.trunk_name}'s weights."
            )
            faults.append((("models", name, "init"), said))
        if embeddings is not None and not Path(embeddings).is_file():
            said = f"models.{name}.embeddings: there is no file '{embeddings}'."
            faults.append((("models", name, "embeddings"), said))
    if config.intake.ocr.enabled and shutil.which("tesseract") is None:
        said = (
            "intake.ocr is on, but the program 'tesseract' is not installed. Run: apt-get install -y"
            " tesseract-ocr (as root), or set intake.ocr.enabled to false."
        )
        faults.append((("intake", "ocr"), said))
    for number, center in enumerate(config.centers):
        if center not in config.running:
            continue
        where, place = f"centers[{center.name}]", ("centers", number)
        if center.review is not None and not Path(center.review).is_file():
            faults.append(((*place, "review"), f"{where}.review: there is no file '{center.review}'."))
        if center.simulate is not None:
            continue
        kind = next(key for key in ("dicom", "png", "deidentified") if getattr(center, key) is not None)
        if not Path(center.films).is_dir():
            faults.append(((*place, kind), f"{where}.{kind}: there is no folder '{center.films}'."))
        elif Path.cwd().resolve().is_relative_to(Path(center.films).resolve()):
            said = (
                f"{where}.{kind}: '{center.films}' holds the folder of the study itself; give the folder that"
                " has this centre's films alone."
            )
            faults.append(((*place, kind), said))
        elif center.deidentified is not None:
            try:
                read_manifest(center.deidentified, where)
            except StudyError as error:
                faults.append(((*place, kind), str(error)))
        for key in ("images", "patients", "dxa"):
            table = getattr(center, key)
            if table is not None and not Path(table.path).is_file():
                faults.append(
                    ((*place, key, "path"), f"{where}.{key}.path: there is no file '{table.path}'.")
                )
    refuse(faults, files or {})
