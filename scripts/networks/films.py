"""The cached films of a set, z-scored in batches for the network."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scripts.common.errors import StudyError
from scripts.networks.csv_tables import FURTHER, INDEX, read_csv


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


class FilmStack:
    """``films.npy`` and ``index.csv`` of a set, read as z-scored batches.

    The array lies in the GPU's memory where it fits there. Else films are read from the file when they are
    needed: a memory map would count all that was ever read as memory of this process.

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
                further=row.get(FURTHER) == "1",
            )
            for row in read_csv(folder / "index.csv", INDEX)
        ]
        anew = f"Delete the folder '{folder}' and run again; it is made anew."
        self._path, self._anew = folder / "films.npy", anew
        try:
            pixels = np.load(self._path, mmap_mode="r", allow_pickle=False)
            self._file = self._path.open("rb", buffering=0)
        except (OSError, ValueError):
            raise StudyError(f"'{self._path}' can't be read. {anew}") from None
        if pixels.shape != (len(self.films), side, side) or pixels.dtype != np.uint16:
            raise StudyError(
                f"'{self._path}' does not fit its index or the configured {side} x {side} pixels. {anew}"
            )
        self._start, self.nbytes = pixels.offset, pixels.nbytes
        mean = torch.tensor([f.mean for f in self.films], dtype=torch.float32).view(-1, 1, 1)
        # a blank film has no SD; it becomes zeros
        sd = torch.tensor([max(f.sd, 1.0) for f in self.films], dtype=torch.float32).view(-1, 1, 1)
        self._mean, self._sd = mean.to(self.device), sd.to(self.device)
        self._on_device: Tensor | None = None
        if self.device.type == "cuda":
            free = torch.cuda.mem_get_info(self.device)[0]
            if self.nbytes <= (free / 2 if needed is None else 0.9 * free - needed):
                self.load_to_device()

    @property
    def on_device(self) -> bool:
        """Whether all films lie in the device's memory."""
        return self._on_device is not None

    def load_to_device(self) -> None:
        """Hold all films in the device's memory, as the bits of uint16 in int16, which every operation
        takes.
        """
        held = torch.empty((len(self), self.side, self.side), dtype=torch.int16, device=self.device)
        for start in range(0, len(held), 64):  # in parts: the main memory need not hold them all
            part = held[start : start + 64]
            part.copy_(self._from_file(range(start, start + len(part))))
        self._on_device = held

    def batch(self, rows: Sequence[int]) -> Tensor:
        """Films of ``rows`` as float32 ``(len(rows), 1, side, side)`` on the device, each with mean 0 and SD
        1.
        """
        if self._on_device is not None:
            return self.standardize(self._on_device[self._index(rows)], rows)
        return self.standardize(self._from_file(rows).to(self.device), rows)

    def standardize(self, bits: Tensor, rows: Sequence[int]) -> Tensor:
        """Films of ``rows`` as ``batch`` gives them, from their ``bits``: uint16 in int16 ``(n, side, side)``
        on the device.
        """
        index = self._index(rows)
        films = (bits.to(torch.int32) & 0xFFFF).to(torch.float32)
        return films.sub_(self._mean[index]).div_(self._sd[index]).unsqueeze(1)

    def stream(self, batches: Iterable[Sequence[int]], ahead: int = 2) -> Iterator[Tensor]:
        """The bits of each batch's films, in order, for ``standardize``; close the iterator to stop early.

        Films that don't lie in the device's memory are read ``ahead`` batches early by one thread, which
        computes nothing: it reads them and, for a GPU, sends them from pinned memory beside the computing.
        """
        if self._on_device is not None:
            for rows in batches:
                yield self._on_device[self._index(rows)]
            return
        copying = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None
        waiting: deque[Future] = deque()
        with ThreadPoolExecutor(1, "films") as reader:
            for rows in batches:
                waiting.append(reader.submit(self._read, rows, copying))
                if len(waiting) > ahead:
                    yield self._received(waiting.popleft())
            while waiting:
                yield self._received(waiting.popleft())

    def _index(self, rows: Sequence[int]) -> Tensor:
        return torch.as_tensor(rows, dtype=torch.long).to(self.device, non_blocking=True)

    def _from_file(self, rows: Sequence[int], pinned: bool = False) -> Tensor:
        """The bits of films ``rows`` as int16 in main memory.

        ``StudyError`` where the file ends too early.
        """
        bits = torch.empty((len(rows), self.side, self.side), dtype=torch.int16, pin_memory=pinned)
        size = 2 * self.side**2
        content = memoryview(bits.numpy()).cast("B")
        for n, row in enumerate(rows):
            part, done = content[n * size : (n + 1) * size], 0
            while done < size:
                read = os.preadv(self._file.fileno(), [part[done:]], self._start + row * size + done)
                if read == 0:
                    raise StudyError(f"'{self._path}' was cut while it was read. {self._anew}")
                done += read
        return bits

    def _read(
        self, rows: Sequence[int], copying: torch.cuda.Stream | None
    ) -> tuple[Tensor, torch.cuda.Event | None]:
        """The films' bits, and the event after which a GPU has them."""
        with torch.cuda.stream(copying):  # also makes its GPU this thread's; does nothing for None
            bits = self._from_file(rows, pinned=copying is not None)
            if copying is None:
                return bits, None
            return bits.to(self.device, non_blocking=True), copying.record_event()

    def _received(self, film_bits: Future) -> Tensor:
        bits, copied = film_bits.result()
        if copied is not None:
            computing = torch.cuda.current_stream(self.device)
            computing.wait_event(copied)
            bits.record_stream(computing)  # its memory is taken again only after the computing
        return bits

    def __len__(self) -> int:
        return len(self.films)


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
