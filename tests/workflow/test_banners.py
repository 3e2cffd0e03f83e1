"""What a run says at its start and its end."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from snakemake.settings.types import DAGSettings

from scripts.common.config import read_config
from scripts.common.config.files import laid_over
from scripts.workflow import banners
from tests.workflow.test_targets import shipped

ROOT = Path(__file__).resolve().parents[2]
PRETRAINED = {"deep": {"init": "imagenet", "architecture": {"trunk_width": 64}}}

WHOLE = DAGSettings(targets={"all"})


def test_the_start_names_the_centres_and_says_synthetic():
    said = banners.start(shipped())
    assert "SYNTHETIC study with 3 centre(s): internal, external_1, external_2" in said


def test_a_study_of_real_films_is_warned_of_random_weights():
    """Simulated films are learned from nothing, and a pretrained trunk wants no warning."""
    shipped_yaml = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    real = yaml.safe_load((ROOT / "config/example_real.yaml").read_text(encoding="utf-8"))
    for over, warned in ((real, True), (laid_over(real, {"models": PRETRAINED}), False), ({}, False)):
        config = read_config(laid_over(shipped_yaml, over))
        assert ("random weights" in banners.start(config)) == warned
        assert bool(config.from_random_weights) == warned


@pytest.mark.parametrize("asked", [DAGSettings(targets={"results/predictions.csv"}), WHOLE])
def test_a_run_without_its_report_does_not_point_to_one(tmp_path, monkeypatch, asked):
    """Part of the study was asked for, or no report is there."""
    monkeypatch.chdir(tmp_path)
    if asked is not WHOLE:
        (tmp_path / "results").mkdir()
        (tmp_path / banners.REPORT).touch()
    said = banners.success(shipped(), asked, with_configfile=True)
    assert "done with what was asked for" in said and "with the --configfile of this run" in said
    assert "--configfile" not in banners.success(shipped(), asked, with_configfile=False)


def test_jobs_that_slurm_stopped_before_this_run_are_not_told(tmp_path):
    log = tmp_path / "rule_train_fold" / "7.log"
    log.parent.mkdir()
    log.write_text("rule train_fold:\n    resources: runtime=10\nslurmstepd: CANCELLED DUE TO TIME LIMIT\n")
    began = log.stat().st_mtime
    assert "job 7" in banners.limits(began - 1, tmp_path)
    assert banners.limits(began + 1, tmp_path) == ""
