"""The deep scores of a test set: every fold's probability and their mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.common.contracts.networks import SET_SCORES
from scripts.common.files import write_text
from scripts.common.log import Log
from scripts.deep import progress
from scripts.deep.arithmetic import exact_arithmetic
from scripts.deep.compute_device import hold_device, warn_of_slow_bf16
from scripts.deep.csv_tables import csv_text
from scripts.deep.films import FilmStack
from scripts.deep.fold_networks import AUTO, TRAINED, FoldNetworks, chosen_precision, mean_probability
from scripts.deep.trained_networks import load_networks


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

    Works on a set that no fold trained on. ``weights`` are the folds' files, in the order of the folds;
    ``precision`` and
    ``at_once`` are the config's ``deep.scoring`` (``precision``, ``films_per_forward``). Raises
    ``StudyError`` where a weights file or the cache can't be read, or the memory doesn't suffice.
    """
    exact_arithmetic(threads)
    with hold_device(device, log.say) as place:
        networks, trained = load_networks(weights, place)
        folds = FoldNetworks(networks, place, chosen_precision(precision, trained), at_once)
        warn_of_slow_bf16(place, folds.precision, "deep.scoring.precision", log.say)
        stack = FilmStack(cache, folds.side, place)
        log.say(progress.scoring(len(stack), len(folds), folds.precision, folds.at_once, place.type))

        def scored() -> Iterator[tuple]:
            for start in range(0, len(stack), folds.at_once):
                films = stack.films[start : start + folds.at_once]
                for film, row in zip(
                    films, folds.probabilities(stack, [film.row for film in films]).tolist()
                ):
                    yield (film.patient_id, film.image_id, mean_probability(row), *row)

        rows = list(log.progress(scored(), len(stack), "films"))
    header = (*SET_SCORES, *(f"fold_{k}" for k in range(len(folds))))
    write_text(output, csv_text(header, rows))
