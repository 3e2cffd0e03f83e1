"""One archive with its checksums, the same bytes each time."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

from scripts.common.files import atomic_path
from scripts.common.standards import SHA256_LIST


def manifest(members: dict[str, bytes]) -> bytes:
    """A line per member as ``sha256sum -c`` reads it, in the order of names."""
    lines = [f"{hashlib.sha256(members[name]).hexdigest()}  {name}\n" for name in sorted(members)]
    return "".join(lines).encode()


def write_archive(members: dict[str, bytes], folder: str, path: str | Path) -> None:
    """Write ``members`` (name to content) and their manifest under ``folder`` as tar.gz, without time, owner
    or machine.
    """
    whole = {**members, SHA256_LIST: manifest(members)}
    with (
        atomic_path(path) as part,
        part.open("wb") as stream,
        gzip.GzipFile("", "wb", 9, stream, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(whole):
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode, entry.mtime = len(whole[name]), 0o644, 0
            archive.addfile(entry, io.BytesIO(whole[name]))
