"""``statistics``: thresholds, intervals, tests, populations and the look of figures."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from scripts.common.config.section import Fraction, Section


class Threshold(Section):
    rule: Literal["youden", "sensitivity", "value"] = Field(
        "youden", description="How the threshold is chosen on the training patients' out-of-fold scores."
    )
    value: Fraction | None = Field(
        None, description="The sensitivity to reach, or the value itself, for the other two rules."
    )

    @model_validator(mode="after")
    def _value(self) -> Threshold:
        if (self.rule == "youden") != (self.value is None):
            raise ValueError("'value' belongs to the rules 'sensitivity' and 'value', and is needed there")
        return self


class NetBenefit(Section):
    lowest: Fraction = Field(0.01, description="Lowest threshold probability.")
    highest: Fraction = Field(0.80, lt=1, description="Highest threshold probability.")
    step: Annotated[float, Field(gt=0, le=0.1)] = Field(
        0.01, description="Step between threshold probabilities."
    )


class Prevalence(Section):
    label: str = Field(description="Name of the population.")
    from_age: int = Field(
        ge=0, description="Youngest age of the population; estimates use test patients of this age and above."
    )
    prevalence: Fraction = Field(description="Prevalence of osteoporosis in it.")


class Figures(Section):
    formats: list[Literal["svg", "png", "pdf"]] = Field(
        ["svg", "png", "pdf"],
        min_length=1,
        description="Formats of the figures; svg and png are always made.",
    )
    dpi: int = Field(300, ge=72, le=1200, description="Resolution of PNG figures.")
    colors: dict[str, str] = Field(
        {"deep": "#0072B2", "clinical": "#E69F00", "combined": "#009E73"},
        description=(
            "Colours of the models. A model that is left out keeps its default; where that is given to"
            " another model, it takes one of a palette."
        ),
    )
    font_size: float = Field(
        8,
        ge=6,
        le=14,
        description=(
            "Font size in points at the printed width. Small text is up to 1.5 points smaller, but never"
            " below 6."
        ),
    )

    @field_validator("colors")
    @classmethod
    def _colours(cls, value: dict[str, str]) -> dict[str, str]:
        for model, color in value.items():
            if re.fullmatch("#[0-9A-Fa-f]{6}", color):
                continue
            # imported here: plain codes need no Matplotlib, whose import takes a second
            from matplotlib.colors import is_color_like

            if not is_color_like(color):
                raise ValueError(f"{model}: '{color}' is no colour; use for instance '#0072B2'")
        return value


class Statistics(Section):
    engine: Literal["r", "numpy"] = Field(
        "r",
        description=(
            "DeLong tests by R's pROC, checked against our own, or by our own alone (recorded in every"
            " table)."
        ),
    )
    confidence: Fraction = Field(0.95, gt=0.5, lt=1, description="Level of the confidence intervals.")
    bootstrap: int = Field(2000, ge=100, description="Bootstrap replicates.")
    threshold: Threshold = Field(default_factory=Threshold, description="The classification threshold.")
    primary_contrast: tuple[str, str] | None = Field(
        ("combined", "clinical"),
        description=(
            "The declared main comparison. Only statistics of own tables (`make statistics`) can do without."
        ),
    )
    net_benefit: NetBenefit = Field(default_factory=NetBenefit, description="Range of the decision curves.")
    prevalences: list[Prevalence] = Field(
        [
            Prevalence(label="China, 50 years and above", from_age=50, prevalence=0.192),
            Prevalence(label="China, 65 years and above", from_age=65, prevalence=0.320),
        ],
        description="Populations for which PPV, NPV and net benefit are estimated.",
    )
    figures: Figures = Field(default_factory=Figures, description="Look of the figures.")
