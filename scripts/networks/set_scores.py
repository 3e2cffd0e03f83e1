"""A network's scores of a test set: the probability by every training and their mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.common.contracts.models import SET_SCORES
from scripts.common.files import write_text
from scripts.common.log import Log
from scripts.networks import progress
from scripts.networks.arithmetic import exact_arithmetic
from scripts.networks.csv_tables import csv_text
from scripts.networks.films import FilmStack
from scripts.networks.fold_networks import AUTO, TRAINED, FoldNetworks, chosen_precision, mean_probability
from scripts.networks.machine.device import hold_device, warn_of_slow_bf16
from scripts.networks.trained_networks import load_networks


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
    """Write SET_SCORES: ``score``, the mean of the trainings' probabilities, the same as ``raw``, and each
    probability in a column ``fold_<run>``.

    Works on a set that no fold trained on. ``weights`` are the trainings' files; each one's folder names its
    column. ``precision`` and ``at_once`` are the config's ``networks.scoring`` (``precision``,
    ``films_per_forward``). Raises ``StudyError`` where a weights file or the cache can't be read, or the
    memory doesn't suffice.
    """
    exact_arithmetic(threads)
    with hold_device(device, log.say) as place:
        networks, trained = load_networks(weights, place)
        folds = FoldNetworks(networks, place, chosen_precision(precision, trained), at_once)
        warn_of_slow_bf16(place, folds.precision, "networks.scoring.precision", log.say)
        stack = FilmStack(cache, folds.side, place)
        log.say(progress.scoring(len(stack), len(folds), folds.precision, folds.at_once, place.type))

        def scored() -> Iterator[tuple]:
            for start in range(0, len(stack), folds.at_once):
                films = stack.films[start : start + folds.at_once]
                for film, row in zip(
                    films, folds.probabilities(stack, [film.row for film in films]).tolist()
                ):
                    score = mean_probability(row)
                    yield (film.patient_id, film.image_id, score, score, *row)

        rows = list(log.progress(scored(), len(stack), "films"))
    header = (*SET_SCORES, *(Path(path).parent.name for path in weights))
    write_text(output, csv_text(header, rows))
