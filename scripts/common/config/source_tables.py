"""``centers[].patients``, ``dxa`` and ``images``: a hospital's tables, column by column."""

from __future__ import annotations

import codecs
import datetime
import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from scripts.common.config.section import Fraction, Label, Section
from scripts.common.plain_text import plain
from scripts.common.predictors import CATEGORY, LEVEL, NAME, NUMBER, RESERVED, YES_NO


def _no_column_twice(columns: dict[str, str | None]) -> None:
    """Refuse a table's column that stands for two fields (``ValueError``). ``columns``: by field."""
    named: dict[str, str] = {}
    for field, column in columns.items():
        if column is not None and named.setdefault(column, field) != field:
            raise ValueError(
                f"the column '{column}' stands for both '{named[column]}' and '{field}'; each needs its own"
            )


def _one_meaning_each(coding: dict[str, list[str]]) -> None:
    """Refuse a code that stands for two meanings (``ValueError``)."""
    meant: dict[str, str] = {}
    for meaning, written in coding.items():
        for code in written:
            first = meant.setdefault(plain(code), meaning)
            if first != meaning:
                raise ValueError(
                    f"the code '{code}' stands for both '{first}' and '{meaning}'; give both lists, each"
                    " with its own codes"
                )


class Coding(Section):
    """Meanings, each with the codes that a table has for it; no code may have two meanings."""

    @model_validator(mode="after")
    def _meanings(self) -> Coding:
        _one_meaning_each(self.model_dump(by_alias=True))
        return self


class PatientColumns(Section):
    patient_id: str = Field(description="Column with the hospital's patient id, as in the films.")
    sex: str = Field(description="Column with the sex.")
    birth_date: str | None = Field(None, description="Column with the birth date. Give this or `age`.")
    age: str | None = Field(
        None, description="Column with the age in years at the film. Give this or `birth_date`."
    )
    height: str | None = Field(
        None, description="Column with the height. Without it height and body mass index are missing."
    )
    weight: str | None = Field(
        None, description="Column with the weight (kg). Without it weight and body mass index are missing."
    )
    measured_on: str | None = Field(
        None,
        description=(
            "Column with the date of height, weight and predictors, where a patient has several rows; the row"
            " nearest the film counts."
        ),
    )

    @model_validator(mode="after")
    def _age_or_birth(self) -> PatientColumns:
        if (self.birth_date is None) == (self.age is None):
            raise ValueError("give exactly one of 'birth_date' and 'age'")
        _no_column_twice(self.model_dump())
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


def yes_and_no_as_words(given: Any) -> Any:
    """A mapping whose keys yes and no, which YAML reads as true and false without quotes, are words again."""
    words = {True: "yes", False: "no"}
    return (
        {words[key] if isinstance(key, bool) else key: value for key, value in given.items()}
        if isinstance(given, dict)
        else given
    )


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
        return yes_and_no_as_words(given)


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


class PredictorColumn(Section):
    """A further variable of the patients, which Table 1 shows and models may name."""

    column: str = Field(description="Column with the predictor.")
    type: Literal[NUMBER, YES_NO, CATEGORY] = Field(
        NUMBER, description="A number, yes or no, or one of several levels. A date can't be a predictor."
    )
    unit: str | None = Field(
        None, max_length=30, description="Unit of a number, as tables show it; nothing is converted."
    )
    range: tuple[float, float] | None = Field(
        None,
        description=(
            "Least and greatest plausible value of a number; a value outside counts as missing. Without a"
            " range so do values that stand for none (999, -9.9 ...) and those of more than seven digits."
        ),
    )
    coding: dict[str, list[str]] | None = Field(
        None,
        description=(
            "`yes` and `no`, each with its codes (the usual ones if not given), or the levels of a category,"
            " each with its codes, in the order of tables."
        ),
    )
    label: Label | None = Field(
        None,
        description=(
            "How tables call it: a text, or one per language (`{en: ..., zh: ...}`). Its name if not given."
        ),
    )

    @model_validator(mode="after")
    def _of_its_type(self) -> PredictorColumn:
        if self.type != NUMBER and (self.unit or self.range):
            raise ValueError(f"a predictor of the type '{self.type}' has neither 'unit' nor 'range'")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError("the first value of 'range' must be below the second")
        if self.type == NUMBER:
            if self.coding is not None:
                raise ValueError(f"a number has no 'coding'; give the type '{YES_NO}' or '{CATEGORY}'")
        elif self.type == YES_NO:
            self.coding = FlagCoding.model_validate(self.coding or {}).model_dump()
        else:
            self._check_levels()
        return self

    @field_validator("coding", mode="before")
    @classmethod
    def _words(cls, given: Any) -> Any:
        return yes_and_no_as_words(given)

    def _check_levels(self) -> None:
        if self.coding is None or len(self.coding) < 2:
            raise ValueError("a category needs 'coding' with two levels or more, each with its codes")
        bad = next((level for level in self.coding if not re.fullmatch(LEVEL, level)), None)
        if bad is not None:
            raise ValueError(
                f"the level '{bad}' begins with no letter, is longer than 40 characters, or holds others than"
                " letters, digits, spaces, '_', '-', '+' and '.'"
            )
        _one_meaning_each(self.coding)

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels of a category, in the order of tables."""
        return tuple(self.coding or ()) if self.type == CATEGORY else ()


class PatientTable(TableFile):
    columns: PatientColumns = Field(description="Which column holds what.")
    exclusions: ExclusionColumns = Field(
        default_factory=ExclusionColumns, description="Columns of the exclusion flags."
    )
    predictors: dict[str, PredictorColumn] = Field(
        {},
        description=(
            "Further variables of the patients by their names in the study (small letters, digits and"
            " underscores), in the order of tables. They stand in the cohort and in Table 1, and a model may"
            " name them. A number needs no more than its column: `calcium: {column: Ca}`."
        ),
    )
    height_unit: Literal["cm", "m"] = Field("cm", description="Unit of the height column.")
    sex_coding: SexCoding = Field(default_factory=SexCoding, description="How the sex is coded.")
    flag_coding: FlagCoding = Field(
        default_factory=FlagCoding, description="How the exclusion flags are coded."
    )

    @field_validator("predictors")
    @classmethod
    def _names(cls, given: dict[str, PredictorColumn]) -> dict[str, PredictorColumn]:
        for name in given:
            if not re.fullmatch(NAME, name):
                raise ValueError(
                    f"'{name}' is no name of a predictor; use small letters, digits and underscores, a letter"
                    " first, 32 characters at most"
                )
            if name in RESERVED:
                raise ValueError(
                    f"the name '{name}' is taken by a column of the study's tables; call the predictor"
                    " otherwise"
                )
        return given

    @model_validator(mode="after")
    def _columns(self) -> PatientTable:
        _no_column_twice(
            self.columns.model_dump() | {name: one.column for name, one in self.predictors.items()}
        )
        return self


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
        _no_column_twice(self.model_dump())
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
        _no_column_twice(self.model_dump())
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
