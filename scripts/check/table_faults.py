"""What is wrong with a centre's tables as a whole, found without a look at its films."""

from __future__ import annotations

from pathlib import Path

from scripts.common.config import Center
from scripts.common.errors import StudyError, sentences_of
from scripts.intake.dxa_rows import read_dxa
from scripts.intake.image_rows import read_images
from scripts.intake.patient_rows import read_patients
from scripts.intake.readings import Reading
from scripts.intake.table_checks import checked


def read_tables(center: Center, patterns: dict) -> tuple[dict[str, Reading], list[str]]:
    """The tables that can be read, by kind, and sentences on what must be fixed in them before a run.

    ``patterns`` is ``intake.frontal_view``; absent files are left to the check of paths."""
    ids, faults = center.ids.model_dump(mode="json"), []
    readings: dict[str, Reading] = {}
    for kind in ("patients", "dxa", "images"):
        section = getattr(center, kind)
        if section is None or not Path(section.path).is_file():
            continue
        where, table = f"centers[{center.name}].{kind}", section.model_dump(mode="json")
        try:
            if kind == "images":
                readings[kind] = read_images(table, ids, patterns, where)
            else:
                readings[kind] = {"patients": read_patients, "dxa": read_dxa}[kind](table, ids, where)
        except StudyError as error:
            faults += sentences_of(error)
    if "patients" in readings and "dxa" in readings:
        table = center.dxa.model_dump(mode="json")
        faults += checked(
            readings["patients"], readings["dxa"], readings.get("images"), table, f"centers[{center.name}]"
        )[2]
    return readings, faults
