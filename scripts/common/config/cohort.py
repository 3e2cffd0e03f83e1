"""``cohort``: selection, label and split."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from scripts.common.config.section import Fraction, Section
from scripts.common.vocabulary import EXCLUSIONS, SITES


class Cohort(Section):
    older_than: int = Field(
        40,
        ge=0,
        le=89,
        description=(
            "A patient counts whose completed years at the film are more than this: 40 takes those of 41 "
            "and above, and leaves out one of 40 years and 11 months. There is no upper limit."
        ),
    )
    interval_months: int = Field(
        6,
        ge=0,
        description="Film and DXA at most this many calendar months apart, inclusive, in either order.",
    )
    first_pair_by: list[Literal["film_date", "dxa_date", "view", "acquisition_time"]] = Field(
        ["film_date", "dxa_date", "view", "acquisition_time"],
        description="Which of several pairs is the first one; the image id decides what is left.",
    )
    sites: list[Literal[SITES]] = Field(
        list(SITES), min_length=1, description="Sites whose lowest T-score gives the label."
    )
    op_t_score: float = Field(-2.5, description="A lowest T-score at or below this is osteoporosis.")
    min_sites: int = Field(
        1,
        ge=1,
        description=(
            "Sites of `sites` that must be known before an exam can say 'no osteoporosis'. "
            "One site at or below `op_t_score` is enough for osteoporosis."
        ),
    )
    exam_window_days: int = Field(
        1,
        ge=0,
        le=31,
        description=(
            "DXA rows of a patient whose dates lie within so many days of the first one are one exam, "
            "of the first one's date. 0: one date is one exam."
        ),
    )
    exclusions: list[Literal[EXCLUSIONS]] = Field(
        list(EXCLUSIONS), description="Exclusion criteria in the order in which the first one counts."
    )
    missing_flag: Literal["include", "exclude"] = Field(
        "include", description="What to do with a patient whose exclusion flag is empty or unreadable."
    )
    review: Literal["keep", "exclude"] = Field(
        "keep", description="Whether films under review stay in the main analysis."
    )
    test_fraction: Fraction = Field(
        0.2, gt=0, lt=1, description="Share of the development centre in the internal test set."
    )
    folds: int = Field(5, ge=2, le=10, description="Folds of the cross-validation.")
    train_on: Literal["first_film", "all_films"] = Field(
        "first_film",
        description=(
            "Films of a training patient that the networks train on: that of the first pair alone, or all"
            " that pass the same criteria and whose own DXA exam gives the same label. Scores, thresholds and"
            " tables rest on the first pair either way."
        ),
    )

    @model_validator(mode="after")
    def _enough_sites(self) -> Cohort:
        twice = next((site for site in self.sites if self.sites.count(site) > 1), None)
        if twice is not None:
            raise ValueError(f"'{twice}' stands twice in 'sites'; name every site once")
        if self.min_sites > len(self.sites):
            said = f"min_sites is {self.min_sites}, but 'sites' names {len(self.sites)}"
            raise ValueError(f"{said}; lower min_sites or name more sites")
        return self
