"""What the jobs of the tabular models say.

A leaf (``code_hash.LEAVES``): a reworded line runs nothing again.
"""

from __future__ import annotations


def fitted(model: str, kind: str, variables: int, patients: int, folds: int) -> str:
    """A model is fitted."""
    return f"{model} ({kind}): {variables} variables, {patients} patients, {folds} folds"


def scored(name: str, patients: int, models: int) -> str:
    """The patients of a set have all models' scores."""
    return f"{name}: {patients} patients scored by {models} models"


def merged(name: str, patients: int, models: int) -> str:
    """A set's scores are put together."""
    return f"{name}: {patients} patients, {models} models"
