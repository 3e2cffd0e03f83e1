"""Films with a part covered: what is covered has the film's mean grey value, 0 after the z-score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from scripts.networks.films import FilmStack


def visible_part(mask: str, side: int, spine: tuple[float, float], border: float) -> Tensor:
    """1 where a film of ``side`` x ``side`` pixels stays visible under ``mask`` (MASKS), 0 where it is
    covered, float32.

    Parameters
    ----------
    spine : left and right edge of the spine's band, as fractions of the width
    border : width of the border on each side, as a fraction of the side
    """
    left, right = (round(edge * side) for edge in spine)
    width = round(border * side)
    seen = torch.ones(side, side)
    if mask == "spine_masked":
        seen[:, left:right] = 0
    elif mask == "flanks_masked":
        half = (right - left) // 2
        for middle in (left // 2, (right + side) // 2):
            start = middle - half // 2
            seen[:, start : start + half] = 0
    elif mask == "border_masked":
        seen.zero_()
        seen[width : side - width, width : side - width] = 1
    elif mask == "spine_only":
        seen.zero_()
        seen[:, left:right] = 1
    else:
        raise ValueError(f"unknown mask: {mask}")
    return seen


class MaskedFilmStack(FilmStack):
    """The films of a set, covered in part. Mean and SD of the z-score stay those of the whole film."""

    def __init__(self, folder: str | Path, side: int, device: torch.device | str = "cpu") -> None:
        super().__init__(folder, side, device)
        self._seen = torch.ones(side, side, device=self.device)

    def cover(self, seen: Tensor) -> None:
        """From now on show only where ``seen`` (``(side, side)``, 0 or 1) is 1."""
        self._seen = seen.to(self.device)

    def batch(self, rows: Sequence[int]) -> Tensor:
        """As ``FilmStack.batch``, 0 (the film's mean) where the film is covered."""
        return super().batch(rows) * self._seen
