"""Probabilities of films under a trained network, and the AUC."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from scripts.networks.arithmetic import autocast
from scripts.networks.film_network import FilmNetwork

SCORING_MEMORY = 8 * 2**30
"""Bytes of activations that ``films_per_forward`` lets a GPU hold: what a card of 12 GB has beside weights
and libraries.
"""

_MOST_FILMS = 64


def films_per_forward(network: FilmNetwork, device_type: str, precision: str) -> int:
    """Films that go through the network at once: 1 on a CPU; on a GPU the largest power of two, up to 64,
    that fits in memory.

    A kernel may sum in another order for another number of films, so this number can change the last bits of
    a score. It therefore follows from the geometry and the precision alone, never from what a machine has
    free; the memory it counts on is ``SCORING_MEMORY``. A film takes about four times its largest map.
    """
    if device_type != "cuda":
        return 1
    bytes_per_film = 4 * (2 if precision == "bf16" else 4) * network.largest_map()
    films = SCORING_MEMORY // bytes_per_film
    return min(_MOST_FILMS, 1 << max(int(films).bit_length() - 1, 0))


class FilmBatches(Protocol):
    """What films are scored from: a device, and z-scored films ``(n, 1, side, side)`` of given rows on it."""

    device: torch.device

    def batch(self, rows: Sequence[int]) -> Tensor: ...


def for_scoring(network: FilmNetwork) -> FilmNetwork:
    """A copy in evaluation mode, with each BatchNorm that follows a convolution folded into it."""
    fused = copy.deepcopy(network).eval()
    fused.fold_norms()
    return fused.to(memory_format=torch.channels_last)


@torch.inference_mode()
def probabilities(
    networks: Sequence[FilmNetwork],
    stack: FilmBatches,
    rows: Sequence[int],
    precision: str,
    at_once: int | None = None,
) -> np.ndarray:
    """``(len(rows), len(networks))`` float64: sigmoid of the global logit of films ``rows`` under each
    network.

    ``networks`` come from ``for_scoring`` and lie on the stack's device. ``at_once`` films go through a
    network together (None: ``films_per_forward``); the last batch is filled up, so that a film's score
    depends on no other film's presence or place.
    """
    size = at_once or films_per_forward(networks[0], stack.device.type, precision)
    scorers = [network.scorer(stack.device.type, precision) for network in networks]
    scores = np.empty((len(rows), len(networks)))
    for start in range(0, len(rows), size):
        chosen = list(rows[start : start + size])
        films = stack.batch(chosen + chosen[:1] * (size - len(chosen)))
        for n, scorer in enumerate(scorers):
            with autocast(stack.device, precision):
                logits = scorer(films)
            scores[start : start + len(chosen), n] = (
                torch.sigmoid(logits.double()).cpu().numpy()[: len(chosen)]
            )
    return scores


def auc(labels: Sequence[int], scores: Sequence[float]) -> float:
    """Area under the ROC curve by mid-ranks (Mann-Whitney); NaN when a class is absent."""
    labels, scores = np.asarray(labels, bool), np.asarray(scores, float)
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if positives == 0 or negatives == 0:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))
