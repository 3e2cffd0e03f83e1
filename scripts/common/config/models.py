"""The study's models: any number, of any name, each of one kind.

A model is anything that gives every patient of every set one score. ``KINDS`` is the registry: a kind's name
and the class of its settings. What a kind of network computes is in ``scripts/networks/kinds/<kind>.py``,
what a tabular kind computes in ``scripts/tabular/kinds/<kind>.py``.
"""

from __future__ import annotations

import difflib
import functools
import operator
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from scripts.common.backbones import backbone_for, backbone_named
from scripts.common.config.files import laid_over
from scripts.common.config.section import Fraction, Label, Positive, Section
from scripts.common.trunks import RESNET18, TRUNKS, transformer_width
from scripts.common.vocabulary import (
    CLINICAL,
    EVERYONE_POSITIVE,
    TRAIN,
    TREAT_ALL,
    TREAT_NONE,
)
from scripts.common.weights_files import IMAGENET

MODEL_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")

TAKEN_NAMES = frozenset(
    {
        "patient_id",
        "image_id",
        "center",
        "set",
        "fold",
        "label",
        TRAIN,
        EVERYONE_POSITIVE,
        TREAT_ALL,
        TREAT_NONE,
    }
)
"""Names that a model can't have: columns and rows that stand beside the models in tables."""


class Model(Section):
    """What every model has, whatever its kind."""

    network: ClassVar[bool] = False

    like: str | None = Field(
        None,
        description=(
            "Another model whose settings this one starts from, all but `role` and `label`; keys given here"
            " stand above them."
        ),
    )
    role: Literal["main", "baseline", "ablation"] = Field(
        "main",
        description=(
            "`main`: in Table 2 and all figures. `baseline`: in a table of its own, where the main network"
            " and the first model of `statistics.primary_contrast` are tested against it. `ablation`: a"
            " network that stands in the comparison of architectures alone."
        ),
    )
    label: Label | None = Field(
        None,
        description=(
            "How figures, tables and report call the model: a text, or one per language (`{en: ..., zh:"
            " ...}`). Its name where none is given."
        ),
    )

    def shown(self, name: str, language: str) -> str:
        """The model's name for a reader."""
        return name if self.label is None else getattr(self.label, language)

    @property
    def reads(self) -> Sequence[str]:
        """What it predicts from: names of the cohort's columns and of other models."""
        return ()


# ------------------------------------------------------------------------------------------- networks


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
    optimizer: Literal["sgd", "adamw"] = Field(
        "sgd", description="`sgd`, the paper's, or `adamw`, which takes 3e-4 to 1e-3 as `learning_rate`."
    )
    momentum: float = Field(
        0.9, ge=0, lt=1, description="Momentum of SGD; AdamW has the usual 0.9 and 0.999."
    )
    weight_decay: float = Field(
        1e-4,
        ge=0,
        description=(
            "Weight decay: SGD adds it to the gradient, AdamW takes it, times the rate, from the weights"
            " themselves; 0.01 is usual there."
        ),
    )
    trunk_rate: Positive = Field(
        1.0,
        description=(
            "The trunk's learning rate as a share of `learning_rate`; 0.1 suits pretrained weights under new"
            " heads."
        ),
    )
    trained_stages: Literal["all"] | Annotated[int, Field(ge=0)] = Field(
        "all",
        description=(
            "How many of the trunk's last stages train; the others stay as they start. 0: a frozen trunk."
            " ResNet-18 has 5, efficientnet_lite0 9."
        ),
    )
    thaw_epoch: int = Field(
        0, ge=0, description="Epochs in which the heads train alone, before the trunk's stages join."
    )
    trunk_norms: Literal["batch", "fixed"] = Field(
        "batch",
        description=(
            "The trunk's BatchNorms in training: `batch` takes the statistics of each batch, `fixed` those of"
            " the weights that it starts from. In frozen stages they are always fixed."
        ),
    )
    views: int = Field(
        0,
        ge=0,
        description=(
            "With frozen stages: how many randomly changed views of each film go through them once and are"
            " kept beside the film itself, to train from; 0: new changes at each step, nothing is kept."
        ),
    )
    warmup_fraction: Fraction = Field(
        0.05, description="Share of all steps in which the rate rises from 0; then it falls as a cosine to 0."
    )
    clip_norm: Positive = Field(1.0, description="Gradient norm above which gradients are scaled down.")
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

    @field_validator("trained_stages", mode="before")
    @classmethod
    def _all_or_a_number(cls, value: Any) -> Any:
        if value != "all" and (type(value) is not int or value < 0):
            raise ValueError("give 'all' or a whole number of 0 or more")
        return value

    @model_validator(mode="after")
    def _views_of_what_is_frozen(self) -> Training:
        if self.views and self.trained_stages == "all":
            raise ValueError(
                f"views ({self.views}) are kept of frozen stages alone, and trained_stages is 'all'; give it"
                " a number, or views 0"
            )
        if self.thaw_epoch >= self.epochs:
            raise ValueError(
                f"thaw_epoch ({self.thaw_epoch}) must be less than epochs ({self.epochs}); for a trunk that"
                " never trains give trained_stages 0"
            )
        return self


