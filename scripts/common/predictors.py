"""Predictors: the variables that the study's patient tables map beside the paper's five."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from scripts.common.contracts.cohort import COHORT, PREDICTIONS
from scripts.common.contracts.contract import Contract, person
from scripts.common.contracts.intake import PATIENTS
from scripts.common.vocabulary import EVERYONE_POSITIVE, TRAIN, TREAT_ALL, TREAT_NONE

NUMBER, YES_NO, CATEGORY = "number", "yes_no", "category"
"""Types of a predictor."""

NAME = r"[a-z][a-z0-9_]{0,31}"
"""A predictor's name in the study."""
LEVEL = r"[^\W\d_][\w .+-]{0,39}"
"""A level of a category."""

RESERVED = frozenset(
    {*COHORT.whole, *PATIENTS, *PREDICTIONS, "source_id", "birth_date"}
    | {TRAIN, TREAT_ALL, TREAT_NONE, EVERYONE_POSITIVE}
)
"""Names that a predictor can't have: columns and rows of the study's own tables."""

COLUMN_TYPES = {NUMBER: "float", YES_NO: "int", CATEGORY: "text"}
"""How a predictor stands in the study's tables: yes and no as 1 and 0, a category as the level's name."""


@dataclass(frozen=True)
class Predictor:
    """A predictor of the study.

    ``levels``: of a category, in the order of tables. ``unit``: of a number, as it is shown. ``label``: its
    name for a reader. ``centers``: the centres whose table has it; where it has none, its column is empty.
    """

    name: str
    type: str
    levels: tuple[str, ...] = ()
    unit: str | None = None
    label: str = ""
    centers: tuple[str, ...] = ()

    @classmethod
    def of(cls, plain: Mapping) -> Predictor:
        """A predictor from plain values, as a rule is given them."""
        return cls(**{**plain, "levels": tuple(plain["levels"])})

    @property
    def title(self) -> str:
        """Its label with the unit, for a reader."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def answers(self) -> tuple[str, ...]:
        """What Table 1 counts: yes and no, or the levels; nothing of a number."""
        return ("yes", "no") if self.type == YES_NO else self.levels

    @property
    def declared(self) -> dict:
        """What two sites must agree on, as plain values."""
        return {"type": self.type, "levels": list(self.levels), "unit": self.unit}


def is_declaration(name: str, one: object) -> bool:
    """Whether ``one`` is what a site may say of a predictor (``Predictor.declared``)."""
    return (
        re.fullmatch(NAME, name) is not None
        and name not in RESERVED
        and isinstance(one, dict)
        and one.keys() == {"type", "levels", "unit"}
        and one["type"] in COLUMN_TYPES
        and isinstance(one["levels"], list)
        and all(isinstance(level, str) and re.fullmatch(LEVEL, level) for level in one["levels"])
        and isinstance(one["unit"], str | None)
    )


def with_predictors(table: Contract, types: Mapping[str, str]) -> Contract:
    """A table with a column behind the usual ones for each predictor, by name and type."""
    further = (person(name, f"predictor ({kind})", COLUMN_TYPES[kind]) for name, kind in types.items())
    return table.at(table.path, *further)
