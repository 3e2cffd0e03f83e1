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
from pathlib import Path

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


def _declared(path: Path, names: set[str]) -> str:
    """The canonical text of a module's statements that bind ``names``, and of those that they refer to."""
    body = _without_docstrings(ast.parse(path.read_text(encoding="utf-8"))).body
    bound = {
        name.id: node
        for node in body
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }
    bound |= {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    todo, kept = set(names), set()
    while todo:
        node = bound.get(todo.pop())
        if node is not None and node not in kept:
            kept.add(node)
            todo |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    return "".join(ast.dump(node) for node in body if node in kept)


def _text(root: Path, path: Path, files: list[Path]) -> str:
    """What of one file counts for code in ``files``: all of it, or of DECLARATIONS what is taken."""
    whole = _parsed(root, path)[0]
    if path.relative_to(root).as_posix() not in DECLARATIONS:
        return whole
    module = ".".join(path.relative_to(root).with_suffix("").parts)
    names = {name for file in files for taken, name in _parsed(root, file)[2] if taken == module}
    return whole if "*" in names else _declared(path, names)


@functools.cache
def _parsed(root: Path, path: Path) -> tuple[str, tuple[Path, ...], frozenset[tuple[str, str]]]:
    """The canonical text of one file, the files of ``scripts`` that it imports, and the names that it takes:
    pairs of module and name, ``*`` for a whole module.
    """
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
    return ast.dump(_without_docstrings(tree)), tuple(sorted(found)), frozenset(taken)


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
    files = import_graph(*entries, root=root, leaves=False)
    for path in files:
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(_text(root, path, files).encode() + b"\0")
    return digest.hexdigest()[:16]