class HybridTraining(Training):
    local_weight: float = Field(
        1.0,
        ge=0,
        description="Weight of the mean local loss beside the global loss; 0: no heads on the blocks.",
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


class NetworkModel(Model):
    """What every kind of network has."""

    network: ClassVar[bool] = True

    init: str = Field(
        "imagenet",
        description=(
            "What the trunk starts from: `imagenet` (a file under `weights/` that the run fetches), the path"
            " of a file of weights by torchvision's or timm's names, or `random`. A network that a fold"
            " trained is refused."
        ),
    )
    seeds: int = Field(
        1,
        ge=1,
        le=20,
        description=(
            "Networks per fold, each with a seed of its own. A patient's score is the mean over them; the"
            " time of training grows as often."
        ),
    )
    augmentation: Augmentation = Field(
        default_factory=Augmentation, description="Random changes to films in training."
    )

    @property
    def film_side(self) -> int:
        """Side in pixels of the square that a film is resized to."""
        raise NotImplementedError

    @property
    def trunk_name(self) -> str:
        """Name of the trunk, or torchvision's of the backbone."""
        raise NotImplementedError

    @property
    def geometry(self) -> dict[str, Any]:
        """What the network is built from: the fields of its kind's architecture."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _what_stays_is_known(self) -> NetworkModel:
        for key, usual in (("trained_stages", "all"), ("thaw_epoch", 0), ("trunk_norms", "batch")):
            if self.init == "random" and getattr(self.training, key) != usual:
                raise ValueError(
                    f"training.{key} keeps parts of the trunk as they start, and init 'random' gives it"
                    f" nothing to keep; give 'imagenet' or a file, or {key} {usual}"
                )
        return self

    @model_validator(mode="after")
    def _has_the_stages(self) -> NetworkModel:
        trained, known = self.training.trained_stages, TRUNKS.get(self.trunk_name)
        if known and trained != "all" and trained > known.stages:
            raise ValueError(
                f"training.trained_stages ({trained}) is more than the {known.stages} stages of"
                f" {self.trunk_name}"
            )
        return self

    @model_validator(mode="after")
    def _fetched(self) -> NetworkModel:
        if self.init == "imagenet" and self.trunk_name not in IMAGENET:
            raise ValueError(
                f"init 'imagenet' is known for {', '.join(IMAGENET)}; give the path of a file of"
                f" weights of {self.trunk_name}, or 'random'"
            )
        return self


class Architecture(Section):
    trunk: Literal["resnet18", "efficientnet_lite0"] = Field(
        RESNET18, description="What looks at the pixels: `resnet18`, the paper's, or `efficientnet_lite0`."
    )
    trunk_sees: Literal["block", "film"] = Field(
        "block",
        description=(
            "`block`, the paper's: the trunk sees every block by itself. `film`: it sees the whole film, and"
            " the grid is laid over its last map, each cell the mean of what lies in it."
        ),
    )
    grid: int = Field(6, ge=1, le=12, description="Blocks per side of the film; 6 gives 36 blocks.")
    block_size: int = Field(
        256, ge=32, description="Side of a block in pixels; the film is resized to `grid * block_size`."
    )
    trunk_width: int = Field(
        64,
        ge=8,
        description=(
            "Channels of the ResNet-18's first stage; 64 is ResNet-18. A block gives `8 * trunk_width`"
            " features. Another trunk has its own."
        ),
    )
    layers: int = Field(
        6,
        ge=0,
        description="Transformer layers; 0: none, the global head takes the mean of the blocks.",
    )
    layer_order: Literal["post_norm", "pre_norm"] = Field(
        "post_norm",
        description=(
            "Where a layer's norms stand: `post_norm`, the paper's, or `pre_norm`, with one more behind the"
            " last layer."
        ),
    )
    width: Annotated[int, Field(ge=8)] | None = Field(
        None,
        description=(
            "Width of the Transformer; a linear map leads there where the trunk's differs. `null`: 8 *"
            " `trunk_width` behind a ResNet-18, 256 behind efficientnet_lite0."
        ),
    )
    heads: int = Field(8, ge=1, description="Attention heads; they must divide the Transformer's width.")
    mlp_ratio: Positive = Field(4, description="Width of a layer's MLP over its input's.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout in the Transformer.")
    head_hidden: int = Field(256, ge=1, description="Hidden width of the global head and of each local head.")
    positions: Literal["learned", "none"] = Field(
        "learned",
        description="Encoding of the blocks' places, added to their features before the Transformer.",
    )
    feature_norm: bool = Field(
        True,
        description=(
            "LayerNorm on the blocks' features before the Transformer. The paper has none; without it the"
            " token often ends up alike for all films (docs/benchmarks.md)."
        ),
    )
    read_out: Literal["token", "token_and_mean"] = Field(
        "token",
        description=(
            "What the global head sees: `token`, the paper's, or `token_and_mean`, token plus mean of the"
            " blocks behind the Transformer."
        ),
    )

    @model_validator(mode="after")
    def _divides(self) -> Architecture:
        width = self.width or transformer_width(self.trunk, self.trunk_width)
        if width % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide the Transformer's width ({width})")
        return self


class Hybrid(NetworkModel):
    """The paper's network, a trunk (there: ResNet-18) and a Transformer over a grid of blocks."""

    kind: Literal["hybrid"] = Field(
        description="The paper's network, a trunk (there: ResNet-18) and a Transformer over a grid of blocks."
    )
    architecture: Architecture = Field(default_factory=Architecture, description="Geometry of the network.")
    training: HybridTraining = Field(default_factory=HybridTraining, description="Settings of the training.")

    @property
    def film_side(self) -> int:
        return self.architecture.grid * self.architecture.block_size

    @property
    def trunk_name(self) -> str:
        return self.architecture.trunk

    @property
    def geometry(self) -> dict[str, Any]:
        local_heads = self.training.local_weight > 0
        return self.architecture.model_dump(mode="json") | {"local_heads": local_heads}

    @model_validator(mode="after")
    def _init_fits(self) -> Hybrid:
        architecture = self.architecture
        if self.init == "imagenet" and architecture.trunk == RESNET18 and architecture.trunk_width != 64:
            raise ValueError(
                "init 'imagenet' needs architecture.trunk_width 64 (ResNet-18), not"
                f" {architecture.trunk_width}; use init 'random'"
            )
        return self


class WholeFilm(NetworkModel):
    """A backbone over the whole film."""

    kind: Literal["whole_film"] = Field(description="A backbone over the whole film.")
    backbone: str = Field(
        "resnet18",
        description=(
            "`resnet18`, `efficientnet_lite0`, or another backbone by torchvision's name, its first"
            " convolution for one channel, with one logit on the mean of its last maps. densenet121 is"
            " tested; others are tried as torchvision builds them. Those for one size of image (`vit_*`) are"
            " refused."
        ),
    )
    side: int = Field(512, ge=32, le=4096, description="Side in pixels that the film is resized to.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout before the last layer.")
    training: Training = Field(default_factory=Training, description="Settings of the training.")

    @property
    def film_side(self) -> int:
        return self.side

    @property
    def trunk_name(self) -> str:
        return self.backbone

    @property
    def geometry(self) -> dict[str, Any]:
        return {"backbone": self.backbone, "side": self.side, "dropout": self.dropout}

    @field_validator("backbone")
    @classmethod
    def _known(cls, value: str) -> str:
        backbone_named(value)
        return value

    @model_validator(mode="after")
    def _takes_the_film(self) -> WholeFilm:
        backbone_for(self.backbone, self.side)
        return self


# ------------------------------------------------------------------------------------ tabular models


class Tabular(Model):
    """A model on columns of the cohort and scores of other models."""

    predictors: list[str] = Field(
        min_length=1,
        description=(
            "Columns of the cohort (sex, age, height_cm, weight_kg, bmi, or a name under a patient table's"
            " `predictors`), or other models, whose out-of-fold scores it is fitted to."
        ),
    )

    @field_validator("predictors")
    @classmethod
    def _once_each(cls, value: list[str]) -> list[str]:
        twice = next((name for name in value if value.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"'{twice}' stands twice; name each predictor once")
        return value

    @property
    def reads(self) -> Sequence[str]:
        return self.predictors


class Trees(Tabular):
    """Gradient-boosted trees (XGBoost)."""

    kind: Literal["trees"] = Field(description="Gradient-boosted trees (XGBoost).")
    trees: int = Field(200, ge=1, description="Number of trees.")
    depth: int = Field(3, ge=1, le=10, description="Depth of a tree.")
    learning_rate: Positive = Field(0.05, le=1, description="Shrinkage of each tree.")
    subsample: Fraction = Field(0.8, gt=0, description="Share of patients per tree.")
    column_sample: Fraction = Field(0.8, gt=0, description="Share of variables per tree.")
    min_child_weight: float = Field(5.0, ge=0, description="Least sum of weights in a leaf.")
    l2: float = Field(1.0, ge=0, description="L2 penalty on the leaves.")


class Logistic(Tabular):
    """Logistic regression with a ridge penalty."""

    kind: Literal["logistic"] = Field(description="Logistic regression with a ridge penalty.")
    penalty: Positive = Field(
        1.0,
        description=(
            "Half of it times the sum of the squared standardised coefficients is added to the negative"
            " log-likelihood."
        ),
    )


class Osta(Model):
    """The Osteoporosis Self-assessment Tool for Asians."""

    kind: Literal["osta"] = Field(description="OSTA, 0.2 x (weight in kg - age in years), as a probability.")

    @property
    def reads(self) -> Sequence[str]:
        return ("age", "weight_kg")


class Features(Model):
    """A head on image embeddings of a foundation model."""

    kind: Literal["features"] = Field(description="A ridge-penalised logistic head on an embedding per film.")
    embeddings: str | None = Field(
        None,
        description=(
            "A CSV that you made from the run's PNGs with any foundation model: `image_id` and a column per"
            " number. Every film of every set needs a row."
        ),
    )
    trunk: Literal["resnet18", "efficientnet_lite0"] | None = Field(
        None, description="In place of `embeddings`: a trunk with which the run makes them itself."
    )
    grid: int = Field(
        1,
        ge=1,
        le=8,
        description=(
            "With `trunk`: the film is cut into `grid` x `grid` cells, and the mean of the trunk's last maps"
            " over each cell is a part of the embedding; 1: the mean over the film. Where in the film"
            " something is then counts."
        ),
    )
    init: str = Field(
        "imagenet", description="The trunk's weights: `imagenet`, or the path of a file of weights."
    )
    side: int = Field(
        448, ge=32, le=4096, description="Side in pixels that a film is resized to for the trunk."
    )
    penalties: list[Positive] = Field(
        [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6],
        min_length=1,
        description=(
            "Ridge penalties to choose among, inside the training folds. Where the largest or the smallest is"
            " chosen, the log says so."
        ),
    )

    @model_validator(mode="after")
    def _one_source(self) -> Features:
        if (self.embeddings is None) == (self.trunk is None):
            raise ValueError("give exactly one of 'embeddings' (a file) and 'trunk' (the run makes them)")
        if self.trunk is None and self.grid != 1:
            raise ValueError(
                f"grid ({self.grid}) is of embeddings that the run makes; give a 'trunk' or no grid"
            )
        if self.trunk is not None and self.init == "random":
            raise ValueError("init: a trunk of random weights embeds nothing; give 'imagenet' or a file")
        return self

    @property
    def trunk_name(self) -> str | None:
        """The trunk that makes the embeddings; None where they are given."""
        return self.trunk


KINDS: dict[str, type[Model]] = {
    "hybrid": Hybrid,
    "whole_film": WholeFilm,
    "trees": Trees,
    "logistic": Logistic,
    "osta": Osta,
    "features": Features,
}
"""The registry of kinds."""


def _kind_of(given: Any) -> Any:
    """The kind of an entry of the config, or of a model."""
    return given.get("kind") if isinstance(given, dict) else getattr(given, "kind", None)


AnyModel = Annotated[
    functools.reduce(operator.or_, (Annotated[model, Tag(kind)] for kind, model in KINDS.items())),
    Discriminator(_kind_of),
]


def shipped_models() -> dict[str, Model]:
    """The models of a study whose config names none: the paper's three and its baselines."""
    clinical = list(CLINICAL)
    return {
        "deep": Hybrid(kind="hybrid", label=Label(en="Deep learning", zh="DL 模型")),
        "clinical": Trees(kind="trees", label=Label(en="Clinical", zh="临床模型"), predictors=clinical),
        "combined": Trees(
            kind="trees", label=Label(en="Combined", zh="联合模型"), predictors=[*clinical, "deep"]
        ),
        "age": Logistic(kind="logistic", predictors=["age"], role="baseline"),
        "logistic": Logistic(kind="logistic", predictors=clinical, role="baseline"),
        "osta": Osta(kind="osta", role="baseline"),
    }


def like_others(given: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of the config, those with ``like`` laid over the entry that they name.

    Raises ``ValueError`` for a name that is no model, and for a circle.
    """

    def laid(name: str, path: tuple[str, ...]) -> Any:
        entry = given[name]
        if not isinstance(entry, dict) or entry.get("like") is None:
            return entry
        other = entry["like"]
        if not isinstance(other, str):
            raise ValueError(f"models.{name}.like: {other!r} does not fit; it should be a model's name")
        if other not in given:
            near = difflib.get_close_matches(other, given, n=1)
            advice = f"; did you mean '{near[0]}'?" if near else ""
            raise ValueError(f"models.{name}.like: there is no model '{other}'{advice}")
        if other in path:
            raise ValueError(f"models.{name}.like: '{' -> '.join([*path, other])}' is a circle")
        below = laid(other, (*path, other))
        kept = {k: v for k, v in below.items() if k not in ("role", "label")}
        return laid_over(kept, entry) if isinstance(below, dict) else entry

    return {name: laid(name, (name,)) for name in given}


def order_of(models: Mapping[str, Model], columns: Sequence[str]) -> list[str]:
    """The models, each behind those whose scores it reads.

    ``columns`` are the cohort's columns that can be predictors; one of them wins over a model of its name.

    Raises
    ------
    ValueError
        For a name that is neither a column nor a model, a model that reads itself, and a circle.
    """
    needs = {name: [n for n in model.reads if n not in columns] for name, model in models.items()}
    for name, read in needs.items():
        unknown = next((n for n in read if n not in models), None)
        if unknown is not None:
            near = difflib.get_close_matches(unknown, [*columns, *models], n=1)
            advice = f"did you mean '{near[0]}'?" if near else f"columns are {', '.join(columns)}"
            raise ValueError(
                f"models.{name}.predictors: '{unknown}' is neither a column of the cohort nor a model;"
                f" {advice}"
            )
    done: list[str] = []
    while len(done) < len(models):
        ready = [n for n in models if n not in done and all(one in done for one in needs[n])]
        if not ready:
            circle = next(n for n in models if n not in done)
            raise ValueError(
                f"models.{circle}.predictors: models read each other's scores in a circle"
                f" ({' -> '.join(_circle(circle, needs))}); take one of them out"
            )
        done += ready
    return done


def _circle(start: str, needs: Mapping[str, Sequence[str]]) -> list[str]:
    """A path from a model back to one that stands on it, through what each reads."""
    path = [start]
    while True:
        found = next(n for n in needs[path[-1]] if n in needs and _reaches_circle(n, needs))
        if found in path:
            return [*path[path.index(found) :], found]
        path.append(found)


def _reaches_circle(start: str, needs: Mapping[str, Sequence[str]]) -> bool:
    """Whether a model stands on a circle or reads, directly or not, one that does."""
    seen: set[str] = set()

    def walk(name: str, above: tuple[str, ...]) -> bool:
        if name in above:
            return True
        if name in seen:
            return False
        seen.add(name)
        return any(walk(n, (*above, name)) for n in needs[name])

    return walk(start, ())


def check_names(models: Mapping[str, Model]) -> None:
    """Refuse a name that can't be a column, a folder and a wildcard, or that is taken (``ValueError``)."""
    for name in models:
        if not MODEL_NAME.fullmatch(name):
            raise ValueError(
                f"models: '{name[:40]}' can't be a name; use small letters, digits and _, begin with a"
                " letter, and use 32 of them at most"
            )
        if name in TAKEN_NAMES or name.endswith("_published"):
            raise ValueError(f"models: the name '{name}' is taken; give the model another one")
