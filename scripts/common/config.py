"""The typed model of ``config.yaml``: validation, the JSON schema and the reference page come from it."""

from __future__ import annotations

import codecs
import datetime
import difflib
import re
import shutil
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from scripts.common.config_files import file_of, replaced_centers
from scripts.common.errors import StudyError
from scripts.common.layouts import LAYOUTS, simulated_folder
from scripts.common.plain_text import plain
from scripts.common.vocabulary import EXCLUSIONS, MODELS, RESERVED_CENTERS, SITES

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Site = Literal["lumbar", "femoral_neck", "total_hip"]


def _types_in(annotation: Any) -> set[Any]:
    """The plain types of which an annotation is made: ``int | None`` gives int and NoneType."""
    parts = get_args(annotation)
    return set().union(*map(_types_in, parts)) if parts else {annotation}


class Section(BaseModel):
    """A part of the config; an unknown key in it is an error."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_yes_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse ``true`` and ``false`` (also YAML's ``on`` and ``off``) for a number; else they would count
        as 1 and 0.
        """
        if isinstance(value, bool) and info.field_name is not None:
            meant = _types_in(cls.model_fields[info.field_name].annotation)
            if meant & {int, float} and bool not in meant:
                raise ValueError(f"{str(value).lower()} does not fit; it should be a number")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _beside_the_defaults(cls, value: Any, info: ValidationInfo) -> Any:
        """Keep a mapping's defaults for the keys that aren't given, as a section does.

        A default that is given to another key (a colour, in whatever case) is not kept, so that no two keys
        share it unasked.
        """
        default = cls.model_fields[info.field_name].default if info.field_name is not None else None
        if not isinstance(value, dict) or not isinstance(default, dict):
            return value
        taken = {str(one).casefold() for one in value.values()}
        return {key: one for key, one in default.items() if str(one).casefold() not in taken} | value


# ------------------------------------------------------------------------------------------------ study


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


# ---------------------------------------------------------------------------------------------- centres


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


def _no_column_twice(section: BaseModel) -> None:
    """Refuse a table's column that stands for two fields (``ValueError``)."""
    named: dict[str, str] = {}
    for field, column in section.model_dump().items():
        if column is not None and named.setdefault(column, field) != field:
            raise ValueError(
                f"the column '{column}' stands for both '{named[column]}' and '{field}'; each needs its own"
            )


class Coding(Section):
    """Meanings, each with the codes that a table has for it; no code may have two meanings."""

    @model_validator(mode="after")
    def _one_meaning_each(self) -> Coding:
        meant: dict[str, str] = {}
        for meaning, written in self.model_dump(by_alias=True).items():
            for code in written:
                first = meant.setdefault(plain(code), meaning)
                if first != meaning:
                    raise ValueError(
                        f"the code '{code}' stands for both '{first}' and '{meaning}'; give both lists, each"
                        " with its own codes"
                    )
        return self


class PatientColumns(Section):
    patient_id: str = Field(description="Column with the hospital's patient id, as in the films.")
    sex: str = Field(description="Column with the sex.")
    birth_date: str | None = Field(None, description="Column with the birth date. Give this or `age`.")
    age: str | None = Field(
        None, description="Column with the age in years at the film. Give this or `birth_date`."
    )
    height: str = Field(description="Column with the height.")
    weight: str = Field(description="Column with the weight (kg).")
    measured_on: str | None = Field(
        None,
        description=(
            "Column with the date of height and weight, where a patient has several rows; the row nearest the"
            " film counts."
        ),
    )

    @model_validator(mode="after")
    def _age_or_birth(self) -> PatientColumns:
        if (self.birth_date is None) == (self.age is None):
            raise ValueError("give exactly one of 'birth_date' and 'age'")
        _no_column_twice(self)
        return self


class ExclusionColumns(Section):
    secondary_osteoporosis: str | None = Field(None, description="Column that flags secondary osteoporosis.")
    high_density_foreign_body: str | None = Field(
        None, description="Column that flags a high-density foreign body."
    )
    abnormal_spine: str | None = Field(
        None, description="Column that flags an abnormal spine (fracture, scoliosis)."
    )
    orthopaedic_surgery: str | None = Field(
        None, description="Column that flags earlier orthopaedic surgery."
    )
    poor_image_quality: str | None = Field(
        None, description="Column that flags poor image quality or artefacts."
    )


class SexCoding(Coding):
    F: list[str] = Field(["F", "f", "female", "2", "女"], description="What stands for female.")
    M: list[str] = Field(["M", "m", "male", "1", "男"], description="What stands for male.")


class FlagCoding(Coding):
    yes: list[str] = Field(
        ["1", "1.0", "yes", "Yes", "Y", "true", "True", "TRUE", "是", "有"],
        description="What stands for yes.",
    )
    no: list[str] = Field(
        ["0", "0.0", "no", "No", "N", "false", "False", "FALSE", "否", "无"],
        description="What stands for no.",
    )

    @model_validator(mode="before")
    @classmethod
    def _words(cls, given: Any) -> Any:
        """YAML reads the keys yes and no as true and false where they have no quotes."""
        words = {True: "yes", False: "no"}
        return (
            {words[key] if isinstance(key, bool) else key: value for key, value in given.items()}
            if isinstance(given, dict)
            else given
        )


