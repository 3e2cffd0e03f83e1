"""``study``: title, seed, key and language."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scripts.common.config.section import Section


class Study(Section):
    title: str = Field("Osteoporosis from chest radiographs", description="Title of the report.")
    seed: int = Field(
        20260317,
        ge=0,
        description="The one seed from which every random number is derived. Changing it trains again.",
    )
    key_file: str | None = Field(
        None,
        description=(
            "Key of a study of real patients, made once by `make key` (readable by its owner only). A study"
            " whose centres are all simulated needs none: its key follows from the seed and protects nothing."
        ),
    )
    language: Literal["en", "zh"] = Field(
        "en", description="Language of tables, figures and report: English or Chinese."
    )
