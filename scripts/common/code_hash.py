"""What a rule's code is: a hash over its script and every module of ``scripts`` that it imports.

Snakemake tracks no imported module. The hash goes into a rule's ``params``: a touched file, a comment, a
docstring or a new layout leaves it as it is; an edit changes it for exactly the rules that depend on the
edit.

Three things are left out on purpose. Modules that only say or show (LEAVES) decide no number. What is
imported under ``if TYPE_CHECKING:`` never runs. What a registry names by a dotted string is no import: a rule
that runs one of the kinds names that kind's module beside its script, and the others don't count.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

LEAVES = frozenset(
    {
        "scripts/tabular/progress.py",
        "scripts/bundle/progress.py",
        "scripts/cohort/progress.py",
        "scripts/common/log.py",
        "scripts/common/progress.py",
        "scripts/networks/progress.py",
        "scripts/intake/progress.py",
        "scripts/synthetic/progress.py",
    }
)
"""Modules that only say or show, which no hash holds: a reworded message makes nothing run again.

They give nothing back that a number depends on, and import no module of ``scripts`` but each other and
``errors``.
"""


def _without_docstrings(tree: ast.AST) -> ast.AST:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
            # a string that documents an attribute is a bare expression too
            node.body = [
                n
                for n in node.body
                if not (
                    isinstance(n, ast.Expr)
                    and isinstance(n.value, ast.Constant)
                    and isinstance(n.value.value, str)
                )
            ] or [ast.Pass()]
    return tree


def _module_file(root: Path, module: str) -> Path | None:
    base = root.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


CONTRACTS = ("cohort", "intake", "models", "networks", "report", "shared", "statistics", "tabular")
DECLARATIONS = frozenset(
    (
        *("scripts/common/standards.py", "scripts/common/vocabulary.py"),
        *(f"scripts/common/contracts/{name}.py" for name in CONTRACTS),
    )
)
"""Modules that only declare names for many stages. Of these a hash holds the names that its code takes and
what those are made of, so that a further word or table makes nothing run again.
"""


class _Statement(NamedTuple):
    """A statement of a module: its canonical text, the names that it binds, and all that stand in it."""

    text: str
    binds: frozenset[str]
    names: frozenset[str]


class _Parsed(NamedTuple):
    """A file: its canonical text, the files of ``scripts`` that it imports, the names that it takes (pairs of
    module and name, ``*`` for a whole module), and its statements where it is one of DECLARATIONS.
    """

    text: str
    imports: tuple[Path, ...]
    taken: frozenset[tuple[str, str]]
    statements: tuple[_Statement, ...]


def _declared(statements: Sequence[_Statement], names: set[str]) -> str:
    """The canonical text of a module's statements that bind ``names``, and of those that they refer to."""
    bound = {name: place for place, one in enumerate(statements) for name in one.binds}
    todo, kept = set(names), set()
    while todo:
        place = bound.get(todo.pop())
        if place is not None and place not in kept:
            kept.add(place)
            todo |= statements[place].names
    return "".join(statements[place].text for place in sorted(kept))


def _text(root: Path, path: Path, files: list[Path]) -> str:
    """What of one file counts for code in ``files``: all of it, or of DECLARATIONS what is taken."""
    parsed = _parsed(root, path)
    if not parsed.statements:
        return parsed.text
    module = ".".join(path.relative_to(root).with_suffix("").parts)
    names = {name for file in files for taken, name in _parsed(root, file).taken if taken == module}
    return parsed.text if "*" in names else _declared(parsed.statements, names)


@functools.cache
def _parsed(root: Path, path: Path) -> _Parsed:
    """A file, read once."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[Path] = set()
    taken: set[tuple[str, str]] = set()
    for_types = {
        node
        for one in tree.body
        if isinstance(one, ast.If) and isinstance(one.test, ast.Name) and one.test.id == "TYPE_CHECKING"
        for node in one.body
    }
    for node in (node for node in ast.walk(tree) if node not in for_types):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            taken |= {(name, "*") for name in names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            taken |= {(node.module, alias.name) for alias in node.names} | {(name, "*") for name in names[1:]}
        for name in names:
            if name == "scripts" or name.startswith("scripts."):
                file = _module_file(root, name)
                if file is not None and file != path:
                    found.add(file)
    body = _without_docstrings(tree).body
    declares = path.relative_to(root).as_posix() in DECLARATIONS
    statements = tuple(map(_statement, body)) if declares else ()
    return _Parsed(ast.dump(tree), tuple(sorted(found)), frozenset(taken), statements)


def _statement(node: ast.stmt) -> _Statement:
    names = [one for one in ast.walk(node) if isinstance(one, ast.Name)]
    binds = {one.id for one in names if isinstance(one.ctx, ast.Store)}
    binds |= {node.name} if isinstance(node, ast.FunctionDef) else set()
    return _Statement(ast.dump(node), frozenset(binds), frozenset(one.id for one in names))


def import_graph(*entries: str | Path, root: Path = ROOT, leaves: bool = True) -> list[Path]:
    """All files of ``scripts`` that running ``entries`` (relative to ``root``) depends on, themselves
    included, sorted; without ``leaves`` not those of LEAVES, nor what they import.
    """
    todo, seen = [(root / entry).resolve() for entry in entries], set()
    while todo:
        path = todo.pop()
        if path in seen or (not leaves and path.relative_to(root).as_posix() in LEAVES):
            continue
        seen.add(path)
        todo.extend(_parsed(root, path).imports)
    return sorted(seen)


def code_hash(*entries: str | Path, root: Path = ROOT) -> str:
    """Sixteen hex digits that change when, and only when, code that the ``entries`` run changes and that can
    change a result.
    """
    digest = hashlib.sha256()
    files = import_graph(*entries, root=root, leaves=False)
    for path in files:
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(_text(root, path, files).encode() + b"\0")
    return digest.hexdigest()[:16]
