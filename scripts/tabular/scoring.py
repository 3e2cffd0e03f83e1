"""The patients of a test set scored by every tabular model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from scripts.tabular.fitting import scores_of
from scripts.tabular.inputs import design_of
from scripts.tabular.kinds import module_of


def scored_set(
    cohort: pd.DataFrame,
    name: str,
    models: Sequence[Mapping[str, Any]],
    fitted: Mapping[str, str],
    networks: Mapping[str, pd.DataFrame],
    embeddings: Mapping[str, str],
) -> dict[str, pd.DataFrame]:
    """SET_SCORES by model.

    Parameters
    ----------
    cohort : the patients of the set ``name`` (COHORT)
    models : name, kind and predictors of each, those first whose scores others read
    fitted : the file of each model
    networks : SET_SCORES of each network that a model reads
    embeddings : the file of each model that predicts from embeddings
    """
    scores, tables = dict(networks), {}
    for model in models:
        own = model["name"]
        design = design_of(own, model["predictors"], cohort, name, scores, embeddings.get(own))
        found = module_of(model["kind"]).read(fitted[own])
        tables[own] = scores[own] = scores_of(cohort, found.score(design), found.raw(design))
    return tables
