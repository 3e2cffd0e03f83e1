"""Parts of the config as plain values, for the rules' ``params``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from scripts.common.config import Config
from scripts.common.language import Language
from scripts.common.language.names import labels_of_models


def plain(section: BaseModel) -> dict[str, Any]:
    """A section of the config as plain values."""
    return section.model_dump(mode="json", by_alias=True)


def center_labels(config: Config) -> dict[str, str]:
    """Name of a centre, or a set of own tables, to the name shown in tables and figures, where the config
    gives one.
    """
    if config.tables is not None:
        return config.tables.labels
    return {c.name: c.label for c in config.centers if c.label}


def model_labels(config: Config) -> dict[str, str]:
    """Model name to the name shown in tables and figures; own tables' models have none but the config's."""
    if config.tables is not None:
        return config.tables.labels
    return labels_of_models(Language(config.study.language))


def shown_predictors(config: Config) -> list[dict[str, Any]]:
    """The predictors as tables show them: name, type, levels, unit and label."""
    return [{"name": p.name, **p.declared, "label": p.label} for p in config.predictors.values()]


def counted_predictors(config: Config) -> list[dict[str, Any]]:
    """The predictors as the statistics count them: name, type and levels."""
    return [{"name": p.name, "type": p.type, "levels": list(p.levels)} for p in config.predictors.values()]


def described_centers(config: Config) -> list[str]:
    """The centres of Table 1, in their order."""
    if config.tables is not None:
        return config.tables.centers
    return [c.name for c in (config.development, *config.external)]


def bundle_settings(config: Config) -> dict[str, Any]:
    """What a model bundle freezes, so that new films are scored as the study's were."""
    return {
        "seed": config.study.seed,
        "synthetic": config.synthetic,
        "scoring": {**plain(config.deep.scoring), "cpu_threads": config.deep.cpu_threads},
        "frontal_view": plain(config.intake.frontal_view),
        "exposure": plain(config.intake.exposure),
    }


def bundle_facts(config: Config) -> dict[str, Any]:
    """What a bundle's model card tells; no path and no hospital's name."""
    init = config.deep.init
    return {
        "test_sets": config.test_sets,
        "confidence": config.statistics.confidence,
        "init": init if init in ("random", "imagenet") else "a file",
        "epochs": config.deep.training.epochs,
        "older_than": config.cohort.older_than,
        "op_t_score": config.cohort.op_t_score,
        "interval_months": config.cohort.interval_months,
        "exclusions": list(config.cohort.exclusions),
    }
