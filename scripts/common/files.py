"""Atomic writes: a file under its final name is always whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from scripts.common.errors import StudyError


def _full_disk(error: OSError, folder: Path) -> StudyError | OSError:
    if error.errno in (28, 122):  # ENOSPC, EDQUOT
        return StudyError(f"The disk is full: could not write in '{folder}'. Free some space there and run again.")
    return error


@contextlib.contextmanager
def atomic_path(path: str | Path, mode: int | None = None) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; rename it to ``path`` when the block ends well.

    The temporary file keeps the suffix of ``path``, since many writers choose their format by it. On any
    error nothing is left behind and an earlier ``path`` stays as it was. ``mode`` sets the permissions.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".part-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        if mode is None:
            umask = os.umask(0)
            os.umask(umask)
            mode = 0o666 & ~umask
        part.chmod(mode)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except OSError as error:
        raise _full_disk(error, path.parent) from error
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; put it in the place of ``path`` when the block ends well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=path.parent))
    try:
        yield part
        part.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        part.replace(path)
    except OSError as error:
        raise _full_disk(error, path.parent) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_text(path: str | Path, text: str, mode: int | None = None) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with atomic_path(path, mode=mode) as part:
        part.write_text(text, encoding="utf-8")


def private_folder(path: str | Path) -> Path:
    """Make ``path`` and its parents up to ``private`` readable by the owner only (0700), and return it."""
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    for folder in [path, *path.parents]:
        if "private" not in folder.parts:
            break
        folder.chmod(0o700)
    return path
