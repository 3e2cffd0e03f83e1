"""The code hash is blind to comments, docstrings and layout, and sees every edit below a rule."""

from __future__ import annotations

import ast
import re
import shutil
import sys
from pathlib import Path

import pytest

from scripts.common import code_hash as module
from scripts.common.code_hash import code_hash, import_graph

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "scripts/a").mkdir(parents=True)
    for name in ("scripts/__init__.py", "scripts/a/__init__.py"):
        (tmp_path / name).write_text("")
    (tmp_path / "scripts/a/rule.py").write_text("from scripts.a.part import f\nf()\n")
    (tmp_path / "scripts/a/part.py").write_text(
        'def f():\n    """Doc."""\n    from scripts.a import deep\n    return 1\n'
    )
    (tmp_path / "scripts/a/deep.py").write_text("X = 1\n")
    (tmp_path / "scripts/a/other.py").write_text("Y = 1\n")
    module._parsed.cache_clear()
    yield tmp_path
    module._parsed.cache_clear()


def hashed(tree):
    module._parsed.cache_clear()
    return code_hash("scripts/a/rule.py", root=tree)


def test_graph_follows_imports_inside_functions(tree):
    names = [p.relative_to(tree).as_posix() for p in import_graph("scripts/a/rule.py", root=tree)]
    assert "scripts/a/deep.py" in names and "scripts/a/other.py" not in names


@pytest.mark.parametrize(
    ("file", "text", "changes"),
    [
        (
            "scripts/a/part.py",
            'def f():\n    """Another."""\n    # c\n\n    from scripts.a import deep\n\n    return 1\n',
            False,
        ),
        ("scripts/a/part.py", "def f():\n    from scripts.a import deep\n    return 2\n", True),
        ("scripts/a/deep.py", 'X = 1\n"""What X is."""\n', False),
        ("scripts/a/deep.py", "X = 2\n", True),
        ("scripts/a/other.py", "Y = 2\n", False),
    ],
)
def test_what_changes_the_hash(tree, file, text, changes):
    before = hashed(tree)
    (tree / file).write_text(text)
    assert (hashed(tree) != before) is changes


def test_a_module_that_only_says_leaves_the_hash_alone(tree, monkeypatch):
    """Nor does what it alone imports, until another module imports that too."""
    said = tree / "scripts/a/said.py"
    said.write_text("from scripts.a import other\ndef words():\n    return 'one'\n")
    (tree / "scripts/a/part.py").write_text("from scripts.a import said\nsaid.words()\n")
    plain = hashed(tree)
    monkeypatch.setattr(module, "LEAVES", {"scripts/a/said.py"})
    before = hashed(tree)
    assert before != plain
    said.write_text("from scripts.a import other\ndef words():\n    return 'two'\n")
    (tree / "scripts/a/other.py").write_text("Y = 2\n")
    assert hashed(tree) == before
    names = [p.relative_to(tree).as_posix() for p in import_graph("scripts/a/rule.py", root=tree)]
    assert "scripts/a/said.py" in names, "the walls between stages hold for it too"
    (tree / "scripts/a/deep.py").write_text("from scripts.a import other\n")
    (tree / "scripts/a/part.py").write_text("from scripts.a import said, deep\nsaid.words()\n")
    now = hashed(tree)
    (tree / "scripts/a/other.py").write_text("Y = 3\n")
    assert hashed(tree) != now


def test_what_is_imported_for_types_alone_leaves_the_hash_alone(tree):
    imports = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from scripts.a.other import Y\n"
    (tree / "scripts/a/part.py").write_text(imports)
    before = hashed(tree)
    (tree / "scripts/a/other.py").write_text("Y = 2\n")
    assert hashed(tree) == before
    (tree / "scripts/a/part.py").write_text(imports.replace("if TYPE_CHECKING:", "if True:"))
    now = hashed(tree)
    (tree / "scripts/a/other.py").write_text("Y = 3\n")
    assert hashed(tree) != now


@pytest.fixture
def kinds(tree):
    """A loop that runs one of two kinds, which a registry names by strings."""
    files = {
        "registry.py": "import importlib\nKINDS = {'x': 'scripts.a.kinds.x', 'y': 'scripts.a.kinds.y'}\n"
        "def kind(name):\n    return importlib.import_module(KINDS[name])\n",
        "x.py": "from scripts.a import deep\nN = 1\n",
        "y.py": "N = 2\n",
    }
    (tree / "scripts/a/kinds").mkdir()
    for name, text in files.items():
        (tree / "scripts/a/kinds" / name).write_text(text)
    (tree / "scripts/a/rule.py").write_text("from scripts.a.kinds.registry import kind\nkind('x')\n")
    return tree


def of_kind(tree, name):
    module._parsed.cache_clear()
    return code_hash("scripts/a/rule.py", f"scripts/a/kinds/{name}.py", root=tree)


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("kinds/x.py", "x"),
        ("kinds/y.py", "y"),
        ("deep.py", "x"),
        ("rule.py", "xy"),
        ("kinds/registry.py", "xy"),
    ],
)
def test_a_hash_follows_the_kind_in_use_alone(kinds, file, changed):
    before = {name: of_kind(kinds, name) for name in "xy"}
    with (kinds / "scripts/a" / file).open("a") as stream:
        stream.write("\nMORE = 1\n")
    assert "".join(name for name in "xy" if of_kind(kinds, name) != before[name]) == changed


