"""What ``tests.bench.screening`` trains: recipes, and plans of them, most wanted first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tests.bench.screened_networks import Changes

TASKS = {
    "sex": ("hospital_a", "hospital_b"),
    "age": ("hospital_a", "hospital_b"),
    "simulated": ("simulated_train", "simulated_external_1"),
}
"""Label: the stack that trains and holds out, and the external one."""

STANDARD_EPOCHS = {"sex": 12, "age": 12, "simulated": 7}


@dataclass(frozen=True)
class Recipe:
    """A training: the shipped values, but for what a recipe changes.

    Parameters
    ----------
    epochs : None takes STANDARD_EPOCHS; else of the real films, and 7/12 of them of the simulated ones
    clip : gradient norm above which gradients are scaled down, or None
    clip_parts : trunk, Transformer and heads are each clipped to ``clip``
    optimizer : ``sgd`` or ``adamw`` (decoupled weight decay)
    trunk_rate : factor on the trunk's learning rate
    grid, block : blocks per side, and pixels per side of a block
    precision : ``fp32`` or ``bf16``
    """

    changes: Changes = field(default_factory=Changes)
    epochs: int | None = None
    batch: int = 5
    rate: float = 0.01
    momentum: float = 0.9
    decay: float = 1e-4
    warmup: float = 0.25
    clip: float | None = 1.0
    clip_parts: bool = False
    local_weight: float = 1.0
    optimizer: str = "sgd"
    trunk_rate: float = 1.0
    norm_batches: int = 8
    grid: int = 6
    block: int = 64
    width: int = 16
    precision: str = "fp32"
    anchor: bool = False

    def epochs_of(self, task: str) -> int:
        if self.epochs is None:
            return STANDARD_EPOCHS[task]
        return max(round(self.epochs * STANDARD_EPOCHS[task] / STANDARD_EPOCHS["sex"]), 1)


def recipe(base: Recipe | None = None, **values: object) -> Recipe:
    """``base`` (the shipped recipe) with ``values`` of Recipe or of Changes."""
    base = base or Recipe()
    names = set(Changes.__dataclass_fields__)
    changes = replace(base.changes, **{k: v for k, v in values.items() if k in names})
    return replace(base, changes=changes, **{k: v for k, v in values.items() if k not in names})


LITE = recipe(
    trunk="lite_film",
    optimizer="adamw",
    rate=1e-3,
    trunk_rate=0.1,
    decay=0.01,
    batch=16,
    warmup=0.1,
    norm_first=True,
    layers=2,
    readout="token_mean",
    local_weight=0.3,
    epochs=15,
    precision="bf16",
)

RECIPES: dict[str, Recipe] = {
    "shipped": recipe(),
    "clip 5": recipe(clip=5.0),
    "clip 20": recipe(clip=20.0),
    "no clip": recipe(clip=None),
    "clip per part": recipe(clip_parts=True),
    "read out token + mean": recipe(readout="token_mean"),
    "read out mean": recipe(readout="mean"),
    "read out token + local": recipe(readout="token_local"),
    "token starts as mean": recipe(token_start="mean"),
    "token SD 1": recipe(token_sd=1.0),
    "zero branches": recipe(zero_branches=True),
    "Pre-Norm": recipe(norm_first=True),
    "norm on features": recipe(feature_norm=True),
    "layers 0, mean": recipe(layers=0, readout="mean"),
    "layers 2": recipe(layers=2),
    "local weight 0": recipe(local_weight=0.0),
    "local weight .3": recipe(local_weight=0.3),
    "local detached": recipe(local_detached=True),
    "GroupNorm": recipe(trunk_norm="group"),
    "frozen BatchNorm": recipe(trunk_norm="frozen"),
    "batch 10": recipe(batch=10),
    "batch 10, rate .02": recipe(batch=10, rate=0.02),
    "batch 20, rate .02": recipe(batch=20, rate=0.02),
    "rate .003": recipe(rate=0.003),
    "rate .03": recipe(rate=0.03),
    "warm-up .05": recipe(warmup=0.05),
    "AdamW 3e-4": recipe(optimizer="adamw", rate=3e-4, decay=0.01),
    "AdamW 1e-3": recipe(optimizer="adamw", rate=1e-3, decay=0.01),
    "epochs 40": recipe(epochs=40),
}
_PRE = recipe(norm_first=True)
RECIPES |= {
    "Pre-Norm, token + mean": recipe(_PRE, readout="token_mean"),
    "Pre-Norm, token as mean": recipe(_PRE, token_start="mean"),
    "Pre-Norm, zero branches": recipe(_PRE, zero_branches=True),
    "Pre-Norm, token + mean, local .3": recipe(_PRE, readout="token_mean", local_weight=0.3),
    "Pre-Norm, token + mean, clip 5": recipe(_PRE, readout="token_mean", clip=5.0),
    "Pre-Norm, AdamW 3e-4": recipe(_PRE, optimizer="adamw", rate=3e-4, decay=0.01),
    "Pre-Norm, token + mean, AdamW 1e-3": recipe(
        _PRE, readout="token_mean", optimizer="adamw", rate=1e-3, decay=0.01
    ),
    "token as mean, zero branches": recipe(token_start="mean", zero_branches=True),
    "token + mean, zero branches": recipe(readout="token_mean", zero_branches=True),
    "token + mean, local .3": recipe(readout="token_mean", local_weight=0.3),
    "token + mean, epochs 40": recipe(readout="token_mean", epochs=40),
    "Pre-Norm, token + mean, epochs 40": recipe(_PRE, readout="token_mean", epochs=40),
    "Pre-Norm, token + mean, AdamW 1e-3, epochs 40": recipe(
        _PRE, readout="token_mean", optimizer="adamw", rate=1e-3, decay=0.01, epochs=40
    ),
    "layers 0, mean, epochs 40": recipe(layers=0, readout="mean", epochs=40),
    "anchor: frozen features, ridge": recipe(anchor=True, trunk="lite_film"),
    "pretrained film, frozen": recipe(LITE, trunk_frozen=True),
    "pretrained film, tuned": LITE,
    "pretrained blocks, frozen": recipe(LITE, trunk="lite_blocks", trunk_frozen=True),
    "pretrained blocks, tuned": recipe(LITE, trunk="lite_blocks"),
    "pretrained film, Post-Norm 6, token": recipe(LITE, norm_first=False, layers=6, readout="token"),
    "pretrained film, tuned, no layers": recipe(LITE, layers=0, readout="mean"),
    "pretrained film 512, grid 4, tuned": recipe(LITE, grid=4, block=128),
    "pretrained blocks 512, grid 4, tuned": recipe(LITE, trunk="lite_blocks", grid=4, block=128),
}

_LONG = recipe(batch=8, rate=0.015, epochs=40)
_POST = recipe(LITE, norm_first=False, layers=6)
RECIPES |= {
    "grid 4, layers 2, batch 8, rate .005, epochs 40": recipe(_LONG, grid=4, block=96, layers=2, rate=0.005),
    "grid 4, layers 2, batch 8, rate .005, epochs 40, norm on features": recipe(
        _LONG, grid=4, block=96, layers=2, rate=0.005, feature_norm=True
    ),
    "grid 4, layers 0, mean, batch 8, rate .015, epochs 40": recipe(
        _LONG, grid=4, block=96, layers=0, readout="mean"
    ),
    "whole film, layers 0, mean, AdamW 1e-3, batch 16, epochs 40": recipe(
        grid=1,
        block=384,
        layers=0,
        readout="mean",
        local_weight=0.0,
        optimizer="adamw",
        rate=1e-3,
        decay=0.01,
        batch=16,
        warmup=0.1,
        epochs=40,
    ),
    "norm on features, token + local": recipe(feature_norm=True, readout="token_local"),
    "norm on features, token + local, batch 8, rate .015, epochs 40": recipe(
        _LONG, feature_norm=True, readout="token_local"
    ),
    "pretrained film, Post-Norm 6, token, AdamW 3e-4": recipe(
        _POST, readout="token", rate=3e-4, trunk_rate=1 / 3
    ),
    "pretrained film, Post-Norm 6, token + mean": _POST,
    "pretrained blocks, Post-Norm 6, token, SGD .01": recipe(
        _POST, trunk="lite_blocks", readout="token", optimizer="sgd", rate=0.01, decay=1e-4, trunk_rate=0.3
    ),
}
_SECOND = list(RECIPES)[-9:]
_FILM = recipe(
    trunk="resnet_film",
    norm_first=True,
    layers=2,
    readout="token_mean",
    local_weight=0.3,
    optimizer="adamw",
    rate=1e-3,
    decay=0.01,
    batch=16,
    warmup=0.1,
    epochs=20,
)
RECIPES |= {
    "film trunk, AdamW 1e-3, epochs 20": _FILM,
    "film trunk, Post-Norm 6, SGD, epochs 20": recipe(
        trunk="resnet_film", feature_norm=True, batch=8, rate=0.015, epochs=20
    ),
    "film trunk, layers 0, AdamW 1e-3, epochs 20": recipe(_FILM, layers=0, readout="mean"),
    "film trunk, Post-Norm 6, SGD, epochs 20, no norm on features": recipe(
        trunk="resnet_film", batch=8, rate=0.015, epochs=20
    ),
    "blocks, Post-Norm 6, SGD, epochs 20, norm on features": recipe(
        feature_norm=True, batch=8, rate=0.015, epochs=20
    ),
}
_THIRD = list(RECIPES)[-5:]


def plan(*parts: tuple[Sequence[str], Sequence[str], Sequence[int]]) -> list[tuple[str, str, int]]:
    """Trainings (recipe, task, seed) of ``parts`` (recipes, tasks, seeds): seeds outermost, each once."""
    wanted = [
        (name, task, seed)
        for names, tasks, seeds in parts
        for seed in seeds
        for task in tasks
        for name in names
    ]
    return list(dict.fromkeys(wanted))


_ALL = list(RECIPES)
_SINGLE, _COMBINED = (
    _ALL[: _ALL.index("epochs 40") + 1],
    _ALL[_ALL.index("epochs 40") + 1 : _ALL.index(_SECOND[0])],
)
_RESNET = [name for name in _COMBINED if "pretrained" not in name and "anchor" not in name]
_LITE = [name for name in _COMBINED if name not in _RESNET]
PLANS = {
    "first": plan(
        (
            [
                "shipped",
                "Pre-Norm, token + mean",
                "anchor: frozen features, ridge",
                "pretrained film, frozen",
            ],
            ["sex"],
            [0],
        ),
        (_SINGLE, ["sex", "simulated"], [0]),
        (_LITE[:4], ["sex"], [0]),
        (_RESNET, ["sex", "simulated"], [0]),
        (_SINGLE, ["sex", "simulated"], [1, 2]),
        (_LITE, ["sex"], [0, 1]),
        (_RESNET, ["sex", "simulated"], [1, 2]),
        (_SINGLE + _RESNET, ["age"], [0]),
        (_LITE, ["age"], [0, 1]),
        (_LITE, ["sex"], [2]),
        (_SINGLE + _RESNET + _LITE, ["age"], [1, 2]),
    ),
    "second": plan(
        ([*_SECOND[:4], _SECOND[5]], ["sex"], [0]),
        (
            ["pretrained film, tuned", "pretrained film, frozen", "pretrained film, tuned, no layers"],
            ["age"],
            [0],
        ),
        (_SECOND[6:], ["sex"], [0]),
        (["anchor: frozen features, ridge"], ["age", "sex"], [0, 1, 2]),
        (["shipped", "norm on features", "Pre-Norm", "read out token + local"], ["simulated"], range(3, 10)),
        (["norm on features, token + local"], ["sex", "simulated"], [0, 1, 2]),
        (["pretrained film, tuned", "pretrained film, frozen", "pretrained blocks, tuned"], ["age"], [0, 1]),
        (_SECOND[6:], ["sex"], [1]),
        (["shipped", "norm on features", "Pre-Norm", "read out token + local"], ["age"], [0]),
        (_SECOND[:2], ["sex"], [1]),
        (["pretrained film, tuned", "pretrained film, frozen"], ["sex", "age"], [2]),
        (["shipped", "norm on features"], ["sex"], [3, 4]),
    ),
    "third": plan(
        (_THIRD, ["sex", "age"], [0, 1]), (_THIRD, ["sex"], [2]), (_THIRD, ["simulated"], [0, 1, 2])
    ),
    "tiny": plan((["shipped", "Pre-Norm, token + mean"], ["sex"], [0])),
}
