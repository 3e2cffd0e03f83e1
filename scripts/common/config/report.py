"""``report``: which films may be shown."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from scripts.common.config.section import Section


class Report(Section):
    show_films: Literal["not_burned_in", "signed_off"] = Field(
        "not_burned_in",
        description=(
            "Films are shown (contact sheets, figures, report, `make share`) only where the tag"
            " BurnedInAnnotation is NO. `signed_off` shows all; write it only after somebody has looked at"
            " every film shown."
        ),
    )
    signed_off_by: str | None = Field(
        None, description="Who signed off on the films shown; needed for `signed_off`."
    )

    @model_validator(mode="after")
    def _signed(self) -> Report:
        if self.show_films == "signed_off" and not self.signed_off_by:
            raise ValueError("'show_films: signed_off' needs 'signed_off_by'")
        return self
