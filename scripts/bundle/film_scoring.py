"""Scores of a folder of new films under a bundle's networks: a row per file, and a private file that says
which is which.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scripts.bundle import progress
from scripts.bundle.contents import Bundle
from scripts.bundle.ensemble import pattern_films
from scripts.bundle.film_reading import ReadFilm, found_files, read_films
from scripts.common.code_hash import code_hash
from scripts.common.errors import StudyError
from scripts.common.files import write_text
from scripts.common.log import Log
from scripts.networks.arithmetic import exact_arithmetic
from scripts.networks.csv_tables import csv_text
from scripts.networks.fold_networks import FoldNetworks, mean_probability
from scripts.networks.kinds.registry import architecture_class, code_of, new_network
from scripts.networks.machine.device import hold_device
from scripts.networks.trained_networks import load_networks

COLUMNS = ("film", "status", "reason", "verdict", "verdict_reason", "score", "positive")
"""Columns of the scores before the folds' probabilities (``fold_0`` ...)."""

SELF_CHECK_TOLERANCE = {"fp32": 1e-4, "bf16": 0.02}
"""How far this machine's scores of the pattern films may lie from the maker's; bf16 keeps 8 bits of a
number.
"""


class LooseFilms:
    """Films ``(n, side, side)`` uint16 as z-scored batches, with the arithmetic of
    ``scripts/networks/films.py``.
    """

    def __init__(self, films: Sequence[np.ndarray], device: torch.device) -> None:
        self.device = device
        self._films = np.stack(films)
        mean = [float(film.mean(dtype=np.float64)) for film in films]
        sd = [max(float(film.std(dtype=np.float64)), 1.0) for film in films]
        self._mean, self._sd = (torch.tensor(v, dtype=torch.float32).view(-1, 1, 1, 1) for v in (mean, sd))

    def batch(self, rows: Sequence[int]) -> Tensor:
        """Films of ``rows`` as float32 ``(len(rows), 1, side, side)`` on the device, each with mean 0 and SD
        1.
        """
        index = torch.as_tensor(rows, dtype=torch.long)
        films = torch.from_numpy(self._films[index.numpy()].astype(np.float32)).to(self.device)
        return (
            films.unsqueeze(1).sub_(self._mean[index].to(self.device)).div_(self._sd[index].to(self.device))
        )


_MORE_MEMORY = "Score on a machine with more memory, or with '--device cpu' (DEVICE=cpu)."


