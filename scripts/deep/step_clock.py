"""How long the steps of an epoch take, and how much of that a device waits for films."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import torch


class StepClock:
    """Seconds of an epoch's steps so far: all of them, and those in which there were no films to compute on.

    On the CPU the wait is the time in the ``waiting`` block that takes the next films. A GPU works through a
    queue, so there it is the time on its own clock between the end of one step and the arrival of the films
    of the next.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._spent = self._waited = 0.0
        self._lap = time.monotonic()
        self._marks: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def start(self, spent: float = 0.0, waited: float = 0.0) -> None:
        """Count on from so many seconds, from now."""
        self._marks.clear()
        self._spent, self._waited = spent, waited
        self._lap = time.monotonic()

    def lap(self) -> None:
        """A step has ended."""
        now = time.monotonic()
        self._spent, self._lap = self._spent + now - self._lap, now

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """The block takes the next films."""
        began = self._mark()
        yield
        ended = self._mark()
        if self._device.type == "cuda":
            self._marks.append((began, ended))
        else:
            self._waited += ended - began

    def _mark(self) -> float | torch.cuda.Event:
        if self._device.type != "cuda":
            return time.monotonic()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event

    @property
    def spent(self) -> float:
        """Seconds of all steps that have ended."""
        return self._spent

    def waited(self) -> float:
        """Seconds without films; waits for a GPU to be done with what it was given."""
        if self._marks:
            self._marks[-1][1].synchronize()
            self._waited += sum(began.elapsed_time(ended) for began, ended in self._marks) / 1000
            self._marks.clear()
        return self._waited
