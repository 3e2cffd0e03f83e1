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
from scripts.deep.csv_tables import read_csv

_COLUMNS = ("row", "image_id", "patient_id", "label", "fold", "mean", "sd", "sha256")


@dataclass(frozen=True)
class Film:
    """One film of a set: its row in the array, whose it is, its label (0 or 1), fold (or None), mean and SD."""

    row: int
    image_id: str
    patient_id: str
    label: int
    fold: int | None
    mean: float
    sd: float
    sha256: str


class FilmStack:
    """``films.npy`` and ``index.csv`` of a set, read as z-scored batches.

    The array stays a memory map, or lies in the device's memory where it fits in half of what is free there.
    """

    def __init__(self, folder: str | Path, side: int, device: torch.device | str = "cpu") -> None:
        folder = Path(folder)
        self.device = torch.device(device)
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
            )
            for row in read_csv(folder / "index.csv", _COLUMNS)
        ]
        anew = f"Delete the folder '{folder}' and run again; it is made anew."
        try:
            self._pixels = np.load(folder / "films.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            raise StudyError(f"'{folder / 'films.npy'}' can't be read. {anew}") from None
        if self._pixels.shape != (len(self.films), side, side) or self._pixels.dtype != np.uint16:
            raise StudyError(f"'{folder / 'films.npy'}' does not fit its index or the configured {side} x {side} pixels. {anew}")
        self._mean = torch.tensor([f.mean for f in self.films], dtype=torch.float32).view(-1, 1, 1, 1)
        # a blank film has no SD; it becomes zeros
        self._sd = torch.tensor([max(f.sd, 1.0) for f in self.films], dtype=torch.float32).view(-1, 1, 1, 1)
        self._on_device: Tensor | None = None
        if self.device.type == "cuda" and self._pixels.nbytes < torch.cuda.mem_get_info(self.device)[0] / 2:
            self.load_to_device()

    def load_to_device(self) -> None:
        """Hold all films in the device's memory, as the bits of uint16 in int16, which every operation takes."""
        self._on_device = torch.from_numpy(np.array(self._pixels).view(np.int16)).to(self.device)

    def batch(self, rows: Sequence[int]) -> Tensor:
        """Films of ``rows`` as float32 ``(len(rows), 1, side, side)`` on the device, each with mean 0 and SD 1."""
        index = torch.as_tensor(rows, dtype=torch.long)
        if self._on_device is not None:
            films = (self._on_device[index.to(self.device)].to(torch.int32) & 0xFFFF).to(torch.float32)
        else:
            films = torch.from_numpy(self._pixels[index.numpy()].astype(np.float32)).to(self.device)
        mean, sd = self._mean[index].to(self.device), self._sd[index].to(self.device)
        return films.unsqueeze(1).sub_(mean).div_(sd)

    def __len__(self) -> int:
        return len(self.films)


def split_fold(films: Sequence[Film], fold: int) -> tuple[list[Film], list[Film]]:
    """Films that fold ``fold`` trains on and films that it holds out, each ordered by image id.

    Raises ``StudyError`` when a patient stands on both sides, a side is empty, or all training films have one label.
    """
    ordered = sorted(films, key=lambda film: film.image_id)
    held_out = [film for film in ordered if film.fold == fold]
    training = [film for film in ordered if film.fold is not None and film.fold != fold]
    if {film.patient_id for film in training} & {film.patient_id for film in held_out}:
        raise StudyError(f"A patient stands in fold {fold} and in another one. Delete 'results/cohort/train.csv' and run again.")
    if not training or not held_out:
        raise StudyError(f"Fold {fold} has {len(training)} training and {len(held_out)} held-out films. Lower 'cohort.folds'.")
    if len({film.label for film in training}) < 2:
        raise StudyError(f"All {len(training)} training films of fold {fold} have the same label; there is nothing to learn.")
    return training, held_out


def data_hash(training: Sequence[Film], held_out: Sequence[Film]) -> str:
    """SHA-256 of what a fold sees: each film's id, patient, label, side and pixel checksum."""
    digest = hashlib.sha256()
    for side, films in (("training", training), ("held out", held_out)):
        for film in films:
            line = [side, film.image_id, film.patient_id, str(film.label), film.sha256, repr(film.mean), repr(film.sd)]
            digest.update(("\0".join(line) + "\n").encode())
    return digest.hexdigest()
