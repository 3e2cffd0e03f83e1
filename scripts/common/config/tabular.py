"""``boosting``: the trees of the clinical and the combined model."""

from __future__ import annotations

from pydantic import Field

from scripts.common.config.section import Fraction, Positive, Section


class Boosting(Section):
    trees: int = Field(200, ge=1, description="Number of trees.")
    depth: int = Field(3, ge=1, le=10, description="Depth of a tree.")
    learning_rate: Positive = Field(0.05, le=1, description="Shrinkage of each tree.")
    subsample: Fraction = Field(0.8, gt=0, description="Share of patients per tree.")
    column_sample: Fraction = Field(0.8, gt=0, description="Share of variables per tree.")
    min_child_weight: float = Field(5.0, ge=0, description="Least sum of weights in a leaf.")
    l2: float = Field(1.0, ge=0, description="L2 penalty on the leaves.")
