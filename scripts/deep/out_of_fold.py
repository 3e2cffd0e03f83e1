"""The deep scores of the training set, each from the one fold that did not see the patient.

Needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.common.contracts.networks import HELD_OUT, OUT_OF_FOLD
from scripts.common.errors import StudyError
from scripts.common.files import write_text
from scripts.deep.csv_tables import csv_text, read_csv


def collect_out_of_fold(index: str | Path, held_out: Sequence[str | Path], output: str | Path) -> None:
    """Write ``patient_id, image_id, deep, fold`` of the training set: each film's probability from the fold
    that held it out.

    Raises ``StudyError`` when the folds' films and the set's are not the same, each exactly once.
    """
    score_of: dict[str, dict[str, str]] = {}
    for path in held_out:
        for row in read_csv(path, HELD_OUT):
            if row["image_id"] in score_of:
                raise StudyError(
                    f"'{path}' scores an image that another fold has scored. Delete results/deep and run"
                    " again."
                )
            score_of[row["image_id"]] = row
    films = read_csv(index, ("image_id", "patient_id", "fold"))
    for film in films:
        row = score_of.get(film["image_id"])
        if row is None or row["fold"] != film["fold"]:
            raise StudyError(
                f"Image {film['image_id']} of the training set was not scored by the fold that holds it out. "
                "Delete results/deep and run again."
            )
    if len(films) != len(score_of):
        raise StudyError(
            "The folds scored films that are not in the training set. Delete results/deep and run again."
        )
    rows = [(f["patient_id"], f["image_id"], score_of[f["image_id"]]["deep"], f["fold"]) for f in films]
    write_text(output, csv_text(OUT_OF_FOLD, rows))
