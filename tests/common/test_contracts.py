"""Contracts: what can be declared, which file is of which, and what a writer must keep to."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from scripts.common.code_hash import ROOT, code_hash, import_graph
from scripts.common.contracts.cohort import COHORT, PREDICTIONS
from scripts.common.contracts.contract import Column, Contract, key, person, size
from scripts.common.contracts.every import CONTRACTS, contract_of
from scripts.common.contracts.networks import OUT_OF_FOLD, SET_SCORES
from scripts.common.contracts.statistics import DELONG, TABLE2
from scripts.common.tables import read_table, write_table


@pytest.mark.parametrize(
    "column", [("a", "number", "key", "x"), ("a", "int", "harmless", "x"), ("a", "int", "size", "")]
)
def test_a_column_without_type_telling_or_meaning_is_refused(column):
    with pytest.raises(ValueError, match="column 'a'"):
        Column(*column)


def test_a_contract_names_its_columns_once_and_no_others():
    with pytest.raises(ValueError, match="declared twice: set"):
        Contract("a.csv", "set", (key("set", "x"), key("set", "y")))
    with pytest.raises(ValueError, match="no such column: model"):
        Contract("a.csv", "set", (key("set", "x"),), row_key=("model",))


def test_a_contract_is_its_columns_with_their_types():
    table = Contract("a.csv", "set", (key("set", "x"), size("n", "y")), (size("m", "z"),))
    assert dict(table) == {"set": "text", "n": "int"}
    assert list(table.whole) == ["set", "n", "m"] and table.row_key == ("set",)
    assert table.that_tell("size") == ("n", "m") and table.shareable
    assert not Contract("b.csv", "patient", (person("patient_id", "x"),)).shareable
    with pytest.raises(KeyError, match="a.csv has no column 'p'"):
        table.only("p")


def test_a_file_has_the_contract_that_names_it_most_closely():
    assert contract_of("results/deep/scores/train.csv") is OUT_OF_FOLD
    assert contract_of("results/deep/scores/external_1.csv") is SET_SCORES
    assert contract_of("results/cohort/external_1/selected.csv") is COHORT
    assert contract_of("results/statistics/a/delong.csv") is None
    assert contract_of("results/statistics/delong.csv") is DELONG


def test_no_table_is_declared_twice():
    paths = [path for contract in CONTRACTS for path in contract.path.split()]
    assert len(paths) == len(set(paths))


def test_a_writer_keeps_to_the_contract(tmp_path):
    frame = pd.DataFrame({name: ["1"] for name in TABLE2})
    with pytest.raises(KeyError, match="columns not in the contract: p_value"):
        write_table(frame.assign(p_value=0.1), tmp_path / "t.csv", TABLE2)
    scores = pd.DataFrame({**{name: ["1"] for name in PREDICTIONS}, "any_model": [0.1 + 0.2]})
    write_table(scores, tmp_path / "p.csv", PREDICTIONS)
    assert read_table(tmp_path / "p.csv", PREDICTIONS)["any_model"].tolist() == [0.1 + 0.2]


FOLD = ("scripts/deep/loop.py", "scripts/deep/kinds/hybrid.py")
"""The code that a finished fold's key holds."""


def test_another_table_trains_nothing():
    """The key of a finished fold is made of code that imports no contract."""
    names = [p.as_posix() for entry in FOLD for p in import_graph(entry)]
    assert names and not [name for name in names if "/contracts/" in name]


def test_another_table_runs_nothing_again(tmp_path):
    """A rule's hash holds the contracts that it takes, and what those are made of."""
    rules = ("compare_auc", "describe_cohort", "write_tables")
    before = [code_hash(f"scripts/statistics/{name}.py") for name in rules]
    changes = (
        ('estimate("z", "DeLong\'s z")', 'estimate("z", "the z of DeLong")', [True, False, True]),
        (
            "DELONG = Contract(",
            'MORE = Contract("more.csv", "set", (_SET,))\n\nDELONG = Contract(',
            [False] * 3,
        ),
        ("def _ends(", "def _ends(a=1, ", [False, False, True]),
    )
    for n, (old, new, changed) in enumerate(changes):
        root = tmp_path / str(n)
        shutil.copytree(ROOT / "scripts", root / "scripts")
        module = root / "scripts/common/contracts/statistics.py"
        assert module.read_text().count(old) == 1
        module.write_text(module.read_text().replace(old, new))
        after = [code_hash(f"scripts/statistics/{name}.py", root=root) for name in rules]
        assert [a != b for a, b in zip(before, after)] == changed, old
