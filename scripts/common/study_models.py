"""The models of a study as the stages behind their scores know them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.common.vocabulary import MAIN

PUBLISHED = "_published"
"""Ends the name of the row of an OSTA at its published cut-off (Koh et al. 2001)."""


@dataclass(frozen=True)
class StudyModel:
    """A model: its name in tables of numbers, and how a reader sees it.

    Attributes
    ----------
    name : column of ``results/predictions.csv``
    label : its name in figures, tables and report
    role : MAIN, BASELINE or ABLATION
    kind : its kind in the config; ``given`` where the scores were made elsewhere
    network : whether it is a network
    predictors : what it predicts from: columns of the cohort and names of models
    """

    name: str
    label: str
    role: str = MAIN
    kind: str = "given"
    network: bool = False
    predictors: tuple[str, ...] = ()


def study_models(given: Iterable[Mapping[str, Any]]) -> list[StudyModel]:
    """The models from the ``models`` of a rule's params (``Config.shown_models``), in their order."""
    return [StudyModel(**{**entry, "predictors": tuple(entry["predictors"])}) for entry in given]


def with_role(models: Iterable[StudyModel], role: str) -> list[str]:
    """Names of the models of a role."""
    return [model.name for model in models if model.role == role]


def labels_of(models: Iterable[StudyModel]) -> dict[str, str]:
    """Name to label."""
    return {model.name: model.label for model in models}
