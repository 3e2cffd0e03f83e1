"""``tables``: statistics of scores that were made elsewhere."""

from __future__ import annotations

from pydantic import Field

from scripts.common.config.section import Section


class OwnTables(Section):
    models: list[str] = Field(
        [],
        description=(
            "Columns of the predictions that are scores, in the order of tables and figures. Empty: all but"
            " `patient_id`, `center`, `set`, `fold`, `label`."
        ),
    )
    sets: list[str] = Field(
        [], description="Test sets in the order of tables and figures. Empty: as the predictions name them."
    )
    centers: list[str] = Field(
        [], description="Centres in the order of Table 1. Empty: as the cohort names them."
    )
    labels: dict[str, str] = Field(
        {}, description="Names of models, sets and centres in tables and figures, instead of their own."
    )
    flow: bool = Field(
        False, description="Whether there is a flow table to draw; `make statistics FLOW=<csv>` sets it."
    )
    synthetic: bool = Field(
        False, description="Whether the patients are simulated: then every figure and table says so."
    )
