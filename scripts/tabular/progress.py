"""What the jobs of the tabular models say.

A leaf (``code_hash.LEAVES``): a reworded line runs nothing again.
"""

from __future__ import annotations

from collections.abc import Sequence


def fitted(model: str, kind: str, variables: int, patients: int, folds: int) -> str:
    """A model is fitted."""
    return f"{model} ({kind}): {variables} variables, {patients} patients, {folds} folds"


def penalty_at_the_end(model: str, chosen: float, penalties: Sequence[float]) -> str:
    """A warning where the penalty that was chosen is the largest or the smallest of several; else nothing."""
    if len(penalties) == 1 or min(penalties) < chosen < max(penalties):
        return ""
    if chosen == max(penalties):
        found, cure = "largest", "the embeddings tell little of the label, or larger penalties suit them; add"
    else:
        found, cure = "smallest", "smaller ones may suit the embeddings; add"
    return f"WARNING: models.{model}.penalties: the {found} ({chosen:g}) was chosen: {cure} some to the list"


def scored(name: str, patients: int, models: int) -> str:
    """The patients of a set have all models' scores."""
    return f"{name}: {patients} patients scored by {models} models"


def merged(name: str, patients: int, models: int) -> str:
    """A set's scores are put together."""
    return f"{name}: {patients} patients, {models} models"
