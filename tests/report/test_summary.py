"""What is said at the end of a run."""

from __future__ import annotations

import csv
import json

import pytest

from scripts.common.reasons import ONE_SCORE
from scripts.report.summary import run_warnings, summary


def row(name, model, **changes):
    return {
        "set": name, "model": model, "n": "64", "n_pos": "22", "auc": "0.91", "auc_low": "0.8", "auc_high": "0.97", "auc_ci_method": "DeLong, logit",
        **changes,
    }  # fmt: skip


FLAT = {"auc": "0.5", "auc_low": "", "auc_high": "", "auc_ci_method": ONE_SCORE}


@pytest.fixture
def results(tmp_path):
    """Results of a run, and a bundle that was made from them; ``write(rows)`` changes the table of AUCs."""
    for folder in ("statistics", "bundle"):
        (tmp_path / folder).mkdir()

    def write(rows):
        with (tmp_path / "statistics/table2.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)

    write([*(row("internal_test", m) for m in ("deep", "clinical", "combined")), row("internal_test", "everyone_positive", **FLAT)])
    (tmp_path / "statistics/thresholds.csv").write_text("model,threshold,rule\ndeep,0.35,youden\nclinical,0.4,youden\n", encoding="utf-8")
    files = {"results/deep/fold_0/weights.pt": "aa", "results/deep/fold_1/weights.pt": "bb", "results/predictions.csv": "cc"}
    (tmp_path / "provenance.json").write_text(json.dumps({"outputs": {"files": files}}), encoding="utf-8")
    (tmp_path / "bundle/MANIFEST.sha256").write_text("dd  bundle.json\naa  weights/fold_0.pt\nbb  weights/fold_1.pt\n", encoding="utf-8")
    (tmp_path / "bundle/bundle.json").write_text('{"threshold": {"value": 0.35}}', encoding="utf-8")
    return tmp_path, write


def test_a_sound_run_has_no_warning(results):
    assert run_warnings(results[0]) == []
    (results[0] / "bundle/MANIFEST.sha256").unlink()
    assert run_warnings(results[0]) == []


def test_one_score_for_all_is_warned_of_and_has_no_interval(results):
    folder, write = results
    rows = [row("external_1", "deep", **FLAT), row("external_1", "clinical"), row("external_1", "combined", auc="", auc_low="", auc_high="")]
    write(rows)
    (said,) = run_warnings(folder)
    assert "in external_1 the deep score is the same for all patients" in said
    assert summary(rows).splitlines()[1].split() == ["external_1", "64", "(22)", "0.500", "0.910", "(0.800-0.970)", "-"]


@pytest.mark.parametrize(
    ("file", "old", "new"), [("bundle/MANIFEST.sha256", "bb", "ee"), ("statistics/thresholds.csv", "0.35", "0.36"), ("bundle/bundle.json", "0.35", "0.3")]
)
def test_a_bundle_of_an_earlier_model_is_warned_of(results, file, old, new):
    path = results[0] / file
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    (said,) = run_warnings(results[0])
    assert "results/bundle was made from another model" in said and "make bundle" in said