class SiteCoding(Coding):
    lumbar: list[str] = Field(
        ["lumbar", "L1-L4", "L1-4", "spine", "腰椎"], description="What stands for the lumbar spine."
    )
    femoral_neck: list[str] = Field(
        ["femoral_neck", "neck", "FN", "股骨颈"], description="What stands for the femoral neck."
    )
    total_hip: list[str] = Field(
        ["total_hip", "hip", "TH", "全髋"], description="What stands for the total hip."
    )
    other: list[str] = Field(
        [],
        description=(
            "Further codes of sites that the study doesn't look at, beside the usual ones (forearm, Ward's,"
            " trochanter, single vertebrae ...). A row whose code is in none of these lists may be of any"
            " site."
        ),
    )


class TableFile(Section):
    path: str = Field(description="CSV, TSV or Excel file.")
    sheet: str | None = Field(None, description="Sheet of an Excel file; the first one if not given.")
    header_row: int | None = Field(
        None,
        ge=1,
        description=(
            "Row of the file that holds the headings, counted from 1; if not given, the first row, or the"
            " first one that has the columns."
        ),
    )
    encoding: str = Field(
        "utf-8-sig", description="Encoding of a CSV or TSV file, e.g. utf-8-sig or gb18030."
    )
    missing: list[str] = Field(
        [],
        description=(
            "Further words or numbers that stand for 'no value' in this table, beside the usual ones (empty,"
            " NA, not measured, 未测, -9.9, 999 ...)."
        ),
    )
    date_format: str | None = Field(
        None,
        description=(
            "Format of the dates, e.g. `%d/%m/%Y`; if not given ISO dates (2024-07-31 or 20240731) and Excel"
            " dates are read."
        ),
    )

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError:
            raise ValueError(
                "no such encoding; utf-8-sig, gb18030, big5, shift_jis, euc_kr and cp1252 are usual ones"
            ) from None
        return value

    @field_validator("date_format")
    @classmethod
    def _day_month_year(cls, value: str | None) -> str | None:
        day = datetime.date(1999, 12, 31)
        try:
            if value is not None and datetime.datetime.strptime(day.strftime(value), value).date() != day:
                raise ValueError
        except ValueError:
            raise ValueError(
                "this is no format of a date; write %d for the day, %m for the month and %Y for the year,"
                " e.g. '%d/%m/%Y'"
            ) from None
        return value


class PatientTable(TableFile):
    columns: PatientColumns = Field(description="Which column holds what.")
    exclusions: ExclusionColumns = Field(
        default_factory=ExclusionColumns, description="Columns of the exclusion flags."
    )
    height_unit: Literal["cm", "m"] = Field("cm", description="Unit of the height column.")
    sex_coding: SexCoding = Field(default_factory=SexCoding, description="How the sex is coded.")
    flag_coding: FlagCoding = Field(
        default_factory=FlagCoding, description="How the exclusion flags are coded."
    )


class DxaColumns(Section):
    patient_id: str = Field(description="Column with the hospital's patient id.")
    exam_date: str = Field(description="Column with the date of the DXA exam.")
    site: str = Field(description="Column with the measured site.")
    bmd: str = Field(description="Column with the bone mineral density (g/cm2).")
    t_score: str = Field(description="Column with the T-score.")
    scan: str | None = Field(
        None,
        description=(
            "Column that tells the site together with `site`, such as the scan type where spine and hip both"
            " have a `Total`. The codes of `site_coding` are then written `scan / site`, e.g. `AP Spine /"
            " Total`."
        ),
    )
    device: str | None = Field(
        None,
        description=(
            "Column that tells one densitometer from another. T-scores are checked against densities within"
            " one device."
        ),
    )

    @model_validator(mode="after")
    def _columns(self) -> DxaColumns:
        _no_column_twice(self)
        return self


class DxaTable(TableFile):
    columns: DxaColumns = Field(description="Which column holds what.")
    site_coding: SiteCoding = Field(
        default_factory=SiteCoding, description="How the sites are coded; rows of other sites are left aside."
    )
    most_odd_t_scores: Fraction = Field(
        0.02,
        description=(
            "Largest share of rows whose T-score may lie more than 0.2 off the line through T-score over"
            " density of the same site, device and sex. Above it the table is refused: the column may hold"
            " Z-scores, or a code stand for two regions."
        ),
    )


class ImageColumns(Section):
    file: str = Field(
        description=(
            "Column with the file's path from the `png` folder; its name alone where it lies directly there."
        )
    )
    patient_id: str = Field(description="Column with the hospital's patient id, as in the other tables.")
    film_date: str = Field(description="Column with the date of the film.")
    view: str = Field(
        description=(
            "Column with the view: a DICOM view position (PA, AP, LL ...), a word of `view_coding`, or words"
            " that `intake.frontal_view` knows. A film whose view stays unknown goes to review."
        )
    )
    film_time: str | None = Field(
        None, description="Column with the time of day (10:15, 101500); it orders films of one day."
    )
    sex: str | None = Field(None, description="Column with the sex.")
    age: str | None = Field(
        None,
        description=(
            "Column with the age in completed years at the film; used where the patient table has none."
        ),
    )
    manufacturer: str | None = Field(
        None,
        description=(
            "Column with the manufacturer of the device, in plain Latin letters (`Wandong`, not `万东`): any"
            " other name is left out, since free text may hold a patient's, and the film counts as of an"
            " unknown manufacturer."
        ),
    )
    burned_in: str | None = Field(
        None,
        description=(
            "Column that says whether text is burned into the film, by `flag_coding`. An empty cell counts as"
            " unknown; a film whose cell holds another word is set aside."
        ),
    )

    @model_validator(mode="after")
    def _columns(self) -> ImageColumns:
        _no_column_twice(self)
        return self


