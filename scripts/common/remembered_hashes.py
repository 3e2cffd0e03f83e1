"""Code hashes kept from one start of Snakemake to the next, since parsing all code takes longer than planning
a study.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from pathlib import Path

from scripts.common.code_hash import ROOT, code_hash
from scripts.common.errors import StudyError
from scripts.common.files import write_text


def state_of_scripts(root: Path = ROOT) -> str:
    """A hash of every file of ``scripts`` as it stands, byte by byte, and of the Python that parses it."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted((root / "scripts").rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


class RememberedHashes:
    """``code_hash`` with its answers kept in a file.

    An answer holds as long as every file of ``scripts`` has the same bytes; then it is the one that
    ``code_hash`` gives. A file that is cut or of another state, and a folder where nothing can be written,
    cost the time of parsing and nothing else.

    Parameters
    ----------
    file : where the answers are kept.
    root : the folder that holds ``scripts``.
    """

    def __init__(self, file: str | Path, root: Path = ROOT) -> None:
        self._file, self._root = Path(file), root
        self._state = state_of_scripts(root)
        self._hashes: dict[str, str] = {}
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            if kept["state"] == self._state:
                self._hashes = {str(name): str(found) for name, found in kept["hashes"].items()}
        self._kept = dict(self._hashes)

    def of(self, *entries: str | Path) -> str:
        """``code_hash(*entries)``."""
        name = "\n".join(map(str, entries))
        if name not in self._hashes:
            self._hashes[name] = code_hash(*entries, root=self._root)
        return self._hashes[name]

    def keep(self) -> None:
        """Write the answers down, where there are new ones."""
        if self._hashes != self._kept:
            with contextlib.suppress(OSError, StudyError):
                write_text(self._file, json.dumps({"state": self._state, "hashes": self._hashes}))
            self._kept = dict(self._hashes)
