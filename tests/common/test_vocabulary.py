"""The study's fixed words stand once, and rules that only need words don't read the config's model."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from scripts.common import standards, vocabulary
from scripts.common.code_hash import import_graph

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "scripts").rglob("*.py"))


READING = {
    "scripts/report/redaction.py": "takes the config apart, before any job, for what may be shared of it",
    "scripts/statistics/own_tables.py": "the command of `make statistics`, which checks the config it makes",
}
"""Modules of stages with rules that may import the config's model, each with its reason."""


def named_words(path: Path) -> dict[str, tuple[str, ...]]:
    """The tuples, lists, sets and frozensets of plain strings that a module names at its top level, each in
    one order."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        value = node.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.args:
            value = value.args[0] if value.func.id in ("frozenset", "set", "tuple") else value
        if isinstance(value, ast.Tuple | ast.List | ast.Set) and len(value.elts) > 1:
            words = [one.value for one in value.elts if isinstance(one, ast.Constant)]
            if len(words) == len(value.elts) and all(isinstance(word, str) for word in words):
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                found[ast.unparse(target)] = tuple(sorted(words))
    return found


def test_no_two_modules_name_the_same_words():
    holders = defaultdict(list)
    for path in MODULES:
        for name, words in named_words(path).items():
            holders[words].append(f"{path.relative_to(ROOT)}: {name}")
    assert len(holders) > 20
    twice = {words: where for words, where in holders.items() if len({w.split(":")[0] for w in where}) > 1}
    assert twice == {}


@pytest.mark.parametrize("module", [vocabulary, standards])
def test_fixed_words_need_no_other_module(module):
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    assert {type(node) for node in tree.body} == {ast.Assign, ast.Expr}, "names and what they mean, no more"
    names = [name.id for name in ast.walk(tree) if isinstance(name, ast.Name) and type(name.ctx) is ast.Store]
    assert len(names) == len(set(names)) == len([name for name in vars(module) if name.isupper()])
    text = "\n".join(path.read_text(encoding="utf-8") for path in MODULES)
    unused = [name for name in names if len(re.findall(rf"\b{name}\b", text)) < 2]
    assert names and unused == []


def entry_scripts() -> list[str]:
    """The scripts that rules hash (``code("...")``)."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "rules").glob("*.smk")))
    return sorted(set(re.findall(r'"(scripts/[a-z_]+/[a-z_0-9]+\.py)"', text)))


def reads_config(paths: Iterable[Path]) -> bool:
    return any(path.as_posix().startswith(f"{ROOT}/scripts/common/config") for path in paths)


def test_no_rule_reads_the_config_by_its_model():
    """Rules hand plain values to scripts, so a new config key changes the code of none."""
    entries = entry_scripts()
    assert len(entries) > 30
    assert [entry for entry in entries if reads_config(import_graph(entry))] == []


def test_stages_take_words_from_the_vocabulary():
    apart = ("common", "check", "workflow")
    modules = [path for path in MODULES if path.relative_to(ROOT / "scripts").parts[0] not in apart]
    reading = {path.relative_to(ROOT).as_posix() for path in modules if reads_config(import_graph(path))}
    assert reading == set(READING)
