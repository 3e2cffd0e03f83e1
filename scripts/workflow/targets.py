"""The files that a run is asked for, and the lists of files that several rules name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scripts.common.catalogue import (
    CATALOGUE,
    FINAL,
    FLOW,
    LAST,
    MODEL_WITHOUT_NETWORK,
    PRODUCT,
    SEVERAL_NETWORKS,
    Result,
    figures,
)
from scripts.common.config import Config
from scripts.workflow.centers import Centers
from scripts.workflow.models import Models


def cohorts_of_test_sets(config: Config) -> list[str]:
    """The cohort tables of all test sets."""
    externals = (f"results/cohort/{c.name}/selected.csv" for c in config.external)
    return ["results/cohort/internal_test.csv", *externals]


def per_center(config: Config, pattern: str) -> list[str]:
    """A file of every centre, by a pattern with {center}."""
    return [pattern.format(center=c.name) for c in config.centers]


def study_has(config: Config) -> tuple[str, ...]:
    """What the study has of what some results are made only with (``Result.only_with``)."""
    models = Models(config)
    has = {
        SEVERAL_NETWORKS: len(models.networks) > 1,
        MODEL_WITHOUT_NETWORK: bool(models.without_network()),
        FLOW: bool(flow_table(config)),
    }
    return tuple(what for what, given in has.items() if given)


def _results(config: Config, wanted: Callable[[Result], bool]) -> list[str]:
    """The files of the catalogue's rows that are ``wanted``."""
    models, formats = Models(config), config.statistics.figures.formats
    names = {"center": [c.name for c in config.centers], "tabular": models.tabular}
    files = []
    has = study_has(config)
    for row in (row for row in CATALOGUE if row.made_with(has) and wanted(row)):
        if "{network}" not in row.name:
            files += row.files(names, formats)
            continue
        for network in models.networks:
            own = {"network": [network], "run": models.runs(network)}
            files += row.files(names | own, formats)
    return files


def flow_table(config: Config) -> str | list[str]:
    """The flow of patients; own tables may come without."""
    return [] if config.tables is not None and not config.tables.flow else "results/cohort/flow.csv"


def figure_files(config: Config, rule: str, marked: Callable[[str], Any]) -> dict[str, Any]:
    """The named outputs of a rule that draws: of each of its figures the SVG, as ``marked`` marks it for
    Snakemake's report, and as ``<figure>_copies`` PNG and the further formats of the config.
    """
    formats = sorted({"png", *config.statistics.figures.formats} - {"svg"})
    files: dict[str, Any] = {}
    for row in figures():
        if row.drawn_by == rule and row.made_with(study_has(config)):
            copies = [row.file(suffix) for suffix in formats]
            files |= {row.stem: marked(row.name), f"{row.stem}_copies": copies}
    return files


def final_outputs(config: Config) -> list[str]:
    """The files that a study ends with; of a site that hands a centre over, that folder; of own tables their
    listing.
    """
    if config.tables is not None:
        return ["results/index.html"]
    if config.handover is not None:
        return [f"results/handover/{config.handover}"]
    return _results(config, lambda row: row.made in (FINAL, LAST))


def own_statistics(config: Config) -> list[str]:
    """All that is made of own tables, in the order of their listing."""
    return _results(config, lambda row: row.own)


def products(config: Config, centers: Centers) -> list[str]:
    """An output of every job before the final ones. They are asked for together with those.

    A job that fails loses its outputs. If only final files were asked for, the next run would find these
    whole, though older than what was refused, and end well; so it makes the lost ones again, or fails again
    with the same sentence.
    """
    if config.tables is not None:
        return own_statistics(config)
    found = []
    for entry in config.running:
        name, batches = entry.name, centers.batches(entry.name)
        folder = f"results/intake/{name}"
        if config.handover is None or entry.images is not None:
            found += [f"private/{name}/listing.csv"]
        found += [f"{folder}/patients.csv"]
        found += [f"{folder}/dicom/batch_{b}.csv" for b in batches]
        if config.handover is None:
            found += [*(f"{folder}/png/batch_{b}.csv" for b in batches), f"{folder}/films.csv"]
            found += [f"{folder}/reader_verdicts.csv"] if entry.review else []
            found += [f"results/cohort/{name}/selected.csv"]
    if config.handover is not None:
        return found
    sets, models = ["train", *config.test_sets], Models(config)
    return [
        *found,
        "results/cohort/train.csv",
        "results/cohort/internal_test.csv",
        *(f"state/cache/{side}/{name}/index.csv" for side in models.sides() for name in sets),
        *models.all_scores(),
        *models.masked_scores(),
        f"results/models/{models.main_network}/gradcam/cases.csv",
        *_results(config, lambda row: row.made == PRODUCT),
    ]


def recorded_outputs(config: Config) -> list[str]:
    """The results whose checksums the provenance record holds: all that are made before it."""
    return _results(config, lambda row: row.made != LAST)
