"""What tabular models predict from, read from the files that their rules name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.common.contracts.cohort import COHORT
from scripts.common.predictors import COLUMN_TYPES
from scripts.common.tables import read_with
from scripts.tabular.embeddings import embedding_design, read_embeddings
from scripts.tabular.predictors import Design, Predictor, design


def by_model(paths: Iterable[str]) -> dict[str, str]:
    """Files below ``results/models`` by their model."""
    return {Path(path).parts[2]: path for path in paths}


def read_patients(path: str, predictors: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """COHORT of a set with those of ``predictors`` (name and type of each) that the patient tables map; one
    that the set's centre doesn't have is missing for everybody.
    """
    types = {one["name"]: one["type"] for one in predictors if one["name"] not in COHORT.whole}
    return read_with(path, COHORT, {name: kind for name, kind in types.items() if kind in COLUMN_TYPES})


def design_of(
    model: str,
    predictors: Sequence[Mapping[str, Any]],
    cohort: pd.DataFrame,
    name: str,
    scores: Mapping[str, pd.DataFrame],
    embeddings: str | None,
) -> Design:
    """The design of the patients of the set ``name`` for a model.

    Parameters
    ----------
    predictors : name, type and levels of each
    scores : by model, at least those that it reads
    embeddings : the file of its embeddings; None where it has predictors
    """
    if embeddings is not None:
        where = f"models.{model}"
        return embedding_design(cohort, read_embeddings(embeddings, where), name, where)
    known = [Predictor(one["name"], one["type"], tuple(one["levels"])) for one in predictors]
    return design(cohort, known, scores)
