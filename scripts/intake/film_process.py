"""Work on films in a process of its own, so that no film can end a batch.

DICOM parsers and image decoders meet whatever a hospital sends. A broken stream may crash native code, ask
for memory without bound or never end. Then only the process that works on the film ends; the batch goes on
with the next film.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import multiprocessing
import os
import resource
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from scripts.common.errors import StudyError

Item = TypeVar("Item")
Result = TypeVar("Result")

MEMORY = 1600 << 20
"""Bytes that the work on one film may take beyond what the process has at its start."""

SECONDS = 120
"""Seconds of processor time (not of waiting for a disk) that the work on one film may take."""

UNFINISHED = ".unfinished"
"""Name under which ``do`` writes a file before it renames it: what a crash leaves there is no film."""

_BY_THE_FILM = {
    signal.SIGSEGV,
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGSYS,
    signal.SIGTRAP,
    signal.SIGXCPU,
}
_PR_SET_PDEATHSIG = 1


def _data_bytes() -> int:
    """Bytes of writable private memory of this process (proc(5), VmData), which RLIMIT_DATA limits."""
    with open("/proc/self/status", encoding="ascii") as handle:  # noqa: PTH123
        return next(int(line.split()[1]) << 10 for line in handle if line.startswith("VmData:"))


def keep_freed_memory() -> None:
    """Let the C library keep what a film's arrays free, for the next film's (mallopt(3)); a new page costs
    more than a copy.
    """
    m_trim_threshold, m_mmap_max = -1, -4
    with contextlib.suppress(OSError, AttributeError):  # another C library has no mallopt
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(m_mmap_max, 0)
        mallopt(m_trim_threshold, 512 << 20)


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _work(
    items: Sequence[Item], do: Callable[[Item], Result], parent: int, pipe, memory: int, seconds: int
) -> None:
    """The child's life: results into the pipe, in order. Ends early after a lack of memory."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # decoders print; what they print may quote the source
        os.dup2(nowhere, stream)
    faulthandler.disable()
    keep_freed_memory()
    _lower(resource.RLIMIT_CORE, 0)  # a core file would hold a patient's data
    _lower(resource.RLIMIT_DATA, _data_bytes() + memory)
    for item in items:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _lower(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + seconds)
        try:
            pipe.send((True, do(item)))
        except MemoryError:
            return
        except Exception as error:
            try:
                pipe.send((False, error))
            except Exception:  # it can't be sent; its type says enough
                pipe.send((False, RuntimeError(type(error).__name__)))
            return


def each_film(
    items: Sequence[Item], do: Callable[[Item], Result], memory: int = MEMORY, seconds: int = SECONDS
) -> Iterator[Result | None]:
    """``do(item)`` of every item, in order; None where it crashed its process or exceeded ``memory`` or
    ``seconds``.

    The items are worked on in a fork of this process: what ``do`` returns comes back, what it changes in
    memory doesn't, except that a new fork after a failure begins with this process's state. An exception of
    ``do`` is raised here. Raises
    ``StudyError`` where the process was killed from outside.
    """
    done = 0
    while done < len(items):
        receiver, sender = multiprocessing.Pipe(duplex=False)
        parent = os.getpid()
        with (
            warnings.catch_warnings()
        ):  # Python 3.12 warns of threads; those of NumPy and OpenCV know of forks
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            code = 70
            try:
                receiver.close()
                _work(items[done:], do, parent, sender, memory, seconds)
                code = 0
            finally:
                os._exit(code)
        sender.close()
        status = None
        try:
            while done < len(items):
                try:
                    well, result = receiver.recv()
                except (EOFError, OSError):  # the child ended, perhaps within a message
                    break
                if not well:
                    raise result
                done += 1
                yield result
            else:
                break
            _, status = os.waitpid(child, 0)
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) not in _BY_THE_FILM:
                raise StudyError(
                    f"The work on the films was killed (signal {os.WTERMSIG(status)}); most often the machine"
                    " ran out of memory. Run with fewer '--cores', or on SLURM with more 'mem_mb', and run"
                    " the same command again to go on."
                )
            done += 1
            yield None
        finally:
            receiver.close()
            if status is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