class Scorer:
    """The folds' networks of a bundle on a device, fused for scoring."""

    def __init__(
        self,
        weights: Sequence[Path],
        kind: str,
        architecture: Mapping[str, Any],
        scoring: Mapping[str, Any],
        device: torch.device,
    ) -> None:
        """``scoring`` holds ``precision`` (fp32 or bf16) and ``films_per_forward`` (auto or a number).

        Raises ``StudyError``.
        """
        networks, _ = load_networks(weights, device)
        wanted = new_network(kind, architecture_class(kind)(**architecture)).state_dict()
        for path, network in zip(weights, networks):
            if {n: v.shape for n, v in network.state_dict().items()} != {
                n: v.shape for n, v in wanted.items()
            }:
                raise StudyError(
                    f"'{path}' holds weights of another architecture than the bundle's settings name. Get the"
                    " bundle again."
                )
        self._folds = FoldNetworks(
            networks, device, scoring["precision"], scoring["films_per_forward"], _MORE_MEMORY
        )
        self.side, self.precision, self.at_once = self._folds.side, self._folds.precision, self._folds.at_once

    def __call__(self, films: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities ``(len(films), folds)`` of films ``(side, side)`` uint16; the same for a film in
        whatever company.

        Raises ``StudyError`` where the device's memory doesn't suffice.
        """
        return self._folds.probabilities(LooseFilms(films, self._folds.device), range(len(films)))


def self_check(scorer: Scorer, expected: Sequence[Sequence[float]]) -> float:
    """Score the pattern films and compare with the maker's probabilities ``(films, folds)``; returns the
    largest difference.

    Raises ``StudyError`` above ``SELF_CHECK_TOLERANCE``.
    """
    got = scorer(list(pattern_films(scorer.side)))
    largest = float(np.abs(got - np.asarray(expected, float)).max())
    allowed = SELF_CHECK_TOLERANCE[scorer.precision]
    if not largest <= allowed:
        raise StudyError(
            "The bundle's self-check failed: on its test patterns this machine's scores differ by"
            f" {largest:.2g} from those of its maker (allowed: {allowed:g}). Install the pinned versions"
            " ('make setup'), use the software's version that made the bundle, or score on the CPU:"
            " '--device cpu' (DEVICE=cpu)."
        )
    return largest


def reading_code(kind: str, architecture: Mapping[str, Any]) -> str:
    """Hash of the code that reads films and scores them by a kind of network with this architecture; a bundle
    records it.
    """
    network = code_of(kind, architecture_class(kind)(**architecture))
    return code_hash("scripts/bundle/film_reading.py", "scripts/bundle/film_scoring.py", *network)


def private_path(scores: Path) -> Path:
    """Where the private file of ``scores`` lies: ``scores.csv`` has ``scores_private.csv``."""
    return scores.with_name(f"{scores.stem}_private{scores.suffix}")


def refuse_target(target: Path) -> None:
    """Raise ``StudyError`` where ``target`` and its private file can't or may not be written, before any film
    is read.
    """
    if not target.name:
        raise StudyError("Name the file of the scores with TO=.")
    for path in (target, private_path(target)):
        if path.exists():
            raise StudyError(
                f"'{path}' is there already. Move it away, or give another name with TO=; scores and their"
                " private file belong together."
            )
    if target.absolute().is_relative_to(Path("results").absolute()):
        raise StudyError(
            f"'{target}' lies in 'results', which holds no name of a source file and may be handed on; the"
            " private file beside the scores does. Name a file elsewhere with TO=."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise StudyError(
            f"'{target}' can't be written ({error.strerror}). Name another file with TO=."
        ) from None


def film_numbers(n: int) -> list[str]:
    """Names for ``n`` films: a word of this run and a number, dealt out at random, so that names tell nothing
    of the source's order.

    The run's word keeps the private file of one run from being joined to the scores of another.
    """
    run = secrets.token_hex(4)
    numbers = list(range(1, n + 1))
    secrets.SystemRandom().shuffle(numbers)
    return [f"{run}-{number:0{len(str(n))}d}" for number in numbers]


def _row(name: str, found: ReadFilm, each: Sequence[float] | None, threshold: float, folds: int) -> tuple:
    score = None if each is None else mean_probability(each)
    positive = None if score is None else int(score >= threshold)
    return (
        name,
        found.status,
        found.reason,
        found.verdict,
        found.verdict_reason,
        score,
        positive,
        *(each or [None] * folds),
    )


def score_folder(
    bundle: Bundle, folder: Path, target: Path, device: str, threads: int | None, log: Log
) -> dict[str, int]:
    """Write ``target`` (a row per file below ``folder``, no source name) and its private file (0600: film
    name, path).

    ``device`` is auto, cpu or cuda; ``threads`` of the CPU, None for those of the study (others change the
    last bits). Returns the number of files by status. Raises ``StudyError``; then nothing is written.
    """
    settings = bundle.settings
    refuse_target(target)
    if not folder.is_dir():
        raise StudyError(f"There is no folder '{folder}'. Name the folder of the DICOM films with DICOM=.")
    paths = found_files(folder)
    if not paths:
        raise StudyError(f"There is no file in '{folder}'. Name the folder of the DICOM films with DICOM=.")
    if settings["code"] != reading_code(settings["kind"], settings["architecture"]):
        log.say(progress.another_version(settings["software"]))
    threshold, folds = float(settings["threshold"]["value"]), settings["folds"]
    names, rows, waiting, counts = film_numbers(len(paths)), {}, [], {}
    with (
        contextlib.closing(read_films(folder, paths, settings["preprocessing"])) as films,
        hold_device(device, log.say) as place,
    ):
        first = next(films)  # the process that reads films starts before this one fills with networks
        exact_arithmetic(threads or settings["scoring"]["cpu_threads"])
        scorer = Scorer(
            bundle.weights, settings["kind"], settings["architecture"], settings["scoring"], place
        )
        difference = self_check(scorer, settings["self_check"]["probabilities"])
        log.say(progress.self_check_passed(difference))
        log.say(progress.scoring(len(paths), folds, scorer.precision, scorer.at_once, place.type))

        def settle() -> None:
            """Score the films that wait and give them their rows."""
            if waiting:
                for (name, found), each in zip(
                    waiting, scorer([found.film for _, found in waiting]).tolist()
                ):
                    rows[name] = _row(name, found, each, threshold, folds)
                waiting.clear()

        for name, found in log.progress(zip(names, itertools.chain([first], films)), len(paths), "files"):
            counts[found.status] = counts.get(found.status, 0) + 1
            if found.film is None:
                rows[name] = _row(name, found, None, threshold, folds)
                continue
            waiting.append((name, found))
            if len(waiting) == scorer.at_once:
                settle()
        settle()
    write_text(private_path(target), csv_text(("film", "path"), sorted(zip(names, paths))), mode=0o600)
    write_text(
        target,
        csv_text((*COLUMNS, *(f"fold_{k}" for k in range(folds))), [rows[name] for name in sorted(rows)]),
    )
    return counts