class ViewCoding(Coding):
    PA: list[str] = Field(["PA", "后前位"], description="What stands for a postero-anterior film.")
    AP: list[str] = Field(["AP", "前后位"], description="What stands for an antero-posterior film.")
    lateral: list[str] = Field(
        ["lateral", "侧位"],
        description="What stands for a lateral or oblique film; such films are set aside.",
    )


class ImageTable(TableFile):
    columns: ImageColumns = Field(description="Which column holds what.")
    bits: int = Field(
        16,
        ge=8,
        le=16,
        description=(
            "Bits that the values of 16-bit files use: 12 where they go from 0 to 4095, 16 where they fill"
            " the range. A file with a higher value is set aside. 8-bit files have 8."
        ),
    )
    sex_coding: SexCoding = Field(default_factory=SexCoding, description="How the sex is coded.")
    view_coding: ViewCoding = Field(default_factory=ViewCoding, description="How the view is coded.")
    flag_coding: FlagCoding = Field(default_factory=FlagCoding, description="How `burned_in` is coded.")


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
    role: Literal["development", "external"] = Field(
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
    return center.model_copy(
        update={
            "dicom": str(folder / "dicom"),
            "patients": PatientTable.model_validate(tables["patients"]),
            "dxa": DxaTable.model_validate(tables["dxa"]),
            "ids": IdNormaliser.model_validate(layout["ids"]),
        }
    )


# ----------------------------------------------------------------------------------------------- intake


class Exposure(Section):
    rows: tuple[Fraction, Fraction] = Field(
        (0.20, 0.90), description="Thoracic window, from and to, as fractions of the height."
    )
    columns: tuple[Fraction, Fraction] = Field(
        (0.10, 0.90), description="Thoracic window, from and to, as fractions of the width."
    )
    reject_clipped: Fraction = Field(
        0.05, description="Reject when more of the window than this is clipped at either end."
    )
    review_clipped: Fraction = Field(
        0.02,
        description=(
            "Review when more of the window than this is clipped; reject with a deviation index above its"
            " limit."
        ),
    )
    reject_range: Fraction = Field(
        0.05, description="Reject when P99 - P1 of the window is below this share of the full range."
    )
    review_range: Fraction = Field(
        0.35, description="Review when P99 - P1 is below this share of the full range."
    )
    review_noise: Positive = Field(
        0.03,
        description=(
            "Review when noise / (P99 - P1) is above this; reject with a deviation index below minus its"
            " limit."
        ),
    )
    deviation_index: Positive = Field(
        3.0, description="|deviation index| above this sends to review, and rejects when the pixels agree."
    )
    review_mean: tuple[Fraction, Fraction] = Field(
        (0.20, 0.80), description="Review when the mean of the window lies outside."
    )
    review_polarity: float = Field(
        0.0,
        ge=-1.5,
        le=1.5,
        description=(
            "Review when the measure of polarity (mediastinum minus lungs, plus abdomen minus the "
            "film's median, in ranks of its pixels) is below this: the film may be inverted."
        ),
    )
    refit: bool = Field(
        True,
        description=(
            "Refit range and mean per centre and manufacturer (median and MAD). A refitted measure may only"
            " flag."
        ),
    )
    refit_films: int = Field(50, ge=10, description="Fewest films of one manufacturer for a refit.")
    refit_mad: Positive = Field(
        4.0, description="How many median absolute deviations from the median send a film to review."
    )


class Ocr(Section):
    enabled: bool = Field(
        False,
        description=(
            "Read the films' border strips with Tesseract and send films with words other than markers to"
            " review. About 1 s a film. It misses names: a reason to look, no proof that there is none."
        ),
    )
    markers: list[str] = Field(
        [
            "L", "R", "LEFT", "RIGHT", "PA", "AP", "LAT", "PORTABLE", "MOBILE", "ERECT", "UPRIGHT", "SUPINE",
            "SITTING", "SEMI",
            "SEMIERECT", "STANDING", "DECUB", "DECUBITUS", "INSPIRATION", "EXPIRATION",
        ],
        description="Words that may stand on a film, in capitals or not.",
    )  # fmt: skip
    border: Annotated[float, Field(gt=0, le=0.5)] = Field(
        0.15, description="Width of each strip as a share of the film's side."
    )
    confidence: Annotated[float, Field(ge=0, le=100)] = Field(
        50, description="Least confidence of Tesseract (0 to 100) for a word to count."
    )
    shortest: int = Field(3, ge=1, description="Fewest characters of a word that counts.")
    timeout: Positive = Field(
        60, description="Seconds for one strip; a film that takes longer goes to review."
    )


class FrontalView(Section):
    pa: list[str] = Field(
        [
            r"(?<![A-Z])P\.?[-/ ]?A(?![A-Z])",
            "postero[- ]?anterior",
            "^(?!.*(床[旁边]|前[后後]位)).*正位",
            "[后後]前位",
        ],
        description=(
            "Patterns in SeriesDescription that mean PA: regular expressions, found in capitals and "
            "small letters, with and without accents; `_` counts as a space."
        ),
    )
    ap: list[str] = Field(
        [r"(?<![A-Z])A\.?[-/ ]?P(?![A-Z])", "antero[- ]?posterior", "床[旁边]", "前[后後]位"],
        description="Patterns that mean AP.",
    )
    lateral: list[str] = Field(
        [
            "(?<![A-Z])(LAT|LL|RL)(?![A-Z])",
            "(?<![A-Z])latera", "latero", "seitl", "profil", "perfil", "obli[qk]",
            "schrag", "boczn", "bocn", "боков", "[侧側][位面]", "斜位", "側像", "측면",
        ],
        description="Patterns that mean lateral or oblique. A description that has them and those of another "
        "list names two views, as an order does, and says nothing of the one film.",
    )  # fmt: skip
    frontal: list[str] = Field(
        [
            "正.{0,2}[侧側斜]", "正面", "frontal", "(?<![A-Z])(face|frente|front)(?![A-Z])", "прям",
            "(?<![0-9])2 ?-?(v(?![A-Z])|vw|views?|ebenen|incid|proj|planes)",
            "(two|zwei|deux|dos|due) (views?|ebenen|incid|proj|planes)",
        ],
        description="Patterns that mean frontal, or two views, without saying PA or AP. Alone they leave the "
        "view unknown, and so they do beside one for lateral.",
    )  # fmt: skip
    chest: list[str] = Field(
        [
            "chest", "cxr", "thorax", "torax", "torace", "lung", "pulmo", "polmon", "poumon", "poitrine",
            "brust(?!wirbel|bein|drus|krebs)",
            "borstkas", "bryst(?!ben)", "klatka", "klp", "hrudnik", "mellkas",
            "keuhko", "gogus", "akciger",
            "грудн(ой|ая) клет", "легк", "огк", "胸(?!椎|骨|锁|鎖|腰)", "肺", "흉부", "가슴",
        ],
        description="Patterns in BodyPartExamined that mean the chest. A film of another part of the body is "
        "set aside; one that names none, or in a character set that can't be told, is not.",
    )  # fmt: skip

    @field_validator("pa", "ap", "lateral", "frontal", "chest")
    @classmethod
    def _patterns(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"'{pattern}' is not a regular expression ({error})") from None
        return patterns


class Intake(Section):
    batches: int = Field(
        2, ge=1, le=400, description="Number of batches of films per centre. About 250 films a batch is good."
    )
    frontal_view: FrontalView = Field(
        default_factory=FrontalView, description="How a frontal film is told where no tag says it."
    )
    exposure: Exposure = Field(
        default_factory=Exposure,
        description="Thresholds of the exposure rules, in the range 0 to 1 of the PNG.",
    )
    ocr: Ocr = Field(
        default_factory=Ocr, description="A gate for text burned into the films' borders; off as shipped."
    )


# ----------------------------------------------------------------------------------------------- cohort


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
    sites: list[Site] = Field(
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
    exclusions: list[
        Literal[
            "secondary_osteoporosis",
            "high_density_foreign_body",
            "abnormal_spine",
            "orthopaedic_surgery",
            "poor_image_quality",
        ]
    ] = Field(list(EXCLUSIONS), description="Exclusion criteria in the order in which the first one counts.")
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

    @model_validator(mode="after")
    def _enough_sites(self) -> Cohort:
        twice = next((site for site in self.sites if self.sites.count(site) > 1), None)
        if twice is not None:
            raise ValueError(f"'{twice}' stands twice in 'sites'; name every site once")
        if self.min_sites > len(self.sites):
            said = f"min_sites is {self.min_sites}, but 'sites' names {len(self.sites)}"
            raise ValueError(f"{said}; lower min_sites or name more sites")
        return self


# ------------------------------------------------------------------------------------------------- deep


class Architecture(Section):
    grid: int = Field(6, ge=1, le=12, description="Blocks per side of the film; 6 gives 36 blocks.")
    block_size: int = Field(
        256, ge=32, description="Side of a block in pixels; the film is resized to `grid * block_size`."
    )
    trunk_width: int = Field(
        64,
        ge=8,
        description=(
            "Channels of the ResNet-18's first stage; 64 is ResNet-18. A block gives `8 * trunk_width`"
            " features."
        ),
    )
    layers: int = Field(6, ge=1, description="Post-Norm Transformer layers.")
    heads: int = Field(8, ge=1, description="Attention heads; they must divide `8 * trunk_width`.")
    mlp_ratio: Positive = Field(4, description="Width of a layer's MLP over its input's.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout in the Transformer.")
    head_hidden: int = Field(256, ge=1, description="Hidden width of the global head and of each local head.")

    @model_validator(mode="after")
    def _divides(self) -> Architecture:
        if (8 * self.trunk_width) % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide 8 * trunk_width ({8 * self.trunk_width})")
        return self


class Training(Section):
    epochs: int = Field(50, ge=1, description="Epochs; the last one's weights are used.")
    batch_size: int = Field(
        8,
        ge=2,
        description=(
            "Films per step; at most as many as a fold trains on. Films left over of an epoch's shuffle wait"
            " for the next one."
        ),
    )
    learning_rate: Positive = Field(1e-4, description="Learning rate after warm-up.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of SGD.")
    weight_decay: float = Field(1e-4, ge=0, description="Weight decay.")
    warmup_fraction: Fraction = Field(
        0.05, description="Share of all steps in which the rate rises from 0; then it falls as a cosine to 0."
    )
    clip_norm: Positive = Field(1.0, description="Gradient norm above which gradients are scaled down.")
    local_weight: float = Field(
        1.0, ge=0, description="Weight of the mean local loss beside the global loss."
    )
    norm_batches: int = Field(
        8,
        ge=0,
        description=(
            "Batches of training films (all of an epoch where there are fewer) on which the BatchNorm"
            " statistics for scoring are measured at each epoch's end; 0 takes the running averages of the"
            " training."
        ),
    )
    precision: Literal["fp32", "bf16"] = Field("fp32", description="Arithmetic of convolutions and products.")
    compile: bool = Field(
        False,
        description=(
            "Compile the network (`torch.compile`): faster on a GPU, slower on the CPU. It changes the last"
            " bits of the weights, and ends the run where it can't be done."
        ),
    )


class Augmentation(Section):
    flip: Fraction = Field(0.5, description="Chance of a left-right flip.")
    rotation: float = Field(10.0, ge=0, le=45, description="Largest rotation, degrees, either way.")
    crop_scale: tuple[Positive, Positive] = Field((0.9, 1.1), description="Range of the zoom.")
    shift: Fraction = Field(0.05, description="Largest shift as a share of the side, either way.")
    brightness: float = Field(
        0.1, ge=0, description="Largest brightness change, in SDs of the film, either way."
    )
    contrast: Fraction = Field(0.1, description="Largest contrast change, as a share, either way.")


class Scoring(Section):
    precision: Literal["trained", "fp32", "bf16"] = Field(
        "trained",
        description=(
            "Arithmetic with which test films are scored; `trained` is `deep.training.precision`. Training"
            " patients are scored by their fold's job, always in its precision, and thresholds come from"
            " those scores."
        ),
    )
    films_per_forward: Literal["auto"] | Annotated[int, Field(ge=1, le=1024)] = Field(
        "auto",
        description=(
            "Films that go through the network at once. It can change the last bits of a score, so `auto`"
            " follows from the geometry and the precision and not from the machine's free memory: 1 on a CPU;"
            " on a GPU the largest power of two, up to 64, whose activations fit in 8 GiB. Give a number for"
            " a smaller card."
        ),
    )


class GradCam(Section):
    cases: int = Field(
        2,
        ge=1,
        le=12,
        description="Films per kind (true and false positives and negatives), the most certain ones.",
    )
    random: int = Field(
        4,
        ge=0,
        le=24,
        description=(
            "Films beside these, drawn at random from the whole internal test set by `study.seed` and the"
            " patient's pseudonym."
        ),
    )


class Masks(Section):
    """Parts of the film that are covered to see what the score loses without them."""

    sets: Literal["internal_test", "all"] = Field(
        "internal_test",
        description=(
            "Test sets that are scored with parts of the film covered; each costs four times the scoring of"
            " that set."
        ),
    )
    spine: tuple[Fraction, Fraction] = Field(
        (0.35, 0.65),
        description=(
            "Band of the spine and the mediastinum over the whole height: from and to, as fractions of the"
            " film's width."
        ),
    )
    border: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.08,
        description="Width of the outer border on each of the four sides, as a fraction of the film's side.",
    )

    @model_validator(mode="after")
    def _band(self) -> Masks:
        if not 0 < self.spine[0] < self.spine[1] < 1:
            raise ValueError(
                "'spine' needs two fractions, the smaller one first, with film on both sides of the band"
            )
        if self.spine[1] - self.spine[0] > min(2 * self.spine[0], 2 * (1 - self.spine[1])):
            raise ValueError(
                "'spine' is wider than the film beside it, so that no band as wide is left there to compare"
                " with"
            )
        return self


class Deep(Section):
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description=(
            "Where to compute; auto takes a GPU when there is one. The report's software section and"
            " `provenance.json` name what each fold was trained on."
        ),
    )
    gpus_per_fold: int = Field(
        0,
        ge=0,
        le=1,
        description=(
            "GPUs that a fold's job asks for: 1 on a GPU node, 0 on the CPU. With 1, a job that finds no GPU"
            " ends with an error, unless `device` is `cpu`."
        ),
    )
    cpu_threads: int = Field(
        1,
        ge=1,
        description=(
            "Threads of a fold's job. They change the last bits of the weights, so they stand here and are"
            " not taken from the machine."
        ),
    )
    init: str = Field(
        "imagenet",
        description=(
            "`imagenet` (weights/resnet18-f37072fd.pth), the path of a file of ResNet-18 weights, or"
            " `random`. A network that a fold trained is refused."
        ),
    )
    architecture: Architecture = Field(default_factory=Architecture, description="Geometry of the network.")
    training: Training = Field(default_factory=Training, description="Settings of the training.")
    augmentation: Augmentation = Field(
        default_factory=Augmentation, description="Random changes to films in training."
    )
    scoring: Scoring = Field(default_factory=Scoring, description="How test films are scored.")
    gradcam: GradCam = Field(default_factory=GradCam, description="Which films get a heat map.")
    masks: Masks = Field(
        default_factory=Masks, description="Parts of the film that are covered in the shortcut audit."
    )
    checkpoint_minutes: Positive = Field(
        5.0, description="Longest time between two saved states of a training."
    )

    @model_validator(mode="after")
    def _masks_cover(self) -> Deep:
        side = self.architecture.grid * self.architecture.block_size
        left, right = (round(edge * side) for edge in self.masks.spine)
        if right - left < 2:
            raise ValueError(
                f"masks.spine covers {right - left} of the film's {side} columns, so that there is nothing to"
                " compare; make it wider"
            )
        if round(self.masks.border * side) < 1:
            raise ValueError(
                f"masks.border is less than a pixel of the film's {side}, so that nothing is covered; make it"
                " wider"
            )
        return self

    @model_validator(mode="after")
    def _init_fits(self) -> Deep:
        if self.init == "imagenet" and self.architecture.trunk_width != 64:
            raise ValueError(
                "init 'imagenet' needs architecture.trunk_width 64 (ResNet-18), not"
                f" {self.architecture.trunk_width}; use init 'random'"
            )
        return self


