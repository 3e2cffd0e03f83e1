"""The deep scores of a test set: every fold's probability and their mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from scripts.common.errors import StudyError
from scripts.common.files import write_text
from scripts.common.log import Log
from scripts.deep.arithmetic import exact_arithmetic
from scripts.deep.compute_device import hold_device
from scripts.deep.csv_tables import csv_text
from scripts.deep.films import FilmStack
from scripts.deep.scoring import films_per_forward, for_scoring, probabilities
from scripts.deep.trained_networks import load_networks

TRAINED, AUTO = "trained", "auto"
"""``deep.scoring``: the precision that the networks were trained in; films at once by the geometry."""


def mean_probability(each: Sequence[float]) -> float:
    """The ensemble's score: the mean of the folds' probabilities."""
    return sum(each) / len(each)


def chosen_precision(wanted: str, trained: str) -> str:
    """``fp32`` or ``bf16`` for ``deep.scoring.precision``."""
    return trained if wanted == TRAINED else wanted


def out_of_memory(at_once: int, device: torch.device) -> StudyError:
    """What to tell a user whose device has too little memory for ``at_once`` films."""
    advice = (
        f"Set 'deep.scoring.films_per_forward' to less than {at_once}"
        if at_once > 1
        else "Set 'deep.scoring.precision: bf16', or 'deep.device: cpu'"
    )
    return StudyError(
        f"Out of memory on the {device.type.replace('cuda', 'GPU')} while scoring {at_once} film(s) at once. {advice}, and run again."
    )


def score_set(
    cache: str | Path,
    weights: Sequence[str | Path],
    output: str | Path,
    device: str,
    threads: int,
    log: Log,
    precision: str = TRAINED,
    at_once: str = AUTO,
) -> None:
    """Write ``patient_id, image_id, deep, fold_0 ...``: each fold's probability and ``deep``, their mean.

    Works on a set that no fold trained on. ``weights`` are the folds' files, in the order of the folds; ``precision`` and
    ``at_once`` are the config's ``deep.scoring`` (``precision``, ``films_per_forward``). Raises ``StudyError`` where a
    weights file or the cache can't be read, or the memory doesn't suffice.
    """
    exact_arithmetic(threads)
    with hold_device(device, log.say) as place:
        networks, trained = load_networks(weights, place)
        kind = chosen_precision(precision, trained)
        stack = FilmStack(cache, networks[0].side, place)
        fused = [for_scoring(network) for network in networks]
        size = films_per_forward(fused[0], place.type, kind) if at_once == AUTO else int(at_once)
        log.say(f"{len(stack)} films, {len(fused)} networks, {kind}, {size} film(s) at once on {place.type}")

        def scored() -> Iterator[tuple]:
            for start in range(0, len(stack), size):
                films = stack.films[start : start + size]
                each = probabilities(fused, stack, [film.row for film in films], kind, size)
                for film, row in zip(films, each.tolist()):
                    yield (film.patient_id, film.image_id, mean_probability(row), *row)

        try:
            rows = list(log.progress(scored(), len(stack), "films"))
        except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            raise out_of_memory(size, place) from None
    header = ("patient_id", "image_id", "deep", *(f"fold_{k}" for k in range(len(fused))))
    write_text(output, csv_text(header, rows))
