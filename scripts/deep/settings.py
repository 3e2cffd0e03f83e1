"""The settings that can change a fold's numbers, read once from the JSON of the command line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scripts.common.errors import StudyError
from scripts.deep.kinds.registry import HYBRID, architecture_class

if TYPE_CHECKING:
    from scripts.deep.film_network import Architecture


@dataclass(frozen=True)
class Training:
    """``deep.training`` of the config; docs/configuration.md has the meaning of each key."""

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    warmup_fraction: float
    clip_norm: float
    local_weight: float
    norm_batches: int
    precision: str
    compile: bool


@dataclass(frozen=True)
class Augmentation:
    """``deep.augmentation`` of the config.

    Attributes
    ----------
    flip : probability
    rotation : largest angle, in degrees
    crop_scale : smallest and largest zoom
    shift : largest shift, as a fraction of the side
    brightness : largest addend, in SDs of the film
    contrast : largest change of the factor 1
    """

    flip: float
    rotation: float
    crop_scale: tuple[float, float]
    shift: float
    brightness: float
    contrast: float


@dataclass(frozen=True)
class Settings:
    """All that decides a fold's numbers beside its films: ``init`` is random, imagenet or a weights file."""

    seed: int
    init: str
    cpu_threads: int
    architecture: Architecture
    training: Training
    augmentation: Augmentation

    def plain(self) -> dict[str, Any]:
        """As in the JSON of the command line."""
        return dataclasses.asdict(self)


def _built(kind: type, given: object, where: str) -> Any:
    """An instance of a dataclass from a table of exactly its fields."""
    if not isinstance(given, Mapping):
        raise StudyError(f"{where} must be a table of keys. Pass the JSON that the rule train_fold passes.")
    names = {field.name for field in dataclasses.fields(kind)}
    for what, keys in (("has an unknown key", given.keys() - names), ("lacks the key", names - given.keys())):
        if keys:
            raise StudyError(
                f"{where} {what} '{min(keys)}'. Its keys are {', '.join(sorted(names))}; pass the JSON that"
                " the rule train_fold passes."
            )
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()})


def settings_of(given: object) -> Settings:
    """Settings from plain tables; raises ``StudyError`` where a key is unknown or absent."""
    top = _built(Settings, given, "--settings")
    kinds = {
        "architecture": architecture_class(HYBRID),
        "training": Training,
        "augmentation": Augmentation,
    }
    sections = {
        name: _built(kind, getattr(top, name), f"'{name}' of --settings") for name, kind in kinds.items()
    }
    return dataclasses.replace(top, **sections)


def read_settings(text: str) -> Settings:
    """Settings from JSON, as the rule ``train_fold`` passes them; raises ``StudyError``."""
    try:
        given = json.loads(text)
    except ValueError:
        raise StudyError("--settings is no JSON. Pass what the rule train_fold passes.") from None
    return settings_of(given)
