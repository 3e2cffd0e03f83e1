"""What is said at the end of a run."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from scripts.common.code_hash import ROOT
from scripts.common.contracts.statistics import LEARNING
from scripts.common.scores import ONE_SCORE
from scripts.common.tables import write_table
from scripts.report.summary import learning_warnings, score_warnings, summary


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


def learning(path, model, start, **findings):
    """LEARNING of one model; ``findings`` are of ``fold_<run>`` and of ``all``, else learned."""
    rows = []
    for run in ("all", "0", "0_seed_1", "1", "1_seed_1"):
        found = findings.get("all" if run == "all" else f"fold_{run}", "learned")
        sd = {"learned": 1.6, "restarted": 1.5, "lags": 0.3, "nothing_learned": 0.02}[found]
        rows.append(
            {
                "model": model, "fold": run, "start": start, "n": 60, "n_pos": 20, "auc": 0.52,
                "auc_low": 0.45, "auc_high": None if run == "0" else 0.59, "auc_ci_method": "DeLong, logit",
                "sd_logit": sd, "lowest": 0.44, "highest": 0.46, "loss": None, "attempts": None,
                "learned": "yes", "finding": found,
            }
        )  # fmt: skip
    write_table(pd.DataFrame(rows), path, LEARNING)
    return path


def test_a_run_in_which_all_learned_says_nothing(tmp_path):
    assert learning_warnings(learning(tmp_path / "l.csv", "net", "random")) == []


@pytest.mark.parametrize(
    ("start", "cure"),
    [
        ("random", "start from a pretrained trunk (config/real_cpu.yaml)"),
        ("imagenet", "more epochs"), ("file", "more epochs"), ("embeddings", "embeddings of another trunk"),
    ],
)  # fmt: skip
def test_nothing_learned_is_said_with_its_cure(tmp_path, start, cure):
    path = learning(tmp_path / "l.csv", "net", start, all="nothing_learned", fold_1="nothing_learned")
    (said,) = learning_warnings(path)
    assert said.startswith(
        "WARNING: net: nothing shows that it learned anything. Out of fold its AUC is 0.52 (0.45–0.59), and"
        " its scores lie between 0.44 and 0.46 (SD of the logit 0.02). Likely cure: "
    )
    assert cure in said


def test_trainings_that_lag_and_those_begun_twice_are_named(tmp_path):
    found = {"fold_0": "lags", "fold_1_seed_1": "nothing_learned", "fold_1": "restarted"}
    (said,) = learning_warnings(learning(tmp_path / "l.csv", "net", "random", all="lags", **found))
    assert "(Fold 0; Fold 1, seed 1; smallest SD of the logit 0.02, median of all 0.90)" in said
    assert said.endswith("net: Fold 1 had not begun to learn after the first training and was trained once"
                         " more from another seed.")  # fmt: skip
    path = learning(tmp_path / "l.csv", "net", "random", all="restarted", fold_1="restarted")
    (said,) = learning_warnings(path)
    assert "lag" not in said and "cure" not in said and "Fold 1 had not begun" in said


def test_the_last_lines_of_a_demo_say_it_above_the_aucs(tmp_path):
    place = tmp_path / "results/statistics"
    place.mkdir(parents=True)
    pd.DataFrame([row("internal_test", "net")]).to_csv(place / "table2.csv", index=False)

    def said():
        command = [sys.executable, "-m", "scripts.report.summary"]
        done = subprocess.run(
            command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    learning(place / "learning.csv", "net", "random")
    assert said()[0].startswith("set ")
    learning(place / "learning.csv", "net", "random", all="nothing_learned")
    first, second, *_ = said()
    assert first.startswith("WARNING: net: nothing shows") and second.startswith("set ")


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
