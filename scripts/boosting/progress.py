"""What the jobs of the tabular models say.

A leaf (``code_hash.LEAVES``): a reworded line runs nothing again.
"""

from __future__ import annotations


def fitted(model: str, trees: int, patients: int, folds: int) -> str:
    """A model of trees is fitted."""
    return f"{model} model: {trees} trees on {patients} patients, {folds} folds"


def fitted_baselines(models: str, patients: int) -> str:
    """The baselines are fitted."""
    return f"{models}: fitted to {patients} patients"


def scored(patients: int, name: str = "") -> str:
    """Patients of all sets, or of the set ``name``, have their scores."""
    return f"{name}: {patients} patients scored" if name else f"{patients} patients scored"


def merged(name: str, patients: int) -> str:
    """A set's scores are put together."""
    return f"{name}: {patients} patients"
