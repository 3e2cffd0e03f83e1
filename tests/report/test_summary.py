"""What is said at the end of a run."""

from __future__ import annotations

import csv

from scripts.common.scores import ONE_SCORE
from scripts.report.summary import score_warnings, summary


def row(name, model, **changes):
    return {
        "set": name, "model": model, "n": "64", "n_pos": "22", "auc": "0.91", "auc_low": "0.8",
        "auc_high": "0.97", "auc_ci_method": "DeLong, logit",
        **changes,
    }  # fmt: skip


FLAT = {"auc": "0.5", "auc_low": "", "auc_high": "", "auc_ci_method": ONE_SCORE}


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


def test_a_sound_run_has_no_warning(tmp_path):
    rows = [
        *(row("internal_test", m) for m in ("deep", "clinical", "combined")),
        row("internal_test", "everyone_positive", **FLAT),
    ]
    assert score_warnings(write(tmp_path / "table2.csv", rows)) == []


def test_one_score_for_all_is_warned_of_and_has_no_interval(tmp_path):
    rows = [
        row("external_1", "deep", **FLAT),
        row("external_1", "clinical"),
        row("external_1", "combined", auc="", auc_low="", auc_high=""),
    ]
    (said,) = score_warnings(write(tmp_path / "table2.csv", rows))
    assert "in external_1 the deep score is the same for all patients" in said
    assert summary(rows).splitlines()[1].split() == [
        "external_1",
        "64",
        "(22)",
        "0.500",
        "0.910",
        "(0.800-0.970)",
        "-",
    ]
