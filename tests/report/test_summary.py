"""What is said at the end of a run."""

from __future__ import annotations

from scripts.common.scores import ONE_SCORE
from scripts.report.summary import score_warnings, summary


def row(name, model, **changes):
    return {
        "set": name, "model": model, "n": "64", "n_pos": "22", "auc": "0.91", "auc_low": "0.8",
        "auc_high": "0.97", "auc_ci_method": "DeLong, logit",
        **changes,
    }  # fmt: skip


FLAT = {"auc": "0.5", "auc_low": "", "auc_high": "", "auc_ci_method": ONE_SCORE}


def predictions(path, **scores):
    """Three test patients with the scores of each model."""
    models = "".join(f",{model}" for model in scores)
    lines = [f"patient_id,center,set,fold,label{models}"]
    for at in range(3):
        given = "".join(f",{of[at]}" for of in scores.values())
        lines.append(f"P{at},east,{'east' if at else 'west'},,{at % 2}{given}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_one_score_for_all_is_warned_of_for_every_model(tmp_path):
    sound = predictions(tmp_path / "sound.csv", net=(0.5, 0.1, 0.2), age=(0.5, 0.3, 0.3001))
    assert score_warnings(sound) == []
    flat = predictions(tmp_path / "flat.csv", net=(0.5, 0.1, 0.2), age=(0.5, 0.3, 0.30000001))
    (said,) = score_warnings(flat)
    assert "in east the age score is the same for all patients" in said


def test_a_score_without_an_interval_is_told_alone():
    rows = [
        row("external_1", "net", **FLAT),
        row("external_1", "clinic"),
        row("external_1", "both", auc="", auc_low="", auc_high=""),
        row("external_1", "everyone_positive", **FLAT),
    ]
    assert summary(rows).splitlines()[1].split() == [
        *("external_1", "64", "(22)", "0.500", "0.910", "(0.800-0.970)", "-"),
    ]


def test_models_beyond_three_stand_in_a_block_below():
    models = ["a", "a_network_with_a_long_name_of_its_own", "c", "d"]
    rows = [row(name, model) for name in ("internal_test", "east") for model in models]
    text = summary(rows)
    first, second = (block.splitlines() for block in text.split("\n\n"))
    assert [len(first), len(second)] == [3, 3] and second[0].split()[-2:] == ["d", "AUC"]
    assert {len(line) for line in first} == {len(first[0])} and len(second[0]) < len(first[0])
    assert text.count("0.910 (0.800-0.970)") == 8
    assert len(summary([one for one in rows if len(one["model"]) == 1]).splitlines()[0]) <= 110