# --------------------------------------------------------------------------------------------- boosting


class Boosting(Section):
    trees: int = Field(200, ge=1, description="Number of trees.")
    depth: int = Field(3, ge=1, le=10, description="Depth of a tree.")
    learning_rate: Positive = Field(0.05, le=1, description="Shrinkage of each tree.")
    subsample: Fraction = Field(0.8, gt=0, description="Share of patients per tree.")
    column_sample: Fraction = Field(0.8, gt=0, description="Share of variables per tree.")
    min_child_weight: float = Field(5.0, ge=0, description="Least sum of weights in a leaf.")
    l2: float = Field(1.0, ge=0, description="L2 penalty on the leaves.")


# ------------------------------------------------------------------------------------------- statistics


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


# ----------------------------------------------------------------------------------------------- report


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


# ------------------------------------------------------------------------------------------- own tables


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


# --------------------------------------------------------------------------------------------- the whole


class Config(Section):
    """The whole ``config.yaml``."""

    study: Study = Field(default_factory=Study, description="The study as a whole.")
    centers: list[Center] = Field(
        [], description="The centres: exactly one development centre, any number of external ones."
    )
    intake: Intake = Field(
        default_factory=Intake, description="De-identification, conversion and exposure screening."
    )
    cohort: Cohort = Field(default_factory=Cohort, description="Selection, label and split.")
    deep: Deep = Field(default_factory=Deep, description="The network.")
    boosting: Boosting = Field(default_factory=Boosting, description="XGBoost models.")
    statistics: Statistics = Field(default_factory=Statistics, description="Tables, tests and figures.")
    report: Report = Field(default_factory=Report, description="The report.")
    handover: str | None = Field(
        None,
        description=(
            "For a site whose films stay in the house: the centre whose intake is run, alone, and handed over"
            " as a de-identified folder. `make handover CENTER=<name>` sets it. No development centre is"
            " needed then."
        ),
    )

    tables: OwnTables | None = Field(
        None,
        description=(
            "Statistics from tables of scores that were made elsewhere (`make statistics`,"
            " docs/own_tables.md). No centre is needed then, and nothing but statistics is made."
        ),
    )

    @property
    def labels(self) -> dict[str, str]:
        """The names that figures show and the config gives, by their keys."""
        shown = {f"centers[{c.name}].label": c.label for c in self.centers if c.label}
        if self.tables is not None:
            shown |= {f"tables.labels.{key}": label for key, label in self.tables.labels.items()}
            shown |= {
                f"tables.{kind}: '{name}'": name
                for kind in ("models", "sets", "centers")
                for name in getattr(self.tables, kind)
                if name not in self.tables.labels
            }
        return shown

    def _check_names(self) -> None:
        """Names reach Snakemake's parameters, where braces mean a wildcard and angle brackets in a path a
        variable.
        """
        named = {f"centers[{c.name}].label": c.label for c in self.centers if c.label}
        named |= {"statistics.prevalences: label": " ".join(one.label for one in self.statistics.prevalences)}
        if self.tables is not None:
            named |= {f"tables.labels.{key}": f"{key} {label}" for key, label in self.tables.labels.items()}
        for where, name in named.items():
            if set(name) & set("{}"):
                raise ValueError(f"{where}: '{name}' holds a brace; write it without {{ and }}")

    @model_validator(mode="after")
    def _centres(self) -> Config:
        self._check_names()
        if self.tables is not None:
            if self.centers:
                raise ValueError(
                    "tables: this section belongs to `make statistics` (docs/own_tables.md), which writes"
                    " into a folder of its own; a study with centres has none"
                )
            return self
        if not self.centers:
            raise ValueError("centers: give at least one centre")
        if self.statistics.primary_contrast is None:
            raise ValueError(
                "statistics.primary_contrast: the study declares its main comparison, two of its models, such"
                " as [combined, clinical]"
            )
        unknown = [name for name in self.statistics.primary_contrast if name not in MODELS]
        if unknown or len(set(self.statistics.primary_contrast)) < 2:
            said = f"there is no model '{unknown[0]}'" if unknown else "it names one model twice"
            raise ValueError(f"statistics.primary_contrast: {said}; give two of {', '.join(MODELS)}")
        self._check_colors()
        names = [c.name for c in self.centers]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"centers: the name '{twice[0]}' is used twice; every centre needs its own")
        if self.handover is not None:
            self._check_handover(names)
        shown = [c.label or c.name for c in self.running]
        alike = next((label for label in shown if shown.count(label) > 1), None)
        if alike is not None:
            raise ValueError(f"centers: two centres are shown as '{alike}'; give each a 'label' of its own")
        developers = [c.name for c in self.centers if c.role == "development"]
        if len(developers) > 1:
            found = " and ".join(f"'{d}'" for d in developers)
            raise ValueError(f"centers: exactly one centre must have the role 'development'; found {found}")
        if not developers and self.handover is None:
            raise ValueError(
                "centers: exactly one centre must have the role 'development'; found none (a site that only"
                " hands a centre over runs 'make handover CENTER=<name>', or writes 'handover: <name>')"
            )
        if self.study.key_file is None and any(c.simulate is None for c in self.centers):
            raise ValueError(
                "study.key_file: a study of real patients needs a key; run 'make key' once and write "
                "'key_file: private/study.key' under 'study'"
            )
        return self

    def _check_colors(self) -> None:
        """Refuse a colour of a model that the study doesn't have: it would colour nothing
        (``ValueError``).
        """
        for name in self.statistics.figures.colors:
            if name not in MODELS:
                near = difflib.get_close_matches(name.lower(), MODELS, n=1)
                advice = f"did you mean '{near[0]}'?" if near else f"the models are {', '.join(MODELS)}"
                raise ValueError(f"statistics.figures.colors: there is no model '{name}'; {advice}")

    def _check_handover(self, names: list[str]) -> None:
        """Refuse a hand-over of a centre that isn't there or has nothing to hand over (``ValueError``)."""
        if self.handover not in names:
            near = difflib.get_close_matches(str(self.handover), names, n=1)
            advice = f"did you mean '{near[0]}'?" if near else f"the config has: {', '.join(names)}"
            raise ValueError(f"handover: there is no centre '{self.handover}' ({advice})")
        center = self.center(self.handover)
        kind = "is simulated" if center.simulate else "was handed over itself" if center.deidentified else ""
        if kind:
            raise ValueError(
                f"handover: centre '{center.name}' {kind}; only a site's own films and tables are handed over"
            )

    @property
    def running(self) -> list[Center]:
        """The centres whose intake this run does: all, or the one that is handed over."""
        return self.centers if self.handover is None else [self.center(self.handover)]

    @property
    def development(self) -> Center:
        """The centre that trains."""
        return next(c for c in self.centers if c.role == "development")

    @property
    def external(self) -> list[Center]:
        """The external centres, in the order of the config."""
        return [c for c in self.centers if c.role == "external"]

    @property
    def test_sets(self) -> list[str]:
        """``internal_test`` and the external centres' names; of own tables their sets."""
        if self.tables is not None:
            return self.tables.sets
        return ["internal_test", *(c.name for c in self.external)]

    @property
    def synthetic(self) -> bool:
        """True when any centre is simulated: then every figure, table and report says so."""
        if self.tables is not None:
            return self.tables.synthetic
        return any(c.simulate is not None for c in self.centers)

    def center(self, name: str) -> Center:
        """The centre called ``name``."""
        return next(c for c in self.centers if c.name == name)