def test_every_rule_that_runs_a_network_names_its_kind():
    """Whatever reaches the registry would else keep old results when the kind's code changes."""
    registry, used = ROOT / "scripts/networks/kinds/registry.py", 0
    for rules in sorted((ROOT / "rules").glob("*.smk")):
        text = rules.read_text(encoding="utf-8")
        for arguments in re.findall(r"code=(?:lambda wildcards: )?code\(([^)]*)\)", text):
            assert registry not in import_graph(*re.findall(r"scripts/[\w/]+\.py", arguments)), arguments
        for script in re.findall(r'code=MODELS\.code_of_network\(code, "(\w+)"\)', text):
            used += 1
            assert registry in import_graph(f"scripts/networks/{script}.py")
    assert used >= 4


def test_walls_between_stages():
    """A stage imports from itself and from common; only the composing stages import others."""
    composing = {
        "check": {"intake", "cohort", "networks"},
        "bundle": {"intake", "networks"},
        "workflow": {"intake", "networks", "report", "share", "bundle"},
    }
    for file in (ROOT / "scripts").rglob("*.py"):
        stage = file.relative_to(ROOT / "scripts").parts[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names = [node.module]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                if name.startswith("scripts."):
                    other = name.split(".")[1]
                    assert other in {stage, "common"} | composing.get(stage, set()), f"{file} imports {name}"


FORBIDDEN = {
    "statistics": {"torch", "torchvision", "pydicom"},
    "intake": {"torch", "torchvision", "rpy2"},
    "networks": {"pandas", "pydicom", "snakemake", "rpy2", "xgboost", "sklearn", "pydantic"},
    "cohort": {"torch", "rpy2"},
}


@pytest.mark.parametrize("stage", FORBIDDEN)
def test_walls_around_libraries(stage):
    entries = sorted((ROOT / "scripts" / stage).rglob("*.py"))
    assert len(entries) > 2
    for entry in entries:
        for file in import_graph(entry.relative_to(ROOT)):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = []
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module.split(".")[0]]
                elif isinstance(node, ast.Import):
                    names = [alias.name.split(".")[0] for alias in node.names]
                assert not FORBIDDEN[stage] & set(names), f"{file} imports {FORBIDDEN[stage] & set(names)}"


def test_only_one_module_touches_r():
    users = [
        f.relative_to(ROOT).as_posix()
        for f in (ROOT / "scripts").rglob("*.py")
        if "import rpy2" in f.read_text() or "from rpy2" in f.read_text()
    ]
    assert users == ["scripts/statistics/proc.py"]


def test_scripts_folder_is_not_on_the_path():
    assert str(ROOT / "scripts") not in sys.path


def test_a_new_config_key_or_word_changes_the_code_of_no_rule(tmp_path):
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    rules = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk"))
    named = set(re.findall(r'"(scripts/[a-z]+/[a-z_0-9]+\.py)"', rules))
    of_kinds = re.findall(r'code_of_(network|tabular)\(code, "(\w+)"\)', rules)
    stages = {"network": "networks", "tabular": "tabular"}
    entries = sorted(named | {f"scripts/{stages[kind]}/{script}.py" for kind, script in of_kinds})
    assert len(entries) > 30

    def hashes():
        module._parsed.cache_clear()
        return {entry: code_hash(entry, root=tmp_path) for entry in entries}

    before = hashes()
    changed = 0
    for section in (tmp_path / "scripts/common/config").glob("*.py"):
        text = section.read_text(encoding="utf-8")
        new = re.sub(r"^(class \w+\(Section\):\n)", r"\1    further: int = 0\n", text, flags=re.M)
        changed += new != text
        section.write_text(new, encoding="utf-8")
    vocabulary = tmp_path / "scripts/common/vocabulary.py"
    text = vocabulary.read_text(encoding="utf-8")
    vocabulary.write_text(text + '\nFURTHER = ("a", "b")\n', encoding="utf-8")
    assert changed > 5 and hashes() == before
    vocabulary.write_text(text.replace('"lumbar"', '"spine"'), encoding="utf-8")
    after = hashes()
    assert after["scripts/intake/pseudonymize_tables.py"] != before["scripts/intake/pseudonymize_tables.py"]
    assert after["scripts/networks/train_fold.py"] == before["scripts/networks/train_fold.py"]


def test_a_word_counts_for_those_who_take_it(tree):
    words = tree / "scripts/common/vocabulary.py"
    words.parent.mkdir()
    words.write_text('A, B = "a", "b"\nBOTH = (A, B)\nC = "c"\n')
    (tree / "scripts/a/part.py").write_text("from scripts.common.vocabulary import BOTH\n")
    before = hashed(tree)
    words.write_text('A, B = "a", "b"\nBOTH = (A, B)\n"""Both."""\nC = "other"\nD = "further"\n')
    assert hashed(tree) == before
    words.write_text('A, B = "a", "other"\nBOTH = (A, B)\nC = "c"\n')
    assert hashed(tree) != before
    (tree / "scripts/a/part.py").write_text("from scripts.common import vocabulary\n")
    whole = hashed(tree)
    words.write_text('A, B = "a", "other"\nBOTH = (A, B)\nC = "another"\n')
    assert hashed(tree) != whole
