"""The benchmark that counts trainings in which the network learned nothing."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from scripts.networks.member import Member
from tests.bench import collapse
from tests.bench.real import Rows
from tests.bench.real_studies import ROOT


def row(level: str = "avx2", seed: int = 0, fold: int = 0, **values: float) -> dict:
    return {
        "what": level,
        "seed": seed,
        "fold": fold,
        "auc": 0.9,
        "low": 0.8,
        "sd": 1.5,
        "attempts": 1,
        "minutes": 1,
    } | values


@pytest.fixture
def plan(tmp_path, cache, settings):
    text = json.dumps(settings)
    return collapse.Plan(ROOT, tmp_path, cache, "net", "hybrid", text, 5)


def test_a_training_is_that_of_the_workflow_and_is_not_made_again(plan, tmp_path):
    member = Member("net", 1)
    rows = Rows(tmp_path / "rows.jsonl")
    assert len(list(collapse.missing(plan, ["default", "avx2"], 2, rows))) == 20
    found = collapse.trained(plan, "default", member, set())
    held_out = pd.read_csv(plan.study / "levels/default/fold_1/held_out.csv")
    assert found["auc"] == collapse.measured(held_out)["auc"] and found["minutes"] >= 0
    rows.add([found])
    left = list(collapse.missing(plan, ["default", "avx2"], 2, rows))
    assert len(left) == 19 and ("default", member) not in left and ("avx2", member) in left


def test_another_setting_is_another_training(plan, settings, tmp_path, cache):
    settings["training"]["epochs"] += 1
    other = collapse.Plan(ROOT, tmp_path, cache, "net", "hybrid", json.dumps(settings), 5)
    assert other.key(Member("net", 0)) != plan.key(Member("net", 0))


def test_collapsed_are_those_without_rank_or_spread():
    good = [row(fold=fold) for fold in range(3)]
    flat, level, narrow = row(fold=3, sd=0.4), row(fold=4, low=0.49), row(seed=1, sd=0.1)
    assert collapse.collapsed([*good, flat, level]) == [flat, level]
    # a seed whose folds are all as narrow has nothing to be narrow beside
    assert collapse.collapsed([*good, narrow]) == []
    assert collapse.collapsed([row(low=None)]) == [row(low=None)]


def test_the_table_counts_by_level():
    text = collapse.text_of([row(), row(fold=1, low=0.4, attempts=2), row("avx512")])
    assert "| avx2 | 1 of 2 | 1 |" in text and "| avx512 | 0 of 1 | 0 |" in text
    assert "| all | 1 of 3 | 1 |" in text


def test_equal_scores_have_no_interval_and_perfect_ones_a_bound_of_one():
    labels = np.arange(20) % 2
    same = collapse.measured(pd.DataFrame({"label": labels, "score": 0.4}))
    perfect = collapse.measured(pd.DataFrame({"label": labels, "score": 0.2 + 0.6 * labels}))
    assert same["auc"] == 0.5 and same["low"] is None and same["sd"] < 1e-9
    assert perfect["auc"] == perfect["low"] == 1


def test_this_machine_has_the_least_level():
    assert collapse.levels_here()[0] == "default"
