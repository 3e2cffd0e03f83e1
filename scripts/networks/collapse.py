"""Whether a training has learned anything, by its training films alone.

A held-out AUC never enters, or scores would be chosen by the very patients whom they are for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

ATTEMPTS = 2
"""How often a training begins at most."""

JUDGED = 64
"""Training films, of the last epoch's first batches, whose logits are looked at."""

LEAST_STEPS = 100
"""A training of fewer steps isn't judged: it stands near its start, and once more it would stand there
again.
"""

LEAST_GAIN = 0.02
"""Share of the entropy by which the loss has to lie below it."""

LEAST_SPREAD = 0.15
"""SD of the logits that a training reaches which has learned something."""


def logit_spread(probabilities: Sequence[float]) -> float:
    """SD of the logits of ``probabilities``; one that is exactly 0 or 1 counts as the nearest that isn't."""
    kept = [min(max(p, 1e-12), 1 - 1e-12) for p in probabilities]
    logits = [math.log(p / (1 - p)) for p in kept]
    mean = math.fsum(logits) / len(logits)
    return math.sqrt(math.fsum((z - mean) ** 2 for z in logits) / len(logits))


def entropy(positive: float) -> float:
    """Mean cross-entropy of a network that gives every film ``positive``, the share of positive ones (above 0
    and below 1).
    """
    return -positive * math.log(positive) - (1 - positive) * math.log(1 - positive)


def learned_nothing(steps: int, loss: float, positive: float, spread: float) -> bool:
    """Whether a training that has made all its ``steps`` has collapsed, or found nothing to learn.

    The loss says whether it does better on its own films than one score for all of them; an epoch sees every
    film, so the loss of one score for all is the entropy with hardly any noise. The spread says whether the
    films get different scores at all. On the films of docs/benchmarks.md a collapsed token leaves logits of
    an SD of .00 to .07 and a loss of 99 to 100 % of the entropy (sex, as shipped then); with the norm on the
    features they are .48 to .80 and 93 % (sex), 1.3 to 2.5 and 60 % (simulated). A fold of the simulated
    study that had hardly learned had .11. What lies between has learned little, and counts as learned.

    Parameters
    ----------
    loss : mean global loss of the last epoch
    positive : share of positive films among those that it trains on
    spread : SD of the logits of training films, as they are scored (``logit_spread``)
    """
    if steps < LEAST_STEPS:
        return False
    return loss > (1 - LEAST_GAIN) * entropy(positive) or spread < LEAST_SPREAD
