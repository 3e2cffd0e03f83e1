"""The deep scores of a set with parts of its films covered.

The networks are only applied; nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.common.contracts.networks import MASKED
from scripts.common.files import write_text
from scripts.common.log import Log
from scripts.common.vocabulary import MASKS
from scripts.deep.arithmetic import exact_arithmetic
from scripts.deep.compute_device import hold_device
from scripts.deep.csv_tables import csv_text
from scripts.deep.fold_networks import AUTO, TRAINED, FoldNetworks, chosen_precision, mean_probability
from scripts.deep.masks import MaskedFilmStack, visible_part
from scripts.deep.trained_networks import load_networks


def score_masked(
    cache: str | Path,
    weights: Sequence[str | Path],
    output: str | Path,
    spine: tuple[float, float],
    border: float,
    device: str,
    threads: int,
    log: Log,
    precision: str = TRAINED,
    at_once: str = AUTO,
) -> None:
    """Write ``patient_id, image_id`` and a column per mask (MASKS): the mean of the folds' probabilities.

    Works on a set that no fold trained on. ``weights`` are the folds' files, in the order of the folds;
    ``spine`` and
    ``border`` say what is covered (``visible_part``). ``precision`` and ``at_once`` are the config's
    ``deep.scoring``, as for the unmasked scores that these are compared with (``score_set``).
    """
    exact_arithmetic(threads)
    with hold_device(device, log.say) as place:
        networks, trained = load_networks(weights, place)
        folds = FoldNetworks(networks, place, chosen_precision(precision, trained), at_once)
        stack = MaskedFilmStack(cache, folds.side, place)
        rows = [film.row for film in stack.films]
        parts = [
            (mask, rows[n : n + folds.at_once]) for mask in MASKS for n in range(0, len(rows), folds.at_once)
        ]
        scores: dict[str, list[float]] = {mask: [] for mask in MASKS}
        for mask, part in log.progress(parts, len(parts), "batches"):
            stack.cover(visible_part(mask, stack.side, spine, border))
            scores[mask] += [mean_probability(row) for row in folds.probabilities(stack, part).tolist()]
    lines = [
        (film.patient_id, film.image_id, *(scores[mask][n] for mask in MASKS))
        for n, film in enumerate(stack.films)
    ]
    write_text(output, csv_text(MASKED, lines))
