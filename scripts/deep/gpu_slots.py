"""Which GPU a fold takes when several folds run side by side on one machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


def slots_folder() -> Path:
    """A folder of this machine and user (never a shared disk: GPU 0 here is not GPU 0 elsewhere)."""
    return Path(tempfile.gettempdir()) / f"osteocxr-gpu-slots-{os.getuid()}"


@contextlib.contextmanager
def hold_slot(names: Sequence[str], folder: Path, say: Callable[[str], None], pause: float = 1.0) -> Iterator[int]:
    """Hold one of the slots ``names`` while the block runs, and yield its place in ``names``; wait when all are taken.

    A slot is an advisory lock on a file, which the system frees when its process ends, however it ends.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    waiting = False
    while True:
        for place, name in enumerate(names):
            handle = os.open(folder / f"gpu-{name.replace('/', '_')}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                continue
            try:
                yield place
            finally:
                os.close(handle)
            return
        if not waiting:
            waiting = True
            say(f"all {len(names)} GPU(s) are taken by other jobs; waiting for one")
        time.sleep(pause)
