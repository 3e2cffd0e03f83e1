"""``intake``: batches, views, exposure rules and the gate for burned-in text."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator

from scripts.common.config.section import Fraction, Positive, Section


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
