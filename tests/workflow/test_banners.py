"""What a run says at its start and its end."""

from __future__ import annotations

import pytest
from snakemake.settings.types import DAGSettings

from scripts.workflow import banners
from tests.workflow.test_targets import shipped

WHOLE = DAGSettings(targets={"all"})


def test_the_start_names_the_centres_and_says_synthetic():
    said = banners.start(shipped())
    assert "SYNTHETIC study with 3 centre(s): internal, external_1, external_2" in said


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
