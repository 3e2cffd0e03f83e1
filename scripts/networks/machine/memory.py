"""How much memory a training needs and how much there is, known before the first step.

Plain Python: the rules ask a cluster for memory by the same count, and must not import PyTorch for it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.common.errors import StudyError
from scripts.networks import progress

if TYPE_CHECKING:
    from scripts.networks.film_network import Architecture
    from scripts.networks.settings import Settings

PROCESS = {"cpu": 750_000_000, "cuda": 4_000_000_000}
"""Bytes of main memory of a process that has loaded PyTorch, and CUDA's libraries with it, and computed
nothing yet.
"""

OVERHEAD = {"cpu": 2.2, "cuda": 1.2}
"""What is held in all, over what is alive.

On the CPU measured (1.7 to 2.2: blocks that are kept for the next step lie in pieces, and convolutions need
scratch space); on a GPU assumed."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that a training holds at once, at the end of its forward pass.

    Attributes
    ----------
    weights : weights, gradients and what the optimiser keeps, and their bf16 copies
    activations : what the layers save for the backward pass
    films : the batch before and after it is cut
    device : cpu or cuda
    """

    weights: int
    activations: int
    films: int
    device: str

    @property
    def least(self) -> int:
        """What must fit: less is impossible."""
        return self.weights + self.activations + self.films

    @property
    def likely(self) -> int:
        """What the training will take on its device; on the CPU with the process itself."""
        held = self.weights + round(OVERHEAD[self.device] * (self.activations + self.films))
        return held + (PROCESS["cpu"] if self.device == "cpu" else 0)


def training_memory(
    architecture: Architecture,
    batch_size: int,
    precision: str,
    device: str,
    *,
    optimizer: str = "sgd",
    trained_stages: str | int = "all",
) -> MemoryNeed:
    """Memory of training ``architecture`` with ``batch_size`` films a step in ``precision`` (fp32, bf16) on
    cpu or cuda.

    AdamW keeps two numbers a weight, SGD one. Frozen stages save nothing; those of a trunk of torchvision's
    other than ResNet-18 count all the same where one of its stages trains.

    Compiled, a network recomputes some activations instead of saving them; the count is that of the
    uncompiled one.
    """
    bf16 = precision == "bf16"
    return MemoryNeed(
        weights=architecture.parameter_count() * (12 + 2 * bf16 + 4 * (optimizer == "adamw")),
        activations=batch_size * architecture.activations(2 if bf16 else 4, trained_stages),
        films=batch_size * architecture.side**2 * (8 if bf16 else 4),
        device=device,
    )


def job_memory_mb(
    architecture: Architecture, batch_size: int, precision: str, on_gpu: bool, **options: Any
) -> int:
    """Main memory that a fold's job asks for, MB (of 10^6 bytes), a tenth more than is likely; ``options`` as
    ``training_memory`` takes them.
    """
    if on_gpu:
        films = 8 * batch_size * 2 * architecture.side**2
        held = PROCESS["cuda"] + 4 * 12 * architecture.parameter_count() + films
        return math.ceil(1.1 * held / 1e6)
    return math.ceil(
        1.1 * training_memory(architecture, batch_size, precision, "cpu", **options).likely / 1e6
    )


def memory_options(training: Any) -> dict[str, Any]:
    """What of ``training`` counts for the memory beside batch and precision."""
    return {"optimizer": training.optimizer, "trained_stages": training.trained_stages}


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):  # absent, or "max"
        return None


def _control_groups(root: Path) -> Iterator[tuple[int, int]]:
    """Limit and use (without the page cache that can be dropped) of every control group of this process, v2
    and v1.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            base, limit_file, use_file, dropped = (
                root / "sys/fs/cgroup",
                "memory.max",
                "memory.current",
                "inactive_file",
            )
        elif "memory" in controllers.split(","):
            base, dropped = root / "sys/fs/cgroup/memory", "total_inactive_file"
            limit_file, use_file = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        parts = [part for part in group.split("/") if part]
        for n in range(len(parts), -1, -1):
            folder = base.joinpath(*parts[:n])
            limit, use = _number(folder / limit_file), _number(folder / use_file)
            if limit is None or use is None:
                continue
            try:
                stat = dict(
                    row.split() for row in (folder / "memory.stat").read_text(encoding="ascii").splitlines()
                )
            except (OSError, ValueError):
                stat = {}
            yield limit, max(use - int(stat.get(dropped, 0)), 0)


def main_memory(root: Path = Path("/")) -> tuple[int, int] | None:
    """Free and total bytes of main memory for this process, by the machine and its control groups; None if
    unknown.
    """
    try:
        text = (root / "proc/meminfo").read_text(encoding="ascii")
        machine = {
            name: 1024 * int(rest.split()[0])
            for name, _, rest in (row.partition(":") for row in text.splitlines())
        }
        free, total = machine["MemAvailable"], machine["MemTotal"]
    except (OSError, ValueError, KeyError, IndexError):  # no Linux
        return None
    for limit, use in _control_groups(root):
        free, total = min(free, max(limit - use, 0)), min(total, limit)
    return free, total


def own_memory() -> int:
    """Bytes of main memory that this process holds already; 0 if unknown."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def check_memory(
    settings: Settings, need: MemoryNeed, free: int, total: int, key: Callable[[str], str]
) -> str:
    """A line on the memory of a training before it starts; a warning that names the keys to lower where it is
    short; ``key`` gives the config's key of a setting.

    Raises ``StudyError`` where the training can't fit even in an empty memory of ``total`` bytes.
    """
    wanted = settings.training

    def advice(limit: int) -> str:
        def fitting(precision: str) -> int:
            """The largest batch, up to the one that is set, that fits in ``limit`` bytes; 0 where none
            does.
            """
            return next(
                (
                    n
                    for n in range(wanted.batch_size, 1, -1)
                    if training_memory(
                        settings.architecture, n, precision, need.device, **memory_options(wanted)
                    ).likely
                    <= limit
                ),
                0,
            )

        in_bf16 = fitting("bf16") if wanted.precision == "fp32" else 0
        return progress.memory_advice(
            wanted.batch_size, fitting(wanted.precision), in_bf16, settings.architecture.side_key, key
        )

    if need.least > total:
        raise StudyError(
            f"The training can't fit: it holds at least {progress.gigabytes(need.least)} at once, and"
            f" {progress.place(need.device)} has {progress.gigabytes(total)} in all. {advice(total)}."
        )
    short = "" if need.likely <= free else advice(free)
    return progress.memory(need.likely, need.device, free, short)
