"""What a rule's code is: a hash over its script and every module of ``scripts`` that it imports.

Snakemake tracks no imported module. The hash goes into a rule's ``params``: a touched file, a comment, a
docstring or a new layout leaves it as it is; an edit changes it for exactly the rules that depend on the
edit.

Two things are left out on purpose. Modules that only say or show (LEAVES) decide no number. What a registry
names by a dotted string is no import: a rule that runs one of the kinds names that kind's module beside its
script, and the others don't count.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LEAVES = frozenset(
    {
        "scripts/boosting/progress.py",
        "scripts/bundle/progress.py",
        "scripts/cohort/progress.py",
        "scripts/common/log.py",
        "scripts/common/progress.py",
        "scripts/deep/progress.py",
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


@functools.cache
def _parsed(root: Path, path: Path) -> tuple[str, tuple[Path, ...]]:
    """The canonical text of one file and the files of ``scripts`` that it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[Path] = set()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name == "scripts" or name.startswith("scripts."):
                file = _module_file(root, name)
                if file is not None and file != path:
                    found.add(file)
    return ast.dump(_without_docstrings(tree)), tuple(sorted(found))


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
        todo.extend(_parsed(root, path)[1])
    return sorted(seen)


def code_hash(*entries: str | Path, root: Path = ROOT) -> str:
    """Sixteen hex digits that change when, and only when, code that the ``entries`` run changes and that can
    change a result.
    """
    digest = hashlib.sha256()
    for path in import_graph(*entries, root=root, leaves=False):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(_parsed(root, path)[0].encode() + b"\0")
    return digest.hexdigest()[:16]
