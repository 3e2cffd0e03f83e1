"""Advisory locks on files, which the system frees when their process ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


@contextlib.contextmanager
def hold_one(
    paths: Sequence[Path], waiting: str, say: Callable[[str], None], pause: float = 1.0
) -> Iterator[int]:
    """Hold the first free lock of ``paths`` while the block runs, and yield its place; say ``waiting`` and
    wait when all are taken.

    On a disk without locks the first is taken as free.
    """
    for folder in {path.parent for path in paths}:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    said = False
    while True:
        for place, path in enumerate(paths):
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                continue
            except OSError:
                pass
            try:
                yield place
            finally:
                os.close(handle)
            return
        if not said:
            said = True
            say(waiting)
        time.sleep(pause)
