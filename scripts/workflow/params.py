"""Parts of the config as plain values, for the rules' ``params``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from snakemake.iocontainers import Wildcards

from scripts.common.config import Config
from scripts.common.vocabulary import MAIN


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


def performance_of(config: Config) -> Callable[[Wildcards], str]:
    """Input function: the table with a network's performance. Table 2 holds main models alone, that
    of the folds the AUC of every network.
    """

    def path(wildcards: Wildcards) -> str:
        table = "table2" if config.models[wildcards.model].role == MAIN else "folds"
        return f"results/statistics/{table}.csv"

    return path


def bundle_settings(config: Config, model: str) -> dict[str, Any]:
    """What a network's bundle freezes, so that new films are scored as the study's were."""
    return {
        "model": model,
        "label": config.models[model].shown(model, "en"),
        "kind": config.models[model].kind,
        "seed": config.study.seed,
        "synthetic": config.synthetic,
        "scoring": {**plain(config.networks.scoring), "cpu_threads": config.networks.cpu_threads},
        "frontal_view": plain(config.intake.frontal_view),
        "exposure": plain(config.intake.exposure),
    }


def bundle_facts(config: Config, model: str) -> dict[str, Any]:
    """What a bundle's model card tells; no path and no hospital's name."""
    network = config.models[model]
    init = network.init
    return {
        "what": type(network).model_fields["kind"].description,
        "test_sets": config.test_sets,
        "confidence": config.statistics.confidence,
        "init": init if init in ("random", "imagenet") else "a file",
        "epochs": network.training.epochs,
        "older_than": config.cohort.older_than,
        "op_t_score": config.cohort.op_t_score,
        "interval_months": config.cohort.interval_months,
        "exclusions": list(config.cohort.exclusions),
    }
