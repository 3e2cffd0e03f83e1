"""The settings that can change a fold's numbers, read once from the JSON of the command line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scripts.common.errors import StudyError
from scripts.networks.kinds.registry import architecture_class

if TYPE_CHECKING:
    from scripts.networks.film_network import Architecture


@dataclass(frozen=True)
class Training:
    """``training`` of a network; docs/configuration.md has the meaning of each key.

    ``local_weight`` is 0 for a kind without local heads. What version 0.1.0 didn't know has a default here,
    under which the training is the one that it had.
    """

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
    optimizer: str = "sgd"
    trunk_rate: float = 1.0
    trained_stages: str | int = "all"
    thaw_epoch: int = 0
    trunk_norms: str = "batch"
    views: int = 0


@dataclass(frozen=True)
class Augmentation:
    """``augmentation`` of a network.

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

    kind: str
    seed: int
    init: str
    cpu_threads: int
    architecture: Architecture
    training: Training
    augmentation: Augmentation

    def plain(self) -> dict[str, Any]:
        """As in the JSON of the command line, without what ``stored`` leaves out."""
        plain = {name: value for name, value in dataclasses.asdict(self).items() if name != "kind"}
        return plain | {"architecture": stored(self.architecture), "training": stored(self.training)}


def stored(section: Architecture | Training) -> dict[str, Any]:
    """A section as weights files and keys of folds hold it, sorted by name.

    A field that has a default stands there where it differs from it alone, so that a further field changes
    no file and no key of a network that doesn't use it.
    """
    fields = sorted(dataclasses.fields(section), key=lambda field: field.name)
    values = {field.name: getattr(section, field.name) for field in fields}
    return {field.name: values[field.name] for field in fields if values[field.name] != field.default}


def _built(section: type, given: object, where: str, **known: object) -> Any:
    """An instance of a dataclass from a table of its fields but for those ``known``; only fields with a
    default may be absent.
    """
    if not isinstance(given, Mapping):
        raise StudyError(f"{where} must be a table of keys. Pass the JSON that the rule train_fold passes.")
    fields = [field for field in dataclasses.fields(section) if field.name not in known]
    names = {field.name for field in fields}
    needed = {field.name for field in fields if field.default is dataclasses.MISSING}
    for what, keys in (
        ("has an unknown key", given.keys() - names),
        ("lacks the key", needed - given.keys()),
    ):
        if keys:
            raise StudyError(
                f"{where} {what} '{min(keys)}'. Its keys are {', '.join(sorted(names))}; pass the JSON that"
                " the rule train_fold passes."
            )
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    return section(**values, **known)


def settings_of(given: object, kind: str) -> Settings:
    """Settings of a kind of network from plain tables; raises ``StudyError`` where a key is unknown or
    absent.
    """
    top = _built(Settings, given, "--settings", kind=kind)
    sections = {
        "architecture": architecture_class(kind),
        "training": Training,
        "augmentation": Augmentation,
    }
    built = {
        name: _built(section, getattr(top, name), f"'{name}' of --settings")
        for name, section in sections.items()
    }
    return dataclasses.replace(top, **built)


def read_settings(text: str, kind: str) -> Settings:
    """Settings from JSON, as the rule ``train_fold`` passes them; raises ``StudyError``."""
    try:
        given = json.loads(text)
    except ValueError:
        raise StudyError("--settings is no JSON. Pass what the rule train_fold passes.") from None
    return settings_of(given, kind)
