"""Atomic writes: a file under its final name is always whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from scripts.common.errors import StudyError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM)


def _named(error: OSError, folder: Path, preparing: bool = False) -> Exception:
    """A fault of the place that is written to as a ``StudyError``, any other error as it is.

    ``preparing`` is True before the block of the caller runs: then a lack of permission can only concern the
    place.
    """
    if error.errno in _FULL:
        return StudyError(
            f"The disk is full, or a limit of your account is reached: could not write in '{folder}'. Free"
            " some space there and run the same command again; what is finished is kept."
        )
    if error.errno == errno.EROFS or (preparing and error.errno in _REFUSED):
        return StudyError(
            f"'{folder}' can't be written ({error.strerror}): give yourself the permission, or work in"
            " another folder (snakemake --directory), and run the same command again."
        )
    return error


def _locked(path: Path) -> int:
    """Take the lock of a temporary file or folder and return its handle; the lock ends with this process at
    the latest.
    """
    handle = os.open(path, os.O_RDONLY)
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    """Remove what killed processes left of earlier attempts to write ``path``; what is being written is left
    alone.
    """
    for part in path.parent.glob(f".part-{glob.escape(path.name)}-*"):
        try:
            handle = os.open(part, os.O_RDONLY)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        except OSError:  # no locks here; Snakemake lets one job at a time write a file
            pass
        finally:
            os.close(handle)
        _discard(part)


@contextlib.contextmanager
def _beside(path: Path, folder: bool) -> Iterator[Path]:
    """Yield a temporary file or folder beside ``path`` and remove whatever is left of it at the end."""
    part, handle = None, None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        prefix = f".part-{path.name}-"
        if folder:
            part = Path(tempfile.mkdtemp(prefix=prefix, dir=path.parent))
        else:
            opened, name = tempfile.mkstemp(prefix=prefix, suffix=path.suffix, dir=path.parent)
            os.close(opened)
            part = Path(name)
        handle = _locked(part)
    except OSError as error:
        if part is not None:
            _discard(part)
        raise _named(error, path.parent, preparing=True) from error
    try:
        yield part
    except OSError as error:
        raise _named(error, path.parent) from error
    finally:
        with contextlib.suppress(OSError):  # an error of the block says more than one of cleaning up
            _discard(part)
        os.close(handle)


@contextlib.contextmanager
def atomic_path(path: str | Path, mode: int | None = None) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; rename it to ``path`` when the block ends well.

    The temporary file keeps the suffix of ``path``, since many writers choose their format by it. On any
    error nothing is left behind and an earlier ``path`` stays as it was; what a killed process leaves is
    removed by the next writing of ``path``. ``mode`` sets the permissions. Raises ``StudyError`` for a full
    disk or a place that can't be written.
    """
    path = Path(path)
    with _beside(path, folder=False) as part:
        yield part
        if mode is None:
            umask = os.umask(0)
            os.umask(umask)
            mode = 0o666 & ~umask
        part.chmod(mode)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; put it in the place of ``path`` when the block ends well.

    Errors, and what a killed process leaves, as with ``atomic_path``.
    """
    path = Path(path)
    with _beside(path, folder=True) as part:
        yield part
        part.chmod(0o755)
        if path.exists():  # moved away whole: a folder half deleted must not stand under its name
            old = Path(tempfile.mkdtemp(prefix=f".part-{path.name}-", dir=path.parent))
            path.replace(old)
            part.replace(path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            part.replace(path)


@contextlib.contextmanager
def growing_file(path: str | Path, length: int) -> Iterator[BinaryIO]:
    """Open a file to add to what it holds in its first ``length`` bytes; 0 begins it anew.

    For what takes long to compute and is renamed when it is whole. Raises ``StudyError`` for a full disk or a
    place that can't be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
        file.truncate(length)
    except OSError as error:
        raise _named(error, path.parent, preparing=True) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _named(error, path.parent) from error


def write_text(path: str | Path, text: str, mode: int | None = None) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with atomic_path(path, mode=mode) as part:
        part.write_text(text, encoding="utf-8")


def private_folder(path: str | Path) -> Path:
    """Make ``path`` and its parents up to ``private`` readable by the owner only (0700), and return it."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        for folder in [path, *path.parents]:
            if "private" not in folder.parts:
                break
            folder.chmod(0o700)
    except OSError as error:
        raise _named(error, path, preparing=True) from error
    return path
