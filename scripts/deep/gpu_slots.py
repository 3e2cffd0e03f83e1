"""Which GPU a fold takes when several folds run side by side on one machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from scripts.deep import progress
from scripts.deep.locks import hold_one


def slots_folder() -> Path:
    """A folder of this machine and user (never a shared disk: GPU 0 here is not GPU 0 elsewhere)."""
    return Path(tempfile.gettempdir()) / f"osteocxr-gpu-slots-{os.getuid()}"


def hold_slot(
    names: Sequence[str], folder: Path, say: Callable[[str], None], pause: float = 1.0
) -> AbstractContextManager[int]:
    """Hold one of the slots ``names`` while the block runs, and yield its place in ``names``; wait when all
    are taken.
    """
    paths = [folder / f"gpu-{name.replace('/', '_')}.lock" for name in names]
    return hold_one(paths, progress.gpus_taken(len(names)), say, pause)
