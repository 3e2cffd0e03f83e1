"""The deep scores of a set with parts of its films covered. The networks are only applied; nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from scripts.common.files import write_text
from scripts.common.log import Log
from scripts.deep.arithmetic import exact_arithmetic
from scripts.deep.compute_device import hold_device
from scripts.deep.csv_tables import csv_text
from scripts.deep.masks import MASKS, MaskedFilmStack, visible_part
from scripts.deep.scoring import films_per_forward, for_scoring, probabilities
from scripts.deep.set_scores import AUTO, TRAINED, chosen_precision, mean_probability, out_of_memory
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

    Works on a set that no fold trained on. ``weights`` are the folds' files, in the order of the folds; ``spine`` and
    ``border`` say what is covered (``visible_part``). ``precision`` and ``at_once`` are the config's ``deep.scoring``,
    as for the unmasked scores that these are compared with (``score_set``).
    """
    exact_arithmetic(threads)
    with hold_device(device, log.say) as place:
        networks, trained = load_networks(weights, place)
        kind = chosen_precision(precision, trained)
        stack = MaskedFilmStack(cache, networks[0].side, place)
        fused = [for_scoring(network) for network in networks]
        size = films_per_forward(fused[0], place.type, kind) if at_once == AUTO else int(at_once)
        rows = [film.row for film in stack.films]
        parts = [(mask, rows[n : n + size]) for mask in MASKS for n in range(0, len(rows), size)]
        scores: dict[str, list[float]] = {mask: [] for mask in MASKS}
        try:
            for mask, part in log.progress(parts, len(parts), "batches"):
                stack.cover(visible_part(mask, stack.side, spine, border))
                each = probabilities(fused, stack, part, kind, size).tolist()
                scores[mask] += [mean_probability(row) for row in each]
        except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            raise out_of_memory(size, place) from None
    lines = [(film.patient_id, film.image_id, *(scores[mask][n] for mask in MASKS)) for n, film in enumerate(stack.films)]
    write_text(output, csv_text(("patient_id", "image_id", *MASKS), lines))
