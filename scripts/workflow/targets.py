"""The files that a run is asked for, and the lists of files that several rules name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scripts.common.config import Config
from scripts.share.suppression import TABLES as SHARED_TABLES
from scripts.workflow.centers import Centers

WRITTEN_LAST = (
    "results/report.html",
    "results/tables/checklist_tripod_ai.csv",
    "results/tables/checklist_claim.csv",
)
"""What the report's rule writes, after the provenance record."""

FURTHER_STATISTICS = ("best_model", "differences", "net_benefit_differences", "youden_upper_bound")
"""What is told of differences between models and of their thresholds, beside Table 2 and the decision curves.
"""

OWN_FIGURES = ("roc", "decision_curves", "calibration", "forest")
"""Figures that need scores and cohort alone."""


def fold_files(config: Config, name: str) -> list[str]:
    """A file of every fold, in their order."""
    return [f"results/deep/fold_{fold}/{name}" for fold in range(config.cohort.folds)]


def masked_sets(config: Config) -> list[str]:
    """The test sets whose films are scored with parts covered too."""
    return config.test_sets if config.deep.masks.sets == "all" else ["internal_test"]


def cohorts_of_test_sets(config: Config) -> list[str]:
    """The cohort tables of all test sets."""
    externals = (f"results/cohort/{c.name}/selected.csv" for c in config.external)
    return ["results/cohort/internal_test.csv", *externals]


def per_center(config: Config, pattern: str) -> list[str]:
    """A file of every centre, by a pattern with {center}."""
    return [pattern.format(center=c.name) for c in config.centers]


def figure_copies(config: Config, name: str) -> list[str]:
    """The files of one figure beside its SVG: png and the further formats of the config."""
    formats = sorted({"png", *config.statistics.figures.formats} - {"svg"})
    return [f"results/figures/{name}.{suffix}" for suffix in formats]


def _figures(config: Config, *names: str) -> list[str]:
    """All files of some figures."""
    formats = sorted({"svg", "png", *config.statistics.figures.formats})
    return [f"results/figures/{name}.{suffix}" for name in names for suffix in formats]


def flow_table(config: Config) -> str | list[str]:
    """The flow of patients; own tables may come without."""
    return [] if config.tables is not None and not config.tables.flow else "results/cohort/flow.csv"


def flow_figure(config: Config, marked: Callable[..., Any], caption: str) -> dict[str, Any]:
    """The flow diagram's files as named outputs, where there is a flow table. ``marked`` is Snakemake's
    ``report``.
    """
    if not flow_table(config):
        return {}
    shown = marked(
        "results/figures/flow.svg", caption=caption, category="Figures", labels={"what": "flow of patients"}
    )
    return {"flow": shown, "flow_copies": figure_copies(config, "flow")}


def final_outputs(config: Config) -> list[str]:
    """The files that a study ends with; of a site that hands a centre over, that folder; of own tables their
    listing.
    """
    if config.tables is not None:
        return ["results/index.html"]
    if config.handover is not None:
        return [f"results/handover/{config.handover}"]
    return [
        "results/intake/files.csv",
        "results/intake/exposure.csv",
        "results/cohort/cohort.csv",
        "results/cohort/flow.csv",
        "results/predictions.csv",
        "results/statistics/table1.csv",
        "results/statistics/table2.csv",
        "results/statistics/delong.csv",
        "results/statistics/net_benefit.csv",
        *(f"results/statistics/{name}.csv" for name in FURTHER_STATISTICS),
        "results/statistics/thresholds.csv",
        "results/statistics/baseline_performance.csv",
        "results/statistics/baseline_delong.csv",
        "results/statistics/shortcuts.csv",
        *_figures(config, *OWN_FIGURES, "gradcam", "training", "shortcuts", "flow"),
        "results/tables/table1.docx",
        "results/tables/table2.docx",
        "results/provenance.json",
        *WRITTEN_LAST,
    ]


def own_statistics(config: Config) -> list[str]:
    """All that is made of own tables, in the order of their listing."""
    tables = [
        *("table1", "missing", "table2", "delong", "thresholds", "calibration", "calibration_curve"),
        *("net_benefit", *FURTHER_STATISTICS, "subgroups", "prevalence", "sensitivity"),
    ]
    return [
        *(f"results/tables/{name}.{suffix}" for name in ("table1", "table2") for suffix in ("html", "docx")),
        *_figures(config, *OWN_FIGURES, *(["flow"] if flow_table(config) else [])),
        *(f"results/statistics/{name}.csv" for name in tables),
        "results/statistics/engine.json",
    ]


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
    sets = ["train", *config.test_sets]
    return [
        *found,
        "results/cohort/train.csv",
        "results/cohort/internal_test.csv",
        *(f"state/cache/{name}/index.csv" for name in sets),
        *fold_files(config, "weights.pt"),
        *(f"results/deep/scores/{name}.csv" for name in sets),
        *(f"results/deep/masked/{name}.csv" for name in masked_sets(config)),
        "results/deep/gradcam/cases.csv",
        *(f"results/boosting/{model}/model.ubj" for model in ("clinical", "combined")),
        *(f"results/boosting/scores/{name}.csv" for name in config.test_sets),
        "results/boosting/baselines/coefficients.csv",
        "results/boosting/baselines.csv",
        *shared_tables(config),
    ]


def shared_tables(config: Config) -> list[str]:
    """The results that 'make share' packs or counts from."""
    made = [f"results/{name}" for name in SHARED_TABLES if not name.startswith("intake/")]
    issues = per_center(config, "results/intake/{center}/table_issues.csv")
    documents = [
        f"results/tables/{name}.{suffix}" for name in ("table1", "table2") for suffix in ("docx", "html")
    ]
    return [*made, *issues, *documents, "results/statistics/engine.json"]


def recorded_outputs(config: Config) -> list[str]:
    """The results whose checksums the provenance record holds: all final ones before it, what can be shared,
    and the models themselves.
    """
    files = [
        *(path for path in final_outputs(config) if path not in ("results/provenance.json", *WRITTEN_LAST)),
        *shared_tables(config),
        *fold_files(config, "weights.pt"),
        *(f"results/boosting/{model}/model.ubj" for model in ("clinical", "combined")),
    ]
    return list(dict.fromkeys(files))
