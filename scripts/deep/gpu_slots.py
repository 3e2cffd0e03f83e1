"""Which GPU a fold takes when several folds run side by side on one machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from scripts.common.errors import StudyError


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


def choose_kind(wanted: str) -> str:
    """``cpu`` or ``cuda`` for ``deep.device``. Raises ``StudyError`` when a GPU is demanded and none is usable."""
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available():
        raise StudyError("'deep.device' is 'cuda', but PyTorch sees no GPU here. Set it to 'auto' or 'cpu', or run on a GPU node.")
    return "cuda"


@contextlib.contextmanager
def hold_device(wanted: str, say: Callable[[str], None]) -> Iterator[torch.device]:
    """Yield the device for ``deep.device`` (auto, cpu or cuda); a GPU is this job's alone while the block runs.

    Under SLURM the scheduler has given the job its GPU, so the first visible one is taken without a lock.
    """
    if choose_kind(wanted) == "cpu":
        yield torch.device("cpu")
        return
    if "SLURM_JOB_ID" in os.environ:
        say("device: the GPU given by SLURM")
        yield torch.device("cuda", 0)
        return
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [n.strip() for n in visible.split(",")] if visible else []
    if len(names) != torch.cuda.device_count():
        names = [str(n) for n in range(torch.cuda.device_count())]
    with hold_slot(names, slots_folder(), say) as place:
        torch.cuda.set_device(place)
        say(f"device: GPU {names[place]} ({torch.cuda.get_device_name(place)})")
        yield torch.device("cuda", place)
