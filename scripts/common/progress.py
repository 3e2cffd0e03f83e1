"""What is said of a study beyond one job.

A leaf (``code_hash.LEAVES``): a reworded line runs nothing again.
"""

from __future__ import annotations

from collections.abc import Sequence


def sets_uneven(train: float, test: float, size: float) -> str:
    """Shares with osteoporosis in both sets, and the test set's share of the patients, each 0 to 1."""
    return (
        "WARNING: the split is that of the split lock, and patients or labels have changed since:"
        f" {100 * train:.1f} % of training and {100 * test:.1f} % of the internal test set have"
        f" osteoporosis, {100 * size:.1f} % of the patients are in the test set. The report says so."
    )


def folds_uneven(shares: Sequence[float]) -> str:
    """Shares with osteoporosis in the folds, 0 to 1."""
    return (
        "WARNING: the folds are those of the split lock, and patients or labels have changed since:"
        f" {100 * min(shares):.1f} to {100 * max(shares):.1f} % of a fold have osteoporosis. The report says"
        " so."
    )


def random_weights(networks: Sequence[str]) -> str:
    """Networks of a study of real films start from nothing."""
    return (
        f"{', '.join(networks)}: a network from random weights learns little of some hundred real films. Lay"
        " config/real_cpu.yaml or config/real_gpu.yaml over the config: docs/tutorial.md"
    )
