"""The deep scores of a test set: every fold's probability and their mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.common.files import write_text
from scripts.common.log import Log
from scripts.deep.arithmetic import exact_arithmetic
from scripts.deep.compute_device import hold_device
from scripts.deep.csv_tables import csv_text
from scripts.deep.films import FilmStack
from scripts.deep.scoring import for_scoring, probabilities
from scripts.deep.trained_networks import load_networks

_CHUNK = 64
"""Films between two progress lines."""


def score_set(cache: str | Path, weights: Sequence[str | Path], output: str | Path, device: str, threads: int, log: Log) -> None:
    """Write ``patient_id, image_id, deep, fold_0 ...``: each fold's probability and ``deep``, their mean.

    Works on a set that no fold trained on. ``weights`` are the folds' files, in the order of the folds.
    """
    exact_arithmetic(threads)
    with hold_device(device, log.say) as place:
        networks, precision = load_networks(weights, place)
        stack = FilmStack(cache, networks[0].side, place)
        fused = [for_scoring(network) for network in networks]
        rows = []
        for film in log.progress(stack.films, len(stack), "films"):
            if film.row % _CHUNK == 0:
                chunk = stack.films[film.row : film.row + _CHUNK]
                scores = probabilities(fused, stack, [f.row for f in chunk], precision)
            each = scores[film.row % _CHUNK].tolist()
            rows.append((film.patient_id, film.image_id, sum(each) / len(each), *each))
    header = ("patient_id", "image_id", "deep", *(f"fold_{k}" for k in range(len(networks))))
    write_text(output, csv_text(header, rows))
