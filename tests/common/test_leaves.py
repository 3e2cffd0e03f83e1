"""Modules that no code hash holds say and show, and give back nothing that a number depends on."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scripts.common.code_hash import LEAVES

ROOT = Path(__file__).resolve().parents[2]
SAID = {"None", "str", "bool", "Iterator[Item]", "Iterator[Log]"}
"""What their functions return: nothing, words, whether something was said, the items or the log passed on."""


def tree_of(name):
    return ast.parse((ROOT / name).read_text(encoding="utf-8"))


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)


def test_every_progress_module_is_a_leaf_and_every_leaf_is_there():
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "scripts").rglob("progress.py")}
    assert there == {name for name in LEAVES if name.endswith("/progress.py")}
    assert all((ROOT / name).is_file() for name in LEAVES)


@pytest.mark.parametrize("leaf", sorted(LEAVES))
def test_a_leaf_imports_nothing_that_decides(leaf):
    for module, name in imported(tree_of(leaf)):
        if module.split(".")[0] == "scripts":
            files = {f"{module.replace('.', '/')}.py", f"{module.replace('.', '/')}/{name}.py"}
            assert files & (LEAVES | {"scripts/common/errors.py"}), f"{leaf} imports {module}"


@pytest.mark.parametrize("leaf", sorted(LEAVES))
def test_a_leaf_gives_back_nothing_but_words(leaf):
    tree = tree_of(leaf)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = None if node.returns is None else ast.unparse(node.returns)
            assert given in SAID, f"{leaf}: {node.name} returns {given}"
        assert not isinstance(node, ast.Global | ast.Nonlocal), f"{leaf} keeps something beside a job"


def test_nothing_but_functions_and_classes_of_a_leaf_is_used():
    """A number that stood there as a constant would change without a hash telling."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    defined = {
        name[: -len(".py")].replace("/", "."): {n.name for n in tree_of(name).body if isinstance(n, kinds)}
        for name in LEAVES
    }
    uses = 0
    for path in (ROOT / "scripts").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules = {}
        for module, name in imported(tree):
            if module in defined:
                assert name in defined[module], f"{path} takes {name} from {module}"
                uses += 1
            elif f"{module}.{name}" in defined:
                modules[name] = f"{module}.{name}"
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in modules
            ):
                assert node.attr in defined[modules[node.value.id]], f"{path} takes {node.attr}"
                uses += 1
    assert uses > 100
