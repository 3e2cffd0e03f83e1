"""A tabular model's inputs, read from the files that its rules name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from scripts.common.contracts.models import SET_SCORES
from scripts.common.tables import read_table
from scripts.tabular.embeddings import embedding_design, read_embeddings
from scripts.tabular.predictors import Design, Predictor, design


@dataclass(frozen=True)
class Inputs:
    """What a model predicts from: predictors and the ``scores`` of models that it reads, or embeddings."""

    predictors: Sequence[Predictor]
    scores: Mapping[str, pd.DataFrame]
    embeddings: pd.DataFrame | None
    where: str

    @classmethod
    def of_rule(cls, read, given, model: str) -> Inputs:
        """From the inputs (``scores``, ``embeddings``) and params (``predictors``, ``models_read``) of a rule
        that runs ``model``.
        """
        where = f"models.{model}"
        paths = dict(zip(given.models_read, read.scores, strict=True))
        return cls(
            [Predictor(one["name"], one["type"], tuple(one["levels"])) for one in given.predictors],
            {model: read_table(path, SET_SCORES) for model, path in paths.items()},
            read_embeddings(read.embeddings, where) if read.embeddings else None,
            where,
        )

    def design(self, cohort: pd.DataFrame, name: str) -> Design:
        """The design of the patients of the set ``name``."""
        if self.embeddings is not None:
            return embedding_design(cohort, self.embeddings, name, self.where)
        return design(cohort, self.predictors, self.scores)
