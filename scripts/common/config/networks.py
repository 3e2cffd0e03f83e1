"""``networks``: the machine that trains and scores all networks, the heat maps and the masks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from scripts.common.config.section import Fraction, Positive, Section


class Scoring(Section):
    precision: Literal["trained", "fp32", "bf16"] = Field(
        "trained",
        description=(
            "Arithmetic with which test films are scored; `trained` is the model's `training.precision`."
            " Training patients are scored by their fold's job, always in its precision, and thresholds"
            " come from those scores."
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
        description=(
            "Films per kind at most (true and false positives and negatives), the most certain ones: their"
            " odds are at least three times those at the threshold, or at most a third."
        ),
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

    def check_side(self, side: int) -> None:
        """Refuse masks that cover nothing of a film of ``side`` pixels (``ValueError``)."""
        left, right = (round(edge * side) for edge in self.spine)
        if right - left < 2:
            raise ValueError(
                f"networks.masks.spine: it covers {right - left} of the film's {side} columns, so that there"
                " is nothing to compare; make it wider"
            )
        if round(self.border * side) < 1:
            raise ValueError(
                f"networks.masks.border: it is less than a pixel of the film's {side}, so that nothing is"
                " covered; make it wider"
            )


class Networks(Section):
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
    scoring: Scoring = Field(default_factory=Scoring, description="How test films are scored.")
    gradcam: GradCam = Field(default_factory=GradCam, description="Which films get a heat map.")
    masks: Masks = Field(
        default_factory=Masks, description="Parts of the film that are covered in the shortcut audit."
    )
    checkpoint_minutes: Positive = Field(
        5.0, description="Longest time between two saved states of a training."
    )
