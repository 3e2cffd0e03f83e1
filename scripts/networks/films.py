"""The cached films of a set, z-scored in batches for the network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scripts.common.errors import StudyError
from scripts.networks.csv_tables import FURTHER, INDEX, read_csv
from scripts.networks.item_stack import ItemStack


@dataclass(frozen=True)
class Film:
    """One film of a set: its row in the array, whose it is, its label (0 or 1), fold (or None), mean and SD;
    whether it is one beside that of its patient's first pair.
    """

    row: int
    image_id: str
    patient_id: str
    label: int
    fold: int | None
    mean: float
    sd: float
    sha256: str
    further: bool = False


class FilmStack(ItemStack):
    """``films.npy`` and ``index.csv`` of a set, read as z-scored batches.

    Parameters
    ----------
    folder : with ``films.npy`` and ``index.csv``
    side : rows and columns of a film
    device : where batches are put
    needed : bytes of the GPU's memory that must stay free beside the films; None leaves half of what is free
    """

    def __init__(
        self, folder: str | Path, side: int, device: torch.device | str = "cpu", needed: int | None = None
    ) -> None:
        folder = Path(folder)
        self.side = side
        self.films = [
            Film(
                row=int(row["row"]),
                image_id=row["image_id"],
                patient_id=row["patient_id"],
                label=int(row["label"]),
                fold=int(row["fold"]) if row["fold"] else None,
                mean=float(row["mean"]),
                sd=float(row["sd"]),
                sha256=row["sha256"],
                further=row.get(FURTHER) == "1",
            )
            for row in read_csv(folder / "index.csv", INDEX)
        ]
        super().__init__(
            folder / "films.npy",
            (len(self.films),),
            (side, side),
            np.uint16,
            torch.int16,  # which every operation takes
            device,
            needed,
            f"does not fit its index or the configured {side} x {side} pixels",
            f"Delete the folder '{folder}' and run again; it is made anew.",
        )
        mean = torch.tensor([f.mean for f in self.films], dtype=torch.float32).view(-1, 1, 1)
        # a blank film has no SD; it becomes zeros
        sd = torch.tensor([max(f.sd, 1.0) for f in self.films], dtype=torch.float32).view(-1, 1, 1)
        self._mean, self._sd = mean.to(self.device), sd.to(self.device)

    def batch(self, rows: Sequence[int]) -> Tensor:
        """Films of ``rows`` as float32 ``(len(rows), 1, side, side)`` on the device, each with mean 0 and SD
        1.
        """
        return self.standardize(self.bits(rows), rows)

    def standardize(self, bits: Tensor, rows: Sequence[int]) -> Tensor:
        """Films of ``rows`` as ``batch`` gives them, from their ``bits``: uint16 in int16 ``(n, side, side)``
        on the device.
        """
        index = self._index(rows)
        films = (bits.to(torch.int32) & 0xFFFF).to(torch.float32)
        return films.sub_(self._mean[index]).div_(self._sd[index]).unsqueeze(1)

    def __len__(self) -> int:
        return len(self.films)


def rows_of(films: Sequence[Film]) -> list[int]:
    """Where the films lie in their array."""
    return [film.row for film in films]


def split_fold(films: Sequence[Film], fold: int) -> tuple[list[Film], list[Film]]:
    """Films that fold ``fold`` trains on and films that it holds out, each ordered by image id; of a patient
    with several films the first pair's alone is held out.

    Raises ``StudyError`` when a patient stands on both sides, a side is empty, or all training films have one
    label.
    """
    ordered = sorted(films, key=lambda film: film.image_id)
    held_out = [film for film in ordered if film.fold == fold and not film.further]
    training = [film for film in ordered if film.fold is not None and film.fold != fold]
    if {film.patient_id for film in training} & {film.patient_id for film in held_out}:
        raise StudyError(
            f"A patient stands in fold {fold} and in another one. Delete 'results/cohort/train.csv' and run"
            " again."
        )
    if not training or not held_out:
        raise StudyError(
            f"Fold {fold} has {len(training)} training and {len(held_out)} held-out films. Lower"
            " 'cohort.folds'."
        )
    if len({film.label for film in training}) < 2:
        raise StudyError(
            f"All {len(training)} training films of fold {fold} have the same label; there is nothing to"
            " learn."
        )
    return training, held_out


def data_hash(training: Sequence[Film], held_out: Sequence[Film]) -> str:
    """SHA-256 of what a fold sees: each film's id, patient, label, side and pixel checksum."""
    digest = hashlib.sha256()
    for side, films in (("training", training), ("held out", held_out)):
        for film in films:
            line = [
                side,
                film.image_id,
                film.patient_id,
                str(film.label),
                film.sha256,
                repr(film.mean),
                repr(film.sd),
            ]
            digest.update(("\0".join(line) + "\n").encode())
    return digest.hexdigest()