# ---------------------------------------------------------------------------------- readable refusals


def _model_at(path: tuple[Any, ...]) -> type[BaseModel] | None:
    """The section class that stands at a pydantic error's location."""
    current: Any = Config
    for part in path:
        if isinstance(part, int):
            continue
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            return None
        field = current.model_fields.get(part) or next(
            (f for f in current.model_fields.values() if f.alias == part), None
        )
        if field is None:
            return None
        current = _section_of(field.annotation)
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _section_of(annotation: Any) -> Any:
    if isinstance(annotation, type):
        return annotation
    for inner in get_args(annotation):
        found = _section_of(inner)
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return get_origin(annotation)


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _where(location: tuple[Any, ...], raw: Any) -> str:
    """``centers[external_1].patients.path`` for ``("centers", 1, "patients", "path")``."""
    text, at = "", raw
    for part in location:
        if isinstance(part, int):
            entry = at[part] if isinstance(at, list) and part < len(at) else None
            name = entry.get("name") if isinstance(entry, dict) else None
            text += f"[{name if isinstance(name, str) else part + 1}]"
            at = entry
        else:
            text += f".{part}" if text else str(part)
            at = at.get(part) if isinstance(at, dict) else None
    return text


def _sentence(error: Any, raw: Any) -> str:
    location = tuple(error["loc"])
    where = _where(location, raw)
    kind, value, context = error["type"], error.get("input"), error.get("ctx", {})
    if kind == "extra_forbidden":
        model = _model_at(location[:-1])
        keys = _keys(model) if model else []
        near = difflib.get_close_matches(str(location[-1]), keys, n=1, cutoff=0.5)
        advice = f"did you mean '{near[0]}'?" if near else f"known keys here: {', '.join(keys)}."
        return f"{where}: there is no such key; {advice}"
    if kind == "missing":
        return f"{where}: this key is needed and is not given."
    if kind == "literal_error":
        near = difflib.get_close_matches(
            str(value), re.findall(r"'([^']*)'", context.get("expected", "")), n=1
        )
        advice = f" Did you mean '{near[0]}'?" if near else ""
        return f"{where}: {value!r} is not allowed; use {context.get('expected')}.{advice}"
    if kind == "value_error":
        text = str(context.get("error", error["msg"]))
        if not where:
            return text + "."
        return f"{where}: {text}." if not isinstance(value, str) else f"{where}: '{value}': {text}."
    if kind == "string_type" and isinstance(value, int | float):
        return (
            f"{where}: {value!r} stands without quotes and is read as a number or a yes/no; write '{value}'"
            " in quotes."
        )
    said = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        said = "a section of keys, each with its value, indented below it"
    shown = (
        repr(value)
        if isinstance(value, str | int | float | bool | type(None))
        else f"a {type(value).__name__}"
    )
    return f"{where}: {shown} does not fit; it should be {said}."


