"""``deep``: the network, its training and scoring, its heat maps and masks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from scripts.common.config.section import Fraction, Positive, Section


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
