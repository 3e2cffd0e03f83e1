"""No code behind the config knows a shipped model by its name: any number of models of any name is taken from
what the rules are given.
"""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest

from scripts.common.code_hash import ROOT

SHIPPED = ("deep", "clinical", "combined")
ELSEWHERE = ("scripts/common/config/", "scripts/synthetic/")
"""Where the shipped study stands by name."""


def strings_of(path: Path) -> list[tuple[int, str]]:
    """Line and value of every string of a Python file, or of the Python strings of a rule file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        constants = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
        return [(node.lineno, node.value) for node in constants if isinstance(node.value, str)]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    found = [(token.start[0], token.string) for token in tokens if token.type == tokenize.STRING]
    # an f-string is no literal: its value is an expression
    return [
        (line, ast.literal_eval(text))
        for line, text in found
        if not text.lower().startswith(("f", "rf", "fr"))
    ]


def code_files() -> list[Path]:
    """The scripts and rules, but for those of ELSEWHERE."""
    files = [*ROOT.glob("scripts/**/*.py"), *ROOT.glob("rules/*.smk"), ROOT / "Snakefile"]
    names = {path: path.relative_to(ROOT).as_posix() for path in files}
    return [path for path, name in names.items() if not name.startswith(ELSEWHERE)]


def test_no_string_is_a_shipped_models_name():
    files = code_files()
    assert len(files) > 150
    named = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in files
        for line, text in strings_of(path)
        if text in SHIPPED
    ]
    assert named == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", 'scores = frame["deep"]\n'),
        (
            "a.smk",
            'rule a:\n    params:\n        model="deep",\n    shell:\n        "x {input}"\n',
        ),
    ],
)
def test_such_a_string_is_found(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert "deep" in [value for _, value in strings_of(tmp_path / name)]
