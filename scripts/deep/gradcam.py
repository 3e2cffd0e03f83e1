"""Grad-CAM over whole films, for cases chosen by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scripts.common.contracts.networks import CASES
from scripts.common.errors import StudyError
from scripts.common.files import atomic_path, write_text
from scripts.common.log import Log
from scripts.common.seeds import sub_seed
from scripts.common.vocabulary import CASE_KINDS
from scripts.deep.arithmetic import exact_arithmetic
from scripts.deep.compute_device import hold_device
from scripts.deep.csv_tables import csv_text, read_csv
from scripts.deep.films import FilmStack
from scripts.deep.trained_networks import load_networks

SHOWN_SIDE = 384
"""Largest side, in pixels, of the films and maps in ``maps.npz``."""


def heat_map(evidence: Tensor) -> Tensor:
    """Positive part of ``(n, m, m)``, divided by each film's own maximum (once per film, not per block): 0 to
    1.
    """
    positive = evidence.relu()
    peak = positive.amax((1, 2), keepdim=True)
    return positive / torch.where(peak > 0, peak, 1)


def kind_of(row: Mapping[str, str], threshold: float) -> str:
    """TP, FP, TN or FN (CASE_KINDS); a score at the threshold counts as positive."""
    right = (float(row["deep"]) >= threshold) == (row["label"] == "1")
    return ("T" if right else "F") + ("P" if float(row["deep"]) >= threshold else "N")


def draw_cases(
    predictions: Sequence[Mapping[str, str]], threshold: float, cases: int, seed: int
) -> list[tuple[str, Mapping[str, str]]]:
    """A simple random sample of ``cases`` patients with their kind, whatever the scores are.

    Patients are ranked by a hash of ``seed`` and their pseudonym: the draw depends on no order of rows, and a
    new patient can push out one of the sample at most.
    """
    ranked = sorted(
        predictions, key=lambda row: (sub_seed(seed, "gradcam", row["patient_id"]), row["patient_id"])
    )
    return [(kind_of(row, threshold), row) for row in ranked[:cases]]


def choose_cases(
    predictions: Sequence[Mapping[str, str]], threshold: float, cases: int
) -> list[tuple[str, Mapping[str, str]]]:
    """The ``cases`` most certain patients of each kind (CASE_KINDS): highest scores for TP and FP, lowest
    for TN and FN.

    A score at the threshold counts as positive; patients with the same score are ordered by pseudonym.
    """
    chosen = []
    for kind in CASE_KINDS:
        of_kind = [row for row in predictions if kind_of(row, threshold) == kind]
        sign = -1 if kind in ("TP", "FP") else 1
        of_kind.sort(key=lambda row: (sign * float(row["deep"]), row["patient_id"]))
        chosen += [(kind, row) for row in of_kind[:cases]]
    return chosen


def explain_cases(
    predictions: str | Path,
    thresholds: str | Path,
    set_name: str,
    cache: str | Path,
    weights: Sequence[str | Path],
    cases: int,
    random: int,
    seed: int,
    cases_csv: str | Path,
    maps_npz: str | Path,
    device: str,
    threads: int,
    log: Log,
) -> None:
    """Write ``cases.csv`` (CASES) and ``maps.npz`` for chosen patients of set ``set_name``.

    ``cases`` of each kind are the most certain ones, ``random`` further ones are drawn by ``seed`` from the
    whole set.
    ``maps.npz`` holds ``image_id``, ``film`` (uint16, n x m x m), ``heat`` (float32, n x m x m, 0 to 1) and
    ``grid`` (the map before it was enlarged). The evidence is the mean over the folds' networks.
    """
    exact_arithmetic(threads)
    rows = [r for r in read_csv(predictions, ("patient_id", "set", "label", "deep")) if r["set"] == set_name]
    limits = [
        float(r["threshold"]) for r in read_csv(thresholds, ("model", "threshold")) if r["model"] == "deep"
    ]
    if len(limits) != 1:
        raise StudyError(
            f"'{thresholds}' needs exactly one row with model 'deep'. Delete the file and run again."
        )
    chosen = [("certain", *case) for case in choose_cases(rows, limits[0], cases)]
    chosen += [("random", *case) for case in draw_cases(rows, limits[0], random, seed)]
    with hold_device(device, log.say) as place:
        networks, _ = load_networks(weights, place)
        for network in networks:
            network.requires_grad_(False)
        stack = FilmStack(cache, networks[0].side, place)
        film_of = {film.patient_id: film for film in stack.films}
        absent = [row for *_, row in chosen if row["patient_id"] not in film_of]
        if absent:
            raise StudyError(
                f"'{cache}' lacks {len(absent)} patient(s) of '{predictions}'. Delete that folder and run"
                " again."
            )
        shown = min(SHOWN_SIDE, stack.side)
        ids, films, grids, heats, table = [], [], [], [], []
        for rule, kind, row in log.progress(chosen, len(chosen), "films"):
            film = film_of[row["patient_id"]]
            x = stack.batch([film.row])
            evidence = torch.stack([network.evidence(x)[0] for network in networks]).mean(0, keepdim=True)
            heat = F.interpolate(heat_map(evidence)[None], (shown, shown), mode="bilinear")[0]
            grey = F.interpolate(x, (shown, shown), mode="area")[0, 0] * max(film.sd, 1.0) + film.mean
            ids.append(film.image_id)
            films.append(grey.round().clamp(0, 65535).cpu().numpy().astype(np.uint16))
            grids.append(heat_map(evidence)[0].cpu().numpy())
            heats.append(heat[0].cpu().numpy())
            table.append(
                (
                    set_name,
                    film.image_id,
                    film.patient_id,
                    kind,
                    float(row["deep"]),
                    film.label,
                    limits[0],
                    rule,
                )
            )
    with atomic_path(maps_npz) as part, part.open("wb") as file:
        np.savez_compressed(
            file,
            image_id=np.array(ids, dtype=str),
            film=_stacked(films, np.uint16, shown),
            heat=_stacked(heats, np.float32, shown),
            grid=_stacked(grids, np.float32, 0),
        )
    write_text(cases_csv, csv_text(CASES, table))


def _stacked(arrays: Sequence[np.ndarray], dtype: type, side: int) -> np.ndarray:
    return np.stack(arrays).astype(dtype) if arrays else np.zeros((0, side, side), dtype)
