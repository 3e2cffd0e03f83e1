"""Notes what every job of a workflow reads: copied as ``sitecustomize.py`` into a study, which stands on the
PYTHONPATH of all jobs, it runs at the start of their Python.

A line holds the job's log and a file or folder of the study that the job opened or listed. Python modules are
left out: a rule's hash of its code holds them. What libraries open in C is not seen.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

LEFT_OUT = (".git", ".snakemake", "benchmarks", "logs")
NOTES = "../opened"
"""Beside the study, in which nothing but its own files is looked for."""

_root = Path.cwd()
_left_out = tuple(f"{_root}/{name}/" for name in LEFT_OUT)
_searched = tuple(f"{_root}/{name}" for name in ("scripts", "rules"))
_seen: set[str] = set()


def _job() -> str | None:
    """The log of the job whose process this is, or is a child of."""
    if "OPENED_BY" not in os.environ:
        script = getattr(sys.modules.get("__main__"), "snakemake", None)
        if hasattr(script, "log"):
            os.environ["OPENED_BY"] = str(script.log)
        elif "--log" in sys.argv:
            os.environ["OPENED_BY"] = sys.argv[sys.argv.index("--log") + 1]
    return os.environ.get("OPENED_BY")


def _note(event: str, arguments: tuple) -> None:
    if event not in ("open", "os.listdir", "os.scandir"):
        return
    path = arguments[0]
    if not isinstance(path, (str, bytes, os.PathLike)):
        return
    if event == "open" and arguments[2] & os.O_ACCMODE == os.O_WRONLY:
        return
    path = os.path.normpath(_root / os.fsdecode(path))
    if path in _seen or not path.startswith(f"{_root}/") or path.startswith(_left_out):
        return
    if path.endswith((".py", ".pyc")) or (event != "open" and path.startswith(_searched)):
        return  # the import system's
    job = _job()
    if job is None:
        return
    _seen.add(path)
    (_root / NOTES).mkdir(parents=True, exist_ok=True)
    with (_root / NOTES / str(os.getpid())).open("a", encoding="utf-8") as stream:
        stream.write(f"{job}\t{Path(path).relative_to(_root)}\n")


if __name__ == "sitecustomize":
    sys.addaudithook(_note)
