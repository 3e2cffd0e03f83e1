"""The deep scores of a set with parts of its films covered. The networks are only applied; nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.common.files import write_text
from scripts.common.log import Log
from scripts.deep.arithmetic import exact_arithmetic
from scripts.deep.compute_device import hold_device
from scripts.deep.csv_tables import csv_text
from scripts.deep.masks import MASKS, MaskedFilmStack, visible_part
from scripts.deep.scoring import for_scoring, probabilities
from scripts.deep.trained_networks import load_networks

_CHUNK = 64
"""Films between two progress lines."""


def score_masked(
    cache: str | Path,
    weights: Sequence[str | Path],
    output: str | Path,
    spine: tuple[float, float],
    border: float,
    device: str,
    threads: int,
    log: Log,
    precision: str = "trained",
) -> None:
    """Write ``patient_id, image_id`` and a column per mask (MASKS): the mean of the folds' probabilities.

    Works on a set that no fold trained on. ``weights`` are the folds' files, in the order of the folds; ``spine`` and
    ``border`` say what is covered (``visible_part``). ``precision`` is fp32, bf16, or the one that the networks were trained in;
    scores are to be compared with unmasked ones of the same precision.
    """
    exact_arithmetic(threads)
    with hold_device(device, log.say) as place:
        networks, trained = load_networks(weights, place)
        kind = trained if precision == "trained" else precision
        stack = MaskedFilmStack(cache, networks[0].side, place)
        fused = [for_scoring(network) for network in networks]
        rows = [film.row for film in stack.films]
        parts = [(mask, rows[n : n + _CHUNK]) for mask in MASKS for n in range(0, len(rows), _CHUNK)]
        scores: dict[str, list[float]] = {mask: [] for mask in MASKS}
        for mask, part in log.progress(parts, len(parts), "batches"):
            stack.cover(visible_part(mask, stack.side, spine, border))
            scores[mask] += probabilities(fused, stack, part, kind).mean(1).tolist()
    lines = [(film.patient_id, film.image_id, *(scores[mask][n] for mask in MASKS)) for n, film in enumerate(stack.films)]
    write_text(output, csv_text(("patient_id", "image_id", *MASKS), lines))
