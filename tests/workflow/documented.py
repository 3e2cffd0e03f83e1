"""The commands that README and docs show, and the environment without the packages that only tests need."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
)

OURS = ("make", "snakemake", "python", "python3", "pytest", "envs/setup.sh", "ruff", "snakefmt")
SYSTEM = (
    ".",
    "apt-get",
    "chmod",
    "git",
    "kill",
    "module",
    "mv",
    "rm",
    "sbatch",
    "scancel",
    "scontrol",
    "squeue",
)
"""Programs of Debian, Git and SLURM, whose arguments are not looked at."""


class Command(NamedTuple):
    """A command of the docs: the page and line where it stands, and its words."""

    page: str
    line: int
    words: tuple[str, ...]

    @property
    def program(self) -> str:
        return self.words[0]

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {shlex.join(self.words)}"


def is_placeholder(word: str) -> bool:
    """Whether a word stands for something of the reader's own."""
    value = word.partition("=")[2] or word
    return bool(
        re.search(
            r"<[^>]*>|\.\.\.|^my\b|^my/|mine\.yaml|your\.yaml|^a\.yaml$|another\.csv|^(B|FOLDER)$", value
        )
    )


def _split(text: str) -> list[tuple[str, ...]]:
    """The commands of a line, without its comment; what sbatch wraps is one too."""
    text = re.sub(r"(^|\s)#.*$", "", text.replace("\\|", "|")).strip()
    # a placeholder's brackets and blanks are no shell's
    text = re.sub(r"<[^>]*>", lambda found: found[0].replace(" ", "_"), text)
    lexer = shlex.shlex(text, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[tuple[str, ...]] = []
    current: list[str] = []
    for word in [*lexer, ";"]:
        if word in ("&&", "|", ";"):
            commands += [tuple(current)] if current else []
            current = []
        else:
            current.append(word)
    wrapped = [words[words.index("--wrap") + 1] for words in commands if "--wrap" in words]
    return commands + [one for text in wrapped for one in _split(text)]


def _blocks(text: str) -> list[tuple[int, str, list[str]]]:
    """Line, language and lines of each fenced block."""
    found, at = [], None
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("```"):
            if at is None:
                at = (number + 1, line[3:].strip(), [])
            else:
                found.append(at)
                at = None
        elif at is not None:
            at[2].append(line)
    return found


def _joined(lines: list[str]) -> list[str]:
    """Lines with each command on one, the last that it takes; those before it are empty."""
    found, begun = [], ""
    for line in lines:
        begun += line.removesuffix("\\")
        whole = not line.endswith("\\")
        found.append(begun if whole else "")
        begun = "" if whole else begun
    return found


def shell_blocks(page: str) -> list[tuple[int, list[str]]]:
    """The fenced blocks of a page that hold commands: line and lines of each."""
    text = (ROOT / page).read_text(encoding="utf-8")
    known = (*OURS, *SYSTEM)
    return [
        (line, lines)
        for line, language, lines in ((at, language, _joined(lines)) for at, language, lines in _blocks(text))
        if language in ("", "sh", "bash") and any(one.split()[0] in known for one in lines if one.split())
    ]


def commands_of(page: str) -> list[Command]:
    """Every command of a page, of its blocks and of its text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [
        Command(page, line + i, words)
        for line, lines in shell_blocks(page)
        for i, one in enumerate(lines)
        if one.strip()
        for words in _split(one)
    ]
    inside = {line + i for line, _, lines in _blocks(text) for i in range(-1, len(lines) + 1)}
    for number, line in enumerate(text.splitlines(), start=1):
        if number in inside:
            continue
        for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", line):
            first, _, more = span.partition(" ")
            if (
                first in OURS
                and more
                or first == "."
                and "activate" in more
                or re.match(r"(BENCH|CONFIG|FUZZ)=", span)
            ):
                found += [Command(page, number, words) for words in _split(span)]
    return found


def pinned(path: str) -> set[str]:
    """Names of the distributions that a requirements file pins, in their normal form."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return {re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"(?m)^([A-Za-z0-9._-]+)==", text)}


def import_names(distributions: set[str]) -> set[str]:
    """The top-level modules that installed distributions give."""
    return {
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if any(re.sub(r"[-_.]+", "-", owner).lower() in distributions for owner in owners)
    }


BLOCK = """
import sys
class Block:
    names = {names!r}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {{name!r}} (only tests have it)", name=name)
        return None
sys.meta_path.insert(0, Block())
"""


def without_test_packages(folder: Path) -> dict[str, str]:
    """Environment variables under which Python finds no package that only tests need; ``folder`` is written
    to.
    """
    run = import_names(pinned("envs/requirements.txt"))
    tests = import_names(pinned("envs/requirements-test.txt") - pinned("envs/requirements.txt"))
    (folder / "sitecustomize.py").write_text(BLOCK.format(names=tests - run), encoding="utf-8")
    return {"PYTHONPATH": str(folder)}
