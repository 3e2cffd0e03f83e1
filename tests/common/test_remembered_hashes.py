"""Remembered code hashes: the same as computed ones, and forgotten as soon as any file of the code
changes.
"""

from __future__ import annotations

import json

import pytest

from scripts.common import code_hash as module
from scripts.common import remembered_hashes
from scripts.common.code_hash import code_hash
from scripts.common.remembered_hashes import RememberedHashes

RULE = "scripts/a/rule.py"


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "scripts/a").mkdir(parents=True)
    for name in ("scripts/__init__.py", "scripts/a/__init__.py"):
        (tmp_path / name).write_text("")
    (tmp_path / RULE).write_text("from scripts.a import part\n")
    (tmp_path / "scripts/a/part.py").write_text("X = 1\n")
    module._parsed.cache_clear()
    yield tmp_path
    module._parsed.cache_clear()


@pytest.fixture
def parsed(monkeypatch):
    """The entries that were really hashed."""
    entries = []
    monkeypatch.setattr(
        remembered_hashes,
        "code_hash",
        lambda *names, root: entries.append(names) or code_hash(*names, root=root),
    )
    return entries


def remembered(tree):
    module._parsed.cache_clear()
    hashes = RememberedHashes(tree / "kept/hashes.json", tree)
    found = hashes.of(RULE)
    hashes.keep()
    assert found == code_hash(RULE, root=tree)
    return found


def test_an_answer_is_kept_for_the_next_start(tree, parsed):
    assert remembered(tree) == remembered(tree)
    assert parsed == [(RULE,)]


def test_any_change_of_the_code_is_seen(tree, parsed):
    first = remembered(tree)
    (tree / "scripts/a/part.py").write_text("X = 2\n")
    second = remembered(tree)
    assert second != first
    (tree / "scripts/a/part.py").write_text("X = 2  # a remark\n")
    assert remembered(tree) == second and len(parsed) == 3
    # what was a name of the package becomes a module: the import leads elsewhere, though no listed file
    # changed
    (tree / RULE).write_text("from scripts.a import part, more\n")
    before = remembered(tree)
    (tree / "scripts/a/more.py").write_text("Y = 1\n")
    assert remembered(tree) != before


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"state": "another", "hashes": {"scripts/a/rule.py": "0"}}', '{"hashes": 3}']
)
def test_a_spoilt_file_is_never_believed(tree, content):
    right = remembered(tree)
    (tree / "kept/hashes.json").write_text(content)
    assert remembered(tree) == right
    assert json.loads((tree / "kept/hashes.json").read_text())["hashes"] == {RULE: right}


def test_a_folder_that_cannot_be_written_costs_nothing_else(tree):
    (tree / "kept").write_text("a file where the folder should be")
    assert remembered(tree) == remembered(tree)