def _refuse(faults: list[tuple[tuple[Any, ...], str]], files: dict[str, dict[str, Any]]) -> None:
    """Raise ``StudyError`` with all faults (place and sentence), each with the file in which it stands; none,
    no error.
    """
    sentences = list(dict.fromkeys(f"{file_of(place, files)}: {sentence}" for place, sentence in faults))
    if len(sentences) == 1:
        raise StudyError(sentences[0])
    if sentences:
        raise StudyError(f"The config has {len(sentences)} faults:\n  - " + "\n  - ".join(sentences))


def read_config(raw: dict[str, Any], files: dict[str, dict[str, Any]] | None = None) -> Config:
    """Turn the merged YAML into a ``Config``; refuse it with one sentence per fault (``StudyError``).

    ``files`` are the contents of the files that were merged, by name and in their order, to say in which a
    fault stands.
    """
    replaced = replaced_centers(files or {})
    if replaced is not None:
        _refuse([(("centers",), replaced)], files or {})
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        found = [(tuple(e["loc"]), _sentence(e, raw)) for e in error.errors()]
    # a fault of the config as a whole names its key in its first words
    faults = [(place or tuple(said.partition(":")[0].split(".")), said) for place, said in found]
    _refuse(faults, files or {})
    raise AssertionError("a refused config has faults")


