"""Items of one shape, such as films, in one array on the disk: read when they are needed, ahead of their use,
or held in a GPU's memory.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scripts.common.errors import StudyError


class ItemStack:
    """The items of a ``.npy`` file, each a part of it along its first axes.

    The array lies in the GPU's memory where it fits there. Else items are read from the file when they are
    needed: a memory map would count all that was ever read as memory of this process.

    Parameters
    ----------
    path : the file
    axes : sizes of the axes that number the items
    shape : of an item
    stored, held : its type in the file, and one of the same size as which PyTorch holds its bits
    device : where items are put
    needed : bytes of the GPU's memory that must stay free beside them; None leaves half of what is free
    misfit, anew : what to say where the file has another shape, and how it is made again

    Raises
    ------
    StudyError : the file can't be read, or is another one
    """

    def __init__(
        self,
        path: Path,
        axes: tuple[int, ...],
        shape: tuple[int, ...],
        stored: type[np.generic],
        held: torch.dtype,
        device: torch.device | str,
        needed: int | None,
        misfit: str,
        anew: str,
    ) -> None:
        self.device = torch.device(device)
        self.items, self.shape = math.prod(axes), shape
        self._path, self._held, self._anew = path, held, anew
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            self._file = path.open("rb", buffering=0)
        except (OSError, ValueError):
            raise StudyError(f"'{path}' can't be read. {anew}") from None
        if array.shape != (*axes, *shape) or array.dtype != stored:
            raise StudyError(f"'{path}' {misfit}. {anew}")
        self._start, self.nbytes = array.offset, array.nbytes
        self._on_device: Tensor | None = None
        if self.device.type == "cuda":
            free = torch.cuda.mem_get_info(self.device)[0]
            if self.nbytes <= (free / 2 if needed is None else 0.9 * free - needed):
                self.load_to_device()

    @property
    def on_device(self) -> bool:
        """Whether all items lie in the device's memory."""
        return self._on_device is not None

    def load_to_device(self) -> None:
        """Hold all items in the device's memory."""
        held = torch.empty((self.items, *self.shape), dtype=self._held, device=self.device)
        for start in range(0, len(held), 64):  # in parts: the main memory need not hold them all
            part = held[start : start + 64]
            part.copy_(self._from_file(range(start, start + len(part))))
        self._on_device = held

    def bits(self, items: Sequence[int]) -> Tensor:
        """``items`` on the device as they are held, ``(len(items), *shape)``."""
        if self._on_device is not None:
            return self._on_device[self._index(items)]
        return self._from_file(items).to(self.device)

    def stream(self, batches: Iterable[Sequence[int]], ahead: int = 2) -> Iterator[Tensor]:
        """The bits of each batch's items, in order; close the iterator to stop early.

        Items that don't lie in the device's memory are read ``ahead`` batches early by one thread, which
        computes nothing: it reads them and, for a GPU, sends them from pinned memory beside the computing.
        """
        if self._on_device is not None:
            for items in batches:
                yield self.bits(items)
            return
        copying = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None
        waiting: deque[Future] = deque()
        with ThreadPoolExecutor(1, "films") as reader:
            for items in batches:
                waiting.append(reader.submit(self._read, items, copying))
                if len(waiting) > ahead:
                    yield self._received(waiting.popleft())
            while waiting:
                yield self._received(waiting.popleft())

    def _index(self, items: Sequence[int]) -> Tensor:
        return torch.as_tensor(items, dtype=torch.long).to(self.device, non_blocking=True)

    def _from_file(self, items: Sequence[int], pinned: bool = False) -> Tensor:
        """The bits of ``items`` in main memory.

        ``StudyError`` where the file ends too early.
        """
        bits = torch.empty((len(items), *self.shape), dtype=self._held, pin_memory=pinned)
        size = bits[:1].nbytes
        content = memoryview(bits.view(torch.uint8).numpy()).cast("B") if len(items) else memoryview(b"")
        for n, item in enumerate(items):
            part, done = content[n * size : (n + 1) * size], 0
            while done < size:
                read = os.preadv(self._file.fileno(), [part[done:]], self._start + item * size + done)
                if read == 0:
                    raise StudyError(f"'{self._path}' was cut while it was read. {self._anew}")
                done += read
        return bits

    def _read(
        self, items: Sequence[int], copying: torch.cuda.Stream | None
    ) -> tuple[Tensor, torch.cuda.Event | None]:
        """The bits of items, and the event after which a GPU has them."""
        with torch.cuda.stream(copying):  # also makes its GPU this thread's; does nothing for None
            bits = self._from_file(items, pinned=copying is not None)
            if copying is None:
                return bits, None
            return bits.to(self.device, non_blocking=True), copying.record_event()

    def _received(self, item_bits: Future) -> Tensor:
        bits, copied = item_bits.result()
        if copied is not None:
            computing = torch.cuda.current_stream(self.device)
            computing.wait_event(copied)
            bits.record_stream(computing)  # its memory is taken again only after the computing
        return bits
