"""Name the processes that still train a study's folds after its run was killed, and how to end them.

    python -m scripts.networks.orphans [--state state]

A training holds the lock ``state/locks/<model>, fold <k>.lock``. A process is found by this lock, never by
its name, so that no training of another study is named, and one of a run that is going on is told apart. It
looks at this machine and this user alone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.common.errors import StudyError
from scripts.networks.machine.slots import slots_folder

PROC = Path("/proc")


class Holder(NamedTuple):
    """A process that holds a lock.

    Attributes
    ----------
    lock : the lock's name, ``<model>, fold 0`` or ``gpu-0``
    pid : the process
    minutes : how long it has been at work
    run : the process of the run that it belongs to, where that is going on
    """

    lock: str
    pid: int
    minutes: float
    run: int | None

    def sentence(self) -> str:
        what = f"{self.lock}: process {self.pid}, at work for {self.minutes:.0f} minutes"
        if self.run is not None:
            return f"{what}, belongs to a run that is going on (process {self.run}); leave it alone."
        return f"{what}, is left over from a run that was killed. To end it: kill {self.pid}"


def _parent(pid: int) -> int:
    """The parent of a process; 0 where there is none."""
    # the command's name stands in brackets and may hold any character
    return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])


def _run_of(pid: int) -> int | None:
    """The nearest Snakemake above a process, or None."""
    with contextlib.suppress(OSError, ValueError):
        above = _parent(pid)
        while above > 1:
            words = (PROC / str(above) / "cmdline").read_bytes().split(b"\0")[:4]
            if any(Path(os.fsdecode(word)).name == "snakemake" for word in words):
                return above
            above = _parent(above)
    return None


def _minutes(pid: int) -> float:
    started = int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf(
        "SC_CLK_TCK"
    )
    return (float((PROC / "uptime").read_text().split()[0]) - started) / 60


def _open_files(pid: int) -> set[tuple[int, int]]:
    """Device and inode of every file that a process has open; none of a process of somebody else."""
    found = set()
    with contextlib.suppress(OSError):
        for link in (PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                status = link.stat()
                found.add((status.st_dev, status.st_ino))
    return found


def holders(state: Path, slots: Path | None = None) -> Iterator[Holder]:
    """The processes that hold a fold's lock under ``state``, or a GPU of ``slots`` for a job of this study.

    ``slots`` is the folder of the GPU locks, which all of a user's studies share: a job counts where it works
    in the folder that holds ``state``.
    """
    if not (PROC / "self" / "fd").is_dir():
        raise StudyError(
            "This system has no /proc, which tells the open files of processes; 'lsof state/locks/*.lock'"
            " names the trainings."
        )
    study = state.resolve().parent
    locks = {(path.stat().st_dev, path.stat().st_ino): path for path in sorted(state.glob("locks/*.lock"))}
    shared = (
        {(path.stat().st_dev, path.stat().st_ino): path for path in sorted(slots.glob("*.lock"))}
        if slots is not None
        else {}
    )
    for pid in sorted(
        int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()
    ):
        opened = _open_files(pid)
        mine = [locks[one] for one in opened & set(locks)]
        with contextlib.suppress(OSError, ValueError):
            if (PROC / str(pid) / "cwd").resolve() == study:
                mine += [shared[one] for one in opened & set(shared)]
            for path in sorted(mine):
                yield Holder(path.stem, pid, _minutes(pid), _run_of(pid))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each process that holds a lock; 0 whether or not there is one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--state", type=Path, default=Path("state"), help="folder of the study's saved states"
    )
    given = parser.parse_args(arguments)
    try:
        found = list(holders(given.state, slots_folder()))
    except StudyError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    for one in found:
        print(one.sentence())
    if not found:
        print("No process of this study holds the lock of a fold or a GPU on this machine.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