def check_paths(config: Config, files: dict[str, dict[str, Any]] | None = None) -> None:
    """Refuse a config that names files or folders that don't exist (``StudyError``), before any job
    starts.
    """
    faults: list[tuple[tuple[Any, ...], str]] = []
    if config.study.key_file is not None:
        from scripts.common.key import read_key

        try:
            read_key(config.study.key_file)
        except StudyError as error:
            faults.append((("study", "key_file"), str(error)))
    if config.deep.init not in ("imagenet", "random") and not Path(config.deep.init).is_file():
        said = (
            f"deep.init: there is no file '{config.deep.init}'; use imagenet, random or the path of a file of"
            " ResNet-18 weights."
        )
        faults.append((("deep", "init"), said))
    if config.intake.ocr.enabled and shutil.which("tesseract") is None:
        said = (
            "intake.ocr is on, but the program 'tesseract' is not installed. Run: apt-get install -y"
            " tesseract-ocr (as root), or set intake.ocr.enabled to false."
        )
        faults.append((("intake", "ocr"), said))
    for number, center in enumerate(config.centers):
        if center not in config.running:
            continue
        where, place = f"centers[{center.name}]", ("centers", number)
        if center.review is not None and not Path(center.review).is_file():
            faults.append(((*place, "review"), f"{where}.review: there is no file '{center.review}'."))
        if center.simulate is not None:
            continue
        kind = next(key for key in ("dicom", "png", "deidentified") if getattr(center, key) is not None)
        if not Path(center.films).is_dir():
            faults.append(((*place, kind), f"{where}.{kind}: there is no folder '{center.films}'."))
        elif Path.cwd().resolve().is_relative_to(Path(center.films).resolve()):
            said = (
                f"{where}.{kind}: '{center.films}' holds the folder of the study itself; give the folder that"
                " has this centre's films alone."
            )
            faults.append(((*place, kind), said))
        elif center.deidentified is not None:
            from scripts.common.manifest import read_manifest

            try:
                read_manifest(center.deidentified, where)
            except StudyError as error:
                faults.append(((*place, kind), str(error)))
        for key in ("images", "patients", "dxa"):
            table = getattr(center, key)
            if table is not None and not Path(table.path).is_file():
                faults.append(
                    ((*place, key, "path"), f"{where}.{key}.path: there is no file '{table.path}'.")
                )
    _refuse(faults, files or {})
