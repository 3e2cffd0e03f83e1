"""The device that a job computes on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

import torch

from scripts.common.errors import StudyError
from scripts.deep import progress
from scripts.deep.arithmetic import has_bf16
from scripts.deep.gpu_slots import hold_slot, slots_folder
from scripts.deep.memory_estimate import main_memory, own_memory


def choose_kind(wanted: str) -> str:
    """``cpu`` or ``cuda`` for ``deep.device``.

    Raises ``StudyError`` when a GPU is demanded and none is usable.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available():
        raise StudyError(
            "A GPU is asked for ('deep.device: cuda', 'deep.gpus_per_fold: 1', or DEVICE=cuda for a bundle),"
            " but PyTorch sees none here. Run on a GPU node, or ask for none: 'deep: {device: auto,"
            " gpus_per_fold: 0}' (DEVICE=cpu)."
        )
    return "cuda"


def device_memory(device: torch.device) -> tuple[int, int] | None:
    """Free and total bytes of the device's memory; of the CPU those that this process may take, itself
    counted as free.

    None where the system doesn't tell.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)
    memory = main_memory()
    return None if memory is None else (min(memory[0] + own_memory(), memory[1]), memory[1])


def warn_of_slow_bf16(device: torch.device, precision: str, key: str, say: Callable[[str], None]) -> None:
    """Say so where ``precision`` is bf16 on a CPU that has no instructions for it.

    ``key`` is the config's key.

    PyTorch then imitates bf16: the results are right, at about a tenth of fp32's speed (docs/benchmarks.md).
    """
    if device.type == "cpu" and precision == "bf16" and not has_bf16():
        say(progress.slow_bf16(key))


def warn_of_too_many_threads(device: torch.device, threads: int, say: Callable[[str], None]) -> None:
    """Say so where a job on the CPU has more ``threads`` than cores that it may use: they then wait for each
    other.

    On two cores four threads halved the speed of a training, and 64 brought it to a hundredth.
    """
    cores = len(os.sched_getaffinity(0))
    if device.type == "cpu" and threads > cores:
        say(progress.too_many_threads(threads, cores))


def _names_of_visible(count: int) -> list[str]:
    """What the ``count`` GPUs that PyTorch sees are called on this machine, in PyTorch's order.

    CUDA counts what ``CUDA_VISIBLE_DEVICES`` lists from 0 on, and ends the list at the first one that isn't
    there.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [n.strip() for n in visible.split(",")] if visible else []
    return names[:count] if len(names) >= count else [str(n) for n in range(count)]


@contextlib.contextmanager
def hold_device(wanted: str, say: Callable[[str], None]) -> Iterator[torch.device]:
    """Yield the device for ``deep.device`` (auto, cpu or cuda); a GPU is this job's alone while the block
    runs.

    Under SLURM the scheduler has given the job its GPU, so the first visible one is taken without a lock.
    """
    if choose_kind(wanted) == "cpu":
        yield torch.device("cpu")
        return
    if "SLURM_JOB_ID" in os.environ:
        say(progress.gpu_of_slurm())
        yield torch.device("cuda", 0)
        return
    names = _names_of_visible(torch.cuda.device_count())
    with hold_slot(names, slots_folder(), say) as place:
        torch.cuda.set_device(place)
        say(progress.gpu(names[place], torch.cuda.get_device_name(place)))
        yield torch.device("cuda", place)
