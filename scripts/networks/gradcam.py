"""Grad-CAM over whole films, for cases chosen by rule."""

from __future__ import annotations

import math
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
from scripts.common.scores import CLIP
from scripts.common.seeds import sub_seed
from scripts.common.vocabulary import ALL_FOLDS, CASE_KINDS
from scripts.networks.arithmetic import exact_arithmetic
from scripts.networks.csv_tables import csv_text, read_csv
from scripts.networks.film_network import FilmNetwork
from scripts.networks.films import FilmStack
from scripts.networks.machine.device import hold_device
from scripts.networks.trained_networks import load_networks

SHOWN_SIDE = 384
"""Largest side, in pixels, of the films and maps in ``maps.npz``."""


FAR = math.log(3)
"""How far, in logits, a score lies from the threshold where the network is called certain of a film: its odds
are three times those at the threshold, or a third of them."""


def evidence_map(networks: Sequence[FilmNetwork], films: Tensor) -> Tensor:
    """Evidence for (above 0) and against osteoporosis over each film, ``(n, m, m)``, the mean over the
    networks.

    In units of the logit, whatever the number of places: the mean over a film is the sum of what its places
    add to the logit, to first order.
    """
    evidence = torch.stack([network.evidence(films) for network in networks]).mean(0)
    return evidence * evidence[0].numel()


def distance(score: float, threshold: float) -> float:
    """Of a score from the threshold, in logits."""
    one, other = (min(max(value, CLIP), 1 - CLIP) for value in (score, threshold))
    return abs(math.log(one / (1 - one)) - math.log(other / (1 - other)))


def kind_of(row: Mapping[str, str], threshold: float) -> str:
    """TP, FP, TN or FN (CASE_KINDS); a score at the threshold counts as positive."""
    right = (float(row["score"]) >= threshold) == (row["label"] == "1")
    return ("T" if right else "F") + ("P" if float(row["score"]) >= threshold else "N")


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
    for TN and FN, each FAR from the threshold at least.

    A score at the threshold counts as positive; patients with the same score are ordered by pseudonym.
    """
    chosen = []
    for kind in CASE_KINDS:
        of_kind = [
            row
            for row in predictions
            if kind_of(row, threshold) == kind and distance(float(row["score"]), threshold) >= FAR
        ]
        sign = -1 if kind in ("TP", "FP") else 1
        of_kind.sort(key=lambda row: (sign * float(row["score"]), row["patient_id"]))
        chosen += [(kind, row) for row in of_kind[:cases]]
    return chosen


def _learned(learning: str | Path, model: str) -> bool:
    """Whether a network learned anything, by the table of the study (LEARNING)."""
    rows = read_csv(learning, ("model", "fold", "learned"))
    found = [row["learned"] for row in rows if (row["model"], row["fold"]) == (model, ALL_FOLDS)]
    if len(found) != 1:
        raise StudyError(
            f"'{learning}' needs exactly one row with model '{model}' and fold '{ALL_FOLDS}'. Delete the file"
            " and run again."
        )
    return found[0] == "yes"


def explain_cases(
    model: str,
    predictions: str | Path,
    thresholds: str | Path,
    learning: str | Path,
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
    """Write ``cases.csv`` (CASES) and ``maps.npz`` for chosen patients of set ``set_name``, by the scores
    and the threshold of the network ``model``.

    ``cases`` of each kind are the most certain ones, of a network that learned nothing (LEARNING) none;
    ``random`` further ones are drawn by ``seed`` from the whole set.
    ``maps.npz`` holds ``image_id``, ``film`` (uint16, n x m x m), ``evidence`` (float32, n x m x m, as
    ``evidence_map`` gives it) and ``grid`` (the same before it was enlarged).
    """
    exact_arithmetic(threads)
    rows = [
        {**row, "score": row[model]}
        for row in read_csv(predictions, ("patient_id", "set", "label", model))
        if row["set"] == set_name
    ]
    limits = [
        float(r["threshold"]) for r in read_csv(thresholds, ("model", "threshold")) if r["model"] == model
    ]
    if len(limits) != 1:
        raise StudyError(
            f"'{thresholds}' needs exactly one row with model '{model}'. Delete the file and run again."
        )
    certain = choose_cases(rows, limits[0], cases) if _learned(learning, model) else []
    chosen = [("certain", *case) for case in certain]
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
        ids, films, grids, maps, table = [], [], [], [], []
        for rule, kind, row in log.progress(chosen, len(chosen), "films"):
            film = film_of[row["patient_id"]]
            x = stack.batch([film.row])
            grid = evidence_map(networks, x)
            evidence = F.interpolate(grid[None], (shown, shown), mode="bilinear")[0]
            grey = F.interpolate(x, (shown, shown), mode="area")[0, 0] * max(film.sd, 1.0) + film.mean
            ids.append(film.image_id)
            films.append(grey.round().clamp(0, 65535).cpu().numpy().astype(np.uint16))
            grids.append(grid[0].cpu().numpy())
            maps.append(evidence[0].cpu().numpy())
            table.append(
                (
                    set_name,
                    film.image_id,
                    film.patient_id,
                    kind,
                    float(row["score"]),
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
            evidence=_stacked(maps, np.float32, shown),
            grid=_stacked(grids, np.float32, 0),
        )
    write_text(cases_csv, csv_text(CASES, table))


def _stacked(arrays: Sequence[np.ndarray], dtype: type, side: int) -> np.ndarray:
    return np.stack(arrays).astype(dtype) if arrays else np.zeros((0, side, side), dtype)
