"""The lists of files that the rules and targets are made of, by the config alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scripts.common.config import Config, read_config
from scripts.workflow import targets
from scripts.workflow.centers import Centers

ROOT = Path(__file__).resolve().parents[2]


LAST_FILES = {
    "results/provenance.json",
    "results/report.html",
    "results/tables/checklist_tripod_ai.csv",
    "results/tables/checklist_claim.csv",
}


def shipped(**changes) -> Config:
    """The shipped config with some sections' keys changed."""
    raw = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for section, keys in changes.items():
        raw.setdefault(section, {}).update(keys)
    return read_config(raw)


def test_final_outputs_hold_every_format_of_a_figure_and_the_report_last():
    config = shipped(statistics={"figures": {"formats": ["pdf"]}})
    files = targets.final_outputs(config)
    assert len(files) == len(set(files)) and set(files[-4:]) == LAST_FILES
    assert {f"results/figures/roc.{suffix}" for suffix in ("svg", "png", "pdf")} <= set(files)
    assert targets.figure_copies(config, "roc") == ["results/figures/roc.pdf", "results/figures/roc.png"]


def test_what_is_written_after_the_record_is_not_recorded():
    config = shipped()
    recorded = targets.recorded_outputs(config)
    assert len(recorded) == len(set(recorded))
    assert not LAST_FILES & set(recorded)
    assert set(targets.final_outputs(config)) - set(recorded) == LAST_FILES


@pytest.mark.parametrize("folds", [2, 7])
def test_products_hold_every_fold_set_and_batch(folds):
    config = shipped(cohort={"folds": folds})
    found = targets.products(config, Centers(config))
    assert [f for f in found if f.endswith("weights.pt")] == targets.fold_files(config, "weights.pt")
    assert len(targets.fold_files(config, "weights.pt")) == folds
    for name in ("train", *config.test_sets):
        assert f"state/cache/{name}/index.csv" in found and f"results/deep/scores/{name}.csv" in found
    for center in config.centers:
        batches = [f for f in found if f.startswith(f"results/intake/{center.name}/png/")]
        assert len(batches) == (center.batches or config.intake.batches)


def test_masked_scores_are_asked_for_where_they_are_wanted():
    assert targets.masked_sets(shipped()) == ["internal_test"]
    config = shipped(deep={"masks": {"sets": "all"}})
    assert targets.masked_sets(config) == config.test_sets


def test_flow_diagram_is_marked_for_snakemakes_report_once():
    marked = []

    def mark(name: str) -> str:
        marked.append(name)
        return f"results/{name}.svg"

    outputs = targets.flow_figure(shipped(), mark)
    assert marked == ["figures/flow"]
    assert outputs["flow"] == "results/figures/flow.svg" and outputs["flow_copies"]
