"""A network's scores of the training set, each from the trainings that did not see the patient.

Needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.common.contracts.models import OUT_OF_FOLD
from scripts.common.contracts.networks import HELD_OUT
from scripts.common.errors import StudyError
from scripts.common.files import write_text
from scripts.networks.csv_tables import FURTHER, csv_text, read_csv


def collect_out_of_fold(index: str | Path, held_out: Sequence[str | Path], output: str | Path) -> None:
    """Write OUT_OF_FOLD of the training set: each film's probability from the fold that held it out, the mean
    over the network's seeds.

    ``held_out`` are the tables of all trainings. Raises ``StudyError`` when their films and the set's are not
    the same, each once for every seed.
    """
    films = [film for film in read_csv(index, ("image_id", "patient_id", "fold")) if not film.get(FURTHER)]
    fold_of = {film["image_id"]: film["fold"] for film in films}
    scores: dict[str, list[float]] = {image_id: [] for image_id in fold_of}
    again = f"Delete '{Path(held_out[0]).parent.parent}' and run again."
    for path in held_out:
        for row in read_csv(path, HELD_OUT):
            if row["image_id"] not in fold_of:
                raise StudyError(f"'{path}' scores a film that is not in the training set. {again}")
            if row["fold"] != fold_of[row["image_id"]]:
                raise StudyError(f"'{path}' scores a film of another fold. {again}")
            scores[row["image_id"]].append(float(row["score"]))
    times = {len(each) for each in scores.values()}
    if len(times) > 1 or 0 in times:
        raise StudyError(
            f"Films of '{index}' were scored {min(times)} to {max(times)} times out of fold; all must be as"
            f" often, at least once. {again}"
        )
    rows = []
    for film in films:
        each = scores[film["image_id"]]
        score = sum(each) / len(each)
        rows.append((film["patient_id"], film["image_id"], score, score, film["fold"]))
    write_text(output, csv_text(OUT_OF_FOLD, rows))
