"""``centers``: the hospitals, real and simulated."""

from __future__ import annotations

import datetime
import re
from typing import Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from scripts.common.config.section import Section
from scripts.common.config.source_tables import DxaTable, ImageTable, PatientTable
from scripts.common.layouts import LAYOUTS, simulated_folder
from scripts.common.vocabulary import DEVELOPMENT, EXTERNAL, RESERVED_CENTERS


class Simulate(Section):
    like: Literal["internal", "external_1", "external_2"] = Field(
        description=(
            "Which cohort of the paper's Table 1 gives sex, age, BMI and BMD; it also chooses the vendor, the"
            " film format and the way the tables are written."
        )
    )
    n_op: int = Field(ge=4, description="Patients with osteoporosis who pass every filter.")
    n_non_op: int = Field(ge=4, description="Patients without osteoporosis who pass every filter.")
    film_size: int = Field(440, ge=64, le=4096, description="Longer side of a simulated film in pixels.")
    density_signal: bool = Field(
        True,
        description=(
            "Whether bone on the films follows the patient's bone density. Off: the films hold no sign of it"
            " (a negative control)."
        ),
    )
    trouble: bool = Field(
        True,
        description=(
            "Whether the known troubles (lateral, cut short, duplicated, badly exposed films, bad table rows"
            " ...) are planted."
        ),
    )
    predictors: bool = Field(
        False,
        description=(
            "Whether the patient table has three further columns, which are mapped as predictors: `calcium`"
            " (a number), `smoker` (yes or no) and `alcohol` (a category). They tell nothing of the label."
        ),
    )


class Enrolment(Section):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    first: datetime.date = Field(alias="from", description="First day on which a film counts.")
    last: datetime.date = Field(alias="to", description="Last day on which a film counts.")

    @model_validator(mode="after")
    def _ordered(self) -> Enrolment:
        if self.first > self.last:
            raise ValueError("'from' is later than 'to'")
        return self


class IdNormaliser(Section):
    strip: bool = Field(True, description="Leave out spaces around an id.")
    leading_zeros: Literal["keep", "drop"] = Field(
        "keep", description="What to do with leading zeros, e.g. where Excel dropped them."
    )
    upper: bool = Field(False, description="Write letters as capitals.")
    separators: Literal["keep", "drop"] = Field(
        "keep",
        description=(
            "What to do with hyphens, dots, slashes, underscores and spaces within an id (`0023-1745`)."
        ),
    )


class Center(Section):
    name: str = Field(
        description=(
            "Short name: small letters, digits and underscores. `train` and `internal_test` are reserved."
        )
    )
    role: Literal[DEVELOPMENT, EXTERNAL] = Field(
        description="`development` for the one centre that trains, `external` for the others."
    )
    label: str | None = Field(
        None,
        description=(
            "Name shown in tables and figures, in any script that an installed font has; `name` if not given."
        ),
    )
    simulate: Simulate | None = Field(
        None,
        description=(
            "Simulate this centre. Give this, or `deidentified`, or `patients`, `dxa` and the films (`dicom`,"
            " or `png` and `images`)."
        ),
    )
    dicom: str | None = Field(None, description="Folder of DICOM files, in any nesting, with any names.")
    png: str | None = Field(
        None,
        description=(
            "Folder of grey PNG files (8 or 16 bits), in any nesting, in place of `dicom`; `images` says"
            " whose they are."
        ),
    )
    images: ImageTable | None = Field(None, description="Table with one row per file of `png`.")
    deidentified: str | None = Field(
        None,
        description=(
            "Folder that a site handed over (`make handover`), in place of all else: films and tables under"
            " the site's pseudonyms."
        ),
    )
    patients: PatientTable | None = Field(None, description="Table with one row per patient.")
    dxa: DxaTable | None = Field(
        None, description="Table with the DXA results, one row per patient, exam and site."
    )
    enrolment: Enrolment | None = Field(
        None, description="Period from which films count, checked before dates are shifted."
    )
    review: str | None = Field(
        None,
        description=(
            "A reader's overrides: CSV or Excel with `image_id` and `verdict` (pass, reject, or empty for"
            " undecided); it wins over the automatic rules. A copy of"
            " `results/intake/<center>/review_template.csv` is a start."
        ),
    )
    ids: IdNormaliser = Field(
        default_factory=IdNormaliser, description="How ids of tables and films are made alike."
    )
    batches: int | None = Field(
        None, ge=1, le=400, description="Number of batches of films; `intake.batches` if not given."
    )

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9_]+", value):
            raise ValueError("use small letters, digits and underscores only")
        if value in RESERVED_CENTERS:
            raise ValueError(f"'{value}' is reserved for a part of the development centre")
        return value

    @model_validator(mode="after")
    def _source(self) -> Center:
        own = [key for key in ("dicom", "png", "images", "patients", "dxa") if getattr(self, key) is not None]
        if self.simulate is not None:
            real = own + ["deidentified"] * (self.deidentified is not None)
            if real:
                raise ValueError(f"give either 'simulate' or real data, not both (found {', '.join(real)})")
            return self
        if self.deidentified is not None:
            settled = [
                key
                for key in ("enrolment", "ids", "batches")
                if key in self.model_fields_set and getattr(self, key) is not None
            ]
            if own or settled:
                raise ValueError(
                    f"'deidentified' holds all that the site settled; leave out {', '.join([*own, *settled])}"
                    " here (the site gives them in its own config)"
                )
            return self
        if self.dicom is not None and self.png is not None:
            raise ValueError(
                "give either 'dicom' or 'png', not both; a hospital with both kinds of films is two centres"
            )
        if self.images is not None and self.png is None:
            raise ValueError(
                "'images' belongs to 'png', the folder of the films that it lists; give 'png' or leave it out"
            )
        if self.png is not None and self.images is None:
            raise ValueError("'png' needs 'images', the table that says whose film each file is")
        given = {"dicom": self.dicom or self.png, "patients": self.patients, "dxa": self.dxa}
        missing = [key for key, value in given.items() if value is None]
        if missing:
            raise ValueError(
                "give 'simulate', 'deidentified', or all of 'dicom' (or 'png'), 'patients' and 'dxa'"
                f" (missing: {', '.join(missing)})"
            )
        return self

    @property
    def films(self) -> str | None:
        """The folder of the centre's films, of whichever kind; None for a simulated centre whose sources
        aren't filled in.
        """
        return self.dicom or self.png or self.deidentified


def with_sources(center: Center) -> Center:
    """The centre with ``dicom``, ``patients``, ``dxa`` and ``ids`` filled in: a simulated one's from its
    layout.
    """
    if center.simulate is None:
        return center
    layout = LAYOUTS[center.simulate.like]
    folder = simulated_folder(center.name)
    tables = {
        kind: {**layout[kind], "path": str(folder / "tables" / layout[kind]["path"])}
        for kind in ("patients", "dxa")
    }
    if center.simulate.predictors:
        tables["patients"]["predictors"] = layout["predictors"]
    return center.model_copy(
        update={
            "dicom": str(folder / "dicom"),
            "patients": PatientTable.model_validate(tables["patients"]),
            "dxa": DxaTable.model_validate(tables["dxa"]),
            "ids": IdNormaliser.model_validate(layout["ids"]),
        }
    )
