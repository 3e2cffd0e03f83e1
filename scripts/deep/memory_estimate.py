"""How much memory a training needs and how much there is, known before the first step.

Plain Python: the rules ask a cluster for memory by the same count, and must not import PyTorch for it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.common.errors import StudyError

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
    weights : weights, gradients and momentum, and their bf16 copies
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


def _halved(side: int) -> int:
    """Side of a map after a step of two (kernel 7, 3 or 1 with its padding)."""
    return (side + 1) // 2


def parameter_count(architecture: Mapping) -> int:
    """Number of weights of ``network.HybridNetwork(**architecture)``, layer by layer."""
    base, blocks = architecture["trunk_width"], architecture["grid"] ** 2
    trunk = 49 * base + 2 * base
    for stage in range(4):
        into, out = base * 2 ** max(stage - 1, 0), base * 2**stage
        trunk += 9 * out * (into + 3 * out) + 8 * out  # four 3x3 convolutions, each with its BatchNorm
        if stage:
            trunk += into * out + 2 * out
    width, head = 8 * base, architecture["head_hidden"]
    hidden = int(width * architecture["mlp_ratio"])
    layer = 4 * width * (width + 1) + 2 * width * hidden + hidden + width + 4 * width
    one_head = width * head + head + head + 1
    return trunk + width * (blocks + 2) + architecture["layers"] * layer + (blocks + 1) * one_head


def trunk_activations(block: int, width: int, value: int) -> int:
    """Bytes that the trunk saves of one block of ``block`` x ``block`` pixels, at ``value`` bytes a number.

    A convolution saves its input, a BatchNorm its input, a ReLU its output (in place of the BatchNorm's); the
    max-pooling saves its input and int64 places. So a residual block leaves four maps, and one more where its
    shortcut is a convolution.
    """
    half = _halved(block)
    side = _halved(half)
    saved = value * (block**2 + 2 * width * half**2) + (value + 8) * width * side**2
    for stage in range(4):
        if stage:
            side = _halved(side)
        maps = 8 if stage == 0 else 9
        saved += value * maps * width * 2**stage * side**2
    return saved


def encoder_activations(architecture: Mapping, value: int) -> int:
    """Bytes that the Transformer saves of one film, at ``value`` bytes a number (norms and softmax take
    fp32).

    A layer saves its input; queries, keys and values as computed and as multiplied; the mixed values; both
    sums and both norms; the MLP's hidden values before and after GELU and dropout; the attention weights
    twice; dropout's masks.
    """
    tokens, width = architecture["grid"] ** 2 + 1, 8 * architecture["trunk_width"]
    hidden = int(width * architecture["mlp_ratio"])
    masks = 1 if architecture["dropout"] else 0
    per_token = value * (8 * width + 3 * hidden) + 4 * 4 * width + masks * (2 * width + hidden)
    attention = architecture["heads"] * tokens**2 * (4 + value + masks)
    return architecture["layers"] * (tokens * per_token + attention)


def training_memory(architecture: Mapping, batch_size: int, precision: str, device: str) -> MemoryNeed:
    """Memory of training ``architecture`` with ``batch_size`` films a step in ``precision`` (fp32, bf16) on
    cpu or cuda.

    Compiled, a network recomputes some activations instead of saving them; the count is that of the
    uncompiled one.
    """
    value = 2 if precision == "bf16" else 4
    blocks, parameters = architecture["grid"] ** 2, parameter_count(architecture)
    film = (architecture["grid"] * architecture["block_size"]) ** 2
    trunk = blocks * trunk_activations(architecture["block_size"], architecture["trunk_width"], value)
    return MemoryNeed(
        weights=parameters * (14 if precision == "bf16" else 12),
        activations=batch_size * (trunk + encoder_activations(architecture, value)),
        films=batch_size * film * (8 if precision == "bf16" else 4),
        device=device,
    )


def job_memory_mb(architecture: Mapping, batch_size: int, precision: str, on_gpu: bool) -> int:
    """Main memory that a fold's job asks for, MB (of 10^6 bytes), a tenth more than is likely."""
    if on_gpu:
        film = 2 * (architecture["grid"] * architecture["block_size"]) ** 2
        held = PROCESS["cuda"] + 4 * 12 * parameter_count(architecture) + 8 * batch_size * film
        return math.ceil(1.1 * held / 1e6)
    return math.ceil(1.1 * training_memory(architecture, batch_size, precision, "cpu").likely / 1e6)


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


def check_memory(settings: Mapping, need: MemoryNeed, free: int, total: int) -> str:
    """A line on the memory of a training before it starts; a warning that names the keys to lower where it is
    short.

    Raises ``StudyError`` where the training can't fit even in an empty memory of ``total`` bytes.
    """
    training, architecture = settings["training"], settings["architecture"]
    where = "the CPU" if need.device == "cpu" else "the GPU"

    def of(batch_size: int, precision: str) -> MemoryNeed:
        return training_memory(architecture, batch_size, precision, need.device)

    def fitting(limit: int, precision: str) -> int:
        sizes = range(training["batch_size"], 1, -1)
        return next((n for n in sizes if of(n, precision).likely <= limit), 0)

    def advice(limit: int) -> str:
        ways = []
        batch = fitting(limit, training["precision"])
        if batch:
            ways.append(f"lower 'deep.training.batch_size' (now {training['batch_size']}; {batch} would fit)")
        if training["precision"] == "fp32":
            batch = fitting(limit, "bf16")
            if batch:
                ways.append(
                    "set 'deep.training.precision: bf16'"
                    + ("" if batch == training["batch_size"] else f" with a batch_size of {batch}")
                )
        ways.append("lower 'deep.architecture.block_size'" if not ways else "take a machine with more memory")
        text = ", or ".join(ways)
        return text[0].upper() + text[1:]

    if need.least > total:
        raise StudyError(
            f"The training can't fit: it holds at least {_gb(need.least)} at once, and {where} has"
            f" {_gb(total)} in all. {advice(total)}."
        )
    line = f"memory: about {_gb(need.likely)} needed on {where}, {_gb(free)} free"
    return (
        line
        if need.likely <= free
        else f"WARNING: {line}: the training may be ended for lack of memory. {advice(free)}."
    )


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
