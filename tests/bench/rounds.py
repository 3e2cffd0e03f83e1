"""Ways of doing the same work, timed in rounds: each round does each way once, in a random order.

A machine that other work shares slows all ways of a round alike, so a ratio is that of two ways in one round;
what is printed of it is the median over the rounds, with the smallest and the largest.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence


def seconds_in_rounds(
    ways: Mapping[str, tuple[int, Callable[[], object]]], rounds: int, warm_up: bool = True
) -> dict[str, list[float]]:
    """Seconds per item of each way, one number a round; a way is how many items it handles, and the work.

    Work that returns a number has timed itself, in seconds; other work is timed from its start to its end.
    Each way is done once before, untimed: imports, page cache, first allocations.
    """
    for _, work in ways.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        order = list(ways)
        random.Random(number).shuffle(order)
        for name in order:
            count, work = ways[name]
            start = time.perf_counter()
            own = work()
            seconds[name].append((own if isinstance(own, float) else time.perf_counter() - start) / count)
    return seconds


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> str:
    """The median of the rounds' ratios, with the smallest and the largest, as text."""
    found = sorted(a / b for a, b in zip(numerator, denominator, strict=True))
    return f"{statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})"
