"""The films of a centre's folder: which there are, which batch each belongs to, and whether anything changed.

Only names, sizes and times of the last change are looked at; no file is opened.
"""

from __future__ import annotations

import hashlib
import os
import stat
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from scripts.common.errors import StudyError
from scripts.common.files import atomic_path, private_folder


class FoundFile(NamedTuple):
    """A file of the folder: path from the folder (as ``path_text`` writes it), bytes, time of last change in
    ns.
    """

    path: str
    size: int
    mtime_ns: int


def path_text(path: str) -> str:
    """A path as one line of text: per cent signs, control characters and bytes that are no UTF-8 become
    ``%xx``.
    """
    if path.isprintable() and "%" not in path:
        return path
    return "".join(
        (
            char
            if char.isprintable() and char != "%"
            else urllib.parse.quote_from_bytes(os.fsencode(char), safe="")
        )
        for char in path
    )


def path_of_text(text: str) -> str:
    """The path that ``path_text`` wrote."""
    return os.fsdecode(urllib.parse.unquote_to_bytes(text)) if "%" in text else text


def _measured(entry: os.DirEntry, path: str) -> FoundFile:
    """A file with its size and time; what is no regular file, or a link that leads to none, with zeros."""
    try:
        status = entry.stat()
    except FileNotFoundError:
        if not entry.is_symlink():
            raise
        status = None
    except OSError:  # a link to itself, or into a place that may not be read
        status = None
    if status is None or not stat.S_ISREG(status.st_mode):
        return FoundFile(path_text(path), 0, 0)
    return FoundFile(path_text(path), status.st_size, status.st_mtime_ns)


def _leads_to_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _walk(top: str) -> Iterator[FoundFile]:
    """Everything below ``top`` that is no folder. Each folder is walked once, whatever links lead to it."""
    walked: set[str] = set()
    linked = [(top, "")]
    while linked:
        start, name = linked.pop(0)
        root = os.path.realpath(start)
        if any(root == other or root.startswith(other.rstrip("/") + "/") for other in walked):
            continue
        walked.add(root)
        folders, links = [("", name)], []
        while folders:
            below, prefix = folders.pop()
            try:
                with os.scandir(start + below) as entries:
                    for entry in entries:
                        path = prefix + entry.name
                        try:
                            if entry.is_dir(follow_symlinks=False):
                                if f"{root}{below}/{entry.name}" not in walked:
                                    folders.append((f"{below}/{entry.name}", path + "/"))
                            elif entry.is_symlink() and _leads_to_folder(entry):
                                links.append((entry.path, path + "/"))
                            else:
                                yield _measured(entry, path)
                        except FileNotFoundError:  # it went away meanwhile
                            continue
            except FileNotFoundError:
                if not below and not name:
                    raise
        linked.extend(sorted(links))


_OWN_FILES = (".snakemake_timestamp",)


def scan_folder(folder: str | os.PathLike) -> list[FoundFile]:
    """All files below ``folder``, at any depth, by path.

    Links are followed. A folder is walked once, so that links in a circle end; files that a second link would
    show again stand under their first path only. What is no file (a pipe, a socket, a device) and a link that
    leads to none are listed with size 0, so that they are accounted for. Raises ``StudyError`` where the
    folder or one below it can't be read.
    """
    top = os.fspath(folder)
    try:
        found = sorted(_walk(top))
    except OSError as error:
        raise StudyError(
            f"A folder of films can't be read ({error.strerror}): check 'dicom' of this centre in config.yaml"
            " and the permissions of the folders below it."
        ) from None
    return [row for row in found if row.path not in _OWN_FILES]


def check_folder_is_there(folder: str | os.PathLike) -> None:
    """Raise ``StudyError`` where the folder is gone or empty: then it isn't a single file that can't be
    read.
    """
    try:
        with os.scandir(folder) as entries:
            if next(entries, None) is not None:
                return
    except OSError:
        pass
    raise StudyError(
        "A folder of films went away while it was being read: check that its disk or network drive is"
        " connected, and run the same command again to go on."
    )


def batch_of(path: str, n_batches: int) -> int:
    """Batch number, 0 to ``n_batches - 1``, by a hash of the path: it stays when other films come or go."""
    digest = hashlib.sha256(path.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % n_batches


def fingerprint(files: Iterable[FoundFile]) -> str:
    """Sixteen hex digits that change when a file comes, goes, grows or is changed."""
    digest = hashlib.sha256()
    for row in files:
        digest.update(f"{row.path}\0{row.size}\0{row.mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def fingerprints(files: list[FoundFile], n_batches: int) -> tuple[str, list[str]]:
    """The fingerprint of the whole folder and of each batch."""
    parts: list[list[FoundFile]] = [[] for _ in range(n_batches)]
    for row in files:
        parts[batch_of(row.path, n_batches)].append(row)
    return fingerprint(files), [fingerprint(part) for part in parts]


def write_listing(folder: str | os.PathLike, n_batches: int, path: str | Path) -> list[int]:
    """List ``folder`` into the private table at ``path``; return the number of files of each batch.

    Raises ``StudyError`` for a folder without any file.
    """
    import pandas as pd  # the rules import this module at every start, so only those who need pandas load it

    files = scan_folder(folder)
    if not files:
        raise StudyError(
            "The centre's folder of films is empty: check 'dicom' of this centre in config.yaml."
        )
    frame = pd.DataFrame(files, columns=["path", "size", "mtime_ns"])
    frame["batch"] = [batch_of(p, n_batches) for p in frame["path"]]
    private_folder(Path(path).parent)
    with atomic_path(path, mode=0o600) as part:
        frame.to_csv(part, index=False, lineterminator="\n")
    return [int((frame["batch"] == b).sum()) for b in range(n_batches)]


def files_of_batch(folder: str | os.PathLike, batch: int, n_batches: int) -> list[str]:
    """The paths of one batch's files, as ``path_text`` writes them, in order."""
    return [row.path for row in scan_folder(folder) if batch_of(row.path, n_batches) == batch]
