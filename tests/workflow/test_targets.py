"""The lists of files that the rules and targets are made of, by the config alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scripts.common.catalogue import figures
from scripts.common.config import Config, read_config
from scripts.common.config.files import laid_over
from scripts.workflow import targets
from scripts.workflow.centers import Centers
from scripts.workflow.models import Models

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
    return read_config(laid_over(raw, changes))


def test_final_outputs_hold_every_format_of_a_figure_and_the_report_last():
    config = shipped(statistics={"figures": {"formats": ["pdf"]}})
    files = targets.final_outputs(config)
    assert len(files) == len(set(files)) and set(files[-4:]) == LAST_FILES
    assert {f"results/figures/roc.{suffix}" for suffix in ("svg", "png", "pdf")} <= set(files)


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
    weights = [f"results/models/deep/fold_{fold}/weights.pt" for fold in range(folds)]
    assert [f for f in found if f.endswith("weights.pt")] == weights
    for name in ("train", *config.test_sets):
        assert f"state/cache/384/{name}/index.csv" in found
        place = "out_of_fold" if name == "train" else f"scores/{name}"
        assert {f"results/models/{model}/{place}.csv" for model in config.models} <= set(found)
    for center in config.centers:
        batches = [f for f in found if f.startswith(f"results/intake/{center.name}/png/")]
        assert len(batches) == (center.batches or config.intake.batches)


def test_masked_scores_are_asked_for_where_they_are_wanted():
    assert Models(shipped()).masked_sets() == ["internal_test"]
    config = shipped(networks={"masks": {"sets": "all"}})
    assert Models(config).masked_sets() == config.test_sets


def test_a_rule_draws_its_figures_in_every_format_each_marked_once():
    config = shipped(statistics={"figures": {"formats": ["pdf"]}})
    marked = []

    def mark(name: str) -> str:
        marked.append(name)
        return f"results/{name}.svg"

    drawn = [targets.figure_files(config, rule, mark) for rule in ("draw_figures", "draw_network")]
    assert len(marked) == len(set(marked)) and marked == [row.name for row in figures()]
    files = drawn[0] | drawn[1]
    assert files["flow"] == "results/figures/flow.svg" and "flow" in drawn[0] and "gradcam" in drawn[1]
    assert files["roc_copies"] == ["results/figures/roc.pdf", "results/figures/roc.png"]


def test_own_tables_without_a_flow_have_no_flow_diagram():
    for flow in (False, True):
        own = {"models": ["a"], "sets": ["s"], "centers": ["c"], "flow": flow}
        config = shipped(centers=[], tables=own)
        drawn = targets.figure_files(config, "draw_figures", str)
        files = targets.own_statistics(config)
        assert ("flow" in drawn) == ("results/figures/flow.svg" in files) == flow
        assert "roc" in drawn
